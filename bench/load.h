/* A worker of a load: one loop, its share of the connections, and the rule for when an operation may start.
 *
 * What an operation is, the scenario says (session.c, login.c, stream_load.c, idle.c); how a client connects and signs
 * in, client.h. A worker goes through three stages, in step with its parent (run.c), over memory that both share: it prepares (warms up; opens
 * the connections that last), measures, and ends.
 *
 * Closed loop: the next operation starts when a client is free. Open loop (--rate): operations have a start time
 * of their own, in steps of a millisecond, and their time counts from there, so a slow server is not asked less. */
#ifndef POSTERN_BENCH_LOAD_H
#define POSTERN_BENCH_LOAD_H

#include <stdatomic.h>

#include "bench/logins.h"
#include "bench/message.h"
#include "bench/options.h"
#include "bench/results.h"
#include "core/base/list.h"
#include "core/io/stream.h"

struct client;
struct load;

/* --- what parent and workers share --- */

enum run_stage { RUN_PREPARE, RUN_MEASURE, RUN_INTERRUPT, RUN_CLOSE }; /* the parent's word */
enum worker_stage { WORKER_PREPARES, WORKER_READY, WORKER_MEASURED };  /* the worker's answer */

struct worker_shared {
	_Atomic uint32_t stage; /* enum worker_stage */
	uint64_t open;          /* connections that are signed in now */
	uint64_t unstarted;     /* open loop: operations that found no free client before the end */
	struct results results;
};

struct run_shared {
	_Atomic uint32_t stage; /* enum run_stage */
	char loop[16];          /* name of the back end, told by the workers */
	struct worker_shared workers[];
};

/* --- scenarios --- */

struct scenario {
	const char *operation;  /* "session" */
	const char *operations; /* "sessions" */
	const char *total;      /* what reports call the time of a whole operation */
	bool lasting;           /* connections are opened while preparing and stay; else each operation has its own */
	bool each_once;         /* one operation a connection, then the run is over */
	unsigned at_once;       /* operations that a worker may have running; 0: as many as there are clients */

	void (*more)(struct client *client);  /* the client is free: ask load_take() and start, or load_wait() */
	void (*ready)(struct client *client); /* connected and signed in */
	void (*reply)(struct client *client); /* a whole reply, in client->reply */
	void (*settle)(
		struct client *client); /* all replies of this turn were told, or all output is written; may be NULL */
	void (*ended)(struct client *client, bool failed); /* the connection is gone */
};

extern const struct scenario scenario_session, scenario_stream, scenario_login, scenario_idle;

/* --- the worker --- */

enum { LOAD_SCRATCH_BYTES = 16 * 1024 }; /* a full TLS record of replies */

enum load_stage {
	LOAD_OPENING,   /* lasting connections come up */
	LOAD_WARMING,   /* operations run, but are not counted */
	LOAD_READY,     /* waits for the parent's word */
	LOAD_MEASURING, /* operations start */
	LOAD_ENDING,    /* those that run may end */
	LOAD_MEASURED,  /* all have; waits for the parent's word */
	LOAD_CLOSING,   /* connections say QUIT */
	LOAD_OVER,
};

struct load {
	const struct options *options;
	const struct scenario *scenario;
	const struct message *message;
	const struct logins *logins;
	const struct sockaddr *address;
	uint32_t address_size;
	struct run_shared *run;
	struct worker_shared *shared;
	unsigned worker; /* which one, from 0 */

	struct loop *loop;
	struct stream_buffers buffers;
	struct tls_context *tls;
	struct results *results; /* of operations: shared->results, or `warm` */
	struct results *warm;
	struct client *clients;
	uint64_t *windows; /* stream: start times of messages in flight, `pipeline` for each client */
	size_t client_count;
	size_t alive;   /* clients that are connecting or connected */
	size_t opening; /* of lasting ones: that are connecting */
	size_t opened;  /* lasting ones that were started so far */
	size_t next_login;
	uint64_t next_proxied; /* connections with a PROXY header so far */
	struct list waiting;   /* clients that would start an operation */
	struct timer control;
	struct timer pace;
	uint8_t stage; /* enum load_stage */
	size_t running;
	uint64_t taken;
	uint64_t take_most; /* operations of this stage; UINT64_MAX: no bound */
	uint64_t end_ns;    /* no operation starts after it; UINT64_MAX: none such */
	uint64_t cut_ns;    /* when what still runs is cut; UINT64_MAX: never, each operation has its time-out */
	double interval_ns; /* between intended starts; 0: closed loop */
	uint64_t first_due_ns;
	uint64_t cpu_begin_ns;
	uint64_t waited_begin_ns;
	uint8_t scratch[LOAD_SCRATCH_BYTES]; /* replies are read into it, one client at a time */
};

/* A worker's whole life, in a process of its own. Answers its exit status. */
int load_run(struct load *load);

/* May an operation start? If so its intended start is filled, and load_done() is owed. */
MUST_USE bool load_take(struct load *load, uint64_t *start_ns);

/* The client would start one: it gets more() when it may. */
void load_wait(struct load *load, struct client *client);

/* The operation is over; a good one ended at end_ns. */
void load_done(struct load *load, bool good, uint64_t start_ns, uint64_t end_ns);

/* A lasting client is up, or failed to come up. */
void load_opened(struct load *load);

static inline void load_record(struct load *load, enum results_phase phase, uint64_t start_ns, uint64_t end_ns)
{
	histogram_record(&load->results->phases[phase], end_ns > start_ns ? end_ns - start_ns : 0);
}

/* Starts are read from the clock when they happen; ends are when the loop woke up for the reply, so that the time the
 * client itself takes for the other replies of the turn is not added to the server's. */
uint64_t load_clock_ns(void);

static inline uint64_t load_woken_ns(const struct load *load)
{
	return loop_now(load->loop)->monotonic_ns;
}

#endif
