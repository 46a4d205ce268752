/* The recipients of one message while it is delivered: where each goes, how far it is, and who shares a copy. */
#ifndef POSTERN_RELAY_RECIPIENTS_H
#define POSTERN_RELAY_RECIPIENTS_H

#include "core/base/list.h"
#include "core/base/map.h"
#include "core/relay/route.h"
#include "core/spool/envelope.h"

enum recipient_state {
	RECIPIENT_WAITING,   /* to be tried */
	RECIPIENT_DELIVERED, /* the spool does not know yet */
	RECIPIENT_DONE,      /* the spool knows */
	RECIPIENT_DEFERRED,
	RECIPIENT_HELD,   /* its route says hold */
	RECIPIENT_FAILED, /* no route, or no safe path: trying again does not help */
};

enum { RECIPIENT_NONE = UINT32_MAX };

struct recipient {
	struct map_node node; /* by Maildir */
	struct slice path;    /* in the envelope */
	const struct route *route;
	uint32_t next; /* the next one that goes to the same Maildir, or RECIPIENT_NONE */
	uint32_t last; /* of the first of a Maildir: the last in its row */
	uint8_t state; /* enum recipient_state */
	bool first;    /* of its Maildir: the copy is made for it, and stands for those that follow */
};

struct recipients {
	struct recipient *list; /* `single`, or malloc'ed */
	uint32_t count;
	struct recipient single;
};

struct recipients_settings {
	const struct route_table *routes;
	const char *hostname; /* where a recipient without a domain ("postmaster") is */
};

enum recipients_status { RECIPIENTS_OK, RECIPIENTS_MALFORMED, RECIPIENTS_NO_MEMORY };

/* `done_bits` may be NULL: none is done. The paths point into the envelope. */
MUST_USE enum recipients_status recipients_read(struct recipients *recipients, const struct envelope *envelope,
						const uint8_t *done_bits, const struct recipients_settings *settings);
void recipients_finish(struct recipients *recipients);

/* The Maildir of a recipient that has one. */
MUST_USE bool recipient_maildir(const struct recipient *recipient, const char *hostname, char *path, size_t capacity);

/* The first recipient in this state at or behind `from`, RECIPIENT_NONE when there is none. */
uint32_t recipients_find(const struct recipients *recipients, enum recipient_state state, uint32_t from);

/* Is there nothing but holding to do: are there recipients that are not done, and has each of them a route that holds, or none? */
MUST_USE bool recipients_are_held(const struct envelope *envelope, const uint8_t *done_bits,
				  const struct recipients_settings *settings);

#endif
