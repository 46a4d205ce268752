/* The tables of keys, and what is done for those of one use; see config_keys.h, and postern.conf(5) for people. */
#include "core/server/config_keys.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/net/address.h"
#include "core/server/config_access_keys.h"
#include "core/server/config_backends_keys.h"
#include "core/server/config_connect.h"
#include "core/server/config_guard_keys.h"
#include "core/server/config_ntlm_keys.h"
#include "core/server/config_proxies.h"
#include "core/server/config_quota.h"
#include "core/server/config_set.h"
#include "core/server/config_tls.h"
#include "crypto/tls.h"
#include "proto/sasl.h"

/* The folder is absolute; %d and %u are the delivery's to fill in. */
static void set_maildir(struct config_reading *reading, const struct config_given *given)
{
	for (const char *at = strchr(given->value->text, '%'); at; at = strchr(at + 2, '%')) {
		if (at[1] != 'd' && at[1] != 'u') {
			config_given_problem(reading, given, "behind % comes d (the domain) or u (the local part)");
			break;
		}
	}
	config_set_path(reading, given);
}

static void set_data(struct config_reading *reading, const struct config_given *given)
{
	reading->config->data_line = given->value->line;
	config_set_path(reading, given);
}

static void set_user(struct config_reading *reading, const struct config_given *given)
{
	reading->config->user_line = given->value->line;
	config_set_text(reading, given);
}

static void set_workers(struct config_reading *reading, const struct config_given *given)
{
	reading->config->workers_line = given->value->line;
	config_set_number(reading, given);
}

static void set_hashers(struct config_reading *reading, const struct config_given *given)
{
	reading->config->hashers_line = given->value->line;
	config_set_number(reading, given);
}

static void set_loop(struct config_reading *reading, const struct config_given *given)
{
	reading->config->loop_line = given->value->line;
	config_set_choice(reading, given);
}

/* --- listeners: "ADDRESS:PORT MODE" --- */

static const struct config_choice listener_modes[] = {
	{ "starttls", LISTENER_STARTTLS },
	{ "tls", LISTENER_TLS },
	{ "plain", LISTENER_PLAIN },
	{ NULL },
};

static bool split_listener(const char *text, char *address, size_t capacity, const char **mode)
{
	struct slice all = slice_from_text(text);
	size_t blank = slice_find(all, ' ');
	*mode = text + blank + strspn(text + blank, " ");
	return **mode && slice_to_text(slice_first(all, blank), address, capacity);
}

static bool parse_listener(struct config_reading *reading, const struct config_given *given,
			   struct config_listener *listener)
{
	char address[128];
	const char *mode;
	struct error error;
	if (!split_listener(given->value->text, address, sizeof address, &mode)) {
		config_given_problem(reading, given,
				     "a listener is written \"ADDRESS:PORT MODE\", like \"0.0.0.0:587 starttls\"");
		return false;
	}
	const struct config_choice *choice = config_find_choice(reading, given, mode, listener_modes);
	if (choice)
		listener->mode = (enum listener_mode)choice->value;
	if (net_address_parse_with_port(address, &listener->address, &listener->address_size, &error))
		return choice != NULL;
	config_given_problem(reading, given, error.text);
	return false;
}

/* A wrong one is kept too, with no address, so that the server isn't said to have none. */
static void add_listener(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = given->target;
	struct config_listener listener = { .line = given->value->line, .mode = LISTENER_STARTTLS };
	if (!parse_listener(reading, given, &listener))
		listener.address_size = 0;
	struct config_listener *larger =
		realloc(server->listeners, (server->listener_count + 1) * sizeof *server->listeners);
	listener.text = strdup(given->value->text);
	if (larger)
		server->listeners = larger;
	if (!larger || !listener.text) {
		free(listener.text);
		config_given_problem(reading, given, "out of memory");
		return;
	}
	server->listeners[server->listener_count++] = listener;
}

/* --- blocks --- */

static void *out_of_memory(struct config_reading *reading, const struct config_statement *statement)
{
	config_problem_add(reading->problems, reading->file, statement->line, "out of memory");
	return NULL;
}

static void *open_server(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	struct config *config = outer;
	struct config_server *larger = realloc(config->servers, (config->server_count + 1) * sizeof *config->servers);
	if (!larger)
		return out_of_memory(reading, statement);
	config->servers = larger;
	struct config_server *server = &config->servers[config->server_count];
	*server = (struct config_server){
		.name = strdup(statement->title),
		.place = (unsigned)config->server_count,
		.file = config->file,
		.line = statement->line,
		.tls_min_version = TLS_VERSION_1_2,
		.tls = { .min_bits = 128, .ticket_lifetime_ms = DAY_MS },
		.mechanisms = SASL_PLAIN | SASL_LOGIN | SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS,
		.received_shows_client = true,
		.limits = {
			.message_size = 36 * 1024 * 1024,
			.recipients = 1000,
			.connections = 100000,
			.errors = 20,
			.idle = 5 * 60 * 1000,
			.proxy_header = 5 * 1000,
			.handshake = 30 * 1000,
			.sign_in = 60 * 1000,
			.command = 60 * 1000,
			.session = 60 * 60 * 1000,
			.data_rate = 1024,
			.data_grace = 30 * 1000,
		},
	};
	config_access_set_defaults(server);
	config_ntlm_set_defaults(&server->ntlm);
	if (!server->name)
		return out_of_memory(reading, statement);
	config->server_count++;
	return server;
}

static void *open_auth(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	((struct config_server *)outer)->auth_line = statement->line;
	return outer;
}

static void *open_limits(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	(void)statement;
	return &((struct config_server *)outer)->limits;
}

/* For blocks that only group keys of the block around them. */
static void *open_same(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	(void)statement;
	return outer;
}

static void *open_route(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	struct config *config = outer;
	struct route_table *table = &config->routes;
	struct route *larger = realloc(table->routes, (table->count + 1) * sizeof *table->routes);
	if (!larger)
		return out_of_memory(reading, statement);
	table->routes = larger;
	struct route *route = &table->routes[table->count];
	*route = (struct route){
		.domain = strdup(statement->title),
		/* Until hold = yes is read: neither is said yet, which config_rules.c reports. */
		.kind = ROUTE_MAILDIR,
		.file = config->file,
		.line = statement->line,
	};
	for (char *c = route->domain; c && *c; c++)
		*c = (char)ascii_lower((uint8_t)*c);
	if (!route->domain)
		return out_of_memory(reading, statement);
	table->count++;
	return route;
}

static void set_hold(struct config_reading *reading, const struct config_given *given)
{
	const struct config_choice *choice =
		config_find_choice(reading, given, given->value->text, given->key->choices);
	if (choice)
		((struct route *)given->target)->kind = choice->value ? ROUTE_HOLD : ROUTE_MAILDIR;
}

/* --- the tables --- */

static const struct config_choice yes_no[] = { { "yes", true }, { "no", false }, { NULL } };
static const struct config_choice any_own[] = { { "any", false }, { "own", true }, { NULL } };
static const struct config_choice show_hide[] = { { "show", true }, { "hide", false }, { NULL } };
static const struct config_choice bare_lf[] = { { "refuse", false }, { "normalise", true }, { NULL } };
static const struct config_choice loops[] = {
	{ "auto", LOOP_AUTO }, { "io_uring", LOOP_IO_URING }, { "epoll", LOOP_EPOLL }, { NULL }
};
static const struct config_choice log_levels[] = {
	{ "debug", LOG_DEBUG }, { "info", LOG_INFO }, { "warn", LOG_WARN }, { "error", LOG_ERROR }, { NULL }
};

/* clang-format off */
static const struct config_key auth_keys[] = {
	{ "mechanisms", .set = config_add_mechanism, FIELD(config_server, mechanisms), .many = true },
	{ "backend", .set = config_add_backend, .many = true },
	{ "anonymous", .set = config_set_choice, FIELD(config_server, anonymous), .choices = yes_no },
	{ "plaintext", .set = config_set_choice, FIELD(config_server, plaintext_sign_in), .choices = yes_no },
	{ "ntlm", CONFIG_BLOCK, .open = config_open_ntlm, .inside = config_ntlm_keys },
	{ "from_header", .set = config_set_choice, FIELD(config_server, from_header_own), .choices = any_own,
	  LINE(config_server, from_header_line) },
	{ "senders", .set = config_set_choice, FIELD(config_server, senders_own), .choices = any_own,
	  LINE(config_server, senders_line) },
	{ NULL },
};

static const struct config_key received_keys[] = {
	{ "client", .set = config_set_choice, FIELD(config_server, received_shows_client), .choices = show_hide },
	{ NULL },
};

static const struct config_key message_keys[] = {
	{ "bare_lf", .set = config_set_choice, FIELD(config_server, bare_lf_normalised), .choices = bare_lf },
	{ NULL },
};

#define LIMIT(member) FIELD(config_limits, member)
static const struct config_key limits_keys[] = {
	{ "message_size", .set = config_set_size, LIMIT(message_size), .least = 1024, .most = UINT64_C(1) << 40 },
	{ "recipients", .set = config_set_number, LIMIT(recipients), .least = 1, .most = 50000 },
	{ "connections", .set = config_set_number, LIMIT(connections), .least = 1, .most = 10000000,
	  LINE(config_limits, connections_line) },
	{ "errors", .set = config_set_number, LIMIT(errors), .least = 1, .most = 100000 },
	{ "idle", .set = config_set_duration, LIMIT(idle), .least = SECOND_MS, .most = DAY_MS },
	{ "proxy_header", .set = config_set_duration, LIMIT(proxy_header), .least = SECOND_MS, .most = HOUR_MS },
	{ "handshake", .set = config_set_duration, LIMIT(handshake), .least = SECOND_MS, .most = HOUR_MS },
	{ "sign_in", .set = config_set_duration, LIMIT(sign_in), .least = SECOND_MS, .most = HOUR_MS },
	{ "command", .set = config_set_duration, LIMIT(command), .least = SECOND_MS, .most = HOUR_MS },
	{ "session", .set = config_set_duration, LIMIT(session), .least = 0, .most = 30 * (uint64_t)DAY_MS },
	{ "data_rate", .set = config_set_size, LIMIT(data_rate), .least = 1, .most = UINT32_MAX },
	{ "data_grace", .set = config_set_duration, LIMIT(data_grace), .least = SECOND_MS, .most = HOUR_MS },
	{ NULL },
};

static const struct config_key server_keys[] = {
	{ "hostname", .set = config_set_text, FIELD(config_server, hostname) },
	{ "listen", .set = add_listener, .many = true },
	{ "proxy_protocol", .set = config_add_proxy, .many = true },
	{ "tls", CONFIG_BLOCK, .open = config_open_tls, .inside = config_tls_keys },
	{ "auth", CONFIG_BLOCK, .open = open_auth, .inside = auth_keys },
	{ "connect", CONFIG_BLOCK, .open = config_open_connect, .inside = config_connect_keys },
	{ "relay", CONFIG_BLOCK, .open = config_open_relay, .inside = config_relay_keys },
	{ "dns", CONFIG_BLOCK, .open = config_open_dns, .inside = config_dns_keys },
	{ "quota", CONFIG_BLOCK, .open = config_open_quota, .inside = config_quota_keys },
	{ "limits", CONFIG_BLOCK, .open = open_limits, .inside = limits_keys },
	{ "received", CONFIG_BLOCK, .open = open_same, .inside = received_keys },
	{ "message", CONFIG_BLOCK, .open = open_same, .inside = message_keys },
	{ NULL },
};

static const struct config_key route_keys[] = {
	{ "maildir", .set = set_maildir, FIELD(route, maildir) },
	{ "hold", .set = set_hold, .choices = yes_no },
	{ NULL },
};

static const struct config_key delivery_keys[] = {
	{ "route", CONFIG_TITLED, .open = open_route, .inside = route_keys },
	{ NULL },
};

const struct config_key config_root_keys[] = {
	{ "data", .set = set_data, FIELD(config, data) },
	{ "user", .set = set_user, FIELD(config, user) },
	{ "workers", .set = set_workers, FIELD(config, workers), .least = 1, .most = LIMIT_WORKERS },
	{ "hashers", .set = set_hashers, FIELD(config, hashers), .least = 1, .most = LIMIT_HASHERS },
	{ "loop", .set = set_loop, FIELD(config, loop), .choices = loops },
	{ "log", .set = config_set_choice, FIELD(config, log_level), .choices = log_levels },
	{ "shutdown", .set = config_set_duration, FIELD(config, drain_ms), .least = 0, .most = HOUR_MS },
	{ "guard", CONFIG_BLOCK, .open = config_open_guard, .inside = config_guard_keys },
	{ "server", CONFIG_TITLED, .open = open_server, .inside = server_keys },
	{ "delivery", CONFIG_BLOCK, .open = open_same, .inside = delivery_keys },
	{ NULL },
};
/* clang-format on */

void config_set_defaults(struct config *config)
{
	config->workers = 1;
	config->hashers = 2;
	config->loop = LOOP_AUTO;
	config->log_level = LOG_INFO;
	config->drain_ms = 30 * SECOND_MS;
	config_guard_set_defaults(&config->guard);
}
