/* The keys of relay { … } and dns { … }; see config_access_keys.h, and postern.conf(5) for people. */
#include <stdlib.h>
#include <string.h>

#include "core/server/config_access_keys.h"
#include "core/server/config_set.h"

/* --- values that know their line: the key's field is the value, and the line stands behind it --- */

static void note_line(const struct config_given *given)
{
	struct config_told *told = config_field(given);
	told->line = given->value->line;
}

void config_set_told_choice(struct config_reading *reading, const struct config_given *given)
{
	config_set_choice(reading, given);
	note_line(given);
}

static void set_open_relay(struct config_reading *reading, const struct config_given *given)
{
	if (strcmp(given->value->text, "I mean it") == 0)
		config_store_number(given, true);
	else
		config_given_problem(reading, given, "there is one value for it: \"I mean it\"");
}

/* --- servers = { "127.0.0.1:53" } --- */

enum { DNS_PORT = 53 };

static void add_name_server(struct config_reading *reading, const struct config_given *given)
{
	struct config_dns *dns = given->target;
	struct net_address address;
	struct sockaddr_storage with_port;
	socklen_t size;
	struct error error;
	if (net_address_parse(slice_from_text(given->value->text), &address, &error)) {
		address.port = DNS_PORT;
	} else if (net_address_parse_with_port(given->value->text, &with_port, &size, &error)) {
		address = net_address_from_socket(&with_port);
	} else {
		config_given_problem(reading, given, error.text);
		return;
	}
	if (dns->server_count == LIMIT_NAME_SERVERS)
		config_given_problem(reading, given, "too many; eight are enough");
	else
		dns->servers[dns->server_count++] = address;
}

/* --- blocks --- */

void *config_open_relay(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	struct config_relay *relay = &((struct config_server *)outer)->relay;
	relay->line = statement->line;
	return relay;
}

void *config_open_dns(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading;
	struct config_dns *dns = &((struct config_server *)outer)->dns;
	dns->line = statement->line;
	return dns;
}

void config_access_set_defaults(struct config_server *server)
{
	server->connect.default_allow.value = true;
	server->relay.authenticated.value = true;
	server->dns.timeout_ms = 2 * SECOND_MS;
	server->dns.cache = 1000000;
}

static void finish_rules(struct config_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		free(rules->list[i].text);
	for (size_t i = 0; i < rules->file_count; i++)
		free(rules->files[i].path);
	free(rules->list);
	free(rules->files);
}

void config_access_finish(struct config_server *server)
{
	finish_rules(&server->connect.rules);
	finish_rules(&server->relay.rules);
}

/* --- the tables --- */

const struct config_choice config_allow_deny[] = { { "allow", true }, { "deny", false }, { NULL } };
static const struct config_choice reverse_modes[] = {
	{ "auto", REVERSE_AUTO }, { "off", REVERSE_OFF }, { "on", REVERSE_ON }, { NULL }
};

enum {
	TIMEOUT_MOST_MS = 30000, /* a client's own patience ends there */
	TIMEOUT_LEAST_MS = 50,   /* a question over the ocean takes more */
	CACHE_LEAST = 1000,
};

/* clang-format off */
const struct config_key config_relay_keys[] = {
	{ "authenticated", .set = config_set_told_choice, FIELD(config_relay, authenticated.value), .choices = config_allow_deny },
	{ "default", .set = config_set_told_choice, FIELD(config_relay, default_allow.value), .choices = config_allow_deny },
	{ "allow", .set = config_add_allow, .offset = offsetof(struct config_relay, rules), .many = true },
	{ "deny", .set = config_add_deny, .offset = offsetof(struct config_relay, rules), .many = true },
	{ "open_relay", .set = set_open_relay, FIELD(config_relay, open_relay_meant) },
	{ NULL },
};

const struct config_key config_dns_keys[] = {
	{ "reverse", .set = config_set_told_choice, FIELD(config_dns, reverse.value), .choices = reverse_modes },
	{ "servers", .set = add_name_server, .many = true },
	{ "timeout", .set = config_set_duration, FIELD(config_dns, timeout_ms), .least = TIMEOUT_LEAST_MS, .most = TIMEOUT_MOST_MS },
	{ "cache", .set = config_set_number, FIELD(config_dns, cache), .least = CACHE_LEAST, .most = 100000000 },
	{ NULL },
};
/* clang-format on */
