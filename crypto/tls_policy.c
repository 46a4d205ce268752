/* Ciphers and groups that sessions may agree on; see struct tls_server_settings and tls_ciphers_check() in tls.h.
 *
 * BoringSSL has no way to choose among TLS 1.3's suites, of which one has 128 bits. Where more is wanted, a client that could lead to it
 * is met with TLS 1.2, whose ciphers can be chosen (tls_names.c). */
#include "crypto/tls_internal.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/library_error.h"

/* In brackets the client has the choice: it knows if it has AES in hardware. */
#define MODERN_256                                                                                                     \
	"[ECDHE-ECDSA-AES256-GCM-SHA384|ECDHE-ECDSA-CHACHA20-POLY1305]:"                                               \
	"[ECDHE-RSA-AES256-GCM-SHA384|ECDHE-RSA-CHACHA20-POLY1305]"
#define MODERN                                                                                                         \
	"[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"                                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:"                                                                               \
	"[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"                                                   \
	"ECDHE-RSA-AES256-GCM-SHA384"

static const struct {
	const char *name;
	const char *ciphers;
	const char *ciphers_256; /* where more than 128 bits are wanted */
} sets[] = {
	{ "modern", MODERN, MODERN_256 },
	{ "intermediate",
	  MODERN ":ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA",
	  MODERN_256 ":ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA" },
};

static const char *ciphers_of(const struct tls_policy *policy)
{
	const char *text = policy->ciphers ? policy->ciphers : sets[0].name;
	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
		if (strcmp(text, sets[i].name) == 0)
			return policy->min_bits > 128 ? sets[i].ciphers_256 : sets[i].ciphers;
	return text;
}

bool tls_policy_apply(const struct tls_policy *policy, SSL_CTX *library)
{
	return SSL_CTX_set_strict_cipher_list(library, ciphers_of(policy)) &&
	       (!policy->groups || SSL_CTX_set1_curves_list(library, policy->groups));
}

bool tls_policy_copy(struct tls_policy *policy, const struct tls_policy *from)
{
	policy->min_bits = from->min_bits;
	policy->ciphers = from->ciphers ? strdup(from->ciphers) : NULL;
	policy->groups = from->groups ? strdup(from->groups) : NULL;
	return (!from->ciphers || policy->ciphers) && (!from->groups || policy->groups);
}

void tls_policy_finish(struct tls_policy *policy)
{
	free(policy->ciphers);
	free(policy->groups);
}

bool tls_ciphers_check(const char *ciphers, struct error *error)
{
	struct tls_policy policy = { (char *)ciphers, NULL, 0 };
	SSL_CTX *library = SSL_CTX_new(TLS_with_buffers_method());
	bool good = library && tls_policy_apply(&policy, library);
	SSL_CTX_free(library);
	if (good)
		return true;
	char reason[LIBRARY_ERROR_TEXT_BYTES];
	library_error_take(reason, "out of memory");
	return error_set(
		error, "%s: write modern, intermediate, or names like ECDHE-RSA-AES128-GCM-SHA256 with : between them",
		reason);
}
