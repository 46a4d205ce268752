/* A message on its way in: envelope and text are gathered here, then handed to the spool as they are.
 *
 * Text is decrypted straight into blocks. The spool takes a record once, mostly at once, and the blocks serve the next message
 * while they are warm: of a message that waits for the disk little is left. What is over LIMIT_INLINE_MESSAGE_BYTES goes
 * to a large file while it comes in; the session waits meanwhile. A transaction outlives its session: once committing, it
 * ends with the disk, not with the client. */
#ifndef POSTERN_SERVER_TRANSACTION_H
#define POSTERN_SERVER_TRANSACTION_H

#include "core/server/transaction_text.h"
#include "proto/message_trace.h"
#include "proto/smtp_reply.h"

struct session;

enum transaction_state {
	TRANSACTION_ENVELOPE,  /* MAIL and RCPT */
	TRANSACTION_TEXT,      /* message text comes in */
	TRANSACTION_FLUSHING,  /* text goes to the large file; no more may come until it is there */
	TRANSACTION_FINISHING, /* whole; the large file is being synced */
	TRANSACTION_COMMITTING,
	TRANSACTION_DROPPING, /* given up; the large file is being removed */
	TRANSACTION_ENDED,    /* committed or failed; `outcome` says; waits for its turn to be answered */
};

struct transaction {
	struct list link; /* in its session's commits */
	struct worker *worker;
	struct session *session; /* NULL once the client has gone */
	uint64_t id;
	uint8_t state; /* enum transaction_state; changed by enter() alone */
	bool held;     /* every recipient's route holds */
	bool large;
	bool drop_when_idle; /* dropped while a step of the large file ran */
	enum smtp_status outcome;
	uint16_t recipients;
	uint32_t flags; /* ENVELOPE_… */
	uint32_t envelope_size;
	uint64_t text_size;   /* received so far, without the trace */
	uint64_t stored_size; /* with it */
	int64_t accepted_unix_us;
	struct transaction_text *text; /* NULL: the spool has it all */
	uint32_t replies_behind;       /* bytes of the session's held replies that belong behind this one's */
	struct spool_entry entry;
};

/* NULL when there is no memory or the bound is reached: 451. */
struct transaction *transaction_create(struct worker *worker, struct session *session, unsigned envelope_flags,
				       struct slice login, struct slice client, struct slice reverse_path);

/* Of one whose envelope is being gathered. */
struct slice transaction_reverse_path(const struct transaction *transaction);

/* `held`: the recipient's route holds. False: no memory. */
MUST_USE bool transaction_add_recipient(struct transaction *transaction, struct slice path, bool held);

/* The envelope is complete; text follows. False: no memory. */
MUST_USE bool transaction_begin_text(struct transaction *transaction);

/* Where the next text goes and how much fits there, at least TEXT_ROOM_LEAST bytes; NULL: no memory. */
uint8_t *transaction_text_room(struct transaction *transaction, size_t *room);

/* `size` bytes of text were put there; `last`: the message ends with them. Answers false when more text must wait until
 * session_text_flushed(). */
MUST_USE bool transaction_add_text(struct transaction *transaction, size_t size, bool last);

/* The message is whole: `trace` facts go in front (id and recipient are filled in here). session_committed() follows. */
void transaction_commit(struct transaction *transaction, struct message_trace *trace, bool name_recipient);

/* Given up by the client or refused: nothing is kept. The pointer is invalid after. */
void transaction_drop(struct transaction *transaction);

/* Answered: the memory goes. */
void transaction_end(struct transaction *transaction);

#endif
