/* What the index tells of live messages: one by its id, or all that are held. */
#include "core/spool/internal.h"

enum { INDEX_STRETCH = 512 }; /* buckets, of a message each: less than a tenth of a millisecond */

struct spool_message live_message(const struct live *live)
{
	return (struct spool_message){
		.id = live_id(live),
		.place = { live->segment, live->offset, live->size },
		.done_bits = live_done_bits(live),
		.detail = live_detail(live),
		.accepted_unix_us = spool_id_time(live_id(live)),
		.recipients = live->recipients,
		.held = live->held,
		.large = live->large,
	};
}

bool spool_find(const struct spool *spool, uint64_t id, struct spool_message *message)
{
	const struct live *live = live_find(&spool->index, id);
	if (!live || live_is_done(live))
		return false;
	*message = live_message(live);
	return true;
}

bool spool_next_held(const struct spool *spool, size_t *at, spool_recovered *told, void *context)
{
	const struct map *map = &spool->index.map;
	for (size_t end = *at + INDEX_STRETCH; *at < end; ++*at) {
		if (*at >= map->bucket_count)
			return false;
		for (struct map_node *node = map_bucket(map, *at); node; node = node->next) {
			const struct live *live = CONTAINER_OF(node, struct live, node);
			struct spool_message message = live_message(live);
			if (live->held && !live_is_done(live))
				told(context, &message);
		}
	}
	return true;
}
