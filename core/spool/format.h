/* The spool on disk, and the code that writes and reads its records.
 *
 * A lane's folder:
 *   lock                       flock'ed by the lane's process; holds its pid as text
 *   segments/0000000000000042  a segment; the name is its generation, which never repeats in a lane's life
 *   segments/new               a segment that is being made; removed at recovery
 *   large/0K3…                 the text (or the rest of it) of a large message, named by its id; no header of its own
 *
 * A segment is records, one behind the other from offset 0, each padded with zeros to a multiple of 8 bytes. Writes are
 * whole blocks of 4,096 bytes: the end of a commit is written with the next one again, the same bytes. What is behind the
 * last record is zeros or what the file held under an older generation. All numbers are little-endian.
 *
 * A record:                            offset
 *   u32 magic "PSTR"                     0
 *   u8  type (enum record_type)          4
 *   u8  flags (enum record_flags)        5
 *   u16 state size                       6   bytes of state in front of the payload
 *   u32 payload size                     8   without the padding
 *   u32 generation                      12   of the segment
 *   u64 id                              16   of the message
 *   u64 text size                       24   of the whole message text, that in the large file too
 *   u32 envelope size, or recipient     32   of a message; of RECORD_RECIPIENT_DONE
 *   u32 reference                       36   of a change: the segment that holds the message's record.
 *                                            of a copy: the segment that it was copied from
 *   u32 stale reference                 40   of a change: another segment that may hold an older record of it, or 0
 *   u32 zero                            44
 *   u64 payload checksum                48   XXH3-64 of the payload, seeded with the segment's salt
 *   u64 header checksum                 56   XXH3-64 of bytes 0 to 55, seeded with the salt
 *   payload                             64   message: state, envelope (envelope.h), text. Hold, release, attempt: detail
 *
 * The first record is a RECORD_SEGMENT. Its checksums are seeded with the generation; its payload is
 *   u32 version (1), u32 seal count, u64 salt, u64 last id, then for each seal u32 generation, u32 end.
 * The salt is random and new each time a file becomes a segment. So nothing of an older generation is ever taken for a
 * record, nor anything that a client puts into a message: it can't know the salt. `last id`: no id up to here is
 * given out again. A seal says that nothing counts from `end` on in that segment: it ended early, by a failed write or
 * because the process did. All seals of segments that still exist are repeated in each new segment.
 *
 * A state (in front of a copied message, and as payload of RECORD_STATE) is u16 detail size, the detail of the last
 * change that had one, then the recipients' bits (bit i of byte i/8: recipient i is done) up to the state's end.
 *
 * Reading is replay: segments by generation, records by offset. A message counts from its record on; a record with the
 * same id later replaces it, place and state. It is dead after RECORD_MESSAGE_DONE or when all recipients are done. In
 * the newest segment the first record that is not valid is the end. In older ones reading goes on behind damage.
 * Changes of a message may be in newer segments only, so one is reused only when every segment that they refer to
 * is gone, and gone means: renamed or unlinked, and the folder synced. */
#ifndef POSTERN_SPOOL_FORMAT_H
#define POSTERN_SPOOL_FORMAT_H

#include <sys/uio.h>

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/base/slice.h"

enum record_type {
	RECORD_SEGMENT = 1,
	RECORD_MESSAGE,
	RECORD_RECIPIENT_DONE,
	RECORD_MESSAGE_DONE,
	RECORD_HOLD,
	RECORD_RELEASE,
	RECORD_ATTEMPT,
	RECORD_STATE, /* all of a message's state at once; written by compaction */
	RECORD_TYPES
};

enum record_flags {
	RECORD_HELD = 1, /* of a message or a state */
	RECORD_LARGE = 2,
	RECORD_COPY = 4, /* of a message: written by compaction, `reference` says from where */
};

enum {
	RECORD_HEADER_BYTES = 64,
	RECORD_ALIGNMENT = 8,
	RECORD_STATE_MOST_BYTES = 16 * 1024, /* the bits of 65,535 recipients, and a detail */
	FORMAT_VERSION = 1,
};

struct record_header {
	uint8_t type;
	uint8_t flags;
	uint16_t state_size;
	uint32_t payload_size;
	uint32_t generation;
	uint64_t id;
	uint64_t text_size;
	uint32_t envelope_size; /* message */
	uint32_t recipient;     /* RECORD_RECIPIENT_DONE */
	uint32_t reference;
	uint32_t stale_reference;
	uint64_t payload_checksum;
};

/* With header and padding. */
static inline uint32_t record_size(uint32_t payload_size)
{
	return (RECORD_HEADER_BYTES + payload_size + RECORD_ALIGNMENT - 1) & ~(uint32_t)(RECORD_ALIGNMENT - 1);
}

static inline bool record_is_change(uint8_t type)
{
	return type > RECORD_MESSAGE;
}

/* Writes all but what is known later: the payload's checksum and a change's references, and what is sealed with the record's place. */
void record_header_write(uint8_t to[RECORD_HEADER_BYTES], const struct record_header *header);
void record_header_check_payload(uint8_t at[RECORD_HEADER_BYTES], uint64_t payload_checksum);
void record_header_refer(uint8_t at[RECORD_HEADER_BYTES], uint32_t reference, uint32_t stale_reference);
void record_header_seal(uint8_t at[RECORD_HEADER_BYTES], uint32_t generation, uint64_t salt);

/* Read without checking: for headers of our own that are in memory. */
void record_header_read(struct record_header *header, const uint8_t from[RECORD_HEADER_BYTES]);
uint8_t record_header_type(const uint8_t from[RECORD_HEADER_BYTES]);

/* False when the bytes are no header, or not one of this segment. */
MUST_USE bool record_header_check(struct record_header *header, const uint8_t from[RECORD_HEADER_BYTES],
				  uint32_t generation, uint64_t salt);

/* A payload's checksum: XXH3-64, seeded with the salt; 0 of nothing. */
uint64_t record_hash(struct slice payload, uint64_t salt);
/* The same by the shared library, of a payload that is not empty. */
uint64_t record_hash_by_16(struct slice payload, uint64_t salt);

/* --- the parts of a message's payload --- */

struct record_parts {
	struct slice state;
	struct slice envelope;
	struct slice text;
};
/* False when the sizes do not add up. */
MUST_USE bool record_split(const struct record_header *header, struct slice payload, struct record_parts *parts);

/* A state: false when the bytes are none. An empty one is allowed. */
struct record_state {
	struct slice detail;
	struct slice done_bits;
};
MUST_USE bool record_state_read(struct record_state *state, struct slice bytes);
static inline size_t record_state_size(size_t detail_size, size_t bits_size)
{
	return 2 + detail_size + bits_size;
}
void record_state_write(uint8_t *to, struct slice detail, struct slice done_bits);

/* --- a segment's first record --- */

struct segment_seal {
	uint32_t generation;
	uint32_t end;
};

struct segment_opening {
	uint64_t salt;
	uint64_t last_id;
	uint32_t seal_count;
	struct segment_seal seals[LIMIT_SEALS];
};

enum { SEGMENT_OPENING_BYTES = RECORD_HEADER_BYTES + 24 + 8 * LIMIT_SEALS };

/* Writes the whole record; answers its size. */
uint32_t segment_opening_write(uint8_t to[SEGMENT_OPENING_BYTES], uint32_t generation,
			       const struct segment_opening *opening);

/* False with `error` when it is of a format that this program does not know. */
MUST_USE bool segment_opening_read(struct segment_opening *opening, struct slice payload, struct error *error);

/* --- names --- */

enum { SEGMENT_NAME_BYTES = 17 };
void segment_name_format(uint32_t generation, char name[SEGMENT_NAME_BYTES]);
MUST_USE bool segment_name_parse(const char *name, uint32_t *generation);

#endif
