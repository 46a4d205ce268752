/* SCRAM against our own users; see sign_in_scram.h. */
#include "core/users/sign_in_scram.h"

#include <stdlib.h>

#include "core/base/pool.h"
#include "core/users/users_record.h"
#include "proto/sasl.h"
#include "proto/scram.h"

/* Nonces are made some at once: asking the kernel costs as much for one as for many. */
enum { CONVERSATIONS_A_SLAB = 8, NONCES_AT_ONCE = 32, NOBODY_BYTES = 256 };

/* In guarded memory. */
struct hidden {
	uint8_t salt_secret[SECRET_KEY_BYTES];
	size_t nonces_left;
	char nonces[NONCES_AT_ONCE * SCRAM_NONCE_BYTES + 1];
};

struct sign_in_scram {
	struct sign_in_backend backend;
	struct users *users;
	struct hidden *hidden;
	struct buffer nobody; /* a record that is read where there is none */
	uint8_t nobody_storage[NOBODY_BYTES];
	struct pool conversations;
};

enum stage { STAGE_FIRST, STAGE_CHALLENGED, STAGE_PROVEN };

struct conversation {
	uint8_t stage;     /* enum stage */
	const char *wrong; /* why the keys are nobody's; NULL: they are the user's */
	const char *bound; /* the name of the binding; NULL: none */
	size_t binding_size;
	uint8_t binding[TLS_BINDING_MOST_BYTES];
	uint64_t version; /* of the record that the keys are from */
	uint64_t seen;    /* what was there when they were looked up */
	struct scram_keys keys;
	struct scram_exchange exchange;
};

static enum sign_in_outcome refuse(struct sign_in_request *request, const char *reason)
{
	request->reason = reason;
	return SIGN_IN_WRONG;
}

/* --- channels --- */

static const struct binding {
	const char *name;
	enum tls_binding kind;
} bindings[] = {
	{ "tls-exporter", TLS_BINDING_EXPORTER },
	{ "tls-unique", TLS_BINDING_UNIQUE },
	{ "tls-server-end-point", TLS_BINDING_SERVER_END_POINT },
};

static const struct binding *find_binding(struct slice name)
{
	for (size_t i = 0; i < sizeof bindings / sizeof bindings[0]; i++)
		if (slice_equal(name, slice_from_text(bindings[i].name)))
			return &bindings[i];
	return NULL;
}

/* What is wrong with what the client says of the channel; NULL: nothing (RFC 5802 §6). The binding is asked for once, as TLS
 * has to compute it. */
static const char *check_flag(const struct sign_in_request *request, struct conversation *conversation)
{
	const struct sign_in_facts *facts = request->facts;
	const struct scram_exchange *exchange = &conversation->exchange;
	bool is_plus = request->mechanism == SASL_SCRAM_SHA_256_PLUS;
	if (is_plus != (exchange->flag == SCRAM_FLAG_BOUND))
		return is_plus ? "the client does not bind, which -PLUS is for"
			       : "the client binds, which is for -PLUS";
	if (exchange->flag == SCRAM_FLAG_NOT_OFFERED && facts->offered & SASL_SCRAM_SHA_256_PLUS)
		return "the client was not told that -PLUS is offered: somebody may stand between";
	if (!is_plus)
		return NULL;
	const struct binding *binding = find_binding(exchange->binding);
	if (!binding)
		return "a channel binding that is not known";
	conversation->bound = binding->name;
	if (!facts->tls ||
	    !tls_session_binding(facts->tls, binding->kind, conversation->binding, &conversation->binding_size))
		return "this TLS session has no such channel binding";
	return NULL;
}

/* --- whose keys --- */

static const char *what_is_wrong(enum users_status status, const struct user_record *record)
{
	if (status != USERS_OK)
		return "no such user";
	return record->disabled           ? "disabled"
	       : record->scram.iterations ? NULL
					  : "no SCRAM keys: set the password again";
}

/* As large as most are. */
static void make_nobody(struct sign_in_scram *scram)
{
	enum { USUAL_HASH_CHARACTERS = 97 };
	struct users_entry entry = {
		.name = SLICE_LITERAL("nobody@example.org"),
		.record.scram = { .iterations = SCRAM_ITERATIONS, .salt_size = SCRAM_SALT_BYTES },
	};
	memset(entry.record.hash, '$', USUAL_HASH_CHARACTERS);
	buffer_init(&scram->nobody, scram->nobody_storage, sizeof scram->nobody_storage);
	bool fits = users_record_encode(&scram->nobody, &entry);
	ASSERT(fits);
}

static void read_nobody(const struct sign_in_scram *scram, struct user_record *record)
{
	struct users_entry entry;
	bool sound = users_record_decode(buffer_slice(&scram->nobody), &entry);
	ASSERT(sound);
	*record = entry.record;
}

/* Nobody's keys are always made, and a record is always read: neither costs anything that could be told. False when the database
 * can't be read. */
static bool find_keys(struct sign_in_scram *scram, struct conversation *conversation)
{
	struct slice name = scram_name(&conversation->exchange);
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES];
	struct user_record record;
	enum users_status status = users_find(scram->users, name, &record);
	if (status != USERS_OK)
		read_nobody(scram, &record);
	scram_nobodys_keys(&conversation->keys, scram->hidden->salt_secret, users_fold_name(folded, name));
	conversation->wrong = what_is_wrong(status, &record);
	conversation->seen = users_seen(scram->users);
	conversation->version = 0;
	if (!conversation->wrong) {
		conversation->keys = record.scram;
		conversation->version = record.version;
	}
	secret_wipe(&record, sizeof record);
	return status != USERS_FAILED;
}

/* --- the exchange --- */

/* Each once; valid until the next one is taken. */
static struct slice take_nonce(struct hidden *hidden)
{
	if (hidden->nonces_left == 0) {
		secret_random_text(hidden->nonces, NONCES_AT_ONCE * SCRAM_NONCE_BYTES);
		hidden->nonces_left = NONCES_AT_ONCE;
	}
	hidden->nonces_left--;
	return slice_of(hidden->nonces + hidden->nonces_left * SCRAM_NONCE_BYTES, SCRAM_NONCE_BYTES);
}

static enum sign_in_outcome answer_first(struct sign_in_scram *scram, struct conversation *conversation,
					 struct sign_in_request *request)
{
	if (!request->response.data)
		return SIGN_IN_CHALLENGE; /* an empty one: the client begins */
	struct scram_exchange *exchange = &conversation->exchange;
	enum scram_status status = scram_server_first(exchange, request->response);
	if (status == SCRAM_MALFORMED)
		return SIGN_IN_MALFORMED;
	request->name = scram_name(exchange);
	if (status == SCRAM_DENIED)
		return refuse(request, "asks to act for somebody else");
	const char *reason = check_flag(request, conversation);
	if (reason)
		return refuse(request, reason);
	if (!find_keys(scram, conversation))
		return SIGN_IN_UNAVAILABLE;
	const struct scram_keys *keys = &conversation->keys;
	bool fits = scram_server_challenge(exchange, take_nonce(scram->hidden), slice_of(keys->salt, keys->salt_size),
					   keys->iterations, request->challenge);
	ASSERT(fits);
	conversation->stage = STAGE_CHALLENGED;
	return SIGN_IN_CHALLENGE;
}

static enum sign_in_outcome answer_proof(struct conversation *conversation, struct sign_in_request *request)
{
	struct scram_exchange *exchange = &conversation->exchange;
	uint8_t proof[SCRAM_PROOF_BYTES], signature[SCRAM_PROOF_BYTES];
	struct slice binding = slice_of(conversation->binding, conversation->binding_size);
	switch (scram_server_final(exchange, request->response, binding, proof)) {
	case SCRAM_OK:
		break;
	case SCRAM_BINDING:
		return refuse(request, "channel binding does not match: somebody may stand between");
	case SCRAM_NONCE:
		return refuse(request, "the nonce is of another exchange");
	case SCRAM_DENIED:
	case SCRAM_MALFORMED:
		return SIGN_IN_MALFORMED;
	}
	bool right = scram_proof_is_right(&conversation->keys, scram_auth_message(exchange), proof);
	if (!right || conversation->wrong)
		return refuse(request, conversation->wrong ? conversation->wrong : "wrong password");
	scram_server_signature(signature, &conversation->keys, scram_auth_message(exchange));
	bool fits = scram_verdict_write(signature, request->challenge);
	ASSERT(fits);
	conversation->stage = STAGE_PROVEN;
	return SIGN_IN_CHALLENGE;
}

/* Is the user's record still the one that the keys are from? Looked up again where anybody's has been changed. */
static enum users_status look_again(const struct sign_in_scram *scram, const struct conversation *conversation,
				    bool *same)
{
	*same = users_are_unchanged(scram->users, conversation->seen);
	if (*same)
		return USERS_OK;
	struct user_record record;
	enum users_status status = users_find(scram->users, scram_name(&conversation->exchange), &record);
	*same = status == USERS_OK && record.version == conversation->version;
	secret_wipe(&record, sizeof record);
	return status;
}

/* The client has seen our proof too. What it has proven counts for the record that the keys are from only. */
static enum sign_in_outcome answer_last(const struct sign_in_scram *scram, const struct conversation *conversation,
					struct sign_in_request *request)
{
	bool same;
	if (request->response.size > 0)
		return SIGN_IN_MALFORMED;
	if (look_again(scram, conversation, &same) == USERS_FAILED)
		return SIGN_IN_UNAVAILABLE;
	if (!same)
		return refuse(request, "the user has been changed meanwhile");
	request->login = request->name;
	request->reason = conversation->bound;
	return SIGN_IN_OK;
}

static bool step(struct sign_in_backend *backend, struct sign_in_request *request, enum sign_in_outcome *outcome)
{
	struct sign_in_scram *scram = CONTAINER_OF(backend, struct sign_in_scram, backend);
	struct conversation *conversation = request->conversation;
	*outcome = SIGN_IN_UNAVAILABLE;
	if (!conversation) {
		conversation = request->conversation = pool_take(&scram->conversations);
		if (!conversation)
			return true;
		conversation->stage = STAGE_FIRST;
		conversation->bound = NULL;
		conversation->binding_size = 0;
	}
	switch ((enum stage)conversation->stage) {
	case STAGE_FIRST:
		*outcome = answer_first(scram, conversation, request);
		break;
	case STAGE_CHALLENGED:
		*outcome = answer_proof(conversation, request);
		break;
	case STAGE_PROVEN:
		*outcome = answer_last(scram, conversation, request);
		break;
	}
	return true;
}

static void end(struct sign_in_backend *backend, struct sign_in_request *request)
{
	struct sign_in_scram *scram = CONTAINER_OF(backend, struct sign_in_scram, backend);
	struct conversation *conversation = request->conversation;
	if (!conversation)
		return;
	secret_wipe(&conversation->keys, sizeof conversation->keys);
	pool_give(&scram->conversations, conversation);
	request->conversation = NULL;
}

static const struct sign_in_backend_class class = { "local", step, end };

struct sign_in_backend *sign_in_scram_backend(struct sign_in_scram *scram)
{
	return &scram->backend;
}

/* --- life --- */

struct sign_in_scram *sign_in_scram_create(struct users *users, const uint8_t secret[SECRET_KEY_BYTES],
					   struct error *error)
{
	struct sign_in_scram *scram = calloc(1, sizeof *scram);
	if (scram)
		scram->hidden = secret_allocate(sizeof *scram->hidden);
	if (!scram || !scram->hidden) {
		free(scram);
		error_set(error, "no memory for SCRAM");
		return NULL;
	}
	scram->hidden->nonces_left = 0;
	if (secret)
		memcpy(scram->hidden->salt_secret, secret, SECRET_KEY_BYTES);
	else
		secret_random(scram->hidden->salt_secret, SECRET_KEY_BYTES);
	scram->backend.class = &class;
	scram->users = users;
	make_nobody(scram);
	pool_init(&scram->conversations, sizeof(struct conversation), CONVERSATIONS_A_SLAB, LIMIT_SIGN_INS);
	return scram;
}

void sign_in_scram_destroy(struct sign_in_scram *scram)
{
	if (!scram)
		return;
	pool_finish(&scram->conversations);
	secret_free(scram->hidden);
	free(scram);
}
