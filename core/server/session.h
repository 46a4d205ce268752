/* A client's session: the one place that knows both TLS and SMTP.
 *
 * It feeds the SMTP engine with what the stream decrypts, does what the engine's actions ask (start TLS, verify a sign-in, judge
 * a path, gather text, commit), keeps replies in order and time limits. Commands that come behind a message
 * whose commit is running are worked on meanwhile; their replies wait for its 250. */
#ifndef POSTERN_SERVER_SESSION_H
#define POSTERN_SERVER_SESSION_H

#include "core/dns/reverse.h"
#include "core/net/address.h"
#include "core/server/transaction.h"
#include "core/server/worker.h"
#include "proto/header_from.h"

/* A sign-in that is going on; pooled, wiped when it ends. */
struct session_sign_in {
	struct sign_in_facts facts;
	struct sign_in_request request;
	struct sign_in_backend *backend; /* that has had a step; NULL: none */
	struct timer delay;              /* while the guard has it wait */
	uint32_t delayed_ms;             /* so long */
	uint8_t outcome;                 /* enum sign_in_outcome, that waits; SIGN_IN_OUTCOMES: the password does */
	bool asked_guard;                /* one waits once */
	bool has_failed;    /* a challenge has said so; the outcome is still to come, if the client lets it */
	uint8_t *challenge; /* that waits with its outcome, malloc'ed; NULL: none */
	size_t challenge_size;
	struct session *session;
	struct sasl_exchange exchange; /* the last: of its name and password there is as much as their sizes say */
};

/* The From field of a message that comes in; pooled. */
struct session_from {
	struct header_from field;
	struct buffer value;
	uint8_t storage[LIMIT_FROM_BYTES];
};

/* What the session's timer is for; the limits are the server block's. */
enum session_phase {
	SESSION_PROXY,     /* the proxy's header: total */
	SESSION_TARPIT,    /* refused, and not yet told so */
	SESSION_HANDSHAKE, /* TLS: total */
	SESSION_IDLE,      /* between commands */
	SESSION_COMMAND,   /* a line has begun: total until it is whole */
	SESSION_TEXT,      /* message text: a minimum rate */
	SESSION_WAITING,   /* for the disk or a hasher: theirs are the limits */
	SESSION_FINISHING, /* the last reply is leaving */
	SESSION_CLOSING,   /* until STREAM_CLOSED */
};

/* Why input rests. */
enum session_block {
	SESSION_BLOCK_SIGN_IN = 1, /* a hasher is working */
	SESSION_BLOCK_TEXT = 2,    /* text goes to the large file */
	SESSION_BLOCK_COMMIT = 4,  /* enough messages, or replies behind them, wait for the disk */
	SESSION_BLOCK_OUTPUT = 8,  /* the client does not read its replies */
	SESSION_BLOCK_SPOOL = 16,  /* the spool is busy */
	SESSION_BLOCK_NAME = 32,   /* the client's name is being found out */
	SESSION_BLOCK_GUARD = 64,  /* a sign-in waits as long as the guard says */
};

enum { SESSION_CLIENT_BYTES = sizeof "IPv6:" - 1 + NET_ADDRESS_TEXT_BYTES };

struct session {
	struct stream stream;
	struct smtp_session smtp;
	struct worker *worker;
	struct generation *generation; /* held until the session ends */
	const struct server_block *server;
	struct list link;    /* in its generation's */
	struct list ready;   /* in worker->ready or worker->spool_waiters */
	struct list commits; /* transactions that were committed and not yet answered, oldest first */
	struct buffer
		behind; /* replies to what came behind the oldest of them; data NULL: nothing waits for the disk */
	struct timer timer;
	struct transaction *message; /* being gathered */
	struct session_sign_in *sign_in;
	struct session_from *from; /* NULL: it does not matter, or no text has come */
	struct buffer held; /* input kept over a pause, or the beginning of a line or header; data NULL when empty */
	struct slice turn;  /* input of this turn that was not worked on yet */
	char *login;        /* malloc'ed; NULL until signed in */
	struct reverse_waiter name_waiter;
	char *name;              /* malloc'ed; NULL unless POLICY_NAME_KNOWN */
	char *waiting_path;      /* of the MAIL or RCPT that waits for the name; NULL: none */
	uint64_t number;         /* in logs: worker and count */
	uint64_t hard_due_ms;    /* monotonic: sign-in or session limit; 0: none */
	uint32_t messages;       /* accepted */
	uint32_t text_bytes;     /* received since the rate was looked at */
	struct net_address peer; /* the client: of a proxy's connection, whom it stands for once its header is there */
	struct net_address server_address; /* that the proxy's header says; family 0: there was none */
	struct client_ticket ticket;       /* where it is counted */
	uint8_t turned_away;               /* enum client_verdict */
	uint8_t client_size;
	char client[SESSION_CLIENT_BYTES]; /* the peer as RFC 5321 §4.1.3 writes it: "192.0.2.1", "IPv6:2001:db8::1" */
	uint32_t held_ahead;     /* bytes at the start of `behind` that belong ahead of the oldest commit's reply */
	uint32_t behind_counted; /* bytes of `behind` that some transaction has counted, with those ahead */
	uint16_t tls_bits;       /* of the cipher, once TLS is open; 0: no TLS */
	uint8_t waiting_commits; /* in `commits` */
	uint8_t phase;           /* enum session_phase */
	uint8_t blocked;         /* enum session_block bits; 0: input is worked on */
	bool held_large;         /* `held` is a large buffer */
	bool behind_large;       /* so is `behind` */
	bool skipping_line;      /* an over-long line was refused: drop up to its end */
	bool is_proxys_own;      /* it stands for itself */
	bool greeted;
	bool tarpitted;               /* counted in worker->tarpitted */
	uint8_t name_state;           /* enum policy_name */
	uint8_t waiting_action;       /* enum smtp_action: what waits for the name; SMTP_CONTINUE: the greeting */
	struct policy_verdict judged; /* of the connection */
	uint64_t refusal;             /* the id, where turned_away or `refused` */
	bool refused;                 /* over the limit of connections: 421 is the greeting */
	bool start_tls;               /* once everything before it is answered */
	bool ending;                  /* the engine is done, or the peer: close when all is answered */
};

/* Takes over the connected socket. Over the server block's `connections` the client is told 421 and closed (behind
 * implicit TLS only closed: a handshake is what a flood would want); without memory it is closed. */
void session_create(const struct listener *listener, int fd);

/* Goes on after something it waited for: called by the worker between turns. */
void session_continue(struct session *session);

/* The worker is ending: 421 to those who are between transactions, the others when they are through. */
void session_drain(struct session *session);

/* Its generation is retired: 421 once it is between transactions. */
void session_retire(struct session *session);

/* Ends at once, without a word; STREAM_CLOSED frees it. */
void session_abort(struct session *session);

/* --- from transactions, in the loop's callbacks --- */

/* A step of the large file is done, or failed: text may go on. */
void session_text_flushed(struct session *session, enum smtp_status status);

/* The transaction has its outcome. */
void session_committed(struct session *session);

#endif
