/* The addresses of proxies in a configuration: proxy_protocol = { "10.0.0.5", "2001:db8::/64" }; see config_proxies.h. */
#include "core/server/config_proxies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/config_set.h"

/* A prefix has no holes. */
static const struct config_proxy *find_same(const struct config_server *server, const struct net_prefix *prefix)
{
	for (size_t i = 0; i < server->proxy_count; i++)
		if (memcmp(&server->proxies[i].prefix, prefix, sizeof *prefix) == 0)
			return &server->proxies[i];
	return NULL;
}

void config_add_proxy(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = given->target;
	struct config_proxy proxy = { .line = given->value->line };
	struct error error;
	if (!net_prefix_parse(slice_from_text(given->value->text), &proxy.prefix, &error)) {
		config_given_problem(reading, given, error.text);
		return;
	}
	const struct config_proxy *before = find_same(server, &proxy.prefix);
	if (before) {
		char what[64];
		snprintf(what, sizeof what, "is given twice; first on line %d", before->line);
		config_given_problem(reading, given, what);
		return;
	}
	if (server->proxy_count == LIMIT_PROXIES) {
		char what[64];
		snprintf(what, sizeof what, "over %d addresses; write prefixes", LIMIT_PROXIES);
		config_given_problem(reading, given, what);
		return;
	}
	struct config_proxy *larger = realloc(server->proxies, (server->proxy_count + 1) * sizeof *server->proxies);
	if (!larger) {
		config_given_problem(reading, given, "out of memory");
		return;
	}
	server->proxies = larger;
	server->proxies[server->proxy_count++] = proxy;
}
