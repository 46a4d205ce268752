/* The back end of users that Dovecot knows, towards those who ask; see dovecot.h. */
#include "core/users/dovecot.h"

#include <stdlib.h>

#include "core/users/dovecot_parts.h"
#include "core/users/dovecot_place.h"
#include "crypto/secret.h"

enum { EXCHANGES_A_SLAB = 16 };

/* --- the back end --- */

/* A client that can bind to the channel, and believes that -PLUS is not offered, where others verify that here: somebody has taken
 * it out of the offer. Dovecot does not know what we offer (RFC 5802 §6). */
static bool was_deceived(const struct sign_in_request *request)
{
	struct slice response = request->response;
	return request->mechanism == SASL_SCRAM_SHA_256 && request->facts->offered & SASL_SCRAM_SHA_256_PLUS &&
	       response.size > 0 && response.data[0] == 'y';
}

static bool step(struct sign_in_backend *backend, struct sign_in_request *request, enum sign_in_outcome *outcome)
{
	struct dovecot_service *service = CONTAINER_OF(backend, struct dovecot_service, backend);
	struct dovecot_exchange *exchange = request->conversation;
	*outcome = SIGN_IN_UNAVAILABLE;
	if (exchange && exchange->state == DOVECOT_OVER) {
		request->reason = "the connection to Dovecot broke";
		return true;
	}
	if (service->unreachable || service->ended) {
		request->reason = "Dovecot can't be reached";
		return true;
	}
	if (was_deceived(request)) {
		request->reason = "the client was not told that -PLUS is offered: somebody may stand between";
		*outcome = SIGN_IN_WRONG;
		return true;
	}
	if (!exchange)
		exchange = dovecot_exchange_begin(service, request);
	if (!exchange) {
		request->reason = "too many wait for Dovecot";
		return true;
	}
	request->reason = NULL;
	return !dovecot_exchange_say(exchange, outcome);
}

static void end(struct sign_in_backend *backend, struct sign_in_request *request)
{
	struct dovecot_service *service = CONTAINER_OF(backend, struct dovecot_service, backend);
	struct dovecot_exchange *exchange = request->conversation;
	if (!exchange)
		return;
	bool open = exchange->id && exchange->state != DOVECOT_OVER && service->state == DOVECOT_READY;
	if (open && dovecot_auth_write_cancel(dovecot_connection_out(service), exchange->id))
		dovecot_connection_send(service);
	dovecot_exchange_free(exchange);
}

static unsigned able(const struct sign_in_backend *backend)
{
	return dovecot_mechanisms(CONTAINER_OF(backend, struct dovecot_service, backend));
}

static const struct sign_in_backend_class dovecot = { "dovecot", step, end, able };

struct sign_in_backend *dovecot_backend(struct dovecot_service *service)
{
	return &service->backend;
}

unsigned dovecot_mechanisms(const struct dovecot_service *service)
{
	return service->known ? service->mechanisms : service->settings.wanted;
}

/* --- life --- */

struct dovecot_service *dovecot_create(struct loop *loop, const struct dovecot_settings *settings, struct error *error)
{
	struct dovecot_service *service = calloc(1, sizeof *service);
	if (!service) {
		error_set(error, "no memory for sign-ins at Dovecot");
		return NULL;
	}
	service->backend.class = &dovecot;
	service->loop = loop;
	service->settings = *settings;
	if (!settings->greeting_ms)
		service->settings.greeting_ms = LIMIT_DOVECOT_GREETING_MS;
	if (!settings->answer_ms)
		service->settings.answer_ms = LIMIT_DOVECOT_ANSWER_MS;
	list_init(&service->waiting);
	list_init(&service->asked);
	list_init(&service->challenged);
	pool_init(&service->exchanges, sizeof(struct dovecot_exchange), EXCHANGES_A_SLAB, LIMIT_SIGN_INS);
	if (!dovecot_place_parse(settings->place, &service->address, &service->address_size, error)) {
		free(service);
		return NULL;
	}
	if (map_init(&service->by_id, 64) && dovecot_connection_start(service))
		return service;
	map_finish(&service->by_id);
	free(service);
	error_set(error, "no memory for sign-ins at Dovecot");
	return NULL;
}

void dovecot_destroy(struct dovecot_service *service)
{
	if (!service)
		return;
	dovecot_connection_stop(service);
	map_finish(&service->by_id);
	pool_finish(&service->exchanges);
	free(service);
}

/* --- the command line --- */

bool dovecot_probe(const char *place, uint64_t wait_ms, unsigned *mechanisms, struct error *error)
{
	struct dovecot_settings settings = { .place = place, .greeting_ms = wait_ms, .quiet = true };
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_AUTO }, error);
	struct dovecot_service *service = loop ? dovecot_create(loop, &settings, error) : NULL;
	bool sound = service != NULL;
	while (sound && service->state != DOVECOT_READY && !service->unreachable)
		sound = loop_turn(loop, true, error);
	bool ready = sound && service->state == DOVECOT_READY;
	if (ready)
		*mechanisms = service->mechanisms;
	else if (sound)
		*error = service->problem;
	dovecot_destroy(service);
	if (loop)
		loop_destroy(loop);
	return ready;
}
