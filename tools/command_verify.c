/* `postern verify`: does a server that runs do what it should? The table of checks, and the servers that they are made of. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/server_policy.h"
#include "crypto/secret.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/password_input.h"
#include "tools/verify.h"

enum { HOST_BYTES = 256, PORT_BYTES = 16 };

/* What a check needs, and where it is made. */
enum {
	ON_STARTTLS = 1, /* a listener that begins in the clear */
	ON_TLS = 2,      /* one that has TLS, whichever way */
	NEEDS_CONFIG = 4,
	NEEDS_LOGIN = 8, /* told as not tried without one */
	NEEDS_RECIPIENT = 16,
	ONCE = 32, /* a server block, not a listener */
};

static const struct check {
	const char *name;
	unsigned needs;
	void (*run)(struct verify *at);
	struct verify_case what; /* that is told where something is missing for it */
} checks[] = {
	{ "greeting", 0, verify_greeting },
	{ "auth-in-clear", ON_STARTTLS, verify_auth_in_clear },
	{ "tls-required", ON_STARTTLS, verify_tls_required },
	{ "starttls-injection", ON_STARTTLS | ON_TLS, verify_starttls_injection },
	{ "tls-floor", ON_TLS, verify_tls_floor },
	{ "tls-ciphers", ON_TLS, verify_tls_ciphers },
	{ "tls-strength", ON_TLS, verify_tls_strength },
	{ "certificate", ON_TLS, verify_certificate },
	{ "certificate-served", ON_TLS | NEEDS_CONFIG, verify_certificate_served },
	{ "wire", ON_TLS, verify_wire },
	{ "mechanisms", ON_TLS, verify_mechanisms },
	{ "sign-in",
	  ON_TLS | NEEDS_LOGIN | ONCE,
	  verify_sign_in,
	  { "signing in by each mechanism", "signed in, 235", "RFC 4954 §4" } },
	{ "relay-outside", ONCE, verify_relay_outside },
	{ "relay-inside",
	  ON_TLS | NEEDS_LOGIN | ONCE,
	  verify_relay_inside,
	  { "mail for elsewhere after signing in", "taken or not, as it is set up", "RFC 6409 §3.2" } },
	{ "rule-edges", NEEDS_CONFIG | ONCE, verify_rule_edges },
	{ "command-ends", ONCE, verify_command_ends },
	{ "smuggling",
	  NEEDS_RECIPIENT | ONCE,
	  verify_smuggling,
	  { "texts with false ends", "they do not end the text", "RFC 5321 §2.3.8, §4.1.1.4" } },
	{ "wrong-password", ON_TLS | ONCE, verify_wrong_password }, /* last: from then on the client may have to wait */
};

/* --- one listener --- */

static bool is_possible(const struct verify *at, const struct check *check, bool first)
{
	enum probe_security security = at->target.security;
	if ((check->needs & ON_STARTTLS) && security == PROBE_TLS)
		return false;
	if ((check->needs & ON_TLS) && security == PROBE_PLAIN)
		return false;
	return !((check->needs & NEEDS_CONFIG) && !at->server) && !((check->needs & ONCE) && !first);
}

static const char *missing(const struct verify *at, const struct check *check)
{
	if ((check->needs & NEEDS_LOGIN) && !at->request->user)
		return "there is no login; give --user";
	if ((check->needs & NEEDS_LOGIN) && !verify_has_login(at))
		return "by the configuration nobody signs in with a password here";
	if ((check->needs & NEEDS_RECIPIENT) && !verify_recipient(at))
		return "no recipient takes mail; give --recipient, or --user with an address";
	return NULL;
}

static void check_listener(struct verify *at, bool first)
{
	size_t failed = at->report->outcomes[VERIFY_FAILED];
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		const struct check *check = &checks[i];
		if (!is_possible(at, check, first))
			continue;
		at->check = check->name;
		const char *lacks = missing(at, check);
		if (lacks)
			verify_tell(at, VERIFY_NOT_TRIED, &check->what, "%s", lacks);
		else
			check->run(at);
		/* Who is not let in can see nothing else, but whether others are. */
		if (i == 0 && at->report->outcomes[VERIFY_FAILED] > failed) {
			at->check = "rule-edges";
			if (at->turned_away && at->server && first)
				verify_rule_edges(at);
			return;
		}
	}
}

/* --- --to HOST:PORT --- */

static bool split_to(const char *to, char host[HOST_BYTES], char port[PORT_BYTES])
{
	const char *colon = strrchr(to, ':');
	size_t size = colon ? (size_t)(colon - to) : 0;
	bool bracketed = size > 2 && to[0] == '[' && to[size - 1] == ']';
	if (size == 0 || strlen(colon + 1) == 0 || strlen(colon + 1) >= PORT_BYTES)
		return false;
	snprintf(port, PORT_BYTES, "%s", colon + 1);
	return slice_to_text(bracketed ? slice_of(to + 1, size - 2) : slice_of(to, size), host, HOST_BYTES);
}

static bool find_security(const struct verify_request *request, const char *port, enum probe_security *security)
{
	static const char *const names[] = {
		[PROBE_PLAIN] = "plain", [PROBE_STARTTLS] = "starttls", [PROBE_TLS] = "tls"
	};
	*security = strcmp(port, "465") == 0 ? PROBE_TLS : PROBE_STARTTLS;
	if (!request->security)
		return true;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(request->security, names[i]) == 0) {
			*security = (enum probe_security)i;
			return true;
		}
	}
	return false;
}

static int verify_one(struct verify *at)
{
	char host[HOST_BYTES], port[PORT_BYTES];
	enum probe_security security;
	if (!split_to(at->request->to, host, port) || !find_security(at->request, port, &security)) {
		fputs("postern verify: --to takes HOST:PORT, --security starttls, tls or plain\n", stderr);
		return EXIT_USAGE;
	}
	at->target.host = host;
	at->target.port = port;
	at->target.name = at->request->name ? at->request->name : host;
	at->target.security = security;
	snprintf(at->where, sizeof at->where, "%.120s", at->request->to);
	check_listener(at, true);
	return EXIT_DONE;
}

/* --- a configuration --- */

/* Where it listens: one that listens everywhere is asked on this machine. */
static bool describe_listener(const struct config_listener *listener, char host[HOST_BYTES], char port[PORT_BYTES])
{
	if (getnameinfo((const struct sockaddr *)&listener->address, listener->address_size, host, HOST_BYTES, port,
			PORT_BYTES, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	if (strcmp(host, "0.0.0.0") == 0)
		snprintf(host, HOST_BYTES, "127.0.0.1");
	else if (strcmp(host, "::") == 0)
		snprintf(host, HOST_BYTES, "::1");
	return true;
}

/* Where this machine is one of the proxies, it must say for whom it stands. */
static bool is_proxy(const struct config_server *server, const char *host)
{
	struct net_address address;
	struct error error;
	if (net_address_parse(slice_from_text(host), &address, &error))
		for (size_t i = 0; i < server->proxy_count; i++)
			if (net_prefix_contains(&server->proxies[i].prefix, &address))
				return true;
	return false;
}

/* Who may not connect sees nothing but that. */
static void check_rules_alone(struct verify *at, bool first)
{
	static const struct verify_case what = { "connecting", "220, for who may", "connect" };
	at->check = "greeting";
	verify_tell(at, VERIFY_NOT_TRIED, &what,
		    "by the configuration nobody on this machine may connect; proxy_protocol = 127.0.0.1 would let "
		    "others be tried");
	at->check = "rule-edges";
	if (first)
		verify_rule_edges(at);
}

static void verify_listener(struct verify *at, const struct config_listener *listener, bool first)
{
	static const enum probe_security securities[] = {
		[LISTENER_PLAIN] = PROBE_PLAIN,
		[LISTENER_STARTTLS] = PROBE_STARTTLS,
		[LISTENER_TLS] = PROBE_TLS,
	};
	char host[HOST_BYTES], port[PORT_BYTES];
	struct verify_guise guise;
	snprintf(at->where, sizeof at->where, "%.60s %.60s", at->server->name, listener->text);
	if (!describe_listener(listener, host, port))
		return;
	at->listener = listener;
	at->proxied = is_proxy(at->server, host);
	at->target.host = host;
	at->target.port = port;
	at->target.name = at->request->name ? at->request->name : at->server->hostname;
	at->target.security = securities[listener->mode];
	at->target.proxy_header = at->proxied ? SLICE_LITERAL("PROXY UNKNOWN\r\n") : SLICE_LITERAL("");
	at->target.source = NULL;
	if (verify_come_as_client(at, &guise))
		check_listener(at, first);
	else
		check_rules_alone(at, first);
}

/* What is checked once is checked inside TLS where that can be. */
static const struct config_listener *choose_first(const struct config_server *server)
{
	for (size_t i = 0; i < server->listener_count; i++)
		if (server->listeners[i].mode != LISTENER_PLAIN)
			return &server->listeners[i];
	return &server->listeners[0];
}

static void verify_settings(struct verify *at)
{
	snprintf(at->where, sizeof at->where, "%.120s", at->server->name);
	at->check = "relay-rules";
	verify_relay_rules(at);
	at->check = "guessing";
	if (at->server->mechanisms)
		verify_guessing(at);
}

static void verify_with_policy(struct verify *at)
{
	verify_choose_foreign(at);
	const struct config_server *server = at->server;
	const struct config_listener *first = choose_first(server);
	verify_settings(at);
	for (size_t i = 0; i < server->listener_count; i++)
		verify_listener(at, &server->listeners[i], &server->listeners[i] == first);
}

static bool verify_server(struct verify *at, const struct config_server *server)
{
	struct policy policy;
	struct prove_report proof;
	struct error error;
	if (!server_policy_make(&policy, server, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return false;
	}
	bool good = prove_policy(&policy, prove_ways(server), &at->config->routes, &proof);
	if (good) {
		at->server = server;
		at->policy = &policy;
		at->proof = &proof;
		verify_with_policy(at);
	} else {
		fputs("postern verify: out of memory\n", stderr);
	}
	prove_finish(&proof);
	policy_finish(&policy);
	return good;
}

static int verify_config(struct verify *at)
{
	const struct config *config = at->config;
	size_t found = 0;
	snprintf(at->where, sizeof at->where, "%.120s", config->file);
	at->check = "configuration";
	verify_configuration(at);
	at->check = "running";
	verify_running(at);
	for (size_t i = 0; i < config->server_count; i++) {
		if (at->request->server && strcmp(at->request->server, config->servers[i].name) != 0)
			continue;
		found++;
		if (!verify_server(at, &config->servers[i]))
			return EXIT_ENVIRONMENT;
	}
	if (found > 0)
		return EXIT_DONE;
	fprintf(stderr, "postern verify: %s has no server block \"%s\"\n", config->file, at->request->server);
	return EXIT_ENVIRONMENT;
}

/* --- the call --- */

static int print_report(const struct verify *at)
{
	char subject[VERIFY_TEXT_BYTES];
	const struct verify_report *report = at->report;
	snprintf(subject, sizeof subject, "postern verify of %.500s", at->config ? at->config->file : at->request->to);
	if (at->request->json)
		verify_print_json(report, subject);
	else if (at->request->html)
		verify_print_html(report, subject);
	else
		verify_print_text(report, subject);
	return report->outcomes[VERIFY_FAILED] == 0 && !report->lost ? EXIT_DONE : EXIT_NOT_DONE;
}

static bool get_password(const struct verify_request *request, struct password_input *password)
{
	struct error error;
	if (!request->user || (request->password_stdin ? password_read(password, &error)
						       : password_ask_once(request->user, password, &error)))
		return true;
	fprintf(stderr, "postern verify: %s\n", error.text);
	return false;
}

static int verify_with(struct verify *at)
{
	const struct tls_client_settings settings = { .min_version = TLS_VERSION_1_2, .max_version = TLS_VERSION_1_3 };
	struct password_input password = { .size = 0 };
	struct error error;
	if (!get_password(at->request, &password))
		return EXIT_NOT_DONE;
	at->password = slice_of(password.bytes, password.size);
	at->target.context = tls_client_context_create(&settings, &error);
	int status = EXIT_ENVIRONMENT;
	if (at->target.context)
		status = at->config ? verify_config(at) : verify_one(at);
	else
		fprintf(stderr, "postern verify: %s\n", error.text);
	tls_context_destroy(at->target.context);
	secret_wipe(&password, sizeof password);
	return status == EXIT_DONE ? print_report(at) : status;
}

static int run(void *context)
{
	const struct verify_request *request = context;
	struct verify_report report = { .lines = NULL };
	struct verify at = { .request = request,
			     .report = &report,
			     .foreign = VERIFY_FOREIGN,
			     .target = { .client_name = VERIFY_CLIENT_NAME, .timeout_ms = VERIFY_WAIT_MS } };
	struct config *config = request->to ? NULL : command_load_config(request->config_file);
	if (!request->to && !config)
		return EXIT_ENVIRONMENT;
	at.config = config;
	int status = verify_with(&at);
	free(report.lines);
	config_free(config);
	return status;
}

#define FIELD_OF(kind, member) kind, offsetof(struct verify_request, member)
static const struct argument_option options[] = {
	{ "c", "FILE", FIELD_OF(ARGUMENT_TEXT, config_file), 1, 0, 0, 0,
	  "the configuration whose running server is asked; without it the\n"
	  "embedded default in ./postern-data" },
	{ "server", "NAME", FIELD_OF(ARGUMENT_TEXT, server), 1, 0, 0, 0, "this server block alone" },
	{ "to", "HOST:PORT", FIELD_OF(ARGUMENT_TEXT, to), 1, 0, 0, 0,
	  "any other server, with what can be known from outside" },
	{ "security", "MODE", FIELD_OF(ARGUMENT_TEXT, security), 1, 0, 0, 0,
	  "with --to: starttls, tls (at port 465) or plain" },
	{ "name", "HOST", FIELD_OF(ARGUMENT_TEXT, name), 1, 0, 0, 0,
	  "the name that clients use; otherwise HOST, or hostname" },
	{ "ca", "FILE", FIELD_OF(ARGUMENT_TEXT, ca), 1, 0, 0, 0, "the CAs that clients know, instead of the system's" },
	{ "user", "NAME", FIELD_OF(ARGUMENT_TEXT, user), 1, 0, 0, 0, "a login to sign in with; asks for the password" },
	{ "password-stdin", NULL, FIELD_OF(ARGUMENT_FLAG, password_stdin), 1, 0, 0, 0,
	  "reads it from standard input, one line" },
	{ "recipient", "ADDRESS", FIELD_OF(ARGUMENT_TEXT, recipient), 1, 0, 0, 0,
	  "who takes mail there, for texts with false ends; a server that\n"
	  "is right delivers none of them" },
	{ "json", NULL, FIELD_OF(ARGUMENT_FLAG, json), 1, 0, 0, 0, "one object instead of text" },
	{ "html", NULL, FIELD_OF(ARGUMENT_FLAG, html), 1, 0, 0, 0, "a page to hand on" },
};

static const struct argument_action actions[] = { { "", OPERANDS_NONE, NULL, run, "" } };

static const struct argument_table table = {
	.command = "verify",
	.actions = actions,
	.action_count = 1,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.before = "Makes real sessions with a server that runs and reports what was tried, what was expected, what "
		  "happened,\n"
		  "and by which rule: TLS, certificates, signing in, relay, rules at their edges, smuggling. No mail "
		  "is sent.",
	.after = "Exit status: 0 nothing failed, 1 something did, 2 the configuration or the machine is wrong, 64 the "
		 "call is.",
};

int command_verify(int argc, char **argv)
{
	struct verify_request request = { .config_file = NULL };
	return arguments_run(&table, argc, argv, &request);
}
