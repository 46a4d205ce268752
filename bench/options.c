/* The table of options, its parser, and what may not be combined: see options.h. */
#include "bench/options.h"

#include <stddef.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/near_miss.h"
#include "core/base/slice.h"
#include "core/io/loop.h"
#include "crypto/tls.h"
#include "proto/sasl.h"

enum {
	LOADS = COMMAND_SESSION | COMMAND_STREAM | COMMAND_LOGIN | COMMAND_IDLE,
	SENDERS = COMMAND_SESSION | COMMAND_STREAM,
	ALL = LOADS | COMMAND_SINK,
};

enum option_kind {
	OPTION_TEXT,
	OPTION_NUMBER,
	OPTION_SIZE,   /* bytes, with K or M behind */
	OPTION_TIME,   /* to ms; seconds, or with ms, s, min behind */
	OPTION_SET,    /* takes no argument: sets `least` */
	OPTION_FORGET, /* takes no argument: clears a text */
	OPTION_CHOICE,
	OPTION_PIDS, /* comma-separated */
};

struct option_choice {
	const char *name;
	uint64_t value;
};

struct option_row {
	const char *name;
	const char *argument; /* as --help calls it; NULL: none */
	const char *help;
	uint8_t commands;
	uint8_t kind;
	uint16_t offset;
	uint64_t least, most;
	const struct option_choice *choices;
};

#define AT(field) offsetof(struct options, field)

static const struct option_choice mechanisms[] = {
	{ "NONE", 0 },
	{ "PLAIN", SASL_PLAIN },
	{ "LOGIN", SASL_LOGIN },
	{ "SCRAM-SHA-256", SASL_SCRAM_SHA_256 },
	{ "SCRAM-SHA-256-PLUS", SASL_SCRAM_SHA_256_PLUS },
	{ "NTLM", SASL_NTLM },
	{ "EXTERNAL", SASL_EXTERNAL },
	{ "OAUTHBEARER", SASL_OAUTHBEARER },
	{ "XOAUTH2", SASL_XOAUTH2 },
	{ NULL, 0 },
};
static const struct option_choice versions[] = { { "1.2", TLS_VERSION_1_2 }, { "1.3", TLS_VERSION_1_3 }, { NULL, 0 } };
static const struct option_choice loops[] = {
	{ "auto", LOOP_AUTO }, { "io_uring", LOOP_IO_URING }, { "epoll", LOOP_EPOLL }, { NULL, 0 }
};

static const struct option_row rows[] = {
	{ "--to", "HOST:PORT", "the server; \"[2001:db8::1]:465\" for IPv6", LOADS, OPTION_TEXT, AT(to) },
	{ "--tls", NULL, "TLS from the first byte (default)", LOADS, OPTION_SET, AT(security), SECURITY_TLS },
	{ "--starttls", NULL, "plain greeting, then STARTTLS", LOADS, OPTION_SET, AT(security), SECURITY_STARTTLS },
	{ "--plain", NULL, "no TLS", LOADS, OPTION_SET, AT(security), SECURITY_PLAIN },
	{ "--ca", "FILE", "trusted roots (default: the system's)", LOADS, OPTION_TEXT, AT(ca) },
	{ "--no-verify", NULL, "take any certificate", LOADS, OPTION_FORGET, AT(ca) },
	{ "--host", "NAME", "name that the certificate must have (default: the host of --to)", LOADS, OPTION_TEXT,
	  AT(host) },
	{ "--tls-version", "1.2|1.3", "this version only", LOADS, OPTION_CHOICE, AT(tls_version), 0, 0, versions },
	{ "--resume", NULL, "resume TLS sessions with the newest ticket", LOADS, OPTION_SET, AT(resume), 1 },
	{ "--proxy-for", "PREFIX",
	  "be a proxy: a PROXY header first, for clients with addresses of this prefix, in turn", LOADS, OPTION_TEXT,
	  AT(proxy_for) },
	{ "--user", "NAME", "sign in as", LOADS, OPTION_TEXT, AT(user) },
	{ "--password", "TEXT", "its password", LOADS, OPTION_TEXT, AT(password) },
	{ "--users", "FILE", "lines of name:password, taken in turn", LOADS, OPTION_TEXT, AT(users) },
	{ "--mechanism", "NAME",
	  "PLAIN (default), LOGIN, SCRAM-SHA-256, SCRAM-SHA-256-PLUS, NTLM, EXTERNAL (with --certificate), OAUTHBEARER "
	  "or XOAUTH2 "
	  "(the password is the token), or NONE: nobody signs in",
	  LOADS, OPTION_CHOICE, AT(mechanism), 0, 0, mechanisms },
	{ "--from", "ADDRESS", "sender (default sender@example.org)", SENDERS, OPTION_TEXT, AT(from) },
	{ "--rcpt", "ADDRESS", "recipient (default recipient@example.org)", SENDERS, OPTION_TEXT, AT(recipient) },
	{ "--recipients", "N", "a message; the others are local+2@domain, … (default 1)", SENDERS, OPTION_NUMBER,
	  AT(recipients), 1, OPTIONS_RECIPIENTS_MOST },
	{ "--size", "BYTES", "of a message, with K or M (default 1K)", SENDERS, OPTION_SIZE, AT(size_bytes), 1,
	  OPTIONS_MESSAGE_BYTES_MOST },
	{ "--pipeline", "N",
	  "stream: messages in flight on a connection (default 1); session: 1 sends the envelope as one group", SENDERS,
	  OPTION_NUMBER, AT(pipeline), 0, OPTIONS_PIPELINE_MOST },
	{ "--connections", "N", "open at the same time (default 50; idle 1000)", LOADS, OPTION_NUMBER, AT(connections),
	  1, OPTIONS_CONNECTIONS_MOST },
	{ "--duration", "TIME", "how long to measure, or idle: to hold (default 10s; idle 1s)", LOADS, OPTION_TIME,
	  AT(duration_ms), 1, 7 * 24 * 3600 * 1000u },
	{ "--count", "N", "end after so many operations", LOADS & ~COMMAND_IDLE, OPTION_NUMBER, AT(count), 1,
	  UINT32_MAX },
	{ "--warm-up", "N", "operations before measuring begins", LOADS & ~COMMAND_IDLE, OPTION_NUMBER, AT(warm_up), 0,
	  UINT32_MAX },
	{ "--rate", "N", "start N operations a second, whatever the answers do (open loop)", LOADS & ~COMMAND_IDLE,
	  OPTION_NUMBER, AT(rate), 1, 10000000 },
	{ "--timeout", "TIME", "an operation that takes longer has failed (default 30s)", LOADS, OPTION_TIME,
	  AT(timeout_ms), 1, 3600 * 1000 },
	{ "--server-pid", "PID,…", "measure these processes and all below them", LOADS, OPTION_PIDS, AT(server_pids) },
	{ "--listen", "ADDR:PORT", "plain, and STARTTLS where there is a certificate", COMMAND_SINK, OPTION_TEXT,
	  AT(listen) },
	{ "--tls-listen", "ADDR:PORT", "TLS from the first byte", COMMAND_SINK, OPTION_TEXT, AT(tls_listen) },
	{ "--certificate", "FILE", "PEM, leaf first; a client's is for EXTERNAL", LOADS | COMMAND_SINK, OPTION_TEXT,
	  AT(certificate) },
	{ "--key", "FILE", "its key", LOADS | COMMAND_SINK, OPTION_TEXT, AT(key) },
	{ "--private", "FOLDER", "instead: a CA (ca.pem) and a certificate for localhost of its own, made there once",
	  COMMAND_SINK, OPTION_TEXT, AT(private_files) },
	{ "--workers", "N", "processes to share the work (default 1; idle: as descriptors need)", ALL, OPTION_NUMBER,
	  AT(workers), 1, OPTIONS_WORKERS_MOST },
	{ "--loop", "KIND", "io_uring, epoll or auto (default)", ALL, OPTION_CHOICE, AT(loop), 0, 0, loops },
	{ "--rules", "N", "in each table (default: 1000, 100000 and 1000000, one after the other)", COMMAND_MICRO,
	  OPTION_NUMBER, AT(rules), 1, OPTIONS_RULES_MOST },
	{ "--json", NULL, "report as JSON on standard output", LOADS | COMMAND_MICRO, OPTION_SET, AT(json), 1 },
};

enum { ROWS = sizeof rows / sizeof rows[0], NAME_BYTES = 40 };

static const char *const system_roots = "/etc/ssl/certs/ca-certificates.crt";

void options_print_help(enum command command, FILE *out)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (!(rows[i].commands & command))
			continue;
		char left[64];
		snprintf(left, sizeof left, "%s %s", rows[i].name, rows[i].argument ? rows[i].argument : "");
		fprintf(out, "  %-24s %s\n", left, rows[i].help);
	}
}

/* Its name ends at a "=". NULL, and what was meant, when there is none, or none of this subcommand. */
static const struct option_row *find_row(const char *word, enum command command, struct error *error)
{
	char name[NAME_BYTES];
	snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
	struct near_miss near = near_miss_of(name);
	for (size_t i = 0; i < ROWS; i++) {
		bool is_it = strcmp(rows[i].name, name) == 0;
		if (is_it && rows[i].commands & command)
			return &rows[i];
		if (is_it) {
			error_set(error, "%s is for other subcommands", name);
			return NULL;
		}
		if (rows[i].commands & command)
			near_miss_consider(&near, rows[i].name);
	}
	error_set(error, "%s: there is no such option%s%s%s", name, near.best ? "; did you mean " : "",
		  near.best ? near.best : "", near.best ? "?" : "");
	return NULL;
}

/* Takes one of the suffixes off the text's end and answers its factor; the last row has the empty suffix. */
static uint64_t take_suffix(struct slice *text, const struct option_choice *suffixes)
{
	for (; suffixes->name[0]; suffixes++) {
		size_t size = strlen(suffixes->name);
		if (text->size > size && memcmp(text->data + text->size - size, suffixes->name, size) == 0) {
			*text = slice_first(*text, text->size - size);
			break;
		}
	}
	return suffixes->value;
}

static bool parse_number(const struct option_row *row, struct slice text, uint64_t *number)
{
	static const struct option_choice sizes[] = { { "K", 1024 }, { "M", 1024 * 1024 }, { "", 1 } };
	static const struct option_choice times[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "", 1000 } };
	static const struct option_choice plain[] = { { "", 1 } };
	const struct option_choice *suffixes = row->kind == OPTION_SIZE   ? sizes
					       : row->kind == OPTION_TIME ? times
									  : plain;
	uint64_t factor = take_suffix(&text, suffixes);
	if (!slice_parse_number(text, row->most / factor, number))
		return false;
	*number *= factor;
	return *number >= row->least;
}

static bool parse_choice(const struct option_row *row, const char *text, uint64_t *value)
{
	for (const struct option_choice *choice = row->choices; choice->name; choice++) {
		if (strcmp(choice->name, text) == 0) {
			*value = choice->value;
			return true;
		}
	}
	return false;
}

static bool parse_pids(struct options *options, struct slice text)
{
	options->server_pid_count = 0;
	for (;;) {
		size_t comma = slice_find(text, ',');
		if (options->server_pid_count == OPTIONS_SERVER_PIDS)
			return false;
		uint64_t *pid = &options->server_pids[options->server_pid_count++];
		if (!slice_parse_number(slice_first(text, comma), INT32_MAX, pid) || *pid == 0)
			return false;
		if (comma == text.size)
			return true;
		text = slice_skip(text, comma + 1);
	}
}

/* Stores one option's argument (NULL where it takes none). */
static bool store(struct options *options, const struct option_row *row, const char *argument)
{
	const char **text = (const char **)((char *)options + row->offset);
	uint64_t *number = (uint64_t *)((char *)options + row->offset);
	switch ((enum option_kind)row->kind) {
	case OPTION_TEXT:
		*text = argument;
		return argument[0] != 0;
	case OPTION_FORGET:
		*text = NULL;
		return true;
	case OPTION_SET:
		*number = row->least;
		return true;
	case OPTION_CHOICE:
		return parse_choice(row, argument, number);
	case OPTION_PIDS:
		return parse_pids(options, slice_from_text(argument));
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_TIME:
		return parse_number(row, slice_from_text(argument), number);
	}
	return false;
}

static void set_defaults(struct options *options, enum command command)
{
	*options = (struct options){
		.command = command,
		.ca = system_roots,
		.mechanism = SASL_PLAIN,
		.from = "sender@example.org",
		.recipient = "recipient@example.org",
		.recipients = 1,
		.size_bytes = 1024,
		.pipeline = command == COMMAND_STREAM,
		.connections = command == COMMAND_IDLE ? 1000 : 50,
		.timeout_ms = 30000,
	};
}

static bool check_who(const struct options *options, struct error *error)
{
	bool external = options->mechanism == SASL_EXTERNAL;
	if (!options->certificate != !options->key)
		return error_set(error, "--certificate and --key go together");
	if (external && !options->certificate)
		return error_set(error, "EXTERNAL needs --certificate and --key: they say who it is");
	if (!external && !options->user != !options->password)
		return error_set(error, "--user and --password go together");
	if ((options->user && strlen(options->user) > LIMIT_LOGIN_NAME_BYTES) ||
	    (options->password && strlen(options->password) > LIMIT_PASSWORD_BYTES))
		return error_set(error, "a name may have %d bytes, a password %d", LIMIT_LOGIN_NAME_BYTES,
				 LIMIT_PASSWORD_BYTES);
	if (options->command == COMMAND_LOGIN && !options->user && !options->users && !external && options->mechanism)
		return error_set(error, "login needs --user and --password, or --users");
	return true;
}

/* What may not be left out, and what may not stand together. */
static bool check_load(struct options *options, struct error *error)
{
	if (!options->to)
		return error_set(error, "--to HOST:PORT is missing");
	if (options->proxy_for && !net_prefix_parse(slice_from_text(options->proxy_for), &options->clients, error))
		return false;
	if (options->user && options->users)
		return error_set(error, "--user and --users exclude each other");
	if (!check_who(options, error))
		return false;
	if (options->command == COMMAND_STREAM && options->pipeline == 0)
		return error_set(error, "--pipeline 0: a stream has at least one message in flight");
	if (options->command == COMMAND_SESSION && options->pipeline > 1)
		return error_set(error, "--pipeline %d: a session has one message", (int)options->pipeline);
	if (options->connections < options->workers)
		return error_set(error, "more --workers than --connections");
	return true;
}

static bool check_sink(const struct options *options, struct error *error)
{
	if (!options->listen && !options->tls_listen)
		return error_set(error, "--listen or --tls-listen is missing");
	if (!options->certificate != !options->key)
		return error_set(error, "--certificate and --key go together");
	if (options->certificate && options->private_files)
		return error_set(error, "--certificate and --private exclude each other");
	if (options->tls_listen && !options->certificate && !options->private_files)
		return error_set(error, "--tls-listen needs --certificate and --key, or --private");
	return true;
}

bool options_parse(struct options *options, enum command command, int argc, char **argv, struct error *error)
{
	set_defaults(options, command);
	for (int i = 0; i < argc; i++) {
		const struct option_row *row = find_row(argv[i], command, error);
		const char *equals = strchr(argv[i], '='), *argument = equals ? equals + 1 : NULL;
		if (!row)
			return false;
		if (!row->argument && argument)
			return error_set(error, "%s takes no value", row->name);
		if (row->argument && !argument && i + 1 == argc)
			return error_set(error, "%s needs %s behind it", row->name, row->argument);
		if (row->argument && !argument)
			argument = argv[++i];
		if (!store(options, row, argument))
			return error_set(error, "%s: \"%s\" is not a good %s", row->name, argument, row->argument);
	}
	if (command == COMMAND_MICRO)
		return true;
	if (command != COMMAND_SINK && !options->duration_ms && !options->count)
		options->duration_ms = command == COMMAND_IDLE ? 1000 : 10000;
	if (!options->workers && command != COMMAND_IDLE)
		options->workers = 1;
	return command == COMMAND_SINK ? check_sink(options, error) : check_load(options, error);
}

const char *options_mechanism_name(const struct options *options)
{
	bool somebody = options->user || options->users || options->mechanism == SASL_EXTERNAL;
	return somebody && options->mechanism ? sasl_mechanism_name((unsigned)options->mechanism) : NULL;
}
