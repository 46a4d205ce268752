/* What the files of the session share among themselves: session.c (life and events), session_proxy.c (the PROXY header),
 * session_admission.c (limits of clients), session_unwelcome.c (who comes to a paused server, or with a cipher that is too weak),
 * session_policy.c (rules), session_name.c (the client's name), session_turn.c (a turn's order),
 * session_input.c (lines and text), session_actions.c (what the engine asks for), session_sign_in.c (who the client is),
 * session_guard.c (whether he may try), session_output.c (replies in order), session_time.c (limits). */
#ifndef POSTERN_SERVER_SESSION_PARTS_H
#define POSTERN_SERVER_SESSION_PARTS_H

#include "core/base/log.h"
#include "core/server/session.h"
#include "core/spool/spool.h"

/* Who the client is, for logs, Received fields and judging. */
void session_set_client(struct session *session, const struct net_address *address);

/* The client is known: TLS begins, or the client is greeted, or it is one too many. */
void session_admit(struct session *session);

/* Counts the client's connection. False: it is over a limit, and its end has begun or waits for the tarpit's. */
MUST_USE bool session_is_taken(struct session *session);

/* The telling of one who is over a limit, also of one that the rules refuse; the session ends with it. */
void session_turn_away(struct session *session);

/* One whom the rules refuse by his name, which was not known when he came, waits in the tarpit like others: then the greeting comes later. */
MUST_USE bool session_waits_refused(struct session *session);

/* In the place of a greeting, to one who is over a limit of clients or the limit of connections. */
void session_refuse_crowd(struct session *session);
/* Such a reply, with the refusal's id. */
void session_refuse_greeting(struct session *session, enum smtp_status status, const char *id);

/* The same to one who comes while the server is paused. */
void session_refuse_paused(struct session *session);

/* Where the client has it in its hands, a weaker cipher than is asked for may have been agreed on: then it was told so, and the session is
 * ending. */
MUST_USE bool session_is_too_weak(struct session *session, const struct tls_facts *facts);

/* TLS begins, or the greeting is said; whether it is one, is judged then. */
void session_begin_service(struct session *session);

/* The session ends: nothing counts it any more. */
void session_leave_counts(struct session *session);

void session_greet(struct session *session);

static inline bool session_begins_with_tls(const struct session *session)
{
	return session->smtp.profile == &session->server->tls_profile;
}

/* A line for one more refused connection, a record? They come in crowds. */
MUST_USE bool session_may_tell_refusal(struct worker *worker);
MUST_USE bool session_may_keep_refusal(struct worker *worker);

/* The rules' verdict on the connection, or the question for the name that it takes. */
void session_begin_judging(struct session *session);

/* By the rules: then it was told so instead of a greeting, and is ending. */
MUST_USE bool session_is_refused(struct session *session);

/* The rules' verdict on the path that the engine asks about: SMTP_OK: no objection; SMTP_STATUS_COUNT: the client's name must be
 * known first (session_wait_for_name()); else the refusal, and in `detail` what its reply tells beside. `facts` is filled with what was
 * judged. */
MUST_USE enum smtp_status session_judge_path(struct session *session, bool sender, struct policy_facts *facts,
					     struct buffer *detail);

/* Keeps a refusal by what is no rule, and gives it an id for the reply and the log. Answers that as a number. */
uint64_t session_keep_refusal(struct session *session, const struct refusal_setting *setting,
			      const struct refusal_context *context, char id[SPOOL_ID_TEXT_BYTES]);

/* An id alone, for one of a crowd that is not kept. */
uint64_t session_pass_refusal(struct session *session, char id[SPOOL_ID_TEXT_BYTES]);

/* Asks who the client is, unless that was asked. True: it is known, as far as it can be. False: it will be, and what waits for it then
 * goes on by itself. */
MUST_USE bool session_ask_name(struct session *session);

/* What the engine asked with `action`, or with SMTP_CONTINUE the greeting, waits for the name. False: no memory. */
MUST_USE bool session_wait_for_name(struct session *session, enum smtp_action action);

/* The session ends. */
void session_forget_name(struct session *session);

/* One line a second of a kind, since connections come in crowds under load, when lines are dear. `last_second` is the kind's own. */
MUST_USE bool session_log_is_due(const struct worker *worker, int64_t *last_second);

/* Reads on in the header. What stands behind it is left to the stream. */
void session_read_proxy_header(struct session *session);

/* The proxy has closed, or its time is up, and no header was there. */
void session_miss_proxy_header(struct session *session, const char *why);

/* Text of the message that is stored: its From field is kept as long as the message comes in, where it matters. */
void session_watch_from(struct session *session, struct slice text);
/* Of the whole message: SMTP_OK, or the reply, and in `detail` what it tells beside; what is refused is kept and logged. */
enum smtp_status session_check_from(struct session *session, const struct transaction *message, struct buffer *detail);
void session_forget_from(struct session *session);

/* May the login send a message to so many recipients now? SMTP_OK, or the reply, and in `detail` what it tells beside; what is
 * refused is kept and logged. At the stage REFUSAL_MESSAGE it is counted, and the second one takes that back. `message` is NULL
 * before it has begun. */
enum smtp_status session_ask_quota(struct session *session, unsigned stage, const struct transaction *message,
				   uint32_t recipients, struct buffer *detail);
void session_give_quota_back(struct session *session, uint32_t recipients);

/* Takes what was kept, works, ends the turn. */
void session_take_turn(struct session *session);

/* Sends the replies, keeps the input that is left, closes what has ended, sets the clock. Every event ends with it. */
void session_end_turn(struct session *session);

/* 421 and no more input. */
void session_say_goodbye(struct session *session, enum smtp_status status);

void session_free_held(struct session *session);

/* After what lies in the scratch has become the turn's input: it is wiped when the turn ends, where it may hold a password. */
void session_note_scratch(struct session *session);

/* The only way to change the phase; sets the timer as it needs. */
void session_enter_phase(struct session *session, enum session_phase phase);
void session_arm(struct session *session);
void session_time_is_up(struct timer *timer);

/* Does what the engine asked for with `action`, and what follows from that. `line` is the one that led to it. */
void session_act(struct session *session, enum smtp_action action, struct slice line);

/* Works on input until it is used up or the session is blocked or ending. */
void session_work(struct session *session);

/* Where the engine's next reply belongs: straight out, or behind the newest message that waits for the disk. */
struct buffer *session_out(struct session *session);

/* Is there room for one more reply, and may work go on? Blocks the session otherwise. */
MUST_USE bool session_may_reply(struct session *session);

/* The message's reply, and what is replied from now on, wait until it is durable. */
void session_wait_for_commit(struct session *session, struct transaction *transaction);
void session_free_behind(struct session *session);

/* Writes the replies of messages whose commits are done, in order, and what was held behind them. */
void session_answer_commits(struct session *session);

/* Sends the gathered replies. */
void session_send_replies(struct session *session);

/* Starts a log line with the session's number and address. */
MUST_USE bool session_log(struct session *session, struct log_line *line, enum log_level level, const char *event);

/* The peer's address as text, without "IPv6:". */
struct slice session_client_address(const struct session *session);

/* Says to the engine which mechanisms somebody can verify in this session: after the greeting, and again inside TLS. */
void session_offer_sign_ins(struct session *session);

/* `line` is AUTH's. */
MUST_USE enum smtp_action session_begin_sign_in(struct session *session, struct slice line);

/* The engine holds what the client says: name and password, or a response. */
MUST_USE enum smtp_action session_verify_sign_in(struct session *session);

/* What the guard says of the sign-in. */
enum session_guard {
	SESSION_GUARD_ADMITS,
	SESSION_GUARD_DELAYS, /* session_sign_in_continue() goes on after a while */
	SESSION_GUARD_REFUSES,
};

/* May it go on? Asked before a password is verified, and again of each outcome. */
enum session_guard session_ask_guard(struct session *session, enum sign_in_outcome outcome);

/* The same for one that waits for a hasher, without counting it: false: it is banned by now. */
MUST_USE bool session_may_sign_in(struct session *session);

/* After SESSION_GUARD_REFUSES: keeps, logs and says it; the session is over. */
enum smtp_action session_refuse_sign_in(struct session *session);

/* The outcome that the client is told. */
void session_tell_guard(struct session *session, enum sign_in_outcome outcome);

/* Nothing waits any more: of a sign-in that ends. */
void session_forget_delay(struct session *session);

/* The delay is over. */
void session_sign_in_continue(struct session *session);

/* Does it wait for the guard's delay or a hasher's turn, and is nothing done for it meanwhile? */
MUST_USE bool session_sign_in_waits(const struct session *session);

/* Its client has gone, and the session ends; unless something is being done for it. */
void session_sign_in_leave(struct session *session);

/* Ends what the back end still does for it, wipes it and gives it back. */
void session_release_sign_in(struct session *session);

/* TLS for STARTTLS: false when input came behind it, or memory is short; the session is then closing. */
MUST_USE bool session_begin_tls(struct session *session);

/* It is to end as soon as nothing is under way. */
static inline bool session_is_unwanted(const struct session *session)
{
	return session->worker->draining || session->generation->retired;
}

static inline uint64_t session_now_ms(const struct session *session)
{
	return loop_now(session->worker->loop)->monotonic_ns / CLOCK_NS_PER_MS;
}

#endif
