/* The helpers that ask a domain for us: Samba's ntlm_auth as coprocesses, `--helper-protocol=squid-2.5-ntlmssp`. Two steps a talk: NEGOTIATE for
 * CHALLENGE, AUTHENTICATE for who it is.
 *
 * A helper knows one challenge, so a talk holds its helper from its first step until it has ended. Who waits for one takes turns by
 * network. A client that is slow between the steps loses its helper when somebody else wants it, and after a while in any case. A helper
 * that does not answer in time, dies, or says what is no answer is killed and started again, later the oftener it happens. */
#ifndef POSTERN_USERS_NTLM_HELPERS_H
#define POSTERN_USERS_NTLM_HELPERS_H

#include "core/base/limits.h"
#include "core/io/loop.h"
#include "core/users/sign_in_queue.h"

struct ntlm_helpers;
struct ntlm_helper;
struct ntlm_talk;

enum ntlm_answer {
	NTLM_ANSWER_CHALLENGE, /* `text` is the CHALLENGE, decoded */
	NTLM_ANSWER_USER,      /* `text` is DOMAIN\user */
	NTLM_ANSWER_REFUSED,   /* `text` is why, as NT_STATUS_LOGON_FAILURE */
	NTLM_ANSWER_BROKEN,    /* the domain can't be asked; `text` is why, as the helper says it */
	NTLM_ANSWER_SILENT,    /* no helper in time, or none that lives */
};

/* `text` is valid inside the callback only. The talk may be ended from it. */
typedef void ntlm_talk_done(struct ntlm_talk *talk, enum ntlm_answer answer, struct slice text);

/* Embedded in its owner; zeroed but for `done` before its first step. */
struct ntlm_talk {
	ntlm_talk_done *done;
	/* private */
	struct sign_in_waiting waiting;
	struct ntlm_helper *helper; /* NULL: has none */
	struct ntlm_helpers *helpers;
	struct timer deadline; /* while it waits */
	size_t negotiate_size; /* kept while it waits */
	uint8_t negotiate[LIMIT_NTLM_NEGOTIATE_BYTES];
};

struct ntlm_helpers_bounds {
	uint32_t queue;         /* LIMIT_NTLM_QUEUE */
	uint32_t wait_ms;       /* LIMIT_NTLM_WAIT_MS: for a helper */
	uint32_t answer_ms;     /* LIMIT_NTLM_ANSWER_MS: for its answer */
	uint32_t hold_least_ms; /* LIMIT_NTLM_HOLD_LEAST_MS: that a silent client keeps a helper others want */
	uint32_t hold_most_ms;  /* LIMIT_NTLM_HOLD_MS: that it keeps one that nobody wants */
	uint32_t again_ms;      /* LIMIT_NTLM_AGAIN_MS: before the first new start; doubles */
};

/* Starts `count` of them; one that can't be is logged, and tried again. `program` stays. NULL bounds: those of limits.h. NULL and
 * `error` when memory has run out. */
struct ntlm_helpers *ntlm_helpers_create(struct loop *loop, const char *program, unsigned count,
					 const struct ntlm_helpers_bounds *bounds, struct error *error);

/* All talks have ended before. Kills, and turns the loop until all are gone; so not from a callback. NULL is allowed. */
void ntlm_helpers_destroy(struct ntlm_helpers *helpers);

/* False: it can't be now (no helper lives, too many wait); no callback comes. Else the callback will come, never from here. */
MUST_USE bool ntlm_talk_begin(struct ntlm_helpers *helpers, struct ntlm_talk *talk, uint64_t network,
			      struct slice negotiate);

/* Once, after NTLM_ANSWER_CHALLENGE. False: the helper was taken away meanwhile, or the message is too long. */
MUST_USE bool ntlm_talk_answer(struct ntlm_talk *talk, struct slice authenticate);

/* No callback comes any more. Nothing happens to one that never began or has ended. */
void ntlm_talk_end(struct ntlm_talk *talk);

#endif
