/* A worker's back ends for sign-ins; see sign_in_backends.h. */
#include "core/server/sign_in_backends.h"

#include <string.h>

#include "crypto/secret.h"

static size_t place_of(unsigned mechanism)
{
	ASSERT(mechanism != 0 && (mechanism & (mechanism - 1)) == 0);
	return (size_t)__builtin_ctz(mechanism);
}

static void assign(struct sign_in_backends *backends, size_t server, unsigned mechanisms,
		   struct sign_in_backend *backend)
{
	for (unsigned left = mechanisms; left; left &= left - 1)
		backends->of[server][__builtin_ctz(left)] = backend;
}

/* --- NTLM --- */

/* Server blocks with the same helper share the processes. */
static struct ntlm_helpers *find_helpers(struct sign_in_backends *backends,
					 const struct sign_in_backends_settings *settings, size_t server,
					 struct error *error)
{
	const struct config_server *servers = settings->config->servers;
	const struct config_ntlm *ntlm = &servers[server].ntlm;
	for (size_t i = 0; i < server; i++)
		if (backends->helpers[i] && strcmp(servers[i].ntlm.helper, ntlm->helper) == 0)
			return backends->helpers[i];
	backends->helpers[server] = ntlm_helpers_create(settings->loop, ntlm->helper, ntlm->helpers, NULL, error);
	return backends->helpers[server];
}

static bool open_domain(struct sign_in_backends *backends, const struct sign_in_backends_settings *settings,
			size_t server, struct error *error)
{
	const struct config_ntlm *ntlm = &settings->config->servers[server].ntlm;
	struct ntlm_helpers *helpers = find_helpers(backends, settings, server, error);
	if (!helpers)
		return false;
	backends->domains[server] =
		sign_in_domain_create(helpers, ntlm->binding, ntlm->login ? ntlm->login : NTLM_LOGIN, error);
	if (!backends->domains[server])
		return false;
	assign(backends, server, SASL_NTLM, sign_in_domain_backend(backends->domains[server]));
	return true;
}

static bool open_own_ntlm(struct sign_in_backends *backends, const struct sign_in_backends_settings *settings,
			  size_t server, struct error *error)
{
	const struct config_server *config = &settings->config->servers[server];
	if (!backends->ntlm_key)
		backends->ntlm_key = ntlm_seal_key_load(settings->ntlm_key_file, true, error);
	if (!backends->ntlm_key)
		return false;
	const struct sign_in_ntlm_settings ntlm = {
		.loop = settings->loop,
		.users = backends->users,
		.key = backends->ntlm_key,
		.hostname = config->hostname,
		.domain = config->ntlm.domain,
		.binding = config->ntlm.binding,
	};
	backends->ntlm[server] = sign_in_ntlm_create(&ntlm, error);
	if (!backends->ntlm[server])
		return false;
	assign(backends, server, SASL_NTLM, sign_in_ntlm_backend(backends->ntlm[server]));
	return true;
}

static bool open_ntlm(struct sign_in_backends *backends, const struct sign_in_backends_settings *settings,
		      struct error *error)
{
	for (size_t i = 0; i < settings->config->server_count; i++) {
		const struct config_server *server = &settings->config->servers[i];
		if (!(server->mechanisms & SASL_NTLM))
			continue;
		if (!(server->ntlm.helper ? open_domain : open_own_ntlm)(backends, settings, i, error))
			return false;
	}
	return true;
}

static void close_ntlm(struct sign_in_backends *backends)
{
	for (size_t i = 0; i < LIMIT_SERVERS; i++) {
		sign_in_domain_destroy(backends->domains[i]);
		sign_in_ntlm_destroy(backends->ntlm[i]);
	}
	for (size_t i = 0; i < LIMIT_SERVERS; i++)
		ntlm_helpers_destroy(backends->helpers[i]);
	secret_free(backends->ntlm_key);
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

static struct sign_in_backend *open_dovecot(struct sign_in_backends *backends,
					    const struct sign_in_backends_settings *settings, const char *place,
					    struct error *error)
{
	size_t i = 0;
	while (i < backends->dovecot_count && strcmp(backends->dovecots[i].place, place) != 0)
		i++;
	if (i == LIMIT_SERVERS) {
		error_set(error, "over %d Dovecot auth services", LIMIT_SERVERS);
		return NULL;
	}
	if (i == backends->dovecot_count) {
		const struct dovecot_settings dovecot = {
			.place = place,
			.wanted = wanted_of_dovecot(settings->config, place),
		};
		struct dovecot_service *service = dovecot_create(settings->loop, &dovecot, error);
		if (!service)
			return NULL;
		backends->dovecots[i].place = place;
		backends->dovecots[i].service = service;
		backends->dovecot_count++;
	}
	return dovecot_backend(backends->dovecots[i].service);
}

static bool open_dovecots(struct sign_in_backends *backends, const struct sign_in_backends_settings *settings,
			  struct error *error)
{
	for (size_t i = 0; i < settings->config->server_count; i++) {
		const struct config_server *server = &settings->config->servers[i];
		for (unsigned left = server->mechanisms; left; left &= left - 1) {
			const char *place = config_backend_of(&server->backends, left & -left);
			struct sign_in_backend *backend = place ? open_dovecot(backends, settings, place, error) : NULL;
			if (place && !backend)
				return false;
			if (place)
				assign(backends, i, left & -left, backend);
		}
	}
	return true;
}

/* --- all --- */

bool sign_in_backends_open(struct sign_in_backends *backends, const struct sign_in_backends_settings *settings,
			   struct error *error)
{
	const struct config *config = settings->config;
	backends->users = users_open(settings->users_directory, false, error);
	if (!backends->users) {
		loop_close(settings->loop, settings->hasher_fd);
		return false;
	}
	backends->passwords =
		sign_in_create(settings->loop, backends->users, settings->hasher_fd, config->hashers, error);
	if (!backends->passwords)
		return false;
	if (settings->counts)
		sign_in_count_in(backends->passwords, settings->counts);
	backends->scram = sign_in_scram_create(backends->users, settings->salt_secret, error);
	if (!backends->scram)
		return false;
	sign_in_external_init(&backends->external, backends->users);
	for (size_t i = 0; i < config->server_count; i++) {
		unsigned mechanisms = config->servers[i].mechanisms;
		assign(backends, i, mechanisms & SASL_WITH_PASSWORD, sign_in_passwords(backends->passwords));
		assign(backends, i, mechanisms & (SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS),
		       sign_in_scram_backend(backends->scram));
		assign(backends, i, mechanisms & SASL_EXTERNAL, &backends->external.backend);
	}
	return open_ntlm(backends, settings, error) && open_dovecots(backends, settings, error);
}

void sign_in_backends_close(struct sign_in_backends *backends)
{
	close_ntlm(backends);
	for (size_t i = 0; i < backends->dovecot_count; i++)
		dovecot_destroy(backends->dovecots[i].service);
	sign_in_scram_destroy(backends->scram);
	sign_in_destroy(backends->passwords);
	users_close(backends->users);
}

struct sign_in_backend *sign_in_backends_find(const struct sign_in_backends *backends, size_t server,
					      unsigned mechanism)
{
	return backends->of[server][place_of(mechanism)];
}

unsigned sign_in_backends_able(const struct sign_in_backends *backends, size_t server)
{
	unsigned able = 0;
	for (unsigned place = 0; place < SASL_MECHANISMS; place++) {
		const struct sign_in_backend *backend = backends->of[server][place];
		if (backend && sign_in_is_able(backend, 1U << place))
			able |= 1U << place;
	}
	return able;
}
