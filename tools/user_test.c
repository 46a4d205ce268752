/* `postern user test`: signs in to the running server with each mechanism that it offers.
 *
 * Of each server block one listener is tried, one inside TLS where there is one; each mechanism on a connection of its own, as
 * a client has it. */
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/users/sign_in_client.h"
#include "crypto/secret.h"
#include "proto/sasl.h"
#include "tools/command_user.h"
#include "tools/password_input.h"
#include "tools/probe.h"

enum { HOST_TEXT_BYTES = 64, PORT_TEXT_BYTES = 8, ANSWER_TIMEOUT_MS = 40000, OUTCOME_TEXT_BYTES = 512 };

/* What others than the password are needed for. */
static const struct {
	unsigned mechanism;
	const char *needs;
} not_tried[] = {
	{ SASL_EXTERNAL, "needs a client certificate" },
	{ SASL_OAUTHBEARER, "needs a token" },
	{ SASL_XOAUTH2, "needs a token" },
};

struct trial {
	const struct user_request *request;
	struct slice password;
	struct tls_context *context;
	unsigned tried, signed_in;
	bool reached; /* all servers */
};

/* --- one answer --- */

static void print_outcome(const struct trial *trial, const char *server, const char *listener, const char *mechanism,
			  const char *outcome, const char *text)
{
	if (!trial->request->json) {
		printf("%-16s %-24s %-20s %s%s%s\n", server, listener, mechanism, outcome, *text ? ": " : "", text);
		return;
	}
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s}", "server", server, "listener", listener, "mechanism",
				   mechanism, "outcome", outcome, "reply", text);
	if (object && json_dumpf(object, stdout, JSON_COMPACT) == 0)
		putchar('\n');
	json_decref(object);
}

static const char *why_not_tried(unsigned mechanism)
{
	for (size_t i = 0; i < sizeof not_tried / sizeof not_tried[0]; i++)
		if (not_tried[i].mechanism == mechanism)
			return not_tried[i].needs;
	return mechanism & sign_in_client_speaks() ? NULL : "is not spoken here";
}

/* The outcome's word; `text` says more. */
static const char *sign_in(struct trial *trial, const struct probe_target *target, unsigned mechanism,
			   char text[OUTCOME_TEXT_BYTES])
{
	struct probe probe;
	struct error error = { "" };
	struct buffer reply;
	text[0] = 0;
	if (!probe_connect(&probe, target, &error)) {
		snprintf(text, OUTCOME_TEXT_BYTES, "%s", error.text);
		return "failed";
	}
	const char *outcome = "failed";
	if (probe_introduce(&probe, &error) &&
	    probe_sign_in(&probe, mechanism, slice_from_text(trial->request->operand), trial->password, &error)) {
		outcome = probe.reply.code == 235 ? "signed in" : "refused";
		buffer_init(&reply, (uint8_t *)text, OUTCOME_TEXT_BYTES - 1);
		probe_reply_text(&probe, &reply);
		text[reply.size] = 0;
		trial->signed_in += probe.reply.code == 235;
	} else {
		snprintf(text, OUTCOME_TEXT_BYTES, "%s", error.text);
	}
	probe_close(&probe);
	return outcome;
}

/* --- one server --- */

/* Where it listens: one that listens everywhere is asked on this machine. */
static bool describe_listener(const struct config_listener *listener, char host[HOST_TEXT_BYTES],
			      char port[PORT_TEXT_BYTES])
{
	if (getnameinfo((const struct sockaddr *)&listener->address, listener->address_size, host, HOST_TEXT_BYTES,
			port, PORT_TEXT_BYTES, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	if (strcmp(host, "0.0.0.0") == 0)
		snprintf(host, HOST_TEXT_BYTES, "127.0.0.1");
	else if (strcmp(host, "::") == 0)
		snprintf(host, HOST_TEXT_BYTES, "::1");
	return true;
}

static const struct config_listener *choose_listener(const struct config_server *server)
{
	const struct config_listener *chosen = &server->listeners[0];
	for (size_t i = 0; i < server->listener_count; i++)
		if (server->listeners[i].mode != LISTENER_PLAIN && chosen->mode == LISTENER_PLAIN)
			chosen = &server->listeners[i];
	return chosen;
}

/* Where this machine is one of the proxies, it says that it stands for itself. */
static struct slice proxy_header(const struct config_server *server, const char *host)
{
	struct net_address address;
	struct error error;
	if (net_address_parse(slice_from_text(host), &address, &error))
		for (size_t i = 0; i < server->proxy_count; i++)
			if (net_prefix_contains(&server->proxies[i].prefix, &address))
				return SLICE_LITERAL("PROXY UNKNOWN\r\n");
	return SLICE_LITERAL("");
}

static bool ask_what_is_offered(const struct probe_target *target, unsigned *offered, struct error *error)
{
	struct probe probe;
	if (!probe_connect(&probe, target, error))
		return false;
	bool introduced = probe_introduce(&probe, error);
	*offered = probe.reply.mechanisms;
	probe_close(&probe);
	return introduced;
}

static void try_each(struct trial *trial, const struct config_server *server, const struct config_listener *listener,
		     const struct probe_target *target, unsigned offered)
{
	char text[OUTCOME_TEXT_BYTES];
	for (unsigned left = offered; left; left &= left - 1) {
		unsigned mechanism = left & -left;
		const char *needs = why_not_tried(mechanism);
		const char *outcome = "not tried";
		snprintf(text, sizeof text, "%s", needs ? needs : "");
		if (!needs) {
			trial->tried++;
			outcome = sign_in(trial, target, mechanism, text);
		}
		print_outcome(trial, server->name, listener->text, sasl_mechanism_name(mechanism), outcome, text);
	}
}

static void try_server(struct trial *trial, const struct config_server *server)
{
	static const enum probe_security securities[] = {
		[LISTENER_PLAIN] = PROBE_PLAIN,
		[LISTENER_STARTTLS] = PROBE_STARTTLS,
		[LISTENER_TLS] = PROBE_TLS,
	};
	char host[HOST_TEXT_BYTES], port[PORT_TEXT_BYTES];
	const struct config_listener *listener = choose_listener(server);
	struct probe_target target = {
		.host = host,
		.port = port,
		.name = server->hostname,
		.security = securities[listener->mode],
		.context = trial->context,
		.client_name = "localhost",
		.timeout_ms = ANSWER_TIMEOUT_MS,
	};
	struct error error = { "there is no such address" };
	unsigned offered = 0;
	bool described = describe_listener(listener, host, port);
	if (described)
		target.proxy_header = proxy_header(server, host);
	if (!described || !ask_what_is_offered(&target, &offered, &error)) {
		user_complain("server %s, %s: %s", server->name, listener->text, error.text);
		trial->reached = false;
	} else if (!offered) {
		print_outcome(trial, server->name, listener->text, "none", "not tried", "nobody can sign in there");
	}
	try_each(trial, server, listener, &target, offered);
}

static int try_servers(struct trial *trial)
{
	const struct config *config = trial->request->config;
	for (size_t i = 0; i < config->server_count; i++)
		try_server(trial, &config->servers[i]);
	if (!trial->reached)
		return EXIT_ENVIRONMENT;
	return trial->signed_in == trial->tried && trial->tried > 0 ? EXIT_DONE : EXIT_NOT_DONE;
}

int user_test(void *context)
{
	const struct user_request *request = context;
	struct password_input password;
	struct error error;
	bool given = request->password_stdin ? password_read(&password, &error)
					     : password_ask_once(request->operand, &password, &error);
	const struct tls_client_settings settings = { .min_version = TLS_VERSION_1_2, .max_version = TLS_VERSION_1_3 };
	struct trial trial = { .request = request, .reached = true };
	trial.context = given ? tls_client_context_create(&settings, &error) : NULL;
	int status = EXIT_NOT_DONE;
	if (trial.context) {
		trial.password = slice_of(password.bytes, password.size);
		status = try_servers(&trial);
	} else {
		user_complain("%s", error.text);
	}
	tls_context_destroy(trial.context);
	secret_wipe(&password, sizeof password);
	return status;
}
