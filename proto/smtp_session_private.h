/* What the files of the session engine share: smtp_session.c (lines, states, replies), smtp_greeting.c, smtp_sign_in.c and
 * smtp_transaction.c (the commands). Nobody else includes this. */
#ifndef POSTERN_PROTO_SMTP_SESSION_PRIVATE_H
#define POSTERN_PROTO_SMTP_SESSION_PRIVATE_H

#include "proto/smtp_command.h"
#include "proto/smtp_session.h"

/* The only way to another state; asserts that it may follow. */
void smtp_session_enter(struct smtp_session *session, enum smtp_state state);

/* Forgets the transaction, whatever it had come to. */
void smtp_session_forget_transaction(struct smtp_session *session);

/* Writes the reply and answers `action`; or SMTP_CLOSE where the reply is 221 or 421, or an error too many. */
enum smtp_action smtp_session_reply(struct smtp_session *session, enum smtp_status status, enum smtp_action action,
				    struct buffer *out);

/* The same, with a detail for replies that have one; the other one's is the host's name. */
enum smtp_action smtp_session_reply_about(struct smtp_session *session, enum smtp_status status, struct slice detail,
					  enum smtp_action action, struct buffer *out);

/* The answer is the shell's to give: it must come before anything else does. */
enum smtp_action smtp_session_ask(struct smtp_session *session, enum smtp_action question);

/* The shell's answer is here: asserts that it was asked for. */
void smtp_session_answered(struct smtp_session *session, enum smtp_action question);

/* Inside an AUTH exchange: a line without its CRLF; and its end, with whatever reply. */
enum smtp_action smtp_sign_in_line(struct smtp_session *session, struct slice line, struct buffer *out);
enum smtp_action smtp_sign_in_leave(struct smtp_session *session, enum smtp_status status, struct buffer *out);

smtp_command_run smtp_run_ehlo, smtp_run_helo, smtp_run_starttls, smtp_run_auth, smtp_run_mail, smtp_run_rcpt,
	smtp_run_data, smtp_run_bdat, smtp_run_rset, smtp_run_noop, smtp_run_quit, smtp_run_vrfy, smtp_run_help,
	smtp_run_not_offered, smtp_run_foreign;
smtp_command_refuse smtp_refuse_bdat;

#endif
