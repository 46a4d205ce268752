/* A session's sign-in: between the engine, which speaks SMTP, and the back end, which knows what the mechanism says. */
#include <stdlib.h>
#include <string.h>

#include "core/server/session_parts.h"
#include "crypto/secret.h"

/* What must be bound to a TLS session can't be done outside one. */
void session_offer_sign_ins(struct session *session)
{
	unsigned able = sign_in_table_able(session->generation->sign_ins, session->server->place);
	if (!sign_in_external_is_possible(session->stream.tls))
		able &= ~(unsigned)SASL_EXTERNAL;
	if (!session->stream.tls && session->server->config->ntlm.binding == NTLM_BINDING_REQUIRE)
		able &= ~(unsigned)SASL_NTLM;
	smtp_session_withhold(&session->smtp, ~able);
}

enum smtp_action session_begin_sign_in(struct session *session, struct slice line)
{
	struct worker *worker = session->worker;
	ASSERT(!session->sign_in);
	struct session_sign_in *sign_in = pool_take(&worker->exchanges);
	if (sign_in) {
		memset(sign_in, 0, offsetof(struct session_sign_in, exchange.name));
		sign_in->session = session;
		sign_in->facts = (struct sign_in_facts){
			.client = session->peer,
			.server = session->server_address,
			.socket = session->stream.fd,
			.session = session->number,
			.tls = session->stream.tls,
			.hostname = session->smtp.profile->hostname,
			.offered = smtp_session_offers(&session->smtp),
		};
		buffer_init(&sign_in->exchange.response, worker->sasl_response, sizeof worker->sasl_response);
	}
	session->sign_in = sign_in;
	return smtp_session_sign_in_begin(&session->smtp, sign_in ? &sign_in->exchange : NULL, line,
					  session_out(session));
}

/* --- what was found out --- */

static void log_outcome(struct session *session, enum smtp_status status)
{
	const struct session_sign_in *sign_in = session->sign_in;
	const struct sign_in_request *request = &sign_in->request;
	struct log_line line;
	bool done = status == SMTP_SIGN_IN_OK;
	if (!session_log(session, &line, LOG_INFO, done ? "signed-in" : "sign-in-refused"))
		return;
	log_slice(&line, "login", done ? request->login : request->name);
	log_text(&line, "mechanism", sasl_mechanism_name(sign_in->exchange.mechanism));
	if (sign_in->backend)
		log_text(&line, "by", sign_in->backend->class->name);
	if (request->reason)
		log_text(&line, done ? "how" : "why", request->reason);
	if (sign_in->delayed_ms)
		log_number(&line, "delayed_ms", sign_in->delayed_ms);
	if (!done)
		log_number(&line, "code", smtp_reply_code(status));
	log_end(&line);
}

static enum smtp_action leave(struct session *session, enum smtp_status status)
{
	struct slice login = session->sign_in->request.login;
	uint64_t limit = session->server->config->limits.session;
	if (status == SMTP_SIGN_IN_OK) {
		session->login = strndup((const char *)login.data, login.size);
		if (!session->login)
			status = SMTP_SIGN_IN_UNAVAILABLE;
	}
	log_outcome(session, status);
	if (status == SMTP_SIGN_IN_OK && session->stream.tls)
		tls_session_end_secrets(session->stream.tls);
	if (status == SMTP_SIGN_IN_OK)
		session->hard_due_ms = limit ? session_now_ms(session) + limit : 0;
	return smtp_session_sign_in_end(&session->smtp, status, session_out(session));
}

/* A challenge may be longer than the replies that were reckoned with. There is room for it where nothing waits for the disk; who
 * hands in a message first and signs in before it is answered may have to come again. */
static enum smtp_action challenge(struct session *session)
{
	struct buffer *bytes = &session->worker->challenge;
	if (session_out(session) == &session->worker->replies &&
	    buffer_room(&session->worker->replies) < SMTP_CHALLENGE_ROOM(bytes->size))
		session_send_replies(session);
	bool fits = smtp_session_challenge(&session->smtp, buffer_slice(bytes), session_out(session));
	session->sign_in->has_failed = session->sign_in->exchange.mechanism & SASL_FAILS_BY_CHALLENGE && bytes->size;
	secret_wipe(bytes->data, bytes->size);
	return fits ? SMTP_CONTINUE : leave(session, SMTP_SIGN_IN_UNAVAILABLE);
}

static enum smtp_action answer(struct session *session, enum sign_in_outcome outcome)
{
	static const enum smtp_status statuses[] = {
		[SIGN_IN_OK] = SMTP_SIGN_IN_OK,
		[SIGN_IN_WRONG] = SMTP_SIGN_IN_WRONG,
		[SIGN_IN_UNAVAILABLE] = SMTP_SIGN_IN_UNAVAILABLE,
		[SIGN_IN_MALFORMED] = SMTP_SIGN_IN_MALFORMED,
		[SIGN_IN_REFUSED] = SMTP_SIGN_IN_UNAVAILABLE, /* and the ban was taken back since */
	};
	return outcome == SIGN_IN_CHALLENGE ? challenge(session) : leave(session, statuses[outcome]);
}

/* --- asking --- */

/* What a delay keeps of a challenge, as the worker has one for all. False: no memory. */
static bool keep_outcome(struct session_sign_in *sign_in, enum sign_in_outcome outcome, const struct buffer *challenge)
{
	sign_in->outcome = (uint8_t)outcome;
	if (outcome != SIGN_IN_CHALLENGE)
		return true;
	sign_in->challenge_size = challenge->size;
	sign_in->challenge = malloc(challenge->size ? challenge->size : 1);
	if (!sign_in->challenge)
		return false;
	memcpy(sign_in->challenge, challenge->data, challenge->size);
	secret_wipe(challenge->data, challenge->size);
	return true;
}

static enum sign_in_outcome kept_outcome(const struct session_sign_in *sign_in, struct buffer *challenge)
{
	buffer_clear(challenge);
	bool fits =
		!sign_in->challenge || buffer_append(challenge, slice_of(sign_in->challenge, sign_in->challenge_size));
	ASSERT(fits);
	return (enum sign_in_outcome)sign_in->outcome;
}

/* Nobody is told an outcome while he is banned, or before his time. */
static enum smtp_action take_outcome(struct session *session, enum sign_in_outcome outcome)
{
	session->sign_in->has_failed = false;
	switch (session_ask_guard(session, outcome)) {
	case SESSION_GUARD_REFUSES:
		return session_refuse_sign_in(session);
	case SESSION_GUARD_DELAYS:
		if (keep_outcome(session->sign_in, outcome, &session->worker->challenge))
			return SMTP_CONTINUE;
		session_forget_delay(session);
		return answer(session, SIGN_IN_UNAVAILABLE);
	case SESSION_GUARD_ADMITS:
		break;
	}
	session_tell_guard(session, outcome);
	return answer(session, outcome);
}

/* Does what follows, from the loop. */
static void go_on(struct session *session, enum smtp_action action)
{
	session_act(session, action, SLICE_LITERAL(""));
	if (session->smtp.state != SMTP_SIGN_IN)
		session_release_sign_in(session);
	session_send_replies(session);
	if (list_is_empty(&session->ready))
		list_append(&session->worker->ready, &session->ready);
}

/* Nobody is there to be told. A failure is one all the same: else guesses that nobody waits for would cost nothing. */
static void give_up(struct session *session, enum sign_in_outcome outcome)
{
	if (outcome == SIGN_IN_WRONG)
		session_tell_guard(session, outcome);
	session_release_sign_in(session);
}

static bool may_go_on(struct sign_in_request *request)
{
	return session_may_sign_in(CONTAINER_OF(request, struct session_sign_in, request)->session);
}

/* From the loop: the back end has found it out. */
static void answered(struct sign_in_request *request, enum sign_in_outcome outcome)
{
	struct session *session = CONTAINER_OF(request, struct session_sign_in, request)->session;
	session->blocked &= (uint8_t)~SESSION_BLOCK_SIGN_IN;
	if (session->ending)
		give_up(session, outcome);
	else
		go_on(session, take_outcome(session, outcome));
}

static void fill_request(struct session *session, struct sign_in_request *request, struct sasl_exchange *exchange)
{
	buffer_clear(&session->worker->challenge);
	request->done = answered;
	request->may = may_go_on;
	request->facts = &session->sign_in->facts;
	request->network = net_address_site(&session->peer);
	request->mechanism = exchange->mechanism;
	request->challenge = &session->worker->challenge;
	if (exchange->mechanism & SASL_WITH_PASSWORD) {
		request->name = sasl_name(exchange);
		request->password = sasl_password(exchange);
	} else if (exchange->has_response) {
		request->response = buffer_slice(&exchange->response);
	} else {
		request->response = slice_of(NULL, 0);
	}
}

static enum smtp_action step(struct session *session)
{
	struct session_sign_in *sign_in = session->sign_in;
	struct buffer *response = &sign_in->exchange.response;
	enum sign_in_outcome outcome = SIGN_IN_UNAVAILABLE;
	sign_in->backend =
		sign_in_table_find(session->generation->sign_ins, session->server->place, sign_in->exchange.mechanism);
	bool decided = !sign_in->backend || sign_in_step(sign_in->backend, &sign_in->request, &outcome);
	secret_wipe(response->data, response->size);
	if (decided)
		return take_outcome(session, outcome);
	session->blocked |= SESSION_BLOCK_SIGN_IN;
	return SMTP_CONTINUE;
}

/* A password is dear to verify: the guard is asked before that is begun. */
enum smtp_action session_verify_sign_in(struct session *session)
{
	struct session_sign_in *sign_in = session->sign_in;
	enum session_guard guard = SESSION_GUARD_ADMITS;
	fill_request(session, &sign_in->request, &sign_in->exchange);
	sign_in->outcome = SIGN_IN_OUTCOMES;
	if (sign_in->exchange.mechanism & SASL_WITH_PASSWORD)
		guard = session_ask_guard(session, SIGN_IN_OUTCOMES);
	if (guard == SESSION_GUARD_REFUSES)
		return session_refuse_sign_in(session);
	return guard == SESSION_GUARD_DELAYS ? SMTP_CONTINUE : step(session);
}

void session_sign_in_continue(struct session *session)
{
	struct session_sign_in *sign_in = session->sign_in;
	enum sign_in_outcome outcome = kept_outcome(sign_in, &session->worker->challenge);
	session_forget_delay(session);
	if (session->ending) {
		give_up(session, outcome);
	} else if (outcome == SIGN_IN_OUTCOMES) {
		go_on(session, session_verify_sign_in(session));
	} else {
		go_on(session, take_outcome(session, outcome));
	}
}

bool session_sign_in_waits(const struct session *session)
{
	const struct session_sign_in *sign_in = session->sign_in;
	if (session->blocked & SESSION_BLOCK_SIGN_IN)
		return sign_in_waits(sign_in->backend, &sign_in->request);
	return session->blocked & SESSION_BLOCK_GUARD;
}

/* Who has closed one direction only may still read. */
void session_sign_in_leave(struct session *session)
{
	struct session_sign_in *sign_in = session->sign_in;
	if (!session_sign_in_waits(session))
		return;
	sign_in->request.reason = "the client has gone";
	session->ending = true;
	(void)!leave(session, SMTP_SIGN_IN_UNAVAILABLE);
	give_up(session, (enum sign_in_outcome)sign_in->outcome);
	session->blocked &= (uint8_t)~SESSION_BLOCK_SIGN_IN;
	session_end_turn(session);
}

void session_release_sign_in(struct session *session)
{
	struct session_sign_in *sign_in = session->sign_in;
	if (!sign_in)
		return;
	/* Who has heard it need not wait for the outcome, and would never be counted. */
	if (sign_in->has_failed)
		session_tell_guard(session, SIGN_IN_WRONG);
	session_forget_delay(session);
	if (sign_in->backend)
		sign_in_end(sign_in->backend, &sign_in->request);
	sasl_wipe(&sign_in->exchange);
	pool_give(&session->worker->exchanges, sign_in);
	session->sign_in = NULL;
}
