/* Names of clients, by server block; see client_names.h. */
#include "core/server/client_names.h"

#include <stdlib.h>
#include <string.h>

struct client_names {
	size_t count;
	struct reverse *of_block[]; /* some of them the same */
};

static bool are_equal(const struct config_dns *a, const struct config_dns *b)
{
	if (a->server_count != b->server_count || a->timeout_ms != b->timeout_ms || a->cache != b->cache)
		return false;
	for (size_t i = 0; i < a->server_count; i++)
		if (!net_address_equal(&a->servers[i], &b->servers[i]) || a->servers[i].port != b->servers[i].port)
			return false;
	return true;
}

static bool is_off(const struct config_server *server)
{
	return server->dns.reverse.value == REVERSE_OFF;
}

/* Of a block before this one that asks the same servers in the same way. */
static struct reverse *find_equal(const struct client_names *names, const struct config *config, size_t place)
{
	for (size_t i = 0; i < place; i++)
		if (!is_off(&config->servers[i]) && are_equal(&config->servers[i].dns, &config->servers[place].dns))
			return names->of_block[i];
	return NULL;
}

static struct reverse *make(struct loop *loop, const struct config_server *server, struct error *error)
{
	const struct config_dns *dns = &server->dns;
	struct reverse_settings settings = {
		.resolver = { dns->servers, dns->server_count, (uint32_t)dns->timeout_ms },
		.cache_entries = dns->cache,
	};
	struct error why;
	struct reverse *reverse = reverse_create(loop, &settings, &why);
	if (!reverse)
		error_set(error, "server %s, dns: %s", server->name, why.text);
	return reverse;
}

struct client_names *client_names_create(struct loop *loop, const struct config *config, struct error *error)
{
	struct client_names *names = calloc(1, sizeof *names + config->server_count * sizeof(struct reverse *));
	if (!names) {
		error_set(error, "no memory for names of clients");
		return NULL;
	}
	for (size_t i = 0; i < config->server_count; i++) {
		names->count = i + 1;
		if (is_off(&config->servers[i]))
			continue;
		names->of_block[i] = find_equal(names, config, i);
		if (!names->of_block[i])
			names->of_block[i] = make(loop, &config->servers[i], error);
		if (!names->of_block[i]) {
			client_names_destroy(names);
			return NULL;
		}
	}
	return names;
}

void client_names_destroy(struct client_names *names)
{
	if (!names)
		return;
	for (size_t i = 0; i < names->count; i++) {
		struct reverse *reverse = names->of_block[i];
		for (size_t j = i; j < names->count; j++)
			if (names->of_block[j] == reverse)
				names->of_block[j] = NULL;
		reverse_destroy(reverse);
	}
	free(names);
}

struct reverse *client_names_of(const struct client_names *names, size_t place)
{
	ASSERT(place < names->count);
	return names->of_block[place];
}
