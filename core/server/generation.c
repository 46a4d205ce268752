/* What a worker serves; see generation.h. */
#include "core/server/generation.h"

#include <stdlib.h>

static bool hold_names(struct generation *generation, struct client_names *names, struct error *error)
{
	const struct config *config = generation_config(generation);
	for (size_t i = 0; i < config->server_count; i++) {
		if (config->servers[i].dns.reverse.value == REVERSE_OFF)
			continue;
		generation->names[i] = client_names_hold(names, &config->servers[i], error);
		if (!generation->names[i])
			return false;
	}
	return true;
}

struct generation *generation_create(struct served *served, bool shared, struct sign_in_backends *backends,
				     struct client_names *names, struct error *error)
{
	size_t blocks = served->config->server_count;
	struct generation *generation = calloc(1, sizeof *generation + blocks * sizeof(struct client_names_kind *));
	if (!generation) {
		error_set(error, "no memory for a configuration");
		if (!shared)
			served_finish(served);
		return NULL;
	}
	generation->served = *served;
	generation->shared = shared;
	list_init(&generation->link);
	list_init(&generation->sessions);
	list_init(&generation->leaving);
	generation->sign_ins = sign_in_table_create(backends, served->config, error);
	if (generation->sign_ins && hold_names(generation, names, error))
		return generation;
	generation_destroy(generation);
	return NULL;
}

void generation_destroy(struct generation *generation)
{
	if (!generation)
		return;
	ASSERT(generation->holders == 0);
	list_remove(&generation->link);
	sign_in_table_destroy(generation->sign_ins);
	for (size_t i = 0; i < generation_config(generation)->server_count; i++)
		client_names_leave(generation->names[i]);
	if (!generation->shared)
		served_finish(&generation->served);
	free(generation);
}
