/* A worker: one thread, one loop, one lane of the spool, and the sessions of its share of the clients.
 *
 * Everything a session needs of its surroundings is here. A worker shares nothing with other workers but the
 * listening addresses (SO_REUSEPORT) and the hashers. */
#ifndef POSTERN_SERVER_WORKER_H
#define POSTERN_SERVER_WORKER_H

#include "core/base/buffer.h"
#include "core/base/list.h"
#include "core/base/pool.h"
#include "core/io/loop.h"
#include "core/io/stream.h"
#include "core/relay/queue.h"
#include "core/server/control.h"
#include "core/server/generation.h"
#include "core/server/received_start.h"
#include "core/server/refusal_file.h"
#include "core/spool/spool.h"

/* A listening socket, from the supervisor. */
struct listener {
	struct list link; /* worker->listeners */
	struct loop_op accept;
	struct timer again; /* after EMFILE and the like */
	struct worker *worker;
	struct generation *generation;
	const struct server_block *server; /* of it */
	size_t number;                     /* among its listeners */
	int fd;
	enum listener_mode mode;
	bool closing;
};

struct worker_settings {
	unsigned number;       /* the lane too */
	struct served *served; /* what is served at first */
	bool takes_served; /* the worker ends it when nobody uses it any more, also where it can't be made; else it outlives this
				       * one */
	struct server_states *states; /* of all workers; outlives this one */
	struct quotas *quotas;        /* likewise; NULL: there are none */
	struct guard *guard;          /* likewise, whether it is on or not; NULL: there is none */
	const int *listen_fds; /* one for each listener of each server, in order; NULL: a lane without listeners */
	int hasher_fd;         /* -1: nobody can sign in */
	int channel_fd;        /* where the supervisor's parcels come; -1: none do */
	const char *lane_directory;
	const char *users_directory;
	const uint8_t *salt_secret; /* SECRET_KEY_BYTES; NULL: nobody else serves the same users */
	const char *ntlm_key_file;
	uint64_t segment_bytes; /* as in spool_settings, and so is the next: 0 but for tests */
	uint32_t compaction_ms;
};

/* Of the last second: connections that were refused for a limit of clients, told in the log and beyond that. */
struct worker_refusals {
	int64_t second;
	uint32_t told;
	uint32_t untold;
	uint32_t kept;
};

/* What the supervisor sends. */
struct worker_channel {
	struct loop_op poll;
	int fd;     /* -1: there is none */
	bool ready; /* something has come */
	struct parcel_reader reader;
};

struct worker {
	struct loop *loop;
	struct generation *present; /* that new sessions get */
	struct list generations;    /* all that are in use, with all sessions; the present one is the last */
	bool retiring;              /* sessions of retired ones are still to be told */
	struct worker_channel channel;
	struct server_states *states;
	struct quotas *quotas;
	struct guard *guard; /* NULL: it is off */
	struct guard *guard_memory;
	struct control_servers control_servers;
	unsigned number;
	bool serves; /* it has listeners: it is no lane of an earlier start, that is only being emptied */
	struct list listeners;
	struct spool *spool;
	struct queue *queue;
	struct control *control;
	struct sign_in_backends backends;
	struct client_names names;

	struct pool sessions;
	struct pool transactions;
	struct pool texts;       /* of transactions that the spool has not taken yet */
	struct pool blocks;      /* LIMIT_BODY_BLOCK_BYTES: message text */
	struct pool exchanges;   /* sign-ins that are going on */
	struct pool from_fields; /* of messages that come in, where they matter */
	struct stream_buffers buffers;

	struct list ready;         /* sessions to go on with after this turn */
	struct list spool_waiters; /* sessions that wait for the spool to be less busy */
	uint32_t delayed;          /* sign-ins that the guard lets wait */
	uint32_t tarpitted;        /* sessions that wait to be told that they are refused */
	struct worker_refusals refusals;
	struct refusal_file *refusal_file;
	size_t commits; /* transactions with something running in the spool */
	uint64_t next_session;
	bool draining;
	uint64_t drain_ms;
	struct timer drain_deadline;

	int64_t date_second; /* that `date` shows */
	struct buffer date;
	uint8_t date_storage[MESSAGE_DATE_BYTES];

	struct received_start received;

	/* What one session uses while it has the turn. */
	struct guard_ban ban; /* that refuses it */
	struct buffer replies;
	bool replies_due; /* some of them must not wait for the disk */
	uint8_t reply_storage[LIMIT_TURN_REPLY_BYTES];
	size_t scratch_secret; /* bytes at the beginning of `scratch` that may hold a password */
	uint8_t scratch[LIMIT_LARGE_BUFFER_BYTES];
	uint8_t sasl_response[LIMIT_SASL_RESPONSE_BYTES];
	struct buffer challenge; /* of a mechanism */
	uint8_t challenge_storage[LIMIT_CHALLENGE_BYTES];
	uint8_t discard[LIMIT_RECEIVE_BUFFER_BYTES]; /* where refused text goes */
};

/* Takes over the loop (destroys it at the end), opens lane and users, listens. NULL and `error` otherwise. */
struct worker *worker_create(struct loop *loop, const struct worker_settings *settings, struct error *error);

/* One turn of the loop and all that became ready in it. False: the loop is broken (`error`) or the worker is drained. */
MUST_USE bool worker_turn(struct worker *worker, bool wait, struct error *error);

/* The time of this turn as messages have it; valid in this turn. */
struct slice worker_date(struct worker *worker);

/* Stops accepting; sessions end after their transaction, at the latest after the configuration's drain time. worker_is_drained() then. */
void worker_drain(struct worker *worker);
bool worker_is_drained(const struct worker *worker);

/* Sessions that still live are dropped; what they were told is kept. */
void worker_destroy(struct worker *worker);

#endif
