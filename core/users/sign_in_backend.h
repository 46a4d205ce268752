/* The interface between a session and whoever verifies its sign-in: our own users, or a directory behind a helper.
 *
 * A worker owns its back ends. One exchange is one request, for as many steps as the mechanism takes; SMTP (base64, "*",
 * line limits, how often one may try) is the session's, what the mechanism says is the back end's.
 *
 * SMTP can't carry data with its 235: a mechanism with a last word of the server's sends it as a challenge, and the
 * client's empty response then brings SIGN_IN_OK (RFC 4954 §4). */
#ifndef POSTERN_USERS_SIGN_IN_BACKEND_H
#define POSTERN_USERS_SIGN_IN_BACKEND_H

#include "core/base/buffer.h"
#include "core/base/list.h"
#include "core/base/slice.h"
#include "core/net/address.h"
#include "crypto/tls.h"

enum sign_in_outcome {
	SIGN_IN_OK,          /* request->login says who */
	SIGN_IN_WRONG,       /* 535 5.7.8: nobody is told what was wrong */
	SIGN_IN_UNAVAILABLE, /* 454 4.7.0: it could not be found out now */
	SIGN_IN_CHALLENGE,   /* request->challenge is to be sent; the response to it is the next step */
	SIGN_IN_MALFORMED,   /* not what the mechanism says: 501 5.5.2 */
	SIGN_IN_REFUSED,     /* request->may() has said no; nothing was verified */
	SIGN_IN_OUTCOMES,    /* none yet */
};

/* What is known of the session. Its own memory: stays as long as the exchange. */
struct sign_in_facts {
	struct net_address client;
	struct net_address server;     /* that a proxy says the client has connected to; family 0: the socket's own */
	int socket;                    /* -1: none */
	uint64_t session;              /* its number in the log; 0: none */
	const struct tls_session *tls; /* NULL: outside TLS */
	struct slice hostname;         /* of the server block */
	unsigned offered;              /* SASL_… bits of what the session offers */
};

struct sign_in_request;
typedef void sign_in_done(struct sign_in_request *request, enum sign_in_outcome outcome);

/* May what is dear be begun for it, now that its turn has come? Calls nothing of the back end's. */
typedef bool sign_in_may(struct sign_in_request *request);

/* Embedded in its owner, or pooled; zeroed before the first step. */
struct sign_in_request {
	/* private to the back end */
	struct list link;
	struct sign_in_job *job;
	void *conversation; /* what it keeps from step to step; NULL: nothing */

	/* the asker's, set before each step */
	sign_in_done *done;
	sign_in_may *may; /* asked of what has waited in a queue; NULL: yes */
	const struct sign_in_facts *facts;
	uint64_t network;   /* any number that is the same for clients that share a turn in queues */
	unsigned mechanism; /* one SASL_… bit */
	struct slice
		name; /* PLAIN and LOGIN: must stay until the end. Others: the back end points it to who the client says
	                          to be, as soon as that is known, to memory that stays until the end */
	struct slice password; /* PLAIN and LOGIN: likewise; the owner wipes it */
	struct slice
		response; /* others: decoded, valid during the call only. data NULL: none was given, and the back end
	                          speaks first */

	/* the back end's, set before it answers */
	struct buffer *
		challenge; /* the asker's memory, LIMIT_CHALLENGE_BYTES, shared by all exchanges: to be filled (not encoded)
	                             right before SIGN_IN_CHALLENGE is answered */
	struct slice login; /* SIGN_IN_OK: who has signed in. Stays until the end */
	const char *reason; /* for the log: static text, NULL when there is nothing to tell. Clients never see it */
};

struct sign_in_backend {
	const struct sign_in_backend_class *class;
};

struct sign_in_backend_class {
	const char *name; /* for the log */

	/* True: decided now, *outcome is set and no callback comes. False: request->done comes, never from here. */
	bool (*step)(struct sign_in_backend *backend, struct sign_in_request *request, enum sign_in_outcome *outcome);

	/* Once for each request that has had a step: the exchange has ended, whatever way, or the asker has gone. No callback
	 * comes any more; what was kept for it is wiped and freed. */
	void (*end)(struct sign_in_backend *backend, struct sign_in_request *request);

	/* SASL_… bits of what it can verify now. NULL: always all that it is there for. */
	unsigned (*able)(const struct sign_in_backend *backend);

	/* Does it wait for its turn, and nothing dear was begun? end() takes it out of the queue then. NULL: never. */
	bool (*waits)(const struct sign_in_request *request);
};

static inline bool sign_in_step(struct sign_in_backend *backend, struct sign_in_request *request,
				enum sign_in_outcome *outcome)
{
	return backend->class->step(backend, request, outcome);
}

static inline void sign_in_end(struct sign_in_backend *backend, struct sign_in_request *request)
{
	backend->class->end(backend, request);
}

static inline bool sign_in_is_able(const struct sign_in_backend *backend, unsigned mechanism)
{
	return !backend->class->able || backend->class->able(backend) & mechanism;
}

static inline bool sign_in_waits(const struct sign_in_backend *backend, const struct sign_in_request *request)
{
	return backend->class->waits && backend->class->waits(request);
}

#endif
