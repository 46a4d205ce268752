/* Names of clients, by what is asked how; see client_names.h. */
#include "core/server/client_names.h"

#include <stdlib.h>

void client_names_init(struct client_names *names, struct loop *loop)
{
	names->loop = loop;
	list_init(&names->kinds);
}

static bool are_equal(const struct config_dns *a, const struct config_dns *b)
{
	if (a->server_count != b->server_count || a->timeout_ms != b->timeout_ms || a->cache != b->cache)
		return false;
	for (size_t i = 0; i < a->server_count; i++)
		if (!net_address_equal(&a->servers[i], &b->servers[i]) || a->servers[i].port != b->servers[i].port)
			return false;
	return true;
}

static struct client_names_kind *find(const struct client_names *names, const struct config_dns *dns)
{
	for (struct list *node = names->kinds.next; node != &names->kinds; node = node->next) {
		struct client_names_kind *kind = CONTAINER_OF(node, struct client_names_kind, link);
		if (are_equal(&kind->settings, dns))
			return kind;
	}
	return NULL;
}

static struct client_names_kind *make(struct client_names *names, const struct config_dns *dns, struct error *error)
{
	struct client_names_kind *kind = calloc(1, sizeof *kind);
	if (!kind) {
		error_set(error, "no memory for names of clients");
		return NULL;
	}
	kind->settings = *dns;
	const struct reverse_settings settings = {
		.resolver = { kind->settings.servers, dns->server_count, (uint32_t)dns->timeout_ms },
		.cache_entries = dns->cache,
	};
	kind->reverse = reverse_create(names->loop, &settings, error);
	if (kind->reverse) {
		list_append(&names->kinds, &kind->link);
		return kind;
	}
	free(kind);
	return NULL;
}

struct client_names_kind *client_names_hold(struct client_names *names, const struct config_server *server,
					    struct error *error)
{
	struct error why;
	struct client_names_kind *kind = find(names, &server->dns);
	if (!kind)
		kind = make(names, &server->dns, &why);
	if (kind)
		kind->holders++;
	else
		error_set(error, "server %s, dns: %s", server->name, why.text);
	return kind;
}

void client_names_leave(struct client_names_kind *kind)
{
	if (!kind || --kind->holders > 0)
		return;
	list_remove(&kind->link);
	reverse_destroy(kind->reverse);
	free(kind);
}
