/* The client's side of SCRAM; see scram_client.h. */
#include "core/users/scram_client.h"

#include <stdlib.h>

#include "core/base/cursor.h"
#include "crypto/saslprep.h"
#include "crypto/scram_keys.h"
#include "crypto/secret.h"
#include "proto/scram.h"

enum { REMEMBERED = 4096 }; /* keys, 200 bytes each, in pages that are there once they are used */

enum stage { STAGE_BEGUN, STAGE_PROVEN, STAGE_CONTENT };

struct scram_client {
	enum stage stage;
	size_t binding_size;
	uint8_t binding[TLS_BINDING_MOST_BYTES];
	uint8_t signature[SCRAM_PROOF_BYTES]; /* the server's, as it must be */
	struct scram_exchange exchange;
};

/* --- derived keys --- */

static struct remembered {
	uint8_t digest[SECRET_HASH_BYTES]; /* of password, salt and iterations */
	struct scram_keys keys;
	uint8_t client_key[SCRAM_KEY_BYTES];
} remembered[REMEMBERED];

static void digest_of(uint8_t digest[SECRET_HASH_BYTES], const struct scram_challenge *challenge, struct slice password)
{
	static uint8_t key[SECRET_KEY_BYTES];
	static bool has_key;
	uint8_t storage[4 + 1 + LIMIT_SCRAM_SALT_BYTES + LIMIT_PASSWORD_BYTES];
	struct buffer whole;
	if (!has_key)
		secret_random(key, sizeof key);
	has_key = true;
	buffer_init(&whole, storage, sizeof storage);
	store_le(storage, challenge->iterations, 4);
	storage[4] = challenge->salt_size;
	whole.size = 5;
	buffer_append(&whole, slice_of(challenge->salt, challenge->salt_size));
	bool fits = buffer_append(&whole, password);
	ASSERT(fits);
	secret_hash(digest, key, buffer_slice(&whole));
	secret_wipe(storage, sizeof storage);
}

static const struct remembered *derive(const struct scram_challenge *challenge, struct slice password)
{
	uint8_t digest[SECRET_HASH_BYTES];
	digest_of(digest, challenge, password);
	struct remembered *entry = &remembered[(digest[0] | digest[1] << 8) % REMEMBERED];
	if (entry->keys.iterations > 0 && memcmp(entry->digest, digest, sizeof digest) == 0)
		return entry;
	entry->keys = (struct scram_keys){ .iterations = challenge->iterations, .salt_size = challenge->salt_size };
	memcpy(entry->keys.salt, challenge->salt, challenge->salt_size);
	bool derived = scram_password_keys(&entry->keys, entry->client_key, password);
	ASSERT(derived);
	memcpy(entry->digest, digest, sizeof digest);
	return entry;
}

/* --- the exchange --- */

static bool begin(struct scram_client *client, struct slice name, const struct tls_session *tls,
		  struct buffer *response, struct error *error)
{
	char nonce[SCRAM_NONCE_BYTES + 1];
	uint8_t storage[LIMIT_LOGIN_NAME_BYTES];
	struct buffer prepared;
	buffer_init(&prepared, storage, sizeof storage);
	if (tls && !tls_session_binding(tls, TLS_BINDING_EXPORTER, client->binding, &client->binding_size))
		return error_set(error, "this TLS session can't be bound to: it has no extended master secret");
	secret_random_text(nonce, SCRAM_NONCE_BYTES);
	return (saslprep_append(&prepared, name) &&
		scram_client_first(&client->exchange, tls ? SCRAM_FLAG_BOUND : SCRAM_FLAG_NONE, "tls-exporter",
				   buffer_slice(&prepared), slice_of(nonce, SCRAM_NONCE_BYTES), response)) ||
	       error_set(error, "a name of over %d bytes", LIMIT_LOGIN_NAME_BYTES);
}

struct scram_client *scram_client_begin(struct slice name, const struct tls_session *tls, struct buffer *response,
					struct error *error)
{
	struct scram_client *client = calloc(1, sizeof *client);
	if (!client) {
		error_set(error, "out of memory");
		return NULL;
	}
	if (begin(client, name, tls, response, error))
		return client;
	scram_client_end(client);
	return NULL;
}

void scram_client_end(struct scram_client *client)
{
	if (!client)
		return;
	secret_wipe(client, sizeof *client);
	free(client);
}

static bool prove(struct scram_client *client, struct slice password, struct slice challenge, struct buffer *response,
		  struct error *error)
{
	struct scram_challenge read;
	uint8_t proof[SCRAM_PROOF_BYTES];
	enum scram_status status = scram_client_challenge(&client->exchange, challenge, &read);
	if (status != SCRAM_OK)
		return error_set(error, "SCRAM: the server's challenge is %s",
				 status == SCRAM_NONCE ? "not for this exchange" : "malformed");
	if (password.size > LIMIT_PASSWORD_BYTES)
		return error_set(error, "a password of over %d bytes", LIMIT_PASSWORD_BYTES);
	const struct remembered *derived = derive(&read, password);
	if (!scram_client_final(&client->exchange, slice_of(client->binding, client->binding_size), response))
		return error_set(error, "SCRAM: the exchange is too long");
	struct slice message = scram_auth_message(&client->exchange);
	scram_make_proof(proof, &derived->keys, derived->client_key, message);
	scram_server_signature(client->signature, &derived->keys, message);
	return scram_client_proof(proof, response) || error_set(error, "SCRAM: the exchange is too long");
}

bool scram_client_answer(struct scram_client *client, struct slice password, struct slice challenge,
			 struct buffer *response, struct error *error)
{
	uint8_t signature[SCRAM_PROOF_BYTES];
	switch (client->stage) {
	case STAGE_BEGUN:
		client->stage = STAGE_PROVEN;
		return prove(client, password, challenge, response, error);
	case STAGE_PROVEN:
		if (!scram_verdict_read(challenge, signature) ||
		    !secret_equal(slice_of(signature, sizeof signature),
				  slice_of(client->signature, sizeof client->signature)))
			return error_set(error, "SCRAM: the server has not proven that it knows the password");
		client->stage = STAGE_CONTENT;
		return true;
	case STAGE_CONTENT:
		break;
	}
	return error_set(error, "SCRAM: the server goes on after its proof");
}

bool scram_client_is_content(const struct scram_client *client)
{
	return client->stage == STAGE_CONTENT;
}
