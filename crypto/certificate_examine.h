/* What a certificate is, and what clients would say of it: one table of checks over a chain, its key and the names that clients use.
 *
 * Clients are judged as careful ones: RFC 5280 and 6125, the CA/Browser Forum's rules on keys and signatures, Apple's on lifetimes. */
#ifndef POSTERN_CRYPTO_CERTIFICATE_EXAMINE_H
#define POSTERN_CRYPTO_CERTIFICATE_EXAMINE_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/slice.h"
#include "crypto/certificate_request.h"

enum {
	CERTIFICATE_FINDINGS = 24,
	CERTIFICATE_TEXT_BYTES = 512,
	CERTIFICATE_NAMES_BYTES = 2048,
	CERTIFICATE_FINGERPRINT_BYTES = 65, /* SHA-256 in hex */
	CERTIFICATE_SOON_DAYS = 21,         /* to the end: renewing takes days where people do it */
};

/* Where Debian and its kin keep the CAs that clients know. */
#define CERTIFICATE_SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt"

enum certificate_severity {
	CERTIFICATE_NOTE,
	CERTIFICATE_WARNING, /* some clients refuse it, or all will soon */
	CERTIFICATE_FAULT,   /* clients refuse it */
};

struct certificate_finding {
	enum certificate_severity severity;
	const char *name; /* static: "expired", "wrong-name", … */
	char text[CERTIFICATE_TEXT_BYTES];
};

struct certificate_report {
	bool readable; /* false: one finding says why, and nothing below is filled */
	char subject[CERTIFICATE_TEXT_BYTES], issuer[CERTIFICATE_TEXT_BYTES];
	char key[KEY_TEXT_BYTES];
	char names[CERTIFICATE_NAMES_BYTES]; /* blanks between; cut where there are too many */
	char fingerprint[CERTIFICATE_FINGERPRINT_BYTES];
	int64_t begins_unix, ends_unix;
	int64_t days_left; /* rounded down; negative when past */
	size_t chain;      /* certificates in the file */
	size_t count;
	struct certificate_finding findings[CERTIFICATE_FINDINGS];
};

struct certificate_question {
	const char *certificate_file;  /* PEM, leaf first */
	struct slice pem;              /* not empty: judged instead of the file, which only gives the name in texts */
	const char *key_file;          /* NULL: not looked at */
	const char *const *host_names; /* that clients use, NULL-ended; NULL: not looked at */
	const char *roots_file;        /* PEM of the CAs that clients know; NULL: the system's */
	int64_t unix_now;
};

/* Fills the report, findings in the order of the checks. */
void certificate_examine(const struct certificate_question *question, struct certificate_report *report);

/* The worst of its findings; a note when there is none. */
enum certificate_severity certificate_worst(const struct certificate_report *report);

#endif
