/* Looking up where a load goes: see target.h. Blocks; done once, before anything runs. */
#include "bench/target.h"

#include <netdb.h>
#include <string.h>

#include "core/base/slice.h"

/* Takes host and port apart at the last colon, and brackets off the host. */
static bool split(const char *text, char *host, size_t host_capacity, const char **port)
{
	const char *colon = strrchr(text, ':');
	if (!colon || colon == text || !colon[1])
		return false;
	struct slice name = slice_of(text, (size_t)(colon - text));
	if (name.size > 2 && name.data[0] == '[' && name.data[name.size - 1] == ']')
		name = slice_of(name.data + 1, name.size - 2);
	*port = colon + 1;
	return slice_to_text(name, host, host_capacity);
}

bool target_find(struct target *target, const char *text, struct error *error)
{
	const char *port;
	if (!split(text, target->host, sizeof target->host, &port))
		return error_set(error, "--to: \"%s\" is not HOST:PORT", text);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found;
	int code = getaddrinfo(target->host, port, &hints, &found);
	if (code != 0)
		return error_set(error, "--to: %s: %s", text, gai_strerror(code));
	memcpy(&target->address, found->ai_addr, found->ai_addrlen);
	target->address_size = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}
