/* Where Dovecot's auth service is; see dovecot_place.h. */
#include "core/users/dovecot_place.h"

#include <string.h>
#include <sys/un.h>

#include "core/net/address.h"

bool dovecot_place_parse(const char *place, struct sockaddr_storage *address, socklen_t *size, struct error *error)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	if (place[0] != '/')
		return net_address_parse_with_port(place, address, size, error);
	if (strlen(place) >= sizeof local.sun_path)
		return error_set(error, "a socket's path has at most %zu bytes", sizeof local.sun_path - 1);
	memcpy(local.sun_path, place, strlen(place));
	memset(address, 0, sizeof *address);
	memcpy(address, &local, sizeof local);
	*size = sizeof local;
	return true;
}
