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
	SMTP_SIGN_IN_BANNED,       /* 421 4.7.0, with the refusal's id */
	SMTP_SIGN_IN_REQUIRED,     /* 530 5.7.0 */
	SMTP_FROM_NOT_OWN,         /* 550 5.7.1, with the refusal's id; likewise the next two */
	SMTP_QUOTA_USED,           /* 451 4.7.1 */
	SMTP_SENDER_NOT_OWN,       /* 550 5.7.1 */
	SMTP_MAILBOX_UNKNOWN,      /* 550 5.1.1 */
	SMTP_STORAGE_FULL,         /* 452 4.3.1 */
	SMTP_STORAGE_ERROR,        /* 451 4.3.0 */
	SMTP_MEMORY_SHORT,         /* 451 4.3.0 */
	SMTP_SHUTDOWN,             /* 421 4.3.2 */
	SMTP_SETTINGS_CHANGED,     /* 421 4.3.2 */
	SMTP_PAUSED,               /* 421 4.3.2, with the refusal's id */
	SMTP_ADDRESS_FULL,         /* 421 4.7.0 as a greeting, with the refusal's id; likewise the next three */
	SMTP_NETWORK_FULL,         /* 421 4.7.0 */
	SMTP_CONNECTS_TOO_FAST,    /* 421 4.7.0 */
	SMTP_TOO_MANY_CONNECTIONS, /* 421 4.7.0 */
	SMTP_CLIENT_REFUSED,       /* 554 5.7.1 as a greeting, with the refusal's id; likewise the next six */
	SMTP_CLIENT_DEFERRED,      /* 421 4.4.3 as a greeting */
	SMTP_NAME_DEFERRED,        /* 451 4.4.3 */
	SMTP_OUTSIDER_REFUSED,     /* 530 5.7.0 sign in */
	SMTP_OUTSIDER_NEEDS_TLS,   /* 530 5.7.0 start TLS and sign in */
	SMTP_SENDER_REFUSED,       /* 550 5.7.1 */
	SMTP_RELAY_REFUSED,        /* 550 5.7.1 unable to relay for ADDRESS */
	SMTP_TIME_OUT,             /* 421 4.4.2 */
	SMTP_TOO_SLOW,             /* 421 4.4.2 below the minimum rate */
	SMTP_TLS_UNAVAILABLE,      /* 454 4.7.0 */

	/* The engine's own. */
	SMTP_GREETING,               /* 220 */
	SMTP_HELLO,                  /* 250, HELO's */
	SMTP_CLOSING,                /* 221 2.0.0 */
	SMTP_READY_FOR_TLS,          /* 220 2.0.0 */
	SMTP_HELP,                   /* 214 2.0.0 */
	SMTP_CANNOT_VERIFY,          /* 252 2.5.0 */
	SMTP_START_MAIL_INPUT,       /* 354 */
	SMTP_CHUNK_OK,               /* 250 2.0.0 */
	SMTP_SIGN_IN_CANCELLED,      /* 501 5.0.0 */
	SMTP_SIGN_IN_BAD_ENCODING,   /* 501 5.5.2 */
	SMTP_SIGN_IN_MALFORMED,      /* 501 5.5.2 */
	SMTP_SIGN_IN_TOO_LONG,       /* 500 5.5.6 */
	SMTP_SIGN_IN_NEEDS_TLS,      /* 538 5.7.11 */
	SMTP_SIGN_IN_DONE,           /* 503 5.5.1 */
	SMTP_MECHANISM_UNKNOWN,      /* 504 5.5.4 */
	SMTP_TLS_REQUIRED,           /* 530 5.7.0 */
	SMTP_CIPHER_TOO_WEAK,        /* 554 5.7.10 */
	SMTP_NEEDS_TLS,              /* 530 5.7.0 */
	SMTP_TLS_RUNS,               /* 503 5.5.1 */
	SMTP_UNKNOWN_COMMAND,        /* 500 5.5.1 */
	SMTP_NOT_IMPLEMENTED,        /* 502 5.5.1 */
	SMTP_MALFORMED_LINE,         /* 500 5.5.2 */
	SMTP_LINE_TOO_LONG,          /* 500 5.5.2 */
	SMTP_NO_ARGUMENT_ALLOWED,    /* 501 5.5.4 */
	SMTP_ARGUMENT_MISSING,       /* 501 5.5.4 */
	SMTP_BAD_ARGUMENT,           /* 501 5.5.4 */
	SMTP_BAD_PARAMETER,          /* 501 5.5.4 */
	SMTP_PARAMETER_TWICE,        /* 501 5.5.4 */
	SMTP_UNKNOWN_PARAMETER,      /* 555 5.5.4 */
	SMTP_BAD_SENDER,             /* 501 5.1.7 */
	SMTP_BAD_RECIPIENT,          /* 501 5.1.3 */
	SMTP_SENDER_TOO_LONG,        /* 501 5.1.7 */
	SMTP_RECIPIENT_TOO_LONG,     /* 501 5.1.3 */
	SMTP_ADDRESS_NEEDS_SMTPUTF8, /* 553 5.6.7 */
	SMTP_NEEDS_GREETING,         /* 503 5.5.1 */
	SMTP_NEEDS_EHLO,             /* 503 5.5.1 */
	SMTP_NEEDS_SENDER,           /* 503 5.5.1 */
	SMTP_NEEDS_RECIPIENT,        /* 503 5.5.1 */
	SMTP_IN_TRANSACTION,         /* 503 5.5.1 */
	SMTP_IN_CHUNKS,              /* 503 5.5.1 */
	SMTP_CHUNK_FAILED_BEFORE,    /* 503 5.5.1 */
	SMTP_TOO_MANY_RECIPIENTS,    /* 452 4.5.3 */
	SMTP_MESSAGE_TOO_LARGE,      /* 552 5.3.4 */
	SMTP_BARE_CR,                /* 554 5.6.0 */
	SMTP_BARE_LF,                /* 554 5.6.0 */
	SMTP_NUL,                    /* 554 5.6.0 */
	SMTP_TEXT_LINE_TOO_LONG,     /* 554 5.6.0 */
	SMTP_HEADER_TOO_LONG,        /* 554 5.6.0 */
	SMTP_MAIL_LOOP,              /* 554 5.4.6 */
	SMTP_CHUNK_SIZE_UNKNOWN,     /* 421 4.5.0 */
	SMTP_TOO_MANY_ERRORS,        /* 421 4.7.0 */
	SMTP_TOO_MANY_SIGN_INS,      /* 421 4.7.0 */
	SMTP_FOREIGN_PROTOCOL,       /* 421 4.7.0 */
	SMTP_STATUS_COUNT
};

/* "250 2.0.0 text\r\n", with `detail` (may be empty) put where the row's text has its "%". Nothing in `detail` can end the
 * line or start another: what is not printable ASCII becomes "?", and it is cut at LIMIT_REPLY_DETAIL_BYTES. */
void smtp_reply_write(struct buffer *out, enum smtp_status status, struct slice detail);

/* The code alone: 250, 550, … */
unsigned smtp_reply_code(enum smtp_status status);

#endif
