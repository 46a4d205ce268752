/* auth { ntlm { … } }: who NTLM is verified by, and what it must be bound to. */
#ifndef POSTERN_SERVER_CONFIG_NTLM_H
#define POSTERN_SERVER_CONFIG_NTLM_H

#include "core/users/ntlm_exchange.h"

struct config_problems;
struct config_server;

/* Lines: 0 where it is not written. */
struct config_ntlm {
	enum ntlm_binding binding; /* channel_binding = none|allow|require; allow */
	char *domain;              /* NetBIOS name told to clients; NULL: the host's own */
	int domain_line;
	char *helper; /* absolute; NULL: our own users */
	int helper_line;
	uint32_t helpers; /* 4, of each worker */
	int helpers_line;
	char *login; /* pattern of logins from a domain; NULL: NTLM_LOGIN */
	int login_line;
};

void config_ntlm_set_defaults(struct config_ntlm *ntlm);
void config_ntlm_free(struct config_ntlm *ntlm);

/* What does not fit together. */
void config_ntlm_check(const struct config_server *server, struct config_problems *problems);

#endif
