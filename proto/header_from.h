/* The From field of a message that comes in: found in its header however that is split, and the addresses in it (RFC 5322 §3.6.2,
 * §3.4, with the obsolete forms of §4.4 that are still seen). Pure. */
#ifndef POSTERN_PROTO_HEADER_FROM_H
#define POSTERN_PROTO_HEADER_FROM_H

#include "core/base/buffer.h"
#include "core/base/slice.h"

struct header_from {
	uint8_t state;     /* private */
	uint8_t name_size; /* private: of the field's name so far, as far as it is kept */
	uint8_t name[5];
	bool wanted;    /* private: the field is a From */
	bool begun;     /* private: there was a field */
	bool broken;    /* private: there was a line that is no field */
	uint8_t fields; /* From fields so far, up to 255; one behind a line that is no field counts as two */
};

/* Starts as zeroes. Takes text of the message as it is stored, with CRLF, and appends what stands in From fields, unfolded, to
 * `value`, which overflows where that is too much. What is behind the header is passed over. A line in it that is no field does
 * not end it, as some read on behind it: a From there is never the only one. */
void header_from_take(struct header_from *from, struct slice text, struct buffer *value);

/* Nothing more is to come: the header is over. */
bool header_from_is_over(const struct header_from *from);

enum header_from_status {
	HEADER_FROM_ADDRESS, /* "local@domain", as written */
	HEADER_FROM_END,
	HEADER_FROM_WRONG, /* what is left is no list of mailboxes */
};

/* Takes the next address off a From field's value; names, comments and groups are passed over. A name with an address in it that is
 * not in quotes is wrong, but for that address itself: which of them counts is read in more than one way. */
MUST_USE enum header_from_status header_from_next(struct slice *value, struct slice *address);

#endif
