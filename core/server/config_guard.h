/* The guard against guessing in a configuration: guard { … } on the outermost level, for all server blocks together, since they
 * have one user database and whoever guesses at one door guesses at the others. */
#ifndef POSTERN_SERVER_CONFIG_GUARD_H
#define POSTERN_SERVER_CONFIG_GUARD_H

#include "core/users/guard.h"

/* Defaults in brackets. */
struct config_guard {
	bool enable; /* yes */
	int line;    /* of the block; 0: not written */
	/* per_login 10/h, per_network 100/h, ban 1h, delay 30s, remember 30d; exempt { 127.0.0.0/8, ::1 }: what comes through
	 * this machine, as a web mailer's sign-ins do, is of many people. */
	struct guard_settings settings;
	struct net_prefix *exempt; /* malloc'ed: settings.exempt, where it was written */
};

void config_guard_set_defaults(struct config_guard *guard);

#endif
