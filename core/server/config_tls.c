/* What a server block says of TLS; see config_tls.h. */
#include "core/server/config_tls.h"

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

/* The array has room for all that the block holds, so that no pointer into it moves. */
void *config_open_tls(struct config_reading *reading, const struct config_statement *statement, void *outer)
{
	struct config_server *server = outer;
	size_t count = 1;
	for (const struct list *node = statement->statements.next; node != &statement->statements; node = node->next)
		count++;
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

static const struct config_choice tls_versions[] = { { "1.2", TLS_VERSION_1_2 }, { "1.3", TLS_VERSION_1_3 }, { NULL } };

/* clang-format off */
static const struct config_key sni_keys[] = {
	{ "certificate", .set = config_set_path, FIELD(config_certificate, certificate) },
	{ "key", .set = config_set_path, FIELD(config_certificate, key) },
	{ NULL },
};

const struct config_key config_tls_keys[] = {
	{ "certificate", .set = set_default_certificate, FIELD(config_certificate, certificate) },
	{ "key", .set = set_default_certificate, FIELD(config_certificate, key) },
	{ "min_version", .set = config_set_choice, FIELD(config_server, tls_min_version), .choices = tls_versions },
	{ "client_ca", .set = set_client_ca, FIELD(config_server, tls.client_ca) },
	{ "client_crl", .set = set_client_crl, FIELD(config_server, tls.client_crl) },
	{ "sni", CONFIG_TITLED, .open = open_sni, .inside = sni_keys },
	{ NULL },
};
/* clang-format on */

void config_tls_check(const struct config_server *server, struct config_problems *problems)
{
	const struct config_tls *tls = &server->tls;
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
	free(server->tls.client_ca);
	free(server->tls.client_crl);
}
