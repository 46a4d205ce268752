/* A worker's back ends for sign-ins; see sign_in_backends.h. */
#include "core/server/sign_in_backends.h"

#include <stdlib.h>
#include <string.h>

#include "core/users/sign_in_ntlm.h"
#include "crypto/ntlm.h"
#include "crypto/secret.h"

/* --- outside --- */

static struct sign_in_service_outside *find(struct sign_in_backends *backends, const char *name, unsigned extra,
					    bool dovecot)
{
	for (struct list *node = backends->outside.next; node != &backends->outside; node = node->next) {
		struct sign_in_service_outside *service = CONTAINER_OF(node, struct sign_in_service_outside, link);
		if (!service->dovecot == !dovecot && service->extra == extra && strcmp(service->name, name) == 0)
			return service;
	}
	return NULL;
}

static struct sign_in_service_outside *add(struct sign_in_backends *backends, const char *name, unsigned extra)
{
	struct sign_in_service_outside *service = calloc(1, sizeof *service);
	if (!service)
		return NULL;
	service->name = strdup(name);
	service->extra = extra;
	list_append(&backends->outside, &service->link);
	return service;
}

static void end(struct sign_in_service_outside *service)
{
	list_remove(&service->link);
	dovecot_destroy(service->dovecot);
	ntlm_helpers_destroy(service->helpers);
	free(service->name);
	free(service);
}

/* The second half of making one: NULL where it did not come to be. */
static struct sign_in_service_outside *held(struct sign_in_service_outside *service)
{
	if (service && !service->dovecot && !service->helpers) {
		end(service);
		return NULL;
	}
	if (service)
		service->holders++;
	return service;
}

struct sign_in_service_outside *sign_in_hold_dovecot(struct sign_in_backends *backends, const char *place,
						     unsigned wanted, struct error *error)
{
	struct sign_in_service_outside *service = find(backends, place, wanted, true);
	if (service)
		return held(service);
	service = add(backends, place, wanted);
	if (service && service->name) {
		const struct dovecot_settings settings = { .place = service->name, .wanted = wanted };
		service->dovecot = dovecot_create(backends->loop, &settings, error);
	} else {
		error_set(error, "no memory for sign-ins at Dovecot");
	}
	return held(service);
}

struct sign_in_service_outside *sign_in_hold_helpers(struct sign_in_backends *backends, const char *program,
						     unsigned count, struct error *error)
{
	struct sign_in_service_outside *service = find(backends, program, count, false);
	if (service)
		return held(service);
	service = add(backends, program, count);
	if (service && service->name)
		service->helpers = ntlm_helpers_create(backends->loop, service->name, count, NULL, error);
	else
		error_set(error, "no memory for the helpers of NTLM");
	return held(service);
}

void sign_in_leave(struct sign_in_service_outside *service)
{
	if (service && --service->holders == 0)
		end(service);
}

/* --- the users of the data folder --- */

const uint8_t *sign_in_ntlm_key(struct sign_in_backends *backends, struct error *error)
{
	if (!backends->ntlm_key)
		backends->ntlm_key = ntlm_seal_key_load(backends->ntlm_key_file, true, error);
	return backends->ntlm_key;
}

bool sign_in_backends_open(struct sign_in_backends *backends, const struct sign_in_backends_settings *settings,
			   struct error *error)
{
	backends->loop = settings->loop;
	list_init(&backends->outside);
	backends->ntlm_key_file = settings->ntlm_key_file ? strdup(settings->ntlm_key_file) : NULL;
	if (settings->ntlm_key_file && !backends->ntlm_key_file)
		error_set(error, "no memory for sign-ins");
	else
		backends->users = users_open(settings->users_directory, false, error);
	if (!backends->users) {
		loop_close(settings->loop, settings->hasher_fd);
		return false;
	}
	backends->passwords =
		sign_in_create(settings->loop, backends->users, settings->hasher_fd, settings->hashers, error);
	if (!backends->passwords)
		return false;
	if (settings->counts)
		sign_in_count_in(backends->passwords, settings->counts);
	backends->scram = sign_in_scram_create(backends->users, settings->salt_secret, error);
	sign_in_external_init(&backends->external, backends->users);
	return backends->scram != NULL;
}

void sign_in_backends_close(struct sign_in_backends *backends)
{
	ASSERT(!backends->loop || list_is_empty(&backends->outside));
	secret_free(backends->ntlm_key);
	free(backends->ntlm_key_file);
	sign_in_scram_destroy(backends->scram);
	sign_in_destroy(backends->passwords);
	users_close(backends->users);
}
