/* The command line: one table of options for all subcommands, from which parsing and --help come. */
#ifndef POSTERN_BENCH_OPTIONS_H
#define POSTERN_BENCH_OPTIONS_H

#include <stdint.h>
#include <stdio.h>

#include "core/base/error.h"
#include "core/net/prefix.h"

/* Subcommands, as bits: an option says which of them it belongs to. */
enum command {
	COMMAND_SESSION = 1,
	COMMAND_STREAM = 2,
	COMMAND_LOGIN = 4,
	COMMAND_IDLE = 8,
	COMMAND_SINK = 16,
	COMMAND_MICRO = 32
};

enum security { SECURITY_TLS, SECURITY_STARTTLS, SECURITY_PLAIN };

enum {
	OPTIONS_SERVER_PIDS = 16,
	OPTIONS_LISTENERS = 2,
	OPTIONS_WORKERS_MOST = 64,
	OPTIONS_CONNECTIONS_MOST = 1000000,
	OPTIONS_MESSAGE_BYTES_MOST = 256 * 1024 * 1024,
	OPTIONS_RECIPIENTS_MOST = 1000,
	OPTIONS_PIPELINE_MOST = 1000,
	OPTIONS_RULES_MOST = 10000000,
};

/* Texts are those of argv. Numbers are 64 bits wide, whatever they count, so that one table can fill them. */
struct options {
	uint64_t command; /* enum command */

	/* where to */
	const char *to;
	uint64_t security;         /* enum security */
	const char *ca;            /* NULL: not verified */
	const char *host;          /* SNI and the name that the certificate must have */
	uint64_t tls_version;      /* TLS_VERSION_…, 0: any */
	uint64_t resume;           /* a flag */
	const char *proxy_for;     /* NULL: no PROXY headers */
	struct net_prefix clients; /* what it says */
	uint64_t server_pids[OPTIONS_SERVER_PIDS];
	uint64_t server_pid_count;

	/* who */
	const char *user;
	const char *password;
	const char *users;       /* file */
	uint64_t mechanism;      /* a SASL_… bit; 0: nobody signs in */
	const char *certificate; /* ours, of whichever side we are */
	const char *key;

	/* what */
	const char *from;
	const char *recipient;
	uint64_t recipients; /* a message */
	uint64_t size_bytes; /* of a message */
	uint64_t pipeline;   /* stream: messages in flight; session: 1 sends MAIL, RCPT and DATA as one group */

	/* how much */
	uint64_t connections;
	uint64_t count;       /* operations; 0: as many as the duration allows */
	uint64_t duration_ms; /* 0: until the count is reached */
	uint64_t warm_up;     /* operations before measuring */
	uint64_t rate;        /* operations a second, 0: as fast as answers come */
	uint64_t timeout_ms;  /* an operation */

	/* how */
	uint64_t workers;
	uint64_t loop; /* enum loop_kind */
	uint64_t json; /* a flag */

	uint64_t rules; /* micro; 0: several */

	/* the sink */
	const char *listen;        /* plain, with STARTTLS where there is a certificate */
	const char *tls_listen;    /* implicit TLS */
	const char *private_files; /* folder for a CA and a certificate of its own */
};

/* Fills in defaults, then what argv (behind the subcommand's name) says, and refuses what does not fit together. False and
 * `error` otherwise: the call is wrong. */
MUST_USE bool options_parse(struct options *options, enum command command, int argc, char **argv, struct error *error);

/* How clients sign in; NULL: they don't. */
const char *options_mechanism_name(const struct options *options);

/* One line an option of this subcommand. */
void options_print_help(enum command command, FILE *out);

#endif
