/* What the service of dovecot.h consists of. Private to core/users.
 *
 * dovecot.c talks with those who ask, dovecot_exchange.c keeps the exchanges, dovecot_connection.c the connection. */
#ifndef POSTERN_USERS_DOVECOT_PARTS_H
#define POSTERN_USERS_DOVECOT_PARTS_H

#include <sys/socket.h>

#include "core/base/map.h"
#include "core/base/pool.h"
#include "core/users/dovecot.h"
#include "proto/dovecot_auth.h"
#include "proto/sasl.h"

enum dovecot_exchange_state {
	DOVECOT_WAITS,      /* to be sent; in `waiting` */
	DOVECOT_ASKED,      /* Dovecot's turn; in `asked` */
	DOVECOT_CHALLENGED, /* the client's turn; in `challenged` */
	DOVECOT_OVER,       /* nothing more comes: answered, or its connection broke; in no list */
};

/* A sign-in at Dovecot, from its first step to its end. */
struct dovecot_exchange {
	struct list link;
	struct map_node node; /* by id, where there is one */
	struct timer deadline;
	struct dovecot_service *service;
	struct sign_in_request *request;
	uint64_t asked_ms;
	uint32_t id;   /* 0: not sent yet */
	uint8_t state; /* enum dovecot_exchange_state */
	bool has_response;
	uint16_t user_size;
	uint8_t *held; /* copy of a response that waits; wiped before it is freed */
	size_t held_size;
	uint8_t user[LIMIT_LOGIN_NAME_BYTES];
};

enum dovecot_state {
	DOVECOT_AWAY, /* the next try comes later */
	DOVECOT_CONNECTING,
	DOVECOT_GREETING,
	DOVECOT_READY,
	DOVECOT_CLOSING, /* its operations are ending */
};

struct dovecot_service {
	struct sign_in_backend backend;
	struct loop *loop;
	struct dovecot_settings settings;
	struct sockaddr_storage address;
	socklen_t address_size;

	struct pool exchanges;
	struct map by_id;
	struct list waiting, asked, challenged;
	unsigned waiting_count;

	int state; /* enum dovecot_state */
	int fd;
	struct loop_op send; /* and connect */
	struct loop_op receive;
	struct timer greeting, again;
	uint64_t again_ms; /* until the next try after a failure */
	uint64_t ready_ms; /* when the greeting came */
	uint64_t heard_ms; /* when something last came */
	bool unreachable;  /* the last try failed: nobody waits for the next one */
	bool told;         /* that it is away */
	bool ended;        /* no further try */
	bool known;        /* its mechanisms */
	unsigned mechanisms;
	unsigned told_missing;
	uint32_t last_id;     /* goes on over connections, so that an old answer is never taken for a new one */
	struct error problem; /* of the last failure */

	struct dovecot_auth_reader reader;
	struct buffer out[2]; /* one is being sent, the other one filled */
	unsigned filling;
	uint8_t *memory; /* guarded: of the reader and of both */
};

static inline uint64_t dovecot_now_ms(const struct dovecot_service *service)
{
	return loop_now(service->loop)->monotonic_ns / CLOCK_NS_PER_MS;
}

/* --- exchanges --- */

/* NULL: too many, or no memory. */
struct dovecot_exchange *dovecot_exchange_begin(struct dovecot_service *service, struct sign_in_request *request);

/* Frees it, without a word to who asks. */
void dovecot_exchange_free(struct dovecot_exchange *exchange);

/* Sends what the request has to say now or keeps it until that can be done. False: *outcome is decided. */
MUST_USE bool dovecot_exchange_say(struct dovecot_exchange *exchange, enum sign_in_outcome *outcome);

/* Sends of those that wait what can be sent. */
void dovecot_exchanges_flush(struct dovecot_service *service);

/* What Dovecot said to it. */
void dovecot_exchange_hear(struct dovecot_service *service, enum dovecot_auth_event event,
			   const struct dovecot_auth_reply *reply);

/* The connection is lost: what was under way is unavailable, and with `all` what has waited for it too. */
void dovecot_exchanges_lose(struct dovecot_service *service, bool all);

/* --- the connection --- */

/* False: no memory. */
MUST_USE bool dovecot_connection_start(struct dovecot_service *service);
void dovecot_connection_stop(struct dovecot_service *service);

/* Where lines are appended; dovecot_connection_send() then sees to it that they leave. */
static inline struct buffer *dovecot_connection_out(struct dovecot_service *service)
{
	return &service->out[service->filling];
}
void dovecot_connection_send(struct dovecot_service *service);

/* All ids are used up: lets it end as if Dovecot had closed it, and another one begin. */
void dovecot_connection_renew(struct dovecot_service *service);

/* Gives it up. `why` is for the log. */
void dovecot_connection_fail(struct dovecot_service *service, const char *why);

#endif
