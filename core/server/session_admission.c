/* Who comes in: how many connections a client may have, and how often it may come; and the end of those who are over a limit.
 *
 * They are told 421, after `tarpit` if there is one: so they come no faster than that. Behind implicit TLS they are only
 * closed, since a handshake costs more than all that these limits are to save. Whom the rules refuse is told 554, behind
 * implicit TLS inside it: a mail program shows nothing else, and what is refused for good is to be understood. A flood of
 * those is what `tarpit` and the firewall are for. */
#include <stdio.h>

#include "core/server/session_parts.h"

/* The log takes so many lines a second of those who are refused, and tells how many there were beyond. */
enum { REFUSALS_TOLD = 20 };

static void begin_second(struct worker *worker)
{
	int64_t second = loop_now(worker->loop)->unix_us / 1000000;
	if (second == worker->refusals.second)
		return;
	if (worker->refusals.untold)
		log_message(LOG_INFO, "refused-more", "%u connections in a second, beyond those told",
			    worker->refusals.untold);
	worker->refusals = (struct worker_refusals){ .second = second };
}

bool session_may_tell_refusal(struct worker *worker)
{
	begin_second(worker);
	if (worker->refusals.told == REFUSALS_TOLD) {
		worker->refusals.untold++;
		return false;
	}
	worker->refusals.told++;
	return true;
}

bool session_may_keep_refusal(struct worker *worker)
{
	begin_second(worker);
	return worker->refusals.kept < LIMIT_REFUSALS_AT_THE_DOOR && ++worker->refusals.kept;
}

/* --- who is over a limit --- */

/* Which one it was, and where it is written. */
struct limit {
	const char *name;
	int64_t most;
	int line;
	enum smtp_status status;
};

static struct limit limit_of(const struct session *session)
{
	const struct config_server *server = session->server->config;
	const struct config_connect *connect = &server->connect;
	switch ((enum client_verdict)session->turned_away) {
	case CLIENT_ADDRESS_FULL:
		return (struct limit){ "per_address", connect->per_address, connect->per_address_line,
				       SMTP_ADDRESS_FULL };
	case CLIENT_NETWORK_FULL:
		return (struct limit){ "per_network", connect->per_network, connect->per_network_line,
				       SMTP_NETWORK_FULL };
	case CLIENT_TOO_FAST:
		return (struct limit){ "rate", connect->rate, connect->rate_line, SMTP_CONNECTS_TOO_FAST };
	case CLIENT_ADMITTED:
		break;
	}
	return (struct limit){ "connections", server->limits.connections, server->limits.connections_line,
			       SMTP_TOO_MANY_CONNECTIONS };
}

/* For `postern explain`: the setting, and what was counted. */
static void describe(struct session *session, const struct limit *limit, char text[160])
{
	const struct server_block *server = session->server;
	const struct worker *worker = session->worker;
	bool behind_tls = session->turned_away && session_begins_with_tls(session);
	const char *untold = behind_tls ? "; closed without a word, before TLS" : "";
	uint64_t rate_s = server->config->connect.rate_ms / 1000;
	switch ((enum client_verdict)session->turned_away) {
	case CLIENT_ADDRESS_FULL:
		snprintf(text, 160, "connect { per_address = %lld }: %u connections of this address are open%s",
			 (long long)limit->most, clients_count_address(server->clients, &session->peer), untold);
		return;
	case CLIENT_NETWORK_FULL:
		snprintf(text, 160, "connect { per_network = %lld }: %u connections of this network are open%s",
			 (long long)limit->most, clients_count_network(server->clients, &session->peer), untold);
		return;
	case CLIENT_TOO_FAST:
		snprintf(text, 160, "connect { rate = \"%lld/%llus\" }: so many had come, and one more came too soon%s",
			 (long long)limit->most, (unsigned long long)rate_s, untold);
		return;
	case CLIENT_ADMITTED:
		break;
	}
	snprintf(text, 160, "limits { connections = %lld }: %u sessions were open in the worker",
		 (long long)limit->most, server_states_sessions(worker->states, worker->number, server->slot) - 1);
}

static void keep(struct session *session, const struct limit *limit, char id[SPOOL_ID_TEXT_BYTES])
{
	struct refusal_setting setting = {
		.stage = POLICY_CONNECTION,
		.status = limit->status,
		.file = session->server->config->file,
		.line = limit->line,
	};
	struct refusal_context context = { .login = NULL };
	if (session_may_keep_refusal(session->worker)) {
		describe(session, limit, setting.text);
		session->refusal = session_keep_refusal(session, &setting, &context, id);
	} else {
		session->refusal = session_pass_refusal(session, id);
	}
}

static void keep_and_log(struct session *session)
{
	struct limit limit = limit_of(session);
	char id[SPOOL_ID_TEXT_BYTES];
	struct log_line line;
	keep(session, &limit, id);
	if (!session_may_tell_refusal(session->worker) || !session_log(session, &line, LOG_INFO, "refused"))
		return;
	log_text(&line, "what", "connection");
	log_text(&line, "limit", limit.name);
	log_number(&line, "most", limit.most);
	if (limit.status == SMTP_CONNECTS_TOO_FAST)
		log_number(&line, "in_s", (int64_t)(session->server->config->connect.rate_ms / 1000));
	log_text(&line, "id", id);
	log_text(&line, "file", session->server->config->file);
	log_number(&line, "line", limit.line);
	log_number(&line, "code", smtp_reply_code(limit.status));
	log_end(&line);
}

void session_refuse_greeting(struct session *session, enum smtp_status status, const char *id)
{
	struct worker *worker = session->worker;
	uint8_t storage[SPOOL_ID_TEXT_BYTES + 2];
	struct buffer detail;
	buffer_init(&detail, storage, sizeof storage);
	refusal_write_detail(&detail, status, (struct slice){ 0 }, id);
	buffer_clear(&worker->replies);
	smtp_session_turn_away(&session->smtp, session->smtp.profile, session->stream.tls != NULL, status,
			       buffer_slice(&detail), &worker->replies);
	session->ending = true;
}

void session_refuse_crowd(struct session *session)
{
	char id[SPOOL_ID_TEXT_BYTES];
	if (!session->turned_away)
		keep_and_log(session);
	spool_id_format(session->refusal, id);
	session_refuse_greeting(session, limit_of(session).status, id);
}

/* A proxy's own connections, which look whether the port is alive, are nobody's. */
static enum client_verdict count_client(struct session *session)
{
	const struct server_block *server = session->server;
	if (!server->clients || session->refused || session->is_proxys_own)
		return CLIENT_ADMITTED;
	return clients_open(server->clients, session->worker->number, &session->peer, &server->client_limits,
			    loop_now(session->worker->loop)->monotonic_ns, &session->ticket);
}

void session_leave_counts(struct session *session)
{
	if (session->server->clients)
		clients_close(session->server->clients, session->worker->number, &session->ticket);
	if (session->tarpitted)
		session->worker->tarpitted--;
}

void session_turn_away(struct session *session)
{
	if (session->turned_away && session_begins_with_tls(session)) {
		session_abort(session);
		return;
	}
	/* The rules may be others by now, and let it in. */
	if (session->tarpitted)
		stream_resume(&session->stream);
	if (session->stream.tls)
		session_greet(session);
	else
		session_begin_service(session);
}

/* Too many that wait would be a way to take all our connections: those beyond go at once. */
static bool is_tarpitted(struct session *session)
{
	struct worker *worker = session->worker;
	if (!session->server->config->connect.tarpit || worker->tarpitted == LIMIT_TARPITTED || worker->draining)
		return false;
	worker->tarpitted++;
	session->tarpitted = true;
	stream_pause(&session->stream);
	session_enter_phase(session, SESSION_TARPIT);
	return true;
}

static bool is_refused(const struct session *session)
{
	return session->judged.outcome == POLICY_REFUSE || session->judged.outcome == POLICY_DEFER;
}

bool session_waits_refused(struct session *session)
{
	return is_refused(session) && !session->tarpitted && is_tarpitted(session);
}

bool session_is_taken(struct session *session)
{
	session_begin_judging(session);
	bool refused = is_refused(session);
	enum client_verdict verdict = refused ? CLIENT_ADMITTED : count_client(session);
	if (refused && is_tarpitted(session))
		return false;
	if (verdict == CLIENT_ADMITTED)
		return true;
	session->turned_away = (uint8_t)verdict;
	keep_and_log(session);
	if (!is_tarpitted(session))
		session_turn_away(session);
	return false;
}
