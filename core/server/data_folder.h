/* The data folder: what is in it, whose it is, and making what is missing at start.
 *
 *   users/          the user database
 *   quotas          what logins have sent, where there are quotas
 *   guard           failed sign-ins and bans
 *   control         the supervisor's control socket
 *   lanes/N/        the spool's lanes, one a worker
 *   tls/            ticket.secret; with the embedded default also the CA, the certificate and their keys
 *   mail/           with the embedded default: the Maildirs */
#ifndef POSTERN_SERVER_DATA_FOLDER_H
#define POSTERN_SERVER_DATA_FOLDER_H

#include <sys/types.h>

#include "core/server/config.h"
#include "crypto/tls.h"

/* Who the server runs as: from config->user when started as root, else nobody new. */
struct run_as {
	bool change;
	uid_t uid;
	gid_t gid;
};
MUST_USE bool run_as_find(const struct config *config, struct run_as *run_as, struct error *error);
/* For good. False and `error` when the kernel refuses. */
MUST_USE bool run_as_become(const struct config *config, const struct run_as *run_as, struct error *error);

/* Path below the data folder; malloc'ed; NULL without memory. */
char *data_folder_path(const struct config *config, const char *name);

/* Makes the folders (0700), owned by who the server runs as. */
MUST_USE bool data_folder_prepare(const struct config *config, const struct run_as *run_as, struct error *error);

/* Lanes that exist or are needed: at least config->workers; more when an earlier start had more workers. */
unsigned data_folder_lanes(const struct config *config);

/* Reads tls/ticket.secret, or makes it (0600). */
MUST_USE bool data_folder_ticket_secret(const struct config *config, const struct run_as *run_as,
					uint8_t secret[TLS_TICKET_SECRET_BYTES], struct error *error);

#endif
