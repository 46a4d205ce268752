/* One table from what happened to SMTP code, enhanced status (RFC 2034, 3463, 5248) and text. */
#ifndef POSTERN_PROTO_SMTP_REPLY_H
#define POSTERN_PROTO_SMTP_REPLY_H

#include "core/base/buffer.h"

/* Rows are added as the engine needs them; the shell uses these. */
enum smtp_status {
	SMTP_OK,
	SMTP_SENDER_OK,            /* 250 2.1.0 */
	SMTP_RECIPIENT_OK,         /* 250 2.1.5 */
	SMTP_QUEUED,               /* 250 2.0.0 queued as ID */
	SMTP_SIGN_IN_OK,           /* 235 2.7.0 */
	SMTP_SIGN_IN_WRONG,        /* 535 5.7.8 */
	SMTP_SIGN_IN_UNAVAILABLE,  /* 454 4.7.0 */
	SMTP_SIGN_IN_REQUIRED,     /* 530 5.7.0 */
	SMTP_RELAY_DENIED,         /* 550 5.7.1 unable to relay */
	SMTP_MAILBOX_UNKNOWN,      /* 550 5.1.1 */
	SMTP_STORAGE_FULL,         /* 452 4.3.1 */
	SMTP_STORAGE_ERROR,        /* 451 4.3.0 */
	SMTP_MEMORY_SHORT,         /* 451 4.3.0 */
	SMTP_SHUTDOWN,             /* 421 4.3.2 */
	SMTP_TOO_MANY_CONNECTIONS, /* 421 4.7.0 */
	SMTP_TIME_OUT,             /* 421 4.4.2 */
	SMTP_TOO_SLOW,             /* 421 4.4.2 below the minimum rate */
	SMTP_TLS_UNAVAILABLE,      /* 454 4.7.0 */
	/* … the engine's own follow in the same enum … */
	SMTP_STATUS_COUNT
};

/* "250 2.0.0 text\r\n", with `detail` (may be empty) put where the row's text has its "%". */
void smtp_reply_write(struct buffer *out, enum smtp_status status, struct slice detail);

/* The code alone: 250, 550, … */
unsigned smtp_reply_code(enum smtp_status status);

#endif
