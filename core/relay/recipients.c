/* The recipients of one message; see recipients.h. */
#include "core/relay/recipients.h"

#include <stdlib.h>

#include "core/base/limits.h"
#include "proto/address.h"

/* --- one recipient --- */

static bool is_done(const uint8_t *done_bits, uint32_t index)
{
	return done_bits && (done_bits[index / 8] >> (index % 8) & 1);
}

/* "local@domain", or "postmaster" alone, which is at our own host. */
static bool split(struct slice path, const char *hostname, struct slice *local, struct slice *domain)
{
	struct address address;
	if (slice_find(path, '@') == path.size) {
		*local = path;
		*domain = slice_from_text(hostname);
		return true;
	}
	if (address_parse(path, true, &address) != ADDRESS_OK)
		return false;
	*local = address.local;
	*domain = address.domain;
	return true;
}

static const struct route *find_route(struct slice path, const struct recipients_settings *settings)
{
	struct slice local, domain;
	if (!split(path, settings->hostname, &local, &domain))
		return NULL;
	return route_find(settings->routes, domain);
}

bool recipient_maildir(const struct recipient *recipient, const char *hostname, char *path, size_t capacity)
{
	struct slice local, domain;
	return split(recipient->path, hostname, &local, &domain) &&
	       route_maildir_path(recipient->route, local, domain, path, capacity);
}

/* --- reading --- */

static struct recipient *first_with_maildir(const struct map *maildirs, const char *path, const char *hostname)
{
	char other[LIMIT_MAILDIR_PATH_BYTES];
	struct map_node *node = map_find(maildirs, map_hash_text(path));
	for (; node; node = map_find_next(node)) {
		struct recipient *first = CONTAINER_OF(node, struct recipient, node);
		if (recipient_maildir(first, hostname, other, sizeof other) && strcmp(path, other) == 0)
			return first;
	}
	return NULL;
}

/* Puts a recipient behind the others of its Maildir, or makes it the first. */
static void join_maildir(struct recipients *recipients, uint32_t index, struct map *maildirs, const char *hostname)
{
	struct recipient *recipient = &recipients->list[index];
	char path[LIMIT_MAILDIR_PATH_BYTES];
	if (!recipient_maildir(recipient, hostname, path, sizeof path)) {
		recipient->state = RECIPIENT_FAILED;
		return;
	}
	struct recipient *first = maildirs ? first_with_maildir(maildirs, path, hostname) : NULL;
	if (first) {
		recipients->list[first->last].next = index;
		first->last = index;
		return;
	}
	recipient->first = true;
	recipient->last = index;
	if (maildirs)
		map_insert(maildirs, &recipient->node, map_hash_text(path));
}

static void place(struct recipients *recipients, uint32_t index, struct map *maildirs,
		  const struct recipients_settings *settings)
{
	struct recipient *recipient = &recipients->list[index];
	if (recipient->state == RECIPIENT_DONE)
		return;
	recipient->route = find_route(recipient->path, settings);
	if (!recipient->route)
		recipient->state = RECIPIENT_FAILED;
	else if (recipient->route->kind == ROUTE_HOLD)
		recipient->state = RECIPIENT_HELD;
	else
		join_maildir(recipients, index, maildirs, settings->hostname);
}

static bool read_paths(struct recipients *recipients, struct envelope envelope, const uint8_t *done_bits)
{
	for (uint32_t i = 0; i < recipients->count; i++) {
		struct recipient *recipient = &recipients->list[i];
		*recipient = (struct recipient){
			.next = RECIPIENT_NONE,
			.state = is_done(done_bits, i) ? RECIPIENT_DONE : RECIPIENT_WAITING,
		};
		if (!envelope_next(&envelope, &recipient->path))
			return false;
	}
	return true;
}

enum recipients_status recipients_read(struct recipients *recipients, const struct envelope *envelope,
				       const uint8_t *done_bits, const struct recipients_settings *settings)
{
	uint32_t count = envelope->recipients;
	recipients->count = count;
	recipients->list = count > 1 ? malloc(count * sizeof *recipients->list) : &recipients->single;
	if (!recipients->list) {
		recipients->count = 0;
		return RECIPIENTS_NO_MEMORY;
	}
	if (!read_paths(recipients, *envelope, done_bits))
		return RECIPIENTS_MALFORMED;
	struct map maildirs;
	if (count > 1 && !map_init(&maildirs, count))
		return RECIPIENTS_NO_MEMORY;
	for (uint32_t i = 0; i < count; i++)
		place(recipients, i, count > 1 ? &maildirs : NULL, settings);
	if (count > 1)
		map_finish(&maildirs);
	return RECIPIENTS_OK;
}

void recipients_finish(struct recipients *recipients)
{
	if (recipients->list != &recipients->single)
		free(recipients->list);
	recipients->list = NULL;
	recipients->count = 0;
}

/* --- questions --- */

uint32_t recipients_find(const struct recipients *recipients, enum recipient_state state, uint32_t from)
{
	for (uint32_t i = from; i < recipients->count; i++)
		if (recipients->list[i].state == state)
			return i;
	return RECIPIENT_NONE;
}

bool recipients_are_held(const struct envelope *envelope, const uint8_t *done_bits,
			 const struct recipients_settings *settings)
{
	struct envelope left = *envelope;
	struct slice path;
	bool anybody = false;
	for (uint32_t i = 0; envelope_next(&left, &path); i++) {
		if (is_done(done_bits, i))
			continue;
		anybody = true;
		const struct route *route = find_route(path, settings);
		if (route && route->kind != ROUTE_HOLD)
			return false;
	}
	return anybody;
}
