/* Where Dovecot's auth service is: "/path/of/socket" or "ADDRESS:PORT". */
#ifndef POSTERN_USERS_DOVECOT_PLACE_H
#define POSTERN_USERS_DOVECOT_PLACE_H

#include <sys/socket.h>

#include "core/base/error.h"

/* False and `error`: it is neither an absolute path that fits a socket's address nor an address and port. */
MUST_USE bool dovecot_place_parse(const char *place, struct sockaddr_storage *address, socklen_t *size,
				  struct error *error);

#endif
