/* Who comes in: how many connections a client may have, and how often it may come; and the end of those who are over a limit.
 *
 * They are told 421, after `tarpit` if there is one: so they come no faster than that. Behind implicit TLS they are only
 * closed, since a handshake costs more than all that these limits are to save. Whom the rules refuse is told 554, behind
 * implicit TLS inside it: a mail program shows nothing else, and what is refused for good is to be understood. A flood of
 * those is what `tarpit` and the firewall are for. */
#include "core/server/session_parts.h"

/* The log takes so many lines a second of those who are refused, and tells how many there were beyond. */
enum { REFUSALS_TOLD = 20 };

bool session_may_tell_refusal(struct worker *worker)
{
	int64_t second = loop_now(worker->loop)->unix_us / 1000000;
	if (second != worker->refusals.second) {
		if (worker->refusals.untold)
			log_message(LOG_INFO, "refused-more", "%u connections in a second, beyond those told",
				    worker->refusals.untold);
		worker->refusals = (struct worker_refusals){ .second = second };
	}
	if (worker->refusals.told == REFUSALS_TOLD) {
		worker->refusals.untold++;
		return false;
	}
	worker->refusals.told++;
	return true;
}

/* Which limit it was, and where it is written. */
static void log_refusal(struct session *session, enum client_verdict verdict)
{
	const struct config_server *server = session->server->config;
	const struct config_connect *connect = &server->connect;
	struct log_line line;
	if (!session_may_tell_refusal(session->worker) || !session_log(session, &line, LOG_INFO, "refused"))
		return;
	const char *limit = "per_address";
	int at = connect->per_address_line;
	int64_t most = connect->per_address;
	if (verdict == CLIENT_NETWORK_FULL) {
		limit = "per_network";
		at = connect->per_network_line;
		most = connect->per_network;
	} else if (verdict == CLIENT_TOO_FAST) {
		limit = "rate";
		at = connect->rate_line;
		most = connect->rate;
	}
	log_text(&line, "what", "connection");
	log_text(&line, "limit", limit);
	log_number(&line, "most", most);
	if (verdict == CLIENT_TOO_FAST)
		log_number(&line, "in_s", (int64_t)(connect->rate_ms / 1000));
	log_text(&line, "file", server->file);
	log_number(&line, "line", at);
	log_number(&line, "code", smtp_reply_code(session_turned_away_status(session)));
	log_end(&line);
}

enum smtp_status session_turned_away_status(const struct session *session)
{
	static const enum smtp_status statuses[] = {
		[CLIENT_ADDRESS_FULL] = SMTP_ADDRESS_FULL,
		[CLIENT_NETWORK_FULL] = SMTP_NETWORK_FULL,
		[CLIENT_TOO_FAST] = SMTP_CONNECTS_TOO_FAST,
	};
	ASSERT(session->turned_away != CLIENT_ADMITTED);
	return statuses[session->turned_away];
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
	if (session->turned_away && session_begins_with_tls(session))
		session_abort(session);
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

bool session_is_taken(struct session *session)
{
	session_begin_judging(session);
	bool refused = session->judged.outcome == POLICY_REFUSE || session->judged.outcome == POLICY_DEFER;
	enum client_verdict verdict = refused ? CLIENT_ADMITTED : count_client(session);
	if (refused && is_tarpitted(session))
		return false;
	if (verdict == CLIENT_ADMITTED)
		return true;
	session->turned_away = (uint8_t)verdict;
	log_refusal(session, verdict);
	if (!is_tarpitted(session))
		session_turn_away(session);
	return false;
}
