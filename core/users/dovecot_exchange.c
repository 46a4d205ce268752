/* Sign-ins at Dovecot: sent as soon as they can be, answered in any order, each with a deadline; see dovecot_parts.h. */
#include <stdlib.h>
#include <string.h>

#include "core/users/dovecot_parts.h"
#include "core/users/users.h"
#include "crypto/secret.h"

static void deadline_passed(struct timer *timer);

static void release_held(struct dovecot_exchange *exchange)
{
	if (exchange->held)
		secret_wipe(exchange->held, exchange->held_size);
	free(exchange->held);
	exchange->held = NULL;
	exchange->held_size = 0;
}

/* Where the state's list is there, the exchange is in it. */
static void enter(struct dovecot_exchange *exchange, enum dovecot_exchange_state state)
{
	struct dovecot_service *service = exchange->service;
	struct list *const lists[] = {
		[DOVECOT_WAITS] = &service->waiting,
		[DOVECOT_ASKED] = &service->asked,
		[DOVECOT_CHALLENGED] = &service->challenged,
		[DOVECOT_OVER] = NULL,
	};
	service->waiting_count -= exchange->state == DOVECOT_WAITS;
	service->waiting_count += state == DOVECOT_WAITS;
	list_remove(&exchange->link);
	exchange->state = (uint8_t)state;
	if (lists[state])
		list_append(lists[state], &exchange->link);
	if (state == DOVECOT_WAITS || state == DOVECOT_ASKED)
		loop_timer_start(service->loop, &exchange->deadline, service->settings.answer_ms);
	else
		loop_timer_stop(service->loop, &exchange->deadline);
}

struct dovecot_exchange *dovecot_exchange_begin(struct dovecot_service *service, struct sign_in_request *request)
{
	struct dovecot_exchange *exchange = pool_take(&service->exchanges);
	if (!exchange)
		return NULL;
	memset(exchange, 0, sizeof *exchange);
	exchange->service = service;
	exchange->request = request;
	exchange->state = DOVECOT_OVER;
	list_init(&exchange->link);
	timer_init(&exchange->deadline, deadline_passed);
	request->conversation = exchange;
	return exchange;
}

void dovecot_exchange_free(struct dovecot_exchange *exchange)
{
	struct dovecot_service *service = exchange->service;
	enter(exchange, DOVECOT_OVER);
	if (exchange->id)
		map_remove(&service->by_id, &exchange->node);
	release_held(exchange);
	exchange->request->conversation = NULL;
	secret_wipe(exchange, sizeof *exchange);
	pool_give(&service->exchanges, exchange);
}

/* May be freed by whom it tells. */
static void decide(struct dovecot_exchange *exchange, enum sign_in_outcome outcome, const char *reason)
{
	struct sign_in_request *request = exchange->request;
	enter(exchange, outcome == SIGN_IN_CHALLENGE ? DOVECOT_CHALLENGED : DOVECOT_OVER);
	request->reason = reason;
	request->done(request, outcome);
}

/* --- saying --- */

/* PLAIN takes both, so that LOGIN needs no second step (RFC 4616). */
static bool write_password(struct buffer *out, struct dovecot_auth_request *asked,
			   const struct sign_in_request *request)
{
	uint8_t storage[1 + LIMIT_LOGIN_NAME_BYTES + 1 + LIMIT_PASSWORD_BYTES];
	struct buffer response;
	buffer_init(&response, storage, sizeof storage);
	buffer_append_byte(&response, 0);
	buffer_append(&response, request->name);
	buffer_append_byte(&response, 0);
	buffer_append(&response, request->password);
	asked->mechanism = sasl_mechanism_name(SASL_PLAIN);
	asked->has_response = true;
	asked->response = buffer_slice(&response);
	bool fits = !response.overflow && dovecot_auth_write_request(out, asked);
	secret_wipe(storage, sizeof storage);
	return fits;
}

/* The kernel is asked here, where somebody wants to know it, and not for every connection. */
static struct net_address server_of(const struct dovecot_service *service, const struct sign_in_facts *facts)
{
	struct sockaddr_storage own;
	if (facts->server.family || facts->socket < 0)
		return facts->server;
	loop_own_address(service->loop, facts->socket, &own);
	return net_address_from_socket(&own);
}

static struct slice write_address(const struct net_address *address, char text[NET_ADDRESS_TEXT_BYTES])
{
	if (!address->family)
		return (struct slice){ 0 };
	net_address_format(address, text);
	return slice_from_text(text);
}

static bool write_request(struct dovecot_exchange *exchange, struct buffer *out, struct slice response)
{
	const struct sign_in_request *request = exchange->request;
	const struct sign_in_facts *facts = request->facts;
	struct net_address server = server_of(exchange->service, facts);
	char client_text[NET_ADDRESS_TEXT_BYTES], server_text[NET_ADDRESS_TEXT_BYTES];
	const char *problem;
	struct dovecot_auth_request asked = {
		.id = exchange->service->last_id + 1,
		.mechanism = sasl_mechanism_name(request->mechanism),
		.inside_tls = facts->tls != NULL,
		.client = write_address(&facts->client, client_text),
		.client_port = facts->client.port,
		.server = write_address(&server, server_text),
		.server_port = server.port,
		.session = facts->session,
		.has_response = exchange->has_response,
		.response = response,
	};
	if (exchange->service->last_id == UINT32_MAX) {
		dovecot_connection_renew(exchange->service);
		return false;
	}
	if (facts->tls && !tls_session_client_name(facts->tls, &asked.certificate_name, &problem))
		asked.certificate_name.size = 0;
	if (request->mechanism & SASL_WITH_PASSWORD ? !write_password(out, &asked, request)
						    : !dovecot_auth_write_request(out, &asked))
		return false;
	exchange->id = ++exchange->service->last_id;
	map_insert(&exchange->service->by_id, &exchange->node, map_hash_number(exchange->id));
	return true;
}

/* False: there is no room now. */
static bool try_to_send(struct dovecot_exchange *exchange, struct slice response)
{
	struct dovecot_service *service = exchange->service;
	struct buffer *out = dovecot_connection_out(service);
	bool sent = exchange->id ? dovecot_auth_write_response(out, exchange->id, response)
				 : write_request(exchange, out, response);
	if (!sent)
		return false;
	exchange->asked_ms = dovecot_now_ms(service);
	enter(exchange, DOVECOT_ASKED);
	return true;
}

static bool is_had(const struct dovecot_exchange *exchange)
{
	return exchange->request->mechanism & dovecot_mechanisms(exchange->service);
}

static bool hold(struct dovecot_exchange *exchange, struct slice response)
{
	if (exchange->service->waiting_count >= LIMIT_DOVECOT_WAITING)
		return false;
	if (response.size) {
		exchange->held = malloc(response.size);
		if (!exchange->held)
			return false;
		memcpy(exchange->held, response.data, response.size);
		exchange->held_size = response.size;
	}
	enter(exchange, DOVECOT_WAITS);
	return true;
}

bool dovecot_exchange_say(struct dovecot_exchange *exchange, enum sign_in_outcome *outcome)
{
	struct dovecot_service *service = exchange->service;
	struct sign_in_request *request = exchange->request;
	struct slice response = request->response;
	exchange->has_response = response.data != NULL;
	*outcome = SIGN_IN_UNAVAILABLE;
	if (service->state == DOVECOT_READY && !is_had(exchange)) {
		request->reason = "Dovecot does not have this mechanism";
		return false;
	}
	if (service->state == DOVECOT_READY && list_is_empty(&service->waiting) && try_to_send(exchange, response)) {
		dovecot_connection_send(service);
		return true;
	}
	request->reason = "too many wait for Dovecot";
	return hold(exchange, response);
}

void dovecot_exchanges_flush(struct dovecot_service *service)
{
	struct list *node;
	while (service->state == DOVECOT_READY && (node = list_first(&service->waiting))) {
		struct dovecot_exchange *exchange = CONTAINER_OF(node, struct dovecot_exchange, link);
		struct slice response = slice_of(exchange->held, exchange->held_size);
		if (!is_had(exchange)) {
			release_held(exchange);
			decide(exchange, SIGN_IN_UNAVAILABLE, "Dovecot does not have this mechanism");
			continue;
		}
		if (!try_to_send(exchange, response))
			break;
		release_held(exchange);
	}
	dovecot_connection_send(service);
}

/* --- hearing --- */

static const struct {
	enum sign_in_outcome outcome;
	const char *reason;
} failures[] = {
	[DOVECOT_AUTH_REFUSED] = { SIGN_IN_WRONG, "Dovecot refuses it" },
	[DOVECOT_AUTH_TEMPORARY] = { SIGN_IN_UNAVAILABLE, "Dovecot could not find out; its log says why" },
	[DOVECOT_AUTH_MAY_NOT] = { SIGN_IN_WRONG, "may not act as whom it asks for" },
	[DOVECOT_AUTH_DISABLED] = { SIGN_IN_WRONG, "the user is disabled" },
	[DOVECOT_AUTH_EXPIRED] = { SIGN_IN_WRONG, "the password has expired" },
	[DOVECOT_AUTH_NO_LOGIN] = { SIGN_IN_WRONG, "Dovecot's entry says nologin" },
	[DOVECOT_AUTH_UNSUITABLE] = { SIGN_IN_UNAVAILABLE, "Dovecot does not take this mechanism so" },
	[DOVECOT_AUTH_UNREADABLE] = { SIGN_IN_UNAVAILABLE, "Dovecot's challenge can't be passed on" },
};

/* Whom Dovecot names; false: nobody who could be one here. */
static bool keep_user(struct dovecot_exchange *exchange, struct slice user)
{
	if (!users_foreign_name_is_valid(user))
		return false;
	memcpy(exchange->user, user.data, user.size);
	exchange->user_size = (uint16_t)user.size;
	return true;
}

static void cancel(struct dovecot_exchange *exchange)
{
	struct dovecot_service *service = exchange->service;
	if (service->state == DOVECOT_READY && dovecot_auth_write_cancel(dovecot_connection_out(service), exchange->id))
		dovecot_connection_send(service);
}

static void failed(struct dovecot_exchange *exchange, const struct dovecot_auth_reply *reply)
{
	struct sign_in_request *request = exchange->request;
	if (!(request->mechanism & SASL_WITH_PASSWORD) && keep_user(exchange, reply->user))
		request->name = slice_of(exchange->user, exchange->user_size);
	if (reply->failure == DOVECOT_AUTH_UNREADABLE)
		cancel(exchange);
	decide(exchange, failures[reply->failure].outcome, failures[reply->failure].reason);
}

static void succeeded(struct dovecot_exchange *exchange, const struct dovecot_auth_reply *reply)
{
	struct sign_in_request *request = exchange->request;
	if (!keep_user(exchange, reply->user)) {
		decide(exchange, SIGN_IN_UNAVAILABLE, "Dovecot names a user that can't be one here");
		return;
	}
	request->login = slice_of(exchange->user, exchange->user_size);
	decide(exchange, SIGN_IN_OK, NULL);
}

/* An answer to one that has ended, or was given up, is for nobody. */
static struct dovecot_exchange *find(struct dovecot_service *service, uint32_t id)
{
	struct map_node *node = map_find(&service->by_id, map_hash_number(id));
	for (; node; node = map_find_next(node)) {
		struct dovecot_exchange *exchange = CONTAINER_OF(node, struct dovecot_exchange, node);
		if (exchange->id == id && exchange->state == DOVECOT_ASKED)
			return exchange;
	}
	return NULL;
}

void dovecot_exchange_hear(struct dovecot_service *service, enum dovecot_auth_event event,
			   const struct dovecot_auth_reply *reply)
{
	struct dovecot_exchange *exchange = find(service, reply->id);
	if (!exchange)
		return;
	if (event == DOVECOT_AUTH_OK) {
		succeeded(exchange, reply);
	} else if (event == DOVECOT_AUTH_FAIL) {
		failed(exchange, reply);
	} else {
		buffer_clear(exchange->request->challenge);
		bool fits = buffer_append(exchange->request->challenge, reply->challenge);
		ASSERT(fits);
		decide(exchange, SIGN_IN_CHALLENGE, NULL);
	}
}

/* --- when nothing comes --- */

/* A service that has said nothing at all since then is frozen, or gone without a word. */
static void deadline_passed(struct timer *timer)
{
	struct dovecot_exchange *exchange = CONTAINER_OF(timer, struct dovecot_exchange, deadline);
	struct dovecot_service *service = exchange->service;
	bool silent = exchange->state == DOVECOT_ASKED && service->heard_ms <= exchange->asked_ms;
	if (silent && service->state == DOVECOT_READY) {
		dovecot_connection_fail(service, "it has stopped to answer");
		return;
	}
	if (exchange->id)
		cancel(exchange);
	decide(exchange, SIGN_IN_UNAVAILABLE, "Dovecot gave no answer in time");
}

static void lose(struct list *lost, const char *reason)
{
	struct list *node;
	while ((node = list_first(lost))) {
		struct dovecot_exchange *exchange = CONTAINER_OF(node, struct dovecot_exchange, link);
		release_held(exchange);
		decide(exchange, SIGN_IN_UNAVAILABLE, reason);
	}
}

/* Ids mean nothing on another connection: what has one is lost. */
void dovecot_exchanges_lose(struct dovecot_service *service, bool all)
{
	struct list lost, kept, *node;
	list_init(&lost);
	list_init(&kept);
	while ((node = list_take_first(&service->challenged)))
		enter(CONTAINER_OF(node, struct dovecot_exchange, link), DOVECOT_OVER);
	list_splice(&lost, &service->asked);
	while ((node = list_take_first(&service->waiting))) {
		const struct dovecot_exchange *exchange = CONTAINER_OF(node, struct dovecot_exchange, link);
		list_append(all || exchange->id ? &lost : &kept, node);
	}
	list_splice(&service->waiting, &kept);
	lose(&lost, all ? "Dovecot can't be reached" : "the connection to Dovecot broke");
}
