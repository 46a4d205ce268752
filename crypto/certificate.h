/* Certificates and keys as files: making a small private CA and a server certificate, and checking a pair. */
#ifndef POSTERN_CRYPTO_CERTIFICATE_H
#define POSTERN_CRYPTO_CERTIFICATE_H

#include <stdint.h>

#include "core/base/error.h"

/* Makes a P-256 CA (10 years) and a P-256 certificate that it signs for the DNS names and addresses given
 * (NULL-ended array; "127.0.0.1" and "::1" become IP names), valid for `days`. Writes PEM files: the keys 0600 and
 * never overwritten, the server's file with the leaf first and the CA behind it. Written under a temporary name, synced and
 * renamed. An existing CA (both files) is reused to sign. */
struct certificate_files {
	const char *ca_certificate;
	const char *ca_key;
	const char *certificate;
	const char *key;
};
MUST_USE bool certificate_make_private(const struct certificate_files *files, const char *const *names, unsigned days,
				       struct error *error);

/* Reads and checks as a server would before serving: both files readable and PEM, the key matches and is one that clients accept,
 * chain in order, dates. `error` names the file and what to do. */
MUST_USE bool certificate_check_pair(const char *certificate_file, const char *key_file, int64_t unix_now,
				     struct error *error);

/* True when the leaf covers the host name (RFC 6125: DNS names, one-label wildcards). */
MUST_USE bool certificate_covers(const char *certificate_file, const char *host_name);

/* Days until the leaf's end (negative when past); false when it can't be read. */
MUST_USE bool certificate_days_left(const char *certificate_file, int64_t unix_now, int64_t *days, struct error *error);

#endif
