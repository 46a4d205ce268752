/* The configuration that the simulated server runs on. */
#ifndef POSTERN_TESTS_SIM_CONFIG_H
#define POSTERN_TESTS_SIM_CONFIG_H

#include "core/server/config.h"
#include "core/server/server_block.h"
#include "core/server/server_states.h"

enum { SIM_SERVERS = 2 };

struct sim_config {
	struct config *config;
	struct server_block servers[SIM_SERVERS];
	struct server_states *states; /* as a supervisor has them: from life to life */
};

/* Server 0 relays for everybody, server 1 for who has signed in. */
void sim_config_make(struct sim_config *made);
void sim_config_free(struct sim_config *made);

#endif
