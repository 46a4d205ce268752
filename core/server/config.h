/* The configuration, read with libConfuse and checked whole: everything that is wrong is told in one go.
 *
 * Plain data after reading; owned by one struct, freed at once. Every block knows its file and line. */
#ifndef POSTERN_SERVER_CONFIG_H
#define POSTERN_SERVER_CONFIG_H

#include <sys/socket.h>

#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/io/loop.h"
#include "core/net/prefix.h"
#include "core/policy/quota.h"
#include "core/relay/route.h"
#include "core/server/config_access.h"
#include "core/server/config_backends.h"
#include "core/server/config_guard.h"
#include "core/server/config_ntlm.h"

enum listener_mode { LISTENER_PLAIN, LISTENER_STARTTLS, LISTENER_TLS };

struct config_listener {
	char *text; /* as written */
	struct sockaddr_storage address;
	socklen_t address_size;
	enum listener_mode mode;
	int line;
};

struct config_certificate {
	char *name; /* NULL: the default; else the SNI name of an `sni NAME { certificate key }` block */
	char *certificate;
	char *key;
	int line;
};

/* How good TLS has to be, and whose client certificates count. Defaults in brackets. */
struct config_tls {
	bool require;                /* mail is taken inside TLS alone; config_tls_requires() has the default */
	int require_line;            /* 0: not said */
	uint16_t min_bits;           /* 128 */
	int min_bits_line;           /* 0: not said */
	char *ciphers;               /* NULL: modern */
	char groups[64];             /* empty: the library's */
	uint64_t ticket_lifetime_ms; /* 24h */
	char *ticket_secret;         /* NULL: one of the data folder */
	int ticket_secret_line;
	char *client_ca; /* NULL: clients are not asked for certificates */
	int client_ca_line;
	char *client_crl; /* NULL: nothing is revoked */
	int client_crl_line;
};

/* Whose connections begin with a PROXY header. */
struct config_proxy {
	struct net_prefix prefix;
	int line;
};

/* All times in ms, sizes in bytes. Defaults in brackets. */
struct config_limits {
	uint64_t message_size; /* 36M */
	uint32_t recipients;   /* 1000 */
	uint32_t connections;  /* 100000, a server block and worker */
	int connections_line;  /* 0: it was not written; likewise the lines below */
	uint32_t errors;       /* 20, a session */
	uint64_t idle;         /* 5min, between commands */
	uint64_t proxy_header; /* 5s, total for the PROXY header, from those who send one */
	uint64_t handshake;    /* 30s, total for the TLS handshake */
	uint64_t sign_in;      /* 60s, total from greeting to a successful sign-in, where sign-in is required */
	uint64_t command;      /* 60s, total for a command line once its first byte is there */
	uint64_t session;      /* 1h: total for a session with no message accepted lately; 0: none */
	uint32_t data_rate;    /* 1K: least bytes a second while a message comes in, over each `data_grace` */
	uint64_t data_grace;   /* 30s */
};

struct config_server {
	char *name;
	unsigned place; /* in the configuration */
	const char *file;
	int line;
	char *hostname;
	struct config_listener *listeners;
	size_t listener_count;
	struct config_proxy *proxies;
	size_t proxy_count;
	struct config_certificate *certificates; /* [0] is the default */
	size_t certificate_count;
	uint16_t tls_min_version; /* TLS_VERSION_1_2 */
	struct config_tls tls;
	int auth_line;       /* of the block, 0: not written */
	unsigned mechanisms; /* SASL_… bits; {PLAIN, LOGIN} */
	struct config_backends backends;
	bool plaintext_sign_in; /* no */
	struct config_ntlm ntlm;
	bool senders_own;     /* any: whom one who has signed in may send as */
	bool from_header_own; /* any: and whom the From field may name */
	int senders_line;
	int from_header_line;
	bool anonymous; /* no: who has not signed in may send to recipients that are delivered here */
	struct config_connect connect;
	struct config_relay relay;
	struct config_dns dns;
	bool received_shows_client; /* received { client = show } */
	bool bare_lf_normalised;    /* message { bare_lf = refuse|normalise } */
	struct config_limits limits;
	struct quota quota;                        /* of each login; 0: no limit */
	int quota_lines[QUOTA_DAY_RECIPIENTS + 1]; /* by enum quota_verdict */
};

struct config {
	char *file;           /* as it was given; CONFIG_BUILT_IN for the embedded default */
	uint64_t fingerprint; /* of the text that was read, to tell it from another */
	bool built_in;        /* its certificate and data folder are made by `serve` where they are missing */
	char *data;           /* absolute after reading, as all paths */
	int data_line;
	char *user; /* NULL: stay */
	int user_line;
	unsigned workers;
	int workers_line; /* 0: not said; the next two likewise */
	unsigned hashers;
	int hashers_line;
	enum loop_kind loop;
	int loop_line;
	int log_level;     /* enum log_level; log = debug|info|warn|error */
	uint64_t drain_ms; /* shutdown = 30s: how long SIGTERM waits for transactions */
	struct config_server *servers;
	size_t server_count;
	struct route_table routes;
	struct config_guard guard;
};

/* One thing that is wrong. */
struct config_problem {
	int line;         /* 0: the whole file */
	uint16_t said_at; /* where in `text` the sentence starts, behind "FILE:LINE: " */
	char text[512];   /* "FILE:LINE: what is wrong; what to do" */
};

/* In order of their lines, those of the whole file last. Starts as { 0 }. */
struct config_problems {
	struct config_problem *list; /* malloc'ed, grows; config_problems_free() */
	size_t count;
	size_t open_relays; /* of them: that a server block is an open relay and does not say that it is meant so */
};

/* Reads and checks the form of everything: unknown keys (with the near miss that was meant), bad values, contradictions.
 * NULL when anything is wrong; `problems` then has all of it. */
struct config *config_read(const char *file, struct config_problems *problems);

/* The same, and what config_check() has to say of all that could be read: whatever is wrong, in one run. */
struct config *config_examine(const char *file, struct config_problems *problems);

/* The same of the file's text, to be served in place of `before`: then what only a restart can change is wrong too. */
struct config *config_examine_change(const char *text, const struct config *before, struct config_problems *problems);

/* The data folder that a configuration names, malloc'ed, whatever else is wrong with it. NULL: none can be made out. */
char *config_data_folder(const char *file);

/* config_read() from text (the embedded default, tests). `file` is the name in messages; relative paths in the text start
 * at its folder. */
struct config *config_parse(const char *text, const char *file, struct config_problems *problems);

/* The embedded default, for `postern serve` with no file: a data folder "postern-data" in the current folder. */
#define CONFIG_BUILT_IN "(built in)"
struct config *config_default(struct config_problems *problems);

/* What `serve` would refuse beyond the form: certificates and keys (crypto/certificate.h), folders that can't be read or
 * written by `user`, a user that does not exist. Adds to `problems`; answers true when nothing was added. Opens no
 * listener. What a built-in configuration lacks on disk is no problem: `serve` makes it. Of a configuration that was read in
 * part it judges what is there. */
MUST_USE bool config_check(const struct config *config, struct config_problems *problems);

void config_free(struct config *config);

/* Adds one, in its place by line; where there is no memory for it nothing, but the first is always told. */
void config_problem_add(struct config_problems *problems, const char *file, int line, const char *format, ...)
	PRINTF_LIKE(4, 5);
void config_problems_free(struct config_problems *problems);

#endif
