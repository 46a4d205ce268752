/* What a server block says of TLS; see config_tls.h. */
#include "core/server/config_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/config_set.h"
#include "crypto/tls.h"
#include "proto/sasl.h"

static void *config_out_of_memory(struct config_reading *reading, const struct config_statement *statement)
{
	config_problem_add(reading->problems, reading->file, statement->line, "out of memory");
	return NULL;
}

/* With those inside. */
static size_t count_statements(const struct config_statement *block)
{
	size_t count = 0;
	if (block->shape == CONFIG_VALUES)
		return 0;
	for (const struct list *node = block->statements.next; node != &block->statements; node = node->next)
		count += 1 + count_statements(CONTAINER_OF(node, struct config_statement, link));
	return count;
}

/* The array has room for all that the block holds, so that no pointer into it moves. */
void *config_open_tls(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	struct config_server *server = outer;
	size_t count = 1 + count_statements(statement);
	server->certificates = calloc(count, sizeof *server->certificates);
	if (!server->certificates)
		return config_out_of_memory(reading, statement);
	server->certificates[server->certificate_count++].line = statement->line;
	return server;
}

static void set_default_certificate(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = given->target;
	struct config_given inner = *given;
	inner.target = &server->certificates[0];
	config_set_path(reading, &inner);
}

static void *open_sni(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	struct config_server *server = outer;
	struct config_certificate *certificate = &server->certificates[server->certificate_count];
	*certificate = (struct config_certificate){ .name = strdup(statement->title), .line = statement->line };
	if (!certificate->name)
		return config_out_of_memory(reading, statement);
	server->certificate_count++;
	return certificate;
}

/* Beside the certificate of the block around it, and for the same name. */
static void *open_beside(struct config_reading *reading, const struct config_statement *statement, const char *name)
{
	struct config_server *server = &reading->config->servers[reading->config->server_count - 1];
	struct config_certificate *certificate = &server->certificates[server->certificate_count];
	*certificate = (struct config_certificate){ .name = name ? strdup(name) : NULL, .line = statement->line };
	if (name && !certificate->name)
		return config_out_of_memory(reading, statement);
	server->certificate_count++;
	return certificate;
}

static void *open_rsa(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)outer;
	return open_beside(reading, statement, NULL);
}

static void *open_sni_rsa(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	return open_beside(reading, statement, ((struct config_certificate *)outer)->name);
}

static void *open_tickets(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	(void)reading, (void)statement;
	return outer;
}

static const struct config_choice yes_no[] = { { "yes", true }, { "no", false }, { NULL } };

static void set_require(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = given->target;
	server->tls.require_line = given->value->line;
	config_set_choice(reading, given);
}

static void set_min_bits(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = given->target;
	server->tls.min_bits_line = given->value->line;
	config_set_number(reading, given);
}

static void set_ciphers(struct config_reading *reading, const struct config_given *given)
{
	struct error error;
	if (!tls_ciphers_check(given->value->text, &error))
		config_given_problem(reading, given, error.text);
	config_set_text(reading, given);
}

/* As the library wants them: "X25519:P-256". */
static void add_group(struct config_reading *reading, const struct config_given *given)
{
	char *groups = config_field(given);
	const struct config_choice *choice =
		config_find_choice(reading, given, given->value->text, given->key->choices);
	size_t size = strlen(groups);
	if (!choice)
		return;
	if (strstr(groups, choice->name))
		config_given_problem(reading, given, "it is given twice");
	else
		snprintf(groups + size, given->key->width - size, "%s%s", size ? ":" : "", choice->name);
}

static void set_ticket_secret(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = given->target;
	server->tls.ticket_secret_line = given->value->line;
	config_set_path(reading, given);
}

static void set_client_ca(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = given->target;
	server->tls.client_ca_line = given->value->line;
	config_set_path(reading, given);
}

static void set_client_crl(struct config_reading *reading, const struct config_given *given)
{
	struct config_server *server = given->target;
	server->tls.client_crl_line = given->value->line;
	config_set_path(reading, given);
}

static const struct config_choice groups[] = {
	{ "X25519", 0 }, { "P-256", 0 }, { "P-384", 0 }, { "P-521", 0 }, { NULL }
};
static const struct config_choice tls_versions[] = { { "1.2", TLS_VERSION_1_2 }, { "1.3", TLS_VERSION_1_3 }, { NULL } };

/* clang-format off */
static const struct config_key rsa_keys[] = {
	{ "certificate", .set = config_set_path, FIELD(config_certificate, certificate) },
	{ "key", .set = config_set_path, FIELD(config_certificate, key) },
	{ NULL },
};

static const struct config_key sni_keys[] = {
	{ "certificate", .set = config_set_path, FIELD(config_certificate, certificate) },
	{ "key", .set = config_set_path, FIELD(config_certificate, key) },
	{ "rsa", CONFIG_BLOCK, .open = open_sni_rsa, .inside = rsa_keys },
	{ NULL },
};

static const struct config_key tickets_keys[] = {
	{ "lifetime", .set = config_set_duration, FIELD(config_server, tls.ticket_lifetime_ms), .least = 60 * SECOND_MS,
	  .most = 7 * (uint64_t)DAY_MS },
	{ "secret", .set = set_ticket_secret, FIELD(config_server, tls.ticket_secret) },
	{ NULL },
};

const struct config_key config_tls_keys[] = {
	{ "certificate", .set = set_default_certificate, FIELD(config_certificate, certificate) },
	{ "key", .set = set_default_certificate, FIELD(config_certificate, key) },
	{ "rsa", CONFIG_BLOCK, .open = open_rsa, .inside = rsa_keys },
	{ "require", .set = set_require, FIELD(config_server, tls.require), .choices = yes_no },
	{ "min_bits", .set = set_min_bits, FIELD(config_server, tls.min_bits), .least = 0, .most = 256 },
	{ "ciphers", .set = set_ciphers, FIELD(config_server, tls.ciphers) },
	{ "groups", .set = add_group, FIELD(config_server, tls.groups), .many = true, .choices = groups },
	{ "tickets", CONFIG_BLOCK, .open = open_tickets, .inside = tickets_keys },
	{ "min_version", .set = config_set_choice, FIELD(config_server, tls_min_version), .choices = tls_versions },
	{ "client_ca", .set = set_client_ca, FIELD(config_server, tls.client_ca) },
	{ "client_crl", .set = set_client_crl, FIELD(config_server, tls.client_crl) },
	{ "sni", CONFIG_TITLED, .open = open_sni, .inside = sni_keys },
	{ NULL },
};
/* clang-format on */

bool config_tls_requires(const struct config_server *server)
{
	return server->tls.require_line ? server->tls.require : !server->plaintext_sign_in;
}

static void check_require(const struct config_server *server, struct config_problems *problems)
{
	const struct config_tls *tls = &server->tls;
	if (!tls->require_line || !tls->require)
		return;
	if (server->plaintext_sign_in)
		config_problem_add(
			problems, server->file, tls->require_line,
			"tls { require = yes } and auth { plaintext = yes } contradict each other; take one away");
	for (size_t i = 0; i < server->listener_count; i++)
		if (server->listeners[i].address_size && server->listeners[i].mode == LISTENER_PLAIN)
			config_problem_add(problems, server->file, server->listeners[i].line,
					   "listener '%s' has no TLS, and tls { require = yes } on line %d takes mail "
					   "inside TLS alone; make it starttls",
					   server->listeners[i].text, tls->require_line);
}

void config_tls_check(const struct config_server *server, struct config_problems *problems)
{
	const struct config_tls *tls = &server->tls;
	check_require(server, problems);
	if (tls->client_crl && !tls->client_ca)
		config_problem_add(problems, server->file, tls->client_crl_line,
				   "client_crl says what CAs have revoked; name them with client_ca = \"FILE\"");
	if (server->mechanisms & SASL_EXTERNAL && !tls->client_ca)
		config_problem_add(problems, server->file, server->auth_line,
				   "EXTERNAL signs in with client certificates; say whose with tls { client_ca = "
				   "\"FILE\" }");
}

void config_tls_free(struct config_server *server)
{
	for (size_t i = 0; i < server->certificate_count; i++) {
		free(server->certificates[i].name);
		free(server->certificates[i].certificate);
		free(server->certificates[i].key);
	}
	free(server->certificates);
	free(server->tls.ciphers);
	free(server->tls.ticket_secret);
	free(server->tls.client_ca);
	free(server->tls.client_crl);
}
