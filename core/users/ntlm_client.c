/* The client's side of NTLMv2; see ntlm_client.h. */
#include "core/users/ntlm_client.h"

#include <time.h>

#include "core/base/cursor.h"
#include "core/base/limits.h"
#include "crypto/ntlm.h"
#include "crypto/secret.h"
#include "proto/ntlm_message.h"
#include "proto/utf16.h"

enum {
	NEGOTIATE_BYTES = 64,
	PAIRS_BYTES = LIMIT_CHALLENGE_BYTES,
	LM_RESPONSE_BYTES = 24, /* zeros: where the server says its time there is none (§3.1.5.1.2) */
};

static const uint32_t FLAGS = (uint32_t)NTLM_UNICODE | NTLM_REQUEST_TARGET | NTLM_SIGN | NTLM_NTLM | NTLM_ALWAYS_SIGN |
			      NTLM_EXTENDED_SECURITY | NTLM_TARGET_INFO | NTLM_128 | NTLM_KEY_EXCHANGE |
			      (uint32_t)NTLM_56;

bool ntlm_client_begin(struct buffer *out)
{
	return ntlm_write_negotiate(out, FLAGS);
}

/* What is being put together; all of it is wiped. */
struct answer {
	struct ntlm_challenge challenge;
	uint64_t time;
	uint8_t user_bytes[LIMIT_LOGIN_NAME_BYTES * UTF16_BYTES_A_BYTE];
	uint8_t upper_bytes[LIMIT_LOGIN_NAME_BYTES * UTF16_BYTES_A_BYTE];
	uint8_t domain_bytes[LIMIT_DOMAIN_BYTES * UTF16_BYTES_A_BYTE];
	uint8_t password_bytes[LIMIT_PASSWORD_BYTES * UTF16_BYTES_A_BYTE];
	uint8_t pairs_bytes[PAIRS_BYTES];
	uint8_t response_bytes[NTLM_PROOF_BYTES + NTLM_BLOB_HEADER_BYTES + PAIRS_BYTES + 4];
	struct buffer user, upper, domain, password, pairs, response;
	uint8_t session_key[NTLM_HASH_BYTES], encrypted_key[NTLM_HASH_BYTES];
};

/* The server's pairs, and ours: that there is a MIC, and the channel. */
static bool make_pairs(struct answer *answer, struct slice end_point)
{
	static const uint8_t flags[4] = { NTLM_PAIR_FLAG_MIC };
	struct slice theirs = answer->challenge.target_info, value;
	unsigned id;
	answer->time = ntlm_time((int64_t)time(NULL) * 1000000);
	while (ntlm_next_pair(&theirs, &id, &value)) {
		struct cursor cursor = cursor_over(value);
		if (id == NTLM_PAIR_TIME)
			answer->time = cursor_take_u64le(&cursor);
		if (id != NTLM_PAIR_FLAGS && id != NTLM_PAIR_BINDING)
			ntlm_append_pair(&answer->pairs, (enum ntlm_pair)id, value);
	}
	ntlm_append_pair(&answer->pairs, NTLM_PAIR_FLAGS, slice_of(flags, sizeof flags));
	uint8_t digest[NTLM_HASH_BYTES];
	ntlm_channel_digest(digest, end_point);
	if (end_point.size)
		ntlm_append_pair(&answer->pairs, NTLM_PAIR_BINDING, slice_of(digest, sizeof digest));
	ntlm_append_pair(&answer->pairs, NTLM_PAIR_END, SLICE_LITERAL(""));
	return theirs.size == 0 && !answer->pairs.overflow;
}

static bool convert(struct answer *answer, const struct ntlm_client *client)
{
	struct slice user = client->name, domain = SLICE_LITERAL("");
	size_t at = slice_find(user, '\\');
	if (at < user.size) {
		domain = slice_first(user, at);
		user = slice_skip(user, at + 1);
	}
	return utf16_append(&answer->user, user, UTF16_AS_IS) && utf16_append(&answer->upper, user, UTF16_UPPER) &&
	       utf16_append(&answer->domain, domain, UTF16_AS_IS) &&
	       utf16_append(&answer->password, client->password, UTF16_AS_IS);
}

/* The response with its proof, and the keys. */
static void prove(struct answer *answer)
{
	uint8_t hash[NTLM_HASH_BYTES], user_key[NTLM_HASH_BYTES], base_key[NTLM_HASH_BYTES];
	uint8_t random[NTLM_CHALLENGE_BYTES];
	static const uint8_t later[NTLM_PROOF_BYTES];
	secret_random(random, sizeof random);
	buffer_append(&answer->response, slice_of(later, sizeof later));
	bool fits = ntlm_write_blob(&answer->response, answer->time, random, buffer_slice(&answer->pairs));
	ASSERT(fits);
	ntlm_hash(hash, buffer_slice(&answer->password));
	ntlm_user_key(user_key, hash, buffer_slice(&answer->upper), buffer_slice(&answer->domain));
	ntlm_proof(answer->response_bytes, user_key,
		   slice_of(answer->challenge.challenge, sizeof answer->challenge.challenge),
		   slice_skip(buffer_slice(&answer->response), NTLM_PROOF_BYTES));
	ntlm_base_key(base_key, user_key, answer->response_bytes);
	secret_random(answer->session_key, sizeof answer->session_key);
	ntlm_exchange_key(answer->encrypted_key, base_key, answer->session_key);
	secret_wipe(hash, sizeof hash);
	secret_wipe(user_key, sizeof user_key);
	secret_wipe(base_key, sizeof base_key);
}

static bool write_message(struct answer *answer, struct slice challenge, struct buffer *out)
{
	static const uint8_t no_lm[LM_RESPONSE_BYTES];
	const struct ntlm_authenticate message = {
		.flags = FLAGS & (answer->challenge.flags | NTLM_KEY_EXCHANGE),
		.lm_response = slice_of(no_lm, sizeof no_lm),
		.nt_response = buffer_slice(&answer->response),
		.domain = buffer_slice(&answer->domain),
		.user = buffer_slice(&answer->user),
		.session_key = slice_of(answer->encrypted_key, sizeof answer->encrypted_key),
	};
	size_t before = out->size;
	if (!ntlm_write_authenticate(out, &message))
		return false;
	uint8_t storage[NEGOTIATE_BYTES];
	struct buffer negotiate;
	buffer_init(&negotiate, storage, sizeof storage);
	ntlm_client_begin(&negotiate);
	struct slice written = slice_of(out->data + before, out->size - before);
	ntlm_mic(out->data + before + NTLM_MIC_AT, answer->session_key, buffer_slice(&negotiate), challenge, written,
		 NTLM_MIC_AT);
	return true;
}

static void init(struct answer *answer)
{
	buffer_init(&answer->user, answer->user_bytes, sizeof answer->user_bytes);
	buffer_init(&answer->upper, answer->upper_bytes, sizeof answer->upper_bytes);
	buffer_init(&answer->domain, answer->domain_bytes, sizeof answer->domain_bytes);
	buffer_init(&answer->password, answer->password_bytes, sizeof answer->password_bytes);
	buffer_init(&answer->pairs, answer->pairs_bytes, sizeof answer->pairs_bytes);
	buffer_init(&answer->response, answer->response_bytes, sizeof answer->response_bytes);
}

static bool make(struct answer *answer, const struct ntlm_client *client, struct slice challenge, struct buffer *out,
		 struct error *error)
{
	if (!ntlm_read_challenge(challenge, &answer->challenge) || !(answer->challenge.flags & NTLM_UNICODE) ||
	    !make_pairs(answer, client->end_point))
		return error_set(error, "NTLM: the server's challenge is none, or not for NTLMv2");
	if (!convert(answer, client))
		return error_set(error, "NTLM: name and password must be UTF-8, and not too long");
	prove(answer);
	return write_message(answer, challenge, out) || error_set(error, "NTLM: the answer does not fit");
}

bool ntlm_client_answer(const struct ntlm_client *client, struct slice challenge, struct buffer *out,
			struct error *error)
{
	struct answer answer;
	init(&answer);
	bool made = make(&answer, client, challenge, out, error);
	secret_wipe(&answer, sizeof answer);
	return made;
}
