/* The parameters of MAIL and RCPT (RFC 5321 §4.1.2, Mail-parameters and Rcpt-parameters). */
#ifndef POSTERN_PROTO_SMTP_PARAMETERS_H
#define POSTERN_PROTO_SMTP_PARAMETERS_H

#include "core/base/error.h"
#include "core/base/slice.h"
#include "proto/smtp_session.h"

/* `text` is all that stands behind the path: nothing, or a blank and parameters. Puts what MAIL's say into the session's transaction.
 * SMTP_OK, or why they are refused. */
MUST_USE enum smtp_status smtp_parameters_mail(struct smtp_session *session, struct slice text);

/* RCPT has none here: DSN is not offered. */
MUST_USE enum smtp_status smtp_parameters_rcpt(struct slice text);

#endif
