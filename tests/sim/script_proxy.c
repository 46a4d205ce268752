/* What a scripted client says first where the server takes its address for a proxy's; see script_parts.h. */
#include "tests/sim/script_parts.h"

/* Version 2: a stream over IPv4, from 198.51.100.7:40000 to 192.0.2.1:587, and one of the proxy's own. */
static const char relayed_2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xc0\0\x02\x01\x9c\x40\x02\x4b";
static const char local_2[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

#define HEADER(text)                                                                                                   \
	{                                                                                                              \
		(const uint8_t *)(text), sizeof(text) - 1                                                              \
	}

static const struct slice headers[] = {
	HEADER("PROXY TCP4 198.51.100.7 192.0.2.1 40000 587\r\n"),
	HEADER("PROXY TCP6 2001:db8::7 2001:db8::1 40000 587\r\n"),
	HEADER("PROXY UNKNOWN\r\n"),
	HEADER(relayed_2),
	HEADER(local_2),
};

void script_say_proxy_header(struct script *script)
{
	struct net_address address = {
		.family = 4,
	};
	uint32_t bytes = htonl(sim_client_address(script->connection));
	memcpy(address.bytes, &bytes, sizeof bytes);
	if (!server_block_is_proxy(script->settings.server, &address))
		return;
	script->proxied = true;
	struct slice header = headers[sim_random(script->sim, sizeof headers / sizeof *headers)];
	script_make_room(script, header.size);
	buffer_append(&script->out, header);
}
