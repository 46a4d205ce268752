/* A session's sign-in before the guard (core/users/guard.h): who must wait, who is refused, and what is counted.
 *
 * A delay is the exchange's own timer, and time that the client may sign in in is longer by it. Those who wait are bounded in number;
 * beyond that nobody waits, and bans are what holds. Who is refused is told 421, try again later, and closed: mail programs
 * keep their passwords then, and a guesser learns no more than that his network is banned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/server/session_parts.h"
#include "crypto/secret.h"

enum { TIME_TEXT_BYTES = 32 };

static int64_t now_ms(const struct session *session)
{
	return loop_now(session->worker->loop)->unix_us / 1000;
}

/* Who is tried: as the client says it where that is known, as the back end knows it otherwise. */
static struct slice login_of(const struct session_sign_in *sign_in, enum sign_in_outcome outcome)
{
	if (sign_in->exchange.mechanism & SASL_WITH_PASSWORD)
		return sasl_name(&sign_in->exchange);
	if (sign_in->request.name.size || outcome != SIGN_IN_OK)
		return sign_in->request.name;
	return sign_in->request.login;
}

static struct guard_try try_of(const struct session *session, enum sign_in_outcome outcome)
{
	return (struct guard_try){ .client = session->peer, .login = login_of(session->sign_in, outcome) };
}

/* A challenge to a client that has not said who it is says nothing of anybody, and failures of ours are nobody's. */
static bool concerns_guard(const struct session *session, enum sign_in_outcome outcome)
{
	if (!session->worker->guard || outcome == SIGN_IN_UNAVAILABLE || outcome == SIGN_IN_MALFORMED)
		return false;
	return outcome != SIGN_IN_CHALLENGE || session->sign_in->request.name.size;
}

/* --- waiting --- */

static void delay_is_over(struct timer *timer)
{
	session_sign_in_continue(CONTAINER_OF(timer, struct session_sign_in, delay)->session);
}

static enum session_guard delay(struct session *session, uint32_t delay_ms)
{
	struct session_sign_in *sign_in = session->sign_in;
	struct worker *worker = session->worker;
	if (delay_ms == 0 || worker->delayed == LIMIT_SIGN_INS_DELAYED || worker->draining)
		return SESSION_GUARD_ADMITS;
	worker->delayed++;
	session->blocked |= SESSION_BLOCK_GUARD;
	sign_in->delayed_ms = delay_ms;
	if (session->hard_due_ms)
		session->hard_due_ms += delay_ms;
	timer_init(&sign_in->delay, delay_is_over);
	loop_timer_start(worker->loop, &sign_in->delay, delay_ms);
	return SESSION_GUARD_DELAYS;
}

void session_forget_delay(struct session *session)
{
	struct session_sign_in *sign_in = session->sign_in;
	struct worker *worker = session->worker;
	if (!(session->blocked & SESSION_BLOCK_GUARD))
		return;
	session->blocked &= (uint8_t)~SESSION_BLOCK_GUARD;
	worker->delayed--;
	loop_timer_stop(worker->loop, &sign_in->delay);
	if (!sign_in->challenge)
		return;
	secret_wipe(sign_in->challenge, sign_in->challenge_size);
	free(sign_in->challenge);
	sign_in->challenge = NULL;
}

bool session_may_sign_in(struct session *session)
{
	struct worker *worker = session->worker;
	struct guard_try try = try_of(session, SIGN_IN_OUTCOMES);
	return !worker->guard || !guard_is_refused(worker->guard, worker->number, &try, now_ms(session));
}

enum session_guard session_ask_guard(struct session *session, enum sign_in_outcome outcome)
{
	struct session_sign_in *sign_in = session->sign_in;
	struct guard_verdict verdict;
	if (!concerns_guard(session, outcome))
		return SESSION_GUARD_ADMITS;
	struct guard_try try = try_of(session, outcome);
	guard_ask(session->worker->guard, session->worker->number, &try, now_ms(session), &verdict);
	if (verdict.answer == GUARD_REFUSE) {
		session->worker->ban = verdict.ban;
		return SESSION_GUARD_REFUSES;
	}
	bool first = !sign_in->asked_guard;
	sign_in->asked_guard = true;
	return first ? delay(session, verdict.delay_ms) : SESSION_GUARD_ADMITS;
}

/* --- bans --- */

static const char *time_text(int64_t unix_ms, char text[TIME_TEXT_BYTES])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm utc;
	if (unix_ms == GUARD_FOR_EVER || !gmtime_r(&seconds, &utc))
		return "it is taken back";
	strftime(text, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
	return text;
}

static void log_ban(struct session *session, const struct guard_ban *ban)
{
	char prefix[NET_PREFIX_TEXT_BYTES], until[TIME_TEXT_BYTES];
	struct log_line line;
	if (!session_log(session, &line, LOG_WARN, "banned"))
		return;
	net_prefix_format(&ban->prefix, prefix);
	log_text(&line, "network", prefix);
	if (ban->login[0])
		log_text(&line, "login", ban->login);
	log_text(&line, "why", ban->reason);
	log_text(&line, "until", time_text(ban->until_ms, until));
	log_end(&line);
}

void session_tell_guard(struct session *session, enum sign_in_outcome outcome)
{
	struct worker *worker = session->worker;
	struct guard_ban ban;
	if (!worker->guard || (outcome != SIGN_IN_OK && outcome != SIGN_IN_WRONG))
		return;
	struct guard_try try = try_of(session, outcome);
	if (outcome == SIGN_IN_OK) {
		guard_succeeded(worker->guard, worker->number, &try, now_ms(session));
		return;
	}
	if (session->sign_in->exchange.mechanism & SASL_WITH_PASSWORD)
		try.tag = guard_tag_password(worker->guard, sasl_password(&session->sign_in->exchange));
	if (!guard_failed(worker->guard, worker->number, &try, now_ms(session), &ban))
		return;
	log_ban(session, &ban);
	sign_in_look_again(worker->backends.passwords, net_address_site(&session->peer));
}

/* --- refusals --- */

static void log_refusal(struct session *session, const struct refusal_setting *setting, const char *login,
			const char *id)
{
	struct log_line line;
	if (!session_may_tell_refusal(session->worker) || !session_log(session, &line, LOG_INFO, "sign-in-refused"))
		return;
	log_text(&line, "login", login);
	log_text(&line, "mechanism", sasl_mechanism_name(session->sign_in->exchange.mechanism));
	log_text(&line, "why", setting->text);
	log_text(&line, "id", id);
	log_number(&line, "code", smtp_reply_code(setting->status));
	log_end(&line);
}

enum smtp_action session_refuse_sign_in(struct session *session)
{
	const struct guard_ban *ban = &session->worker->ban;
	const struct config *config = generation_config(session->generation);
	struct refusal_setting setting = {
		.stage = REFUSAL_SIGN_IN,
		.status = SMTP_SIGN_IN_BANNED,
		.file = config->file,
		.line = config->guard.line,
	};
	char prefix[NET_PREFIX_TEXT_BYTES], until[TIME_TEXT_BYTES], login[LIMIT_LOGIN_NAME_BYTES + 1];
	char id[SPOOL_ID_TEXT_BYTES], text[SPOOL_ID_TEXT_BYTES + 2];
	net_prefix_format(&ban->prefix, prefix);
	snprintf(setting.text, sizeof setting.text, "%s is banned until %s%s%s%.80s", prefix,
		 time_text(ban->until_ms, until), ban->kind == GUARD_BY_HAND ? ", by hand" : "",
		 ban->reason[0] ? ": " : "", ban->reason);
	(void)!slice_to_text(login_of(session->sign_in, SIGN_IN_OK), login, sizeof login);
	struct refusal_context context = { .login = login };
	(void)session_keep_refusal(session, &setting, &context, id);
	log_refusal(session, &setting, login, id);
	snprintf(text, sizeof text, "(%s)", id);
	return smtp_session_sign_in_refuse(&session->smtp, setting.status, slice_from_text(text), session_out(session));
}
