/* Envelope, trace and text of one message, from its first byte until the spool has them: pooled blocks, and the parts that
 * lie in them in the order in which they are stored.
 *
 * First the envelope grows, then text follows; the trace, which is known at the end, gets the place that text_begin() has left
 * for it. */
#ifndef POSTERN_SERVER_TRANSACTION_TEXT_H
#define POSTERN_SERVER_TRANSACTION_TEXT_H

#include "core/server/worker.h"
#include "proto/message_trace.h"

enum {
	/* Blocks of text, of an envelope of the largest size, and some for the ends of blocks left unused. */
	TEXT_BLOCKS = LIMIT_INLINE_MESSAGE_BYTES / LIMIT_BODY_BLOCK_BYTES + 20,
	TEXT_PARTS = TEXT_BLOCKS + 3,
	TEXT_ROOM_LEAST = 1024, /* less than this at the end of a block is left unused */
};

struct transaction;

struct transaction_text {
	struct worker *worker;
	struct transaction *owner; /* for the file's callbacks */
	uint32_t block_count;
	uint32_t block_used; /* bytes of the last block */
	uint32_t part_count;
	uint32_t text_part;          /* index of the first part of text; the one before it is the trace */
	struct slice last_recipient; /* its path, in the envelope */
	struct iovec parts[TEXT_PARTS];
	uint8_t *blocks[TEXT_BLOCKS];
	struct spool_large file; /* of a large message */
};

/* With its first block; NULL: no memory. */
struct transaction_text *text_create(struct worker *worker, struct transaction *owner);

/* NULL is allowed. */
void text_destroy(struct transaction_text *text);

/* The unused end of the last block, for the envelope; text_take() says how much of it was used. */
struct buffer text_rest(struct transaction_text *text);
MUST_USE bool text_add_block(struct transaction_text *text);
void text_take(struct transaction_text *text, size_t size);

/* The envelope is complete; behind it room is left for the trace. Answers its size; 0: no memory. */
uint32_t text_begin(struct transaction_text *text);

/* Where the next text goes and how much fits there, at least TEXT_ROOM_LEAST bytes; NULL: no memory. */
uint8_t *text_room(struct transaction_text *text, size_t *room);

void text_write_trace(struct transaction_text *text, const struct message_trace *trace);

/* Bytes of text that are in blocks. */
uint64_t text_waiting(const struct transaction_text *text);

/* What was written to the large file need not stay; the envelope does. */
void text_forget(struct transaction_text *text);

#endif
