/* Making what a process serves, and handing it on; see served.h. */
#include "core/server/served.h"

#include <stdlib.h>
#include <string.h>

#include "core/server/tls_contents.h"

/* The first descriptors of a parcel. */
enum { PLACE_TEXT, PLACE_TLS, PLACE_BLOCKS };

/* --- listeners --- */

size_t served_listeners(const struct config *config)
{
	size_t count = 0;
	for (size_t i = 0; i < config->server_count; i++)
		count += config->servers[i].listener_count;
	return count;
}

const struct config_listener *served_listener(const struct config *config, size_t listener, size_t *block)
{
	for (size_t i = 0; i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];
		if (block)
			*block = i;
		if (listener < server->listener_count)
			return &server->listeners[listener];
		listener -= server->listener_count;
	}
	return NULL;
}

int served_listener_before(const struct config *before, const struct config *config, size_t listener)
{
	const struct config_listener *wanted = served_listener(config, listener, NULL), *had;
	for (size_t i = 0; (had = served_listener(before, i, NULL)); i++)
		if (had->address_size == wanted->address_size &&
		    memcmp(&had->address, &wanted->address, had->address_size) == 0)
			return (int)i;
	return -1;
}

size_t served_new_listeners(const struct config *before, const struct config *config)
{
	size_t count = 0, all = served_listeners(config);
	for (size_t i = 0; i < all; i++)
		count += served_listener_before(before, config, i) < 0;
	return count;
}

/* --- making --- */

static bool is_listed(const struct config_server *server)
{
	return server->connect.rules.file_count > 0;
}

uint32_t served_files(const struct config *config, bool of_worker)
{
	uint32_t count = PLACE_BLOCKS;
	for (size_t i = 0; i < config->server_count; i++) {
		count += is_listed(&config->servers[i]);
		count += of_worker && server_block_counts_clients(&config->servers[i]);
	}
	return count;
}

void served_finish(struct served *served)
{
	for (size_t i = 0; served->blocks && i < served->config->server_count; i++)
		server_block_finish(&served->blocks[i]);
	free(served->blocks);
	config_free(served->config);
	*served = (struct served){ .config = NULL };
}

static bool make_room(struct served *served, struct error *error)
{
	served->blocks = calloc(served->config->server_count, sizeof *served->blocks);
	for (size_t i = 0; served->blocks && i < served->config->server_count; i++)
		served->blocks[i].clients_fd = -1;
	return served->blocks || error_set(error, "no memory for servers");
}

bool served_start(struct served *served, struct config *config, const uint8_t ticket_secret[TLS_TICKET_SECRET_BYTES],
		  struct error *error)
{
	const struct server_block_parts parts = { .ticket_secret = ticket_secret, .rules_fd = -1 };
	*served = (struct served){ .generation = SERVED_FIRST, .config = config };
	bool good = make_room(served, error);
	for (size_t i = 0; good && i < config->server_count; i++)
		good = server_block_init(&served->blocks[i], &config->servers[i], &parts, error);
	if (!good)
		served_finish(served);
	return good;
}

static struct config *read_config(const struct parcel *parcel, const char *file, struct error *error)
{
	struct config_problems problems = { 0 };
	char *text = parcel_text(parcel, PLACE_TEXT);
	struct config *config = text ? config_parse(text, file, &problems) : NULL;
	if (!config)
		error_set(error, "%s", problems.count ? problems.list[0].text : "no memory for the configuration");
	free(text);
	config_problems_free(&problems);
	return config;
}

struct making {
	const struct parcel *parcel;
	uint32_t next; /* of the parcel's descriptors */
	bool of_worker;
	struct server_block_parts parts;
};

static bool make_block(struct server_block *block, const struct config_server *config, struct making *making,
		       struct error *error)
{
	making->parts.rules_fd = is_listed(config) ? making->parcel->fds[making->next++] : -1;
	if (!server_block_init(block, config, &making->parts, error))
		return false;
	if (!making->of_worker)
		return true;
	block->slot = making->parcel->slots[block->place];
	return !server_block_counts_clients(config) ||
	       server_block_share_clients(block, making->parcel->fds[making->next++], error);
}

static bool make_blocks(struct served *served, struct making *making, struct error *error)
{
	const struct config *config = served->config;
	if (making->parcel->count < served_files(config, making->of_worker))
		return error_set(error, "what came of the configuration is cut short");
	struct tls_contents contents;
	bool good =
		tls_contents_open(&contents, config, making->parcel->fds[PLACE_TLS], error) && make_room(served, error);
	making->parts.context = &contents;
	for (size_t i = 0; good && i < config->server_count; i++)
		good = make_block(&served->blocks[i], &config->servers[i], making, error);
	tls_contents_close(&contents);
	return good;
}

bool served_make(struct served *served, const struct parcel *parcel, bool of_worker, const char *file,
		 const uint8_t ticket_secret[TLS_TICKET_SECRET_BYTES], struct error *error)
{
	*served = (struct served){ .generation = parcel->generation };
	if (parcel->count < PLACE_BLOCKS)
		return error_set(error, "what came of the configuration is cut short");
	served->config = read_config(parcel, file, error);
	struct making making = {
		.parcel = parcel,
		.next = PLACE_BLOCKS,
		.of_worker = of_worker,
		.parts = { .ticket_secret = ticket_secret, .find = tls_contents_find },
	};
	if (served->config && make_blocks(served, &making, error))
		return true;
	served_finish(served);
	return false;
}

/* --- going on --- */

static const struct server_block *block_of_name(const struct served *served, const char *name)
{
	for (size_t i = 0; served && i < served->config->server_count; i++)
		if (strcmp(served->config->servers[i].name, name) == 0)
			return &served->blocks[i];
	return NULL;
}

/* One that no block of either configuration has, and no session of an earlier one. */
static bool find_slot(struct server_block *block, const bool taken[LIMIT_SERVERS], const struct server_states *states)
{
	for (unsigned slot = 0; slot < LIMIT_SERVERS; slot++) {
		if (taken[slot] || server_states_all_sessions(states, slot) > 0)
			continue;
		block->slot = slot;
		return true;
	}
	return false;
}

static bool give_slots(struct served *served, const struct served *before, struct server_states *states,
		       struct error *error)
{
	bool taken[LIMIT_SERVERS] = { false };
	for (size_t i = 0; i < before->config->server_count; i++)
		taken[before->blocks[i].slot] = true;
	for (size_t i = 0; i < served->config->server_count; i++) {
		struct server_block *block = &served->blocks[i];
		const struct server_block *same = block_of_name(before, block->config->name);
		if (same)
			block->slot = same->slot;
		else if (!find_slot(block, taken, states))
			return error_set(error,
					 "%s:%d: no room for server '%s' while those that were are still in use; try "
					 "again later",
					 block->config->file, block->config->line, block->config->name);
		else
			(void)server_states_pause(states, block->slot, false);
		taken[block->slot] = true;
	}
	return true;
}

bool served_go_on(struct served *served, const struct served *before, struct server_states *states, struct error *error)
{
	const struct config *config = served->config;
	if (before && !give_slots(served, before, states, error))
		return false;
	for (size_t i = 0; i < config->server_count; i++)
		if (!server_block_count_clients(&served->blocks[i], block_of_name(before, config->servers[i].name),
						config->workers, error))
			return false;
	return true;
}

bool served_change_tls(struct served *served, int fd, struct error *error)
{
	const struct config *config = served->config;
	struct tls_contents contents;
	struct tls_context *made[LIMIT_SERVERS] = { NULL };
	bool good = tls_contents_open(&contents, config, fd, error);
	for (size_t i = 0; good && i < config->server_count; i++)
		good = server_block_read_tls(&config->servers[i], served->blocks[i].ticket_secret, tls_contents_find,
					     &contents, &made[i], error);
	tls_contents_close(&contents);
	for (size_t i = 0; i < config->server_count; i++) {
		struct tls_context *unused = good ? served->blocks[i].tls : made[i];
		if (good)
			served->blocks[i].tls = made[i];
		tls_context_destroy(unused);
	}
	return good;
}

/* --- handing on --- */

bool served_pack(const struct served *served, const struct parcel *from, size_t sockets, struct parcel *parcel,
		 struct error *error)
{
	const struct config *config = served->config;
	uint32_t files = served_files(config, true), next = PLACE_BLOCKS;
	*parcel = (struct parcel){ .kind = PARCEL_CONFIG, .generation = served->generation };
	parcel->fds = malloc((files + sockets) * sizeof *parcel->fds);
	if (!parcel->fds)
		return error_set(error, "no memory to hand a configuration on");
	for (uint32_t i = 0; i < PLACE_BLOCKS; i++)
		parcel->fds[parcel->count++] = from->fds[i];
	for (size_t i = 0; i < config->server_count; i++) {
		if (is_listed(&config->servers[i]))
			parcel->fds[parcel->count++] = from->fds[next++];
		if (server_block_counts_clients(&config->servers[i]))
			parcel->fds[parcel->count++] = served->blocks[i].clients_fd;
		parcel->slots[i] = (uint8_t)served->blocks[i].slot;
	}
	return true;
}
