/* The back ends of server blocks; see sign_in_table.h. */
#include "core/server/sign_in_table.h"

#include <stdlib.h>
#include <string.h>

static void assign(struct sign_in_block *block, unsigned mechanisms, struct sign_in_backend *backend)
{
	for (unsigned left = mechanisms; left; left &= left - 1)
		block->of[__builtin_ctz(left)] = backend;
}

/* --- NTLM --- */

static bool make_domain(struct sign_in_block *block, struct sign_in_backends *backends, const struct config_ntlm *ntlm,
			struct error *error)
{
	block->helpers = sign_in_hold_helpers(backends, ntlm->helper, ntlm->helpers, error);
	if (!block->helpers)
		return false;
	block->domain = sign_in_domain_create(block->helpers->helpers, ntlm->binding,
					      ntlm->login ? ntlm->login : NTLM_LOGIN, error);
	if (!block->domain)
		return false;
	assign(block, SASL_NTLM, sign_in_domain_backend(block->domain));
	return true;
}

static bool make_own_ntlm(struct sign_in_block *block, struct sign_in_backends *backends,
			  const struct config_server *config, struct error *error)
{
	const struct sign_in_ntlm_settings ntlm = {
		.loop = backends->loop,
		.users = backends->users,
		.key = sign_in_ntlm_key(backends, error),
		.hostname = config->hostname,
		.domain = config->ntlm.domain,
		.binding = config->ntlm.binding,
	};
	block->ntlm = ntlm.key ? sign_in_ntlm_create(&ntlm, error) : NULL;
	if (!block->ntlm)
		return false;
	assign(block, SASL_NTLM, sign_in_ntlm_backend(block->ntlm));
	return true;
}

static bool make_ntlm(struct sign_in_block *block, struct sign_in_backends *backends,
		      const struct config_server *config, struct error *error)
{
	if (!(config->mechanisms & SASL_NTLM))
		return true;
	return config->ntlm.helper ? make_domain(block, backends, &config->ntlm, error)
				   : make_own_ntlm(block, backends, config, error);
}

/* --- Dovecot --- */

/* Of all server blocks. */
static unsigned wanted_of_dovecot(const struct config *config, const char *place)
{
	unsigned wanted = 0;
	for (size_t i = 0; i < config->server_count; i++) {
		for (unsigned left = config->servers[i].mechanisms; left; left &= left - 1) {
			const char *of = config_backend_of(&config->servers[i].backends, left & -left);
			wanted |= of && strcmp(of, place) == 0 ? left & -left : 0;
		}
	}
	return wanted & ~(unsigned)CONFIG_NEVER_DOVECOT;
}

static bool hold_dovecots(struct sign_in_block *block, struct sign_in_backends *backends, const struct config *config,
			  const struct config_server *server, struct error *error)
{
	for (unsigned left = server->mechanisms; left; left &= left - 1) {
		unsigned bit = (unsigned)__builtin_ctz(left);
		const char *place = config_backend_of(&server->backends, left & -left);
		if (!place)
			continue;
		block->dovecots[bit] = sign_in_hold_dovecot(backends, place, wanted_of_dovecot(config, place), error);
		if (!block->dovecots[bit])
			return false;
		block->of[bit] = dovecot_backend(block->dovecots[bit]->dovecot);
	}
	return true;
}

/* --- all --- */

static bool make_block(struct sign_in_block *block, struct sign_in_backends *backends, const struct config *config,
		       const struct config_server *server, struct error *error)
{
	unsigned mechanisms = server->mechanisms;
	assign(block, mechanisms & SASL_WITH_PASSWORD, sign_in_passwords(backends->passwords));
	assign(block, mechanisms & (SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS),
	       sign_in_scram_backend(backends->scram));
	assign(block, mechanisms & SASL_EXTERNAL, &backends->external.backend);
	return make_ntlm(block, backends, server, error) && hold_dovecots(block, backends, config, server, error);
}

struct sign_in_table *sign_in_table_create(struct sign_in_backends *backends, const struct config *config,
					   struct error *error)
{
	struct sign_in_table *table = calloc(1, sizeof *table + config->server_count * sizeof table->blocks[0]);
	if (!table) {
		error_set(error, "no memory for sign-ins");
		return NULL;
	}
	table->count = config->server_count;
	for (size_t i = 0; backends->users && i < table->count; i++) {
		if (make_block(&table->blocks[i], backends, config, &config->servers[i], error))
			continue;
		sign_in_table_destroy(table);
		return NULL;
	}
	return table;
}

static void finish_block(struct sign_in_block *block)
{
	sign_in_domain_destroy(block->domain);
	sign_in_ntlm_destroy(block->ntlm);
	sign_in_leave(block->helpers);
	for (size_t i = 0; i < SASL_MECHANISMS; i++)
		sign_in_leave(block->dovecots[i]);
}

void sign_in_table_destroy(struct sign_in_table *table)
{
	for (size_t i = 0; table && i < table->count; i++)
		finish_block(&table->blocks[i]);
	free(table);
}

struct sign_in_backend *sign_in_table_find(const struct sign_in_table *table, size_t block, unsigned mechanism)
{
	ASSERT(mechanism != 0 && (mechanism & (mechanism - 1)) == 0);
	return table->blocks[block].of[__builtin_ctz(mechanism)];
}

unsigned sign_in_table_able(const struct sign_in_table *table, size_t block)
{
	unsigned able = 0;
	for (unsigned place = 0; place < SASL_MECHANISMS; place++) {
		const struct sign_in_backend *backend = table->blocks[block].of[place];
		if (backend && sign_in_is_able(backend, 1U << place))
			able |= 1U << place;
	}
	return able;
}
