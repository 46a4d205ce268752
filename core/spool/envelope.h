/* The envelope as it is stored in front of each message: written once by the session, read by delivery and the queue tools.
 *
 * Layout, little-endian: u8 version (1), u8 flags, u16 recipient count, i64 accepted (µs since 1970), then length-
 * prefixed (u16) strings: login, client address text, reverse path, and each recipient's path. */
#ifndef POSTERN_SPOOL_ENVELOPE_H
#define POSTERN_SPOOL_ENVELOPE_H

#include "core/base/buffer.h"
#include "core/base/cursor.h"

enum { ENVELOPE_SMTPUTF8 = 1, ENVELOPE_8BITMIME = 2 };

struct envelope {
	unsigned flags;
	uint32_t recipients;
	int64_t accepted_unix_us;
	struct slice login;
	struct slice client;
	struct slice reverse_path; /* empty: null */
	struct cursor rest;        /* at the first recipient: envelope_next() */
};

/* Starts writing: `recipients` and the time are filled in by envelope_finish(). */
MUST_USE bool envelope_begin(struct buffer *out, unsigned flags, struct slice login, struct slice client,
			     struct slice reverse_path);
MUST_USE bool envelope_add_recipient(struct buffer *out, struct slice path);
void envelope_finish(uint8_t *envelope, unsigned flags, uint16_t recipients, int64_t accepted_unix_us);

/* False when the bytes are not an envelope. The slices point into `bytes`. */
MUST_USE bool envelope_read(struct envelope *envelope, struct slice bytes);
/* How many recipients there are, from the first bytes alone; 0 when they are no envelope's. */
uint32_t envelope_recipients(struct slice bytes);
/* When the message was accepted, in microseconds since 1970: its envelope says so, or its id. */
int64_t envelope_accepted(struct slice bytes, uint64_t id);
/* The next recipient's path; false at the end. */
MUST_USE bool envelope_next(struct envelope *envelope, struct slice *path);

#endif
