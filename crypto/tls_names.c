/* Which certificate a server shows: by the name that the client asks for, and by the keys it knows; see tls_context_add_name().
 *
 * It is chosen from the client's hello, before anything else is done with it. */
#include "crypto/tls_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/cursor.h"
#include "core/base/list.h"

enum {
	TYPE_SIGNATURE_ALGORITHMS = 13, /* RFC 8446 §4.2 */
	SUITE_TLS_AES_128_GCM = 0x1301, /* RFC 8446 §B.4 */
	SUITE_TLS_1_3_LAST = 0x1305,    /* of 1.3's */
	BITS_OF_TLS_AES_128_GCM = 128,
};

struct tls_name {
	struct map_node node;
	struct tls_identity shown;
	char text[]; /* small letters; may begin with "*." */
};

/* --- names --- */

static struct tls_name *find_exactly(const struct tls_context *context, struct slice text)
{
	uint64_t hash = secret_short_hash(context->name_hash_key, text);
	for (struct map_node *node = map_find(&context->names, hash); node; node = map_find_next(node)) {
		struct tls_name *name = CONTAINER_OF(node, struct tls_name, node);
		if (slice_equal(text, slice_from_text(name->text)))
			return name;
	}
	return NULL;
}

/* The name itself, else the wildcard that stands for its first label. */
static struct tls_name *find_name(const struct tls_context *context, const char *text)
{
	uint8_t lower[TLSEXT_MAXLEN_host_name];
	size_t size = strlen(text);
	if (size > sizeof lower)
		return NULL;
	for (size_t i = 0; i < size; i++)
		lower[i] = ascii_lower((uint8_t)text[i]);
	struct slice whole = slice_of(lower, size);
	struct tls_name *name = find_exactly(context, whole);
	size_t dot = slice_find(whole, '.');
	if (name || dot == 0 || dot == size)
		return name;
	lower[dot - 1] = '*';
	return find_exactly(context, slice_skip(whole, dot - 1));
}

/* --- what the client knows --- */

static bool knows_suite(const SSL_CLIENT_HELLO *hello, uint16_t first, uint16_t last)
{
	struct cursor suites = cursor_over(slice_of(hello->cipher_suites, hello->cipher_suites_len));
	uint64_t suite;
	while ((suite = cursor_take_be(&suites, 2)), cursor_ok(&suites))
		if (suite >= first && suite <= last)
			return true;
	return false;
}

/* In TLS 1.2 the suites say it too; those of a client that knows the signature, but no suite for it, are a case for nobody. */
static bool knows_signature(const SSL_CLIENT_HELLO *hello, uint16_t signature)
{
	const uint8_t *bytes;
	size_t size;
	if (!SSL_early_callback_ctx_extension_get(hello, TYPE_SIGNATURE_ALGORITHMS, &bytes, &size))
		return false;
	struct cursor list = cursor_over(slice_of(bytes, size));
	(void)cursor_take_be(&list, 2); /* how long it is */
	uint64_t known;
	while ((known = cursor_take_be(&list, 2)), cursor_ok(&list))
		if (known == signature)
			return true;
	return false;
}

static bool knows_ecdsa_suite(const SSL_CLIENT_HELLO *hello)
{
	static const uint16_t suites[] = { 0xc02b, 0xc02c, 0xcca9, 0xc009, 0xc00a };
	bool knows = knows_suite(hello, SUITE_TLS_AES_128_GCM, SUITE_TLS_1_3_LAST);
	for (size_t i = 0; i < sizeof suites / sizeof *suites && !knows; i++)
		knows = knows_suite(hello, suites[i], suites[i]);
	return knows;
}

static bool can_check(const SSL_CLIENT_HELLO *hello, const struct tls_identity *identity)
{
	return identity->signature == 0 || (knows_signature(hello, identity->signature) && knows_ecdsa_suite(hello));
}

/* EC is cheaper for both sides than RSA, so it comes first where the client knows it. */
static const struct tls_identity *choose_key(const SSL_CLIENT_HELLO *hello, const struct tls_identity *identity)
{
	const struct tls_identity *other = identity->alternative;
	if (!other)
		return identity;
	const struct tls_identity *preferred = identity->signature ? identity : other;
	const struct tls_identity *last = identity->signature ? other : identity;
	return can_check(hello, preferred) ? preferred : last;
}

/* Of TLS 1.3's suites BoringSSL takes the one that the client likes best. */
static bool leads_to_128_bits(const SSL_CLIENT_HELLO *hello)
{
	struct cursor suites = cursor_over(slice_of(hello->cipher_suites, hello->cipher_suites_len));
	uint64_t suite;
	while ((suite = cursor_take_be(&suites, 2)), cursor_ok(&suites))
		if (suite >= SUITE_TLS_AES_128_GCM && suite <= SUITE_TLS_1_3_LAST)
			return suite == SUITE_TLS_AES_128_GCM;
	return false;
}

static bool choose_version(const struct tls_context *context, const SSL_CLIENT_HELLO *hello)
{
	if (context->policy.min_bits <= BITS_OF_TLS_AES_128_GCM || context->min_version > TLS_VERSION_1_2 ||
	    !leads_to_128_bits(hello))
		return true;
	return SSL_set_max_proto_version(hello->ssl, TLS_VERSION_1_2);
}

static enum ssl_select_cert_result_t choose(const SSL_CLIENT_HELLO *hello)
{
	const struct tls_context *context = tls_window_bio_session(SSL_get_rbio(hello->ssl))->context;
	const char *text = SSL_get_servername(hello->ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_name *name = text ? find_name(context, text) : NULL;
	const struct tls_identity *identity = choose_key(hello, name ? &name->shown : &context->own);
	bool done = identity == &context->own || SSL_set_SSL_CTX(hello->ssl, identity->library);
	return done && choose_version(context, hello) ? ssl_select_cert_success : ssl_select_cert_error;
}

/* Tells the client that its name counted (RFC 6066 §3). */
static int acknowledge(SSL *ssl, int *alert, void *argument)
{
	(void)alert;
	const struct tls_context *context = argument;
	return SSL_get_SSL_CTX(ssl) == context->own.library ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
}

void tls_names_choose(struct tls_context *context)
{
	SSL_CTX *library = context->own.library;
	SSL_CTX_set_select_certificate_cb(library, choose);
	SSL_CTX_set_tlsext_servername_callback(library, acknowledge);
	SSL_CTX_set_tlsext_servername_arg(library, context);
}

/* --- adding --- */

struct files {
	const char *certificate;
	const char *key;
};

static bool prepare(struct tls_context *context, struct tls_identity *identity, const struct files *files,
		    struct error *error)
{
	if (!tls_identity_create(identity, context))
		return tls_context_fail(error);
	if (!tls_identity_read(identity, files->certificate, files->key, error))
		return false;
	return tls_client_name_ask(context, identity->library) || error_set(error, "TLS settings: out of memory");
}

static bool add_alternative(struct tls_context *context, struct tls_identity *first, const char *name,
			    const struct files *files, struct error *error)
{
	const char *called = name ? name : "of the server itself";
	struct tls_identity *other = calloc(1, sizeof *other);
	bool done = other && prepare(context, other, files, error);
	if (!other)
		error_set(error, "TLS name %s: out of memory", called);
	else if (done && first->alternative)
		done = error_set(error,
				 "TLS name %s: two certificates are possible, one with an EC and one with an RSA key",
				 called);
	else if (done && (first->signature != 0) == (other->signature != 0))
		done = error_set(error, "TLS name %s is given twice", called);
	if (done) {
		first->alternative = other;
		return true;
	}
	if (other)
		tls_identity_finish(other);
	free(other);
	return false;
}

static bool add_name(struct tls_context *context, const char *name, const struct files *files, struct error *error)
{
	size_t size = strlen(name);
	struct tls_name *added = calloc(1, sizeof *added + size + 1);
	if (!added)
		return error_set(error, "TLS name %s: out of memory", name);
	for (size_t i = 0; i < size; i++)
		added->text[i] = (char)ascii_lower((uint8_t)name[i]);
	struct slice text = slice_from_text(added->text);
	struct tls_name *present = find_exactly(context, text);
	bool done = present ? add_alternative(context, &present->shown, name, files, error)
			    : prepare(context, &added->shown, files, error);
	if (present || !done) {
		tls_identity_finish(&added->shown);
		free(added);
		return done;
	}
	map_insert(&context->names, &added->node, secret_short_hash(context->name_hash_key, text));
	return true;
}

bool tls_context_add_name(struct tls_context *context, const char *name, const char *certificate_file,
			  const char *key_file, struct error *error)
{
	ASSERT(context->is_server);
	struct files files = { certificate_file, key_file };
	if (!name)
		return add_alternative(context, &context->own, NULL, &files, error);
	size_t size = strlen(name);
	if (size == 0 || size > TLSEXT_MAXLEN_host_name)
		return error_set(error, "TLS name \"%s\": 1 to %d characters are possible", name,
				 TLSEXT_MAXLEN_host_name);
	return add_name(context, name, &files, error);
}

void tls_names_destroy(struct tls_context *context)
{
	struct map_node *node = map_walk(&context->names, NULL);
	while (node) {
		struct map_node *next = map_walk(&context->names, node);
		struct tls_name *name = CONTAINER_OF(node, struct tls_name, node);
		map_remove(&context->names, node);
		tls_identity_finish(&name->shown);
		free(name);
		node = next;
	}
	map_finish(&context->names);
}
