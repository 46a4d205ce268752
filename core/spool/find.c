/* What the index tells of live messages: one by its id, or all that are held. */
#include "core/spool/internal.h"

enum { INDEX_STRETCH = 512 }; /* messages: less than a tenth of a millisecond */

struct spool_message live_message(const struct live *live)
{
	return (struct spool_message){
		.id = live->id,
		.place = { live->segment, live->offset, live->size },
		.done_bits = live_done_bits(live),
		.detail = live_detail(live),
		.accepted_unix_us = spool_id_time(live->id),
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

bool spool_next_held(const struct spool *spool, uint64_t *after, spool_recovered *told, void *context)
{
	const struct live *live = live_next(&spool->index, *after);
	for (unsigned i = 0; live && i < INDEX_STRETCH; i++) {
		struct spool_message message = live_message(live);
		*after = live->id;
		if (live->held && !live_is_done(live))
			told(context, &message);
		live = live_next(&spool->index, *after);
	}
	return live != NULL;
}
