/* NTLM against our own users; see sign_in_ntlm.h. */
#include "core/users/sign_in_ntlm.h"

#include <stdlib.h>

#include "core/base/pool.h"
#include "core/users/users_record.h"
#include "crypto/secret.h"

_Static_assert((int)USERS_NT_SEALED_BYTES == (int)NTLM_SEALED_BYTES, "a record holds what is sealed");

struct sign_in_ntlm {
	struct sign_in_backend backend;
	struct loop *loop;
	struct users *users;
	const uint8_t *key;
	enum ntlm_binding binding;
	struct ntlm_target target;
	uint8_t nobodys[NTLM_SEALED_BYTES]; /* a random hash, sealed for the empty name */
	struct pool conversations;
};

struct conversation {
	struct ntlm_exchange exchange;
	bool challenged;
	uint8_t login[LIMIT_LOGIN_NAME_BYTES];
};

/* --- whose hash --- */

/* "user@domain" where the domain may be a mail domain; else empty. */
static struct slice address_of(struct buffer *storage, const struct ntlm_claim *claim)
{
	struct slice domain = claim->domain;
	buffer_clear(storage);
	if (slice_find(claim->user, '@') != claim->user.size || slice_find(domain, '.') == domain.size)
		return SLICE_LITERAL("");
	buffer_append(storage, claim->user);
	buffer_append_byte(storage, '@');
	buffer_append(storage, domain);
	return storage->overflow ? SLICE_LITERAL("") : buffer_slice(storage);
}

/* The login that is meant, in the conversation's memory, and its record: two look-ups, whatever the first one finds. */
static bool find_login(const struct sign_in_ntlm *ntlm, struct conversation *conversation,
		       const struct ntlm_claim *claim, struct slice *login, struct user_record *record)
{
	struct user_record other;
	struct buffer storage;
	buffer_init(&storage, conversation->login, sizeof conversation->login);
	struct slice address = address_of(&storage, claim);
	enum users_status with_domain = users_find(ntlm->users, address, &other);
	enum users_status plain = users_find(ntlm->users, claim->user, record);
	if (with_domain == USERS_OK) {
		*record = other;
		*login = address;
		plain = USERS_OK;
	} else {
		memcpy(conversation->login, claim->user.data, claim->user.size);
		*login = slice_of(conversation->login, claim->user.size);
	}
	secret_wipe(&other, sizeof other);
	if (plain != USERS_OK)
		*record = (struct user_record){ .has_nt = false };
	return with_domain != USERS_FAILED && plain != USERS_FAILED;
}

static const char *reason_of(const struct user_record *record)
{
	if (record->version == 0)
		return "no such user";
	return record->disabled ? "disabled" : record->has_nt ? NULL : "no NTLM hash: set a password with --ntlm";
}

/* NULL: it is the user, who may sign in. */
static const char *verify(struct sign_in_ntlm *ntlm, const struct conversation *conversation,
			  const struct ntlm_claim *claim, struct slice login, const struct user_record *record)
{
	uint8_t storage[LIMIT_LOGIN_NAME_BYTES], hash[NTLM_HASH_BYTES];
	const char *reason = reason_of(record);
	struct slice name = users_fold_name(storage, reason ? SLICE_LITERAL("") : login);
	bool unsealed = ntlm_unseal(hash, ntlm->key, name, reason ? ntlm->nobodys : record->nt_sealed);
	const char *refused = ntlm_exchange_verify(&conversation->exchange, claim, hash, loop_now(ntlm->loop)->unix_us);
	secret_wipe(hash, sizeof hash);
	if (!reason && !unsealed)
		reason = "its NTLM hash was sealed with another key: set the password again";
	return reason ? reason : refused;
}

/* --- the exchange --- */

struct slice sign_in_ntlm_end_point(const struct sign_in_facts *facts, uint8_t storage[TLS_BINDING_MOST_BYTES])
{
	size_t size = 0;
	if (!facts->tls || !tls_session_binding(facts->tls, TLS_BINDING_SERVER_END_POINT, storage, &size))
		size = 0;
	return slice_of(storage, size);
}

static enum sign_in_outcome refuse(struct sign_in_request *request, const char *reason)
{
	request->reason = reason;
	return reason ? SIGN_IN_WRONG : SIGN_IN_MALFORMED;
}

static enum sign_in_outcome judge(struct sign_in_ntlm *ntlm, struct sign_in_request *request)
{
	struct conversation *conversation = request->conversation;
	struct ntlm_claim claim;
	struct user_record record;
	uint8_t end_point[TLS_BINDING_MOST_BYTES];
	const char *reason;
	bool sound = ntlm_claim_read(&claim, request->response, &reason);
	if (!sound) {
		memcpy(conversation->login, claim.user.data, claim.user.size);
		request->name = slice_of(conversation->login, claim.user.size);
		return refuse(request, reason);
	}
	bool readable = find_login(ntlm, conversation, &claim, &request->name, &record);
	reason = verify(ntlm, conversation, &claim, request->name, &record);
	secret_wipe(&record, sizeof record);
	if (!readable)
		return SIGN_IN_UNAVAILABLE;
	if (!reason)
		reason = ntlm_claim_binding(&claim, ntlm->binding, request->facts->tls != NULL,
					    sign_in_ntlm_end_point(request->facts, end_point));
	if (reason)
		return refuse(request, reason);
	request->login = request->name;
	return SIGN_IN_OK;
}

static enum sign_in_outcome challenge(struct sign_in_ntlm *ntlm, struct sign_in_request *request)
{
	struct conversation *conversation = request->conversation;
	if (!request->response.data)
		return SIGN_IN_CHALLENGE; /* an empty one: the client is to begin */
	conversation->challenged = ntlm_exchange_challenge(&conversation->exchange, &ntlm->target, request->response,
							   loop_now(ntlm->loop)->unix_us, request->challenge);
	return conversation->challenged ? SIGN_IN_CHALLENGE : SIGN_IN_MALFORMED;
}

static bool step(struct sign_in_backend *backend, struct sign_in_request *request, enum sign_in_outcome *outcome)
{
	struct sign_in_ntlm *ntlm = CONTAINER_OF(backend, struct sign_in_ntlm, backend);
	struct conversation *conversation = request->conversation;
	*outcome = SIGN_IN_UNAVAILABLE;
	if (!conversation) {
		conversation = request->conversation = pool_take(&ntlm->conversations);
		if (!conversation)
			return true;
		conversation->challenged = false;
	}
	*outcome = conversation->challenged ? judge(ntlm, request) : challenge(ntlm, request);
	return true;
}

static void end(struct sign_in_backend *backend, struct sign_in_request *request)
{
	struct sign_in_ntlm *ntlm = CONTAINER_OF(backend, struct sign_in_ntlm, backend);
	if (request->conversation)
		pool_give(&ntlm->conversations, request->conversation);
	request->conversation = NULL;
}

static const struct sign_in_backend_class class = { "local", step, end };

struct sign_in_backend *sign_in_ntlm_backend(struct sign_in_ntlm *ntlm)
{
	return &ntlm->backend;
}

/* --- life --- */

static void seal_nobodys(struct sign_in_ntlm *ntlm)
{
	uint8_t hash[NTLM_HASH_BYTES];
	secret_random(hash, sizeof hash);
	ntlm_seal(ntlm->nobodys, ntlm->key, SLICE_LITERAL(""), hash);
}

struct sign_in_ntlm *sign_in_ntlm_create(const struct sign_in_ntlm_settings *settings, struct error *error)
{
	struct sign_in_ntlm *ntlm = calloc(1, sizeof *ntlm);
	if (!ntlm) {
		error_set(error, "no memory for NTLM");
		return NULL;
	}
	ntlm->backend.class = &class;
	ntlm->loop = settings->loop;
	ntlm->users = settings->users;
	ntlm->key = settings->key;
	ntlm->binding = settings->binding;
	pool_init(&ntlm->conversations, sizeof(struct conversation), 8, LIMIT_SIGN_INS);
	seal_nobodys(ntlm);
	if (ntlm_target_init(&ntlm->target, slice_from_text(settings->hostname),
			     slice_from_text(settings->domain ? settings->domain : "")))
		return ntlm;
	error_set(error, "NTLM: neither \"%s\" nor \"%s\" can be told to clients as name and domain",
		  settings->hostname, settings->domain ? settings->domain : "");
	sign_in_ntlm_destroy(ntlm);
	return NULL;
}

void sign_in_ntlm_destroy(struct sign_in_ntlm *ntlm)
{
	if (!ntlm)
		return;
	pool_finish(&ntlm->conversations);
	free(ntlm);
}

/* --- passwords --- */

bool sign_in_ntlm_seal(uint8_t sealed[USERS_NT_SEALED_BYTES], const uint8_t key[NTLM_SEAL_KEY_BYTES], struct slice name,
		       struct slice password)
{
	uint8_t utf16[LIMIT_PASSWORD_BYTES * UTF16_BYTES_A_BYTE], hash[NTLM_HASH_BYTES], folded[LIMIT_LOGIN_NAME_BYTES];
	struct buffer storage;
	buffer_init(&storage, utf16, sizeof utf16);
	bool done = utf16_append(&storage, password, UTF16_AS_IS);
	if (done) {
		ntlm_hash(hash, buffer_slice(&storage));
		ntlm_seal(sealed, key, users_fold_name(folded, name), hash);
	}
	secret_wipe(utf16, sizeof utf16);
	secret_wipe(hash, sizeof hash);
	return done;
}
