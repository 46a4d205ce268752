/* Is Dovecot where the configuration says, and does it have what is offered? For `postern check`. */
#ifndef POSTERN_SERVER_DOVECOT_CHECK_H
#define POSTERN_SERVER_DOVECOT_CHECK_H

#include "core/server/config.h"

/* Connects to each auth service as the server's user would, for up to two seconds each, and adds what is amiss to `notes`: no
 * reason not to start, since Dovecot may come later. */
void dovecot_check(const struct config *config, struct config_problems *notes);

#endif
