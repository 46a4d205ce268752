/* A session's time limits: one timer, set to what the phase allows, or to the end of the session's own limit.
 *
 * Totals can't be stretched by sending a byte now and then: a proxy's header, the handshake, a command line and the time to sign in each
 * have one; text has a minimum rate; only the time between commands starts anew with each. */
#include "core/server/session_parts.h"

enum { FINISH_MS = 30000 }; /* for a client that does not take its last reply */

static uint64_t phase_limit_ms(const struct session *session)
{
	const struct config_limits *limits = &session->server->config->limits;
	switch ((enum session_phase)session->phase) {
	case SESSION_PROXY:
		return limits->proxy_header;
	case SESSION_HANDSHAKE:
		return limits->handshake;
	case SESSION_TARPIT:
		return session->server->config->connect.tarpit;
	case SESSION_IDLE:
		return limits->idle;
	case SESSION_COMMAND:
		return limits->command;
	case SESSION_TEXT:
		return limits->data_grace;
	case SESSION_WAITING:
		return session->blocked & SESSION_BLOCK_OUTPUT ? limits->idle : 0;
	case SESSION_FINISHING:
		return FINISH_MS;
	case SESSION_CLOSING:
		break;
	}
	return 0;
}

void session_arm(struct session *session)
{
	uint64_t after_ms = phase_limit_ms(session);
	bool hard = session->hard_due_ms && session->phase <= SESSION_TEXT;
	if (hard) {
		uint64_t now_ms = session_now_ms(session);
		uint64_t left_ms = session->hard_due_ms > now_ms ? session->hard_due_ms - now_ms : 1;
		if (after_ms == 0 || left_ms < after_ms)
			after_ms = left_ms;
	}
	if (after_ms)
		loop_timer_start(session->worker->loop, &session->timer, after_ms);
	else
		loop_timer_stop(session->worker->loop, &session->timer);
}

/* Limits that are totals (header, handshake, command, text) run on when the phase stays; the idle one starts anew. */
void session_enter_phase(struct session *session, enum session_phase phase)
{
	ASSERT(session->phase != SESSION_CLOSING || phase == SESSION_CLOSING);
	bool same = session->phase == phase;
	if (!same && phase == SESSION_TEXT)
		session->text_bytes = 0;
	session->phase = (uint8_t)phase;
	if (!same || phase == SESSION_IDLE || phase == SESSION_WAITING)
		session_arm(session);
}

static bool text_is_too_slow(struct session *session)
{
	const struct config_limits *limits = &session->server->config->limits;
	uint64_t least = (uint64_t)limits->data_rate * limits->data_grace / 1000;
	bool slow = session->text_bytes < least;
	session->text_bytes = 0;
	return slow;
}

void session_time_is_up(struct timer *timer)
{
	struct session *session = CONTAINER_OF(timer, struct session, timer);
	bool hard = session->hard_due_ms && session->hard_due_ms <= session_now_ms(session);
	switch ((enum session_phase)session->phase) {
	case SESSION_TEXT:
		if (!hard && !text_is_too_slow(session)) {
			session_arm(session);
			return;
		}
		session_say_goodbye(session, hard ? SMTP_TIME_OUT : SMTP_TOO_SLOW);
		break;
	case SESSION_IDLE:
	case SESSION_COMMAND:
		session_say_goodbye(session, SMTP_TIME_OUT);
		break;
	case SESSION_PROXY:
		session_miss_proxy_header(session, "no whole PROXY header came in time (limits { proxy_header })");
		return;
	case SESSION_TARPIT:
		session_turn_away(session);
		return;
	case SESSION_HANDSHAKE:
	case SESSION_WAITING:
	case SESSION_FINISHING:
	case SESSION_CLOSING:
		session_abort(session);
		return;
	}
	struct log_line line;
	if (session_log(session, &line, LOG_INFO, "time-out")) {
		log_text(&line, "limit", hard ? "session" : session->phase == SESSION_TEXT ? "data_rate" : "idle");
		log_end(&line);
	}
	session_end_turn(session);
}
