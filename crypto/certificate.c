/* Checking certificates and keys in files; see certificate.h. Making them is in certificate_make.c. */
#include "crypto/certificate.h"

#include <time.h>

#include <openssl/err.h>

#include "crypto/certificate_parts.h"
#include "crypto/host_name.h"
#include "crypto/key_pair.h"

/* Days from now to the time, rounded down; false for a time that can't be read. */
static bool days_until(const ASN1_TIME *when, int64_t unix_now, int64_t *days)
{
	int whole_days, seconds;
	ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)unix_now);
	bool done = now && ASN1_TIME_diff(&whole_days, &seconds, now, when);
	ASN1_TIME_free(now);
	ERR_clear_error();
	if (done)
		*days = whole_days - (seconds < 0);
	return done;
}

static bool check_dates(X509 *certificate, size_t number, const char *file, int64_t unix_now, struct error *error)
{
	int64_t begins, ends;
	/* The second in which it begins is inside: a certificate that was made just now is valid. */
	if (!days_until(X509_get0_notBefore(certificate), unix_now + 1, &begins) ||
	    !days_until(X509_get0_notAfter(certificate), unix_now, &ends))
		return error_set(error, "certificate %s: number %zu in it has dates that can't be read", file, number);
	if (begins >= 0)
		return error_set(error,
				 "certificate %s: number %zu in it is not valid yet; look at this machine's clock, or "
				 "use the older certificate for now",
				 file, number);
	if (ends < 0)
		return error_set(error, "certificate %s: number %zu in it expired %lld days ago; renew it", file,
				 number, (long long)-ends);
	return true;
}

static bool check_chain(STACK_OF(X509) * chain, const char *file, int64_t unix_now, struct error *error)
{
	size_t count = sk_X509_num(chain);
	for (size_t i = 0; i < count; i++) {
		X509 *certificate = sk_X509_value(chain, i);
		if (!check_dates(certificate, i + 1, file, unix_now, error))
			return false;
		if (i + 1 < count && X509_check_issued(sk_X509_value(chain, i + 1), certificate) != X509_V_OK)
			return error_set(
				error,
				"certificate %s: number %zu in it did not issue number %zu; put the server's own "
				"first, then its issuer, then the issuer's",
				file, i + 2, i + 1);
	}
	return true;
}

/* What a TLS library of clients refuses whatever it is told about CAs, and says so in words that lead nobody here. */
static bool check_key(const EVP_PKEY *key, const char *file, struct error *error)
{
	const char *weakness = certificate_key_weakness(key);
	char text[KEY_TEXT_BYTES];
	certificate_key_text(key, text);
	return !weakness || error_set(error,
				      "certificate %s: its key is weak (%s): %s; order one for a new key, with: "
				      "postern cert request",
				      file, text, weakness);
}

bool certificate_check_pair(const char *certificate_file, const char *key_file, int64_t unix_now, struct error *error)
{
	struct key_pair pair = { NULL, NULL };
	bool done = key_pair_read(&pair, certificate_file, key_file, error) &&
		    check_key(pair.key, certificate_file, error) &&
		    check_chain(pair.chain, certificate_file, unix_now, error);
	key_pair_finish(&pair);
	ERR_clear_error();
	return done;
}

bool certificate_covers(const char *certificate_file, const char *host_name)
{
	struct key_pair pair = { NULL, NULL };
	bool covers = false;
	if (key_pair_read_chain(&pair, certificate_file, NULL))
		covers = host_name_is_covered(sk_X509_value(pair.chain, 0), host_name);
	key_pair_finish(&pair);
	ERR_clear_error();
	return covers;
}

bool certificate_days_left(const char *certificate_file, int64_t unix_now, int64_t *days, struct error *error)
{
	struct key_pair pair = { NULL, NULL };
	bool done = key_pair_read_chain(&pair, certificate_file, error);
	if (done && !days_until(X509_get0_notAfter(sk_X509_value(pair.chain, 0)), unix_now, days))
		done = error_set(error, "certificate %s: its end can't be read", certificate_file);
	key_pair_finish(&pair);
	return done;
}
