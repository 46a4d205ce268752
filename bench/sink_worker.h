/* One process of a sink: its loop, its listening sockets, its connections. */
#ifndef POSTERN_BENCH_SINK_WORKER_H
#define POSTERN_BENCH_SINK_WORKER_H

#include "bench/options.h"
#include "core/base/error.h"
#include "crypto/tls.h"

struct sink_listener {
	const char *text; /* ADDR:PORT */
	bool tls;         /* from the first byte */
};

struct sink_settings {
	uint64_t loop; /* enum loop_kind */
	struct sink_listener listeners[OPTIONS_LISTENERS];
	size_t listener_count;
	bool share_ports;        /* with other workers */
	struct tls_context *tls; /* NULL: no STARTTLS */
};

/* Listens and serves until SIGTERM, which must be blocked when this is called. A byte goes to `ready_fd` once it listens. False
 * and `error` when it can't. */
MUST_USE bool sink_worker_run(const struct sink_settings *settings, int ready_fd, struct error *error);

#endif
