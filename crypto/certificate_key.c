/* The keys that certificates are for: kinds, making them, what clients think of them; see certificate_request.h and
 * certificate_parts.h. */
#include "crypto/certificate_parts.h"

#include <stdio.h>
#include <strings.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum { RSA_BITS_LEAST = 2048 };

static const struct kind {
	const char *name;
	int type;
	int detail; /* of EC the curve, of RSA the bits */
	const char *warning;
} kinds[KEY_KINDS] = {
	[KEY_P256] = { "p256", EVP_PKEY_EC, NID_X9_62_prime256v1, NULL },
	[KEY_P384] = { "p384", EVP_PKEY_EC, NID_secp384r1, NULL },
	[KEY_RSA_2048] = { "rsa2048", EVP_PKEY_RSA, 2048, NULL },
	[KEY_RSA_3072] = { "rsa3072", EVP_PKEY_RSA, 3072, NULL },
	[KEY_RSA_4096] = { "rsa4096", EVP_PKEY_RSA, 4096,
			   "each handshake costs some ten times what it costs with p256" },
	[KEY_ED25519] = { "ed25519", EVP_PKEY_ED25519, 0,
			  "many mail clients can't use it, and no public CA signs it; p256 is as strong" },
};

const char *key_kind_name(enum key_kind kind)
{
	return kinds[kind].name;
}

const char *key_kind_warning(enum key_kind kind)
{
	return kinds[kind].warning;
}

bool key_kind_find(const char *name, enum key_kind *kind)
{
	char plain[16];
	size_t size = 0;
	for (; *name && size < sizeof plain - 1; name++)
		if (*name != '-' && *name != '_' && *name != ' ')
			plain[size++] = *name;
	plain[size] = 0;
	for (size_t i = 0; i < KEY_KINDS; i++) {
		if (strcasecmp(plain, kinds[i].name) != 0)
			continue;
		*kind = (enum key_kind)i;
		return *name == 0;
	}
	return false;
}

EVP_PKEY *certificate_key_make(enum key_kind kind)
{
	const struct kind *wanted = &kinds[kind];
	EVP_PKEY *key = NULL;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(wanted->type, NULL);
	bool ready = context && EVP_PKEY_keygen_init(context);
	if (ready && wanted->type == EVP_PKEY_EC)
		ready = EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, wanted->detail);
	if (ready && wanted->type == EVP_PKEY_RSA)
		ready = EVP_PKEY_CTX_set_rsa_keygen_bits(context, wanted->detail);
	if (ready && !EVP_PKEY_keygen(context, &key))
		key = NULL;
	EVP_PKEY_CTX_free(context);
	return key;
}

const EVP_MD *certificate_digest(const EVP_PKEY *key)
{
	if (EVP_PKEY_id(key) == EVP_PKEY_ED25519)
		return NULL;
	return EVP_PKEY_id(key) == EVP_PKEY_EC && EVP_PKEY_bits(key) > 256 ? EVP_sha384() : EVP_sha256();
}

void certificate_key_text(const EVP_PKEY *key, char text[KEY_TEXT_BYTES])
{
	int type = EVP_PKEY_id(key), bits = EVP_PKEY_bits(key);
	if (type == EVP_PKEY_ED25519)
		snprintf(text, KEY_TEXT_BYTES, "Ed25519");
	else if (type == EVP_PKEY_RSA)
		snprintf(text, KEY_TEXT_BYTES, "RSA %d", bits);
	else if (type == EVP_PKEY_EC)
		snprintf(text, KEY_TEXT_BYTES, "P-%d", bits);
	else
		snprintf(text, KEY_TEXT_BYTES, "unknown");
}

const char *certificate_key_weakness(const EVP_PKEY *key)
{
	switch (EVP_PKEY_id(key)) {
	case EVP_PKEY_RSA:
		return EVP_PKEY_bits(key) < RSA_BITS_LEAST ? "clients refuse RSA keys of less than 2048 bits" : NULL;
	case EVP_PKEY_EC:
		return EVP_PKEY_bits(key) < 256 ? "clients refuse curves of less than 256 bits" : NULL;
	case EVP_PKEY_ED25519:
		return NULL;
	default:
		return "clients know RSA, P-256, P-384 and Ed25519";
	}
}

bool certificate_write_key(EVP_PKEY *key, const char *file, struct error *error)
{
	BIO *pem = BIO_new(BIO_s_mem());
	bool done = pem && PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	done = done ? certificate_write_bio(pem, file, 0600, DURABLE_FILE_KEEP, error) : certificate_fail(error, file);
	BIO_free(pem); /* BoringSSL wipes what it frees */
	return done;
}

bool certificate_key_create(enum key_kind kind, const char *key_file, struct error *error)
{
	EVP_PKEY *key = certificate_key_make(kind);
	bool done = key ? certificate_write_key(key, key_file, error) : certificate_fail(error, key_file);
	EVP_PKEY_free(key);
	return done;
}
