/* A worker's back ends for sign-ins; see sign_in_backends.h. */
#include "core/server/sign_in_backends.h"

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

bool sign_in_backends_open(struct sign_in_backends *backends, const struct sign_in_backends_settings *settings,
			   struct error *error)
{
	const struct config *config = settings->config;
	backends->users = users_open(settings->users_directory, false, error);
	if (!backends->users)
		return false;
	backends->passwords =
		sign_in_create(settings->loop, backends->users, settings->hasher_fd, config->hashers, error);
	if (!backends->passwords)
		return false;
	sign_in_external_init(&backends->external, backends->users);
	for (size_t i = 0; i < config->server_count; i++) {
		unsigned mechanisms = config->servers[i].mechanisms;
		assign(backends, i, mechanisms & SASL_WITH_PASSWORD, sign_in_passwords(backends->passwords));
		assign(backends, i, mechanisms & SASL_EXTERNAL, &backends->external.backend);
	}
	return true;
}

void sign_in_backends_close(struct sign_in_backends *backends)
{
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
	for (unsigned place = 0; place < SASL_MECHANISMS; place++)
		if (backends->of[server][place])
			able |= 1U << place;
	return able;
}
