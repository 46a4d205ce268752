/* The server's side of NTLMv2; see ntlm_exchange.h. */
#include "core/users/ntlm_exchange.h"

#include "core/base/cursor.h"
#include "crypto/secret.h"

/* 100 ns; how far a client's clock may be off: what Windows allows. */
static const uint64_t CLOCK_SKEW_MOST = 36ULL * 3600 * 10000000;

/* What we always say; and what we say where the client does, since keys are made of it. */
enum {
	FLAGS = NTLM_UNICODE | NTLM_REQUEST_TARGET | NTLM_NTLM | NTLM_ALWAYS_SIGN | NTLM_EXTENDED_SECURITY |
		NTLM_TARGET_INFO | NTLM_VERSION,
	FLAGS_OF_CLIENT = NTLM_SIGN | NTLM_SEAL | NTLM_128,
};
static const uint32_t KEY_FLAGS_OF_CLIENT = (uint32_t)NTLM_KEY_EXCHANGE | (uint32_t)NTLM_56;

/* --- what a server is called --- */

/* The first label, cut where it is too long, in capitals. */
static struct slice computer_name(uint8_t storage[NTLM_NETBIOS_BYTES], struct slice hostname)
{
	size_t size = slice_find(hostname, '.');
	if (size > NTLM_NETBIOS_BYTES)
		size = NTLM_NETBIOS_BYTES;
	for (size_t i = 0; i < size; i++) {
		uint8_t c = hostname.data[i];
		storage[i] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
	}
	return slice_of(storage, size);
}

/* What is behind the first dot; a name without one is its own domain. */
static struct slice dns_domain(struct slice hostname)
{
	size_t dot = slice_find(hostname, '.');
	return dot + 1 < hostname.size ? slice_skip(hostname, dot + 1) : hostname;
}

bool ntlm_target_init(struct ntlm_target *target, struct slice hostname, struct slice domain)
{
	uint8_t storage[NTLM_NETBIOS_BYTES];
	struct slice computer = computer_name(storage, hostname);
	if (domain.size && !ntlm_domain_is_valid(domain))
		return false;
	target->is_domain = domain.size != 0;
	if (domain.size == 0)
		domain = computer;
	struct buffer name, info;
	buffer_init(&name, target->name, sizeof target->name);
	buffer_init(&info, target->info, sizeof target->info);
	bool done = utf16_append(&name, domain, UTF16_AS_IS) &&
		    ntlm_append_name_pair(&info, NTLM_PAIR_DOMAIN, domain) &&
		    ntlm_append_name_pair(&info, NTLM_PAIR_COMPUTER, computer) &&
		    ntlm_append_name_pair(&info, NTLM_PAIR_DNS_DOMAIN, dns_domain(hostname)) &&
		    ntlm_append_name_pair(&info, NTLM_PAIR_DNS_COMPUTER, hostname);
	target->name_size = (uint16_t)name.size;
	target->info_size = (uint16_t)info.size;
	return done;
}

/* --- CHALLENGE --- */

static void append_time(struct buffer *info, int64_t now_unix_us)
{
	uint8_t time[8];
	store_le(time, ntlm_time(now_unix_us), sizeof time);
	ntlm_append_pair(info, NTLM_PAIR_TIME, slice_of(time, sizeof time));
	ntlm_append_pair(info, NTLM_PAIR_END, SLICE_LITERAL(""));
}

bool ntlm_exchange_challenge(struct ntlm_exchange *exchange, const struct ntlm_target *target, struct slice negotiate,
			     int64_t now_unix_us, struct buffer *out)
{
	struct ntlm_negotiate said;
	if (negotiate.size > sizeof exchange->negotiate || !ntlm_read_negotiate(negotiate, &said))
		return false;
	memcpy(exchange->negotiate, negotiate.data, negotiate.size);
	exchange->negotiate_size = (uint16_t)negotiate.size;

	uint8_t storage[NTLM_INFO_BYTES];
	struct buffer info, message;
	buffer_init(&info, storage, sizeof storage);
	buffer_append(&info, slice_of(target->info, target->info_size));
	append_time(&info, now_unix_us);
	struct ntlm_challenge challenge = {
		.flags = (uint32_t)FLAGS | (said.flags & ((uint32_t)FLAGS_OF_CLIENT | KEY_FLAGS_OF_CLIENT)) |
			 (uint32_t)(target->is_domain ? NTLM_TARGET_DOMAIN : NTLM_TARGET_SERVER),
		.target_name = slice_of(target->name, target->name_size),
		.target_info = buffer_slice(&info),
	};
	secret_random(challenge.challenge, sizeof challenge.challenge);
	buffer_init(&message, exchange->challenge, sizeof exchange->challenge);
	bool fits = ntlm_write_challenge(&message, &challenge);
	ASSERT(fits && !info.overflow);
	exchange->challenge_size = (uint16_t)message.size;
	return buffer_append(out, buffer_slice(&message));
}

/* --- AUTHENTICATE --- */

static bool is_ascii(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] & 0x80)
			return false;
	return true;
}

/* Of names in some code page (curl's, where the challenge lets it) only what is the same in all of them is known. */
static bool read_name(struct slice *name, uint8_t *storage, size_t capacity, struct slice said, bool is_unicode)
{
	struct buffer text;
	buffer_init(&text, storage, capacity);
	bool read = is_unicode ? utf16_append_utf8(&text, said) : is_ascii(said) && buffer_append(&text, said);
	if (!read || slice_find(buffer_slice(&text), 0) != text.size)
		return false;
	*name = buffer_slice(&text);
	return true;
}

static const char *reason_for_kind(const struct ntlm_claim *claim)
{
	bool is_empty = claim->authenticate.nt_response.size == 0 && claim->authenticate.lm_response.size <= 1;
	return is_empty ? "anonymous" : "LM or NTLMv1, which prove too little";
}

bool ntlm_claim_read(struct ntlm_claim *claim, struct slice message, const char **reason)
{
	struct ntlm_authenticate *said = &claim->authenticate;
	*reason = NULL;
	claim->message = message;
	claim->user = claim->domain = SLICE_LITERAL("");
	if (!ntlm_read_authenticate(message, said))
		return false;
	bool is_unicode = said->flags & NTLM_UNICODE;
	if (!read_name(&claim->user, claim->user_storage, sizeof claim->user_storage, said->user, is_unicode) ||
	    !read_name(&claim->domain, claim->domain_storage, sizeof claim->domain_storage, said->domain, is_unicode)) {
		*reason = "a name is too long or not Unicode";
		return false;
	}
	enum ntlm_response_kind kind = ntlm_read_response(said->nt_response, &claim->response);
	if (kind == NTLM_RESPONSE_EVIL)
		return false;
	if (kind == NTLM_RESPONSE_1)
		*reason = reason_for_kind(claim);
	else if (claim->user.size == 0)
		*reason = "anonymous";
	return *reason == NULL;
}

const char *ntlm_claim_binding(const struct ntlm_claim *claim, enum ntlm_binding rule, bool in_tls,
			       struct slice end_point)
{
	static const uint8_t zeros[NTLM_BINDING_BYTES];
	struct slice said = claim->response.binding;
	if (said.size && memcmp(said.data, zeros, sizeof zeros) == 0)
		said = SLICE_LITERAL("");
	if (rule == NTLM_BINDING_NONE || (rule == NTLM_BINDING_ALLOW && said.size == 0))
		return NULL;
	if (said.size == 0)
		return "no channel binding, which is required";
	if (in_tls && end_point.size == 0)
		return rule == NTLM_BINDING_ALLOW ? NULL : "the certificate's signature names no hash to bind to";
	uint8_t digest[NTLM_HASH_BYTES];
	ntlm_channel_digest(digest, end_point);
	bool same = in_tls && slice_equal(said, slice_of(digest, sizeof digest));
	return same ? NULL : "channel binding does not match";
}

/* --- what it proves --- */

static void make_user_key(uint8_t key[NTLM_HASH_BYTES], const struct ntlm_claim *claim,
			  const uint8_t hash[NTLM_HASH_BYTES])
{
	uint8_t user_storage[LIMIT_LOGIN_NAME_BYTES * UTF16_BYTES_A_BYTE];
	uint8_t domain_storage[LIMIT_DOMAIN_BYTES * UTF16_BYTES_A_BYTE];
	struct buffer user, domain;
	buffer_init(&user, user_storage, sizeof user_storage);
	buffer_init(&domain, domain_storage, sizeof domain_storage);
	bool fits = utf16_append(&user, claim->user, UTF16_UPPER) && utf16_append(&domain, claim->domain, UTF16_AS_IS);
	ASSERT(fits);
	ntlm_user_key(key, hash, buffer_slice(&user), buffer_slice(&domain));
}

/* The key that the client chose, or the one that both can reckon. */
static void make_session_key(uint8_t key[NTLM_HASH_BYTES], const struct ntlm_claim *claim,
			     const uint8_t base_key[NTLM_HASH_BYTES])
{
	const struct ntlm_authenticate *said = &claim->authenticate;
	if ((said->flags & NTLM_KEY_EXCHANGE) && said->session_key.size == NTLM_HASH_BYTES)
		ntlm_exchange_key(key, base_key, said->session_key.data);
	else
		memcpy(key, base_key, NTLM_HASH_BYTES);
}

static const char *check_mic(const struct ntlm_exchange *exchange, const struct ntlm_claim *claim,
			     const uint8_t base_key[NTLM_HASH_BYTES])
{
	struct slice said = claim->authenticate.mic;
	if (!(claim->response.pair_flags & NTLM_PAIR_FLAG_MIC))
		return NULL;
	if (said.size == 0)
		return "its MIC is missing";
	uint8_t key[NTLM_HASH_BYTES], mic[NTLM_HASH_BYTES];
	make_session_key(key, claim, base_key);
	ntlm_mic(mic, key, slice_of(exchange->negotiate, exchange->negotiate_size),
		 slice_of(exchange->challenge, exchange->challenge_size), claim->message, NTLM_MIC_AT);
	bool same = secret_equal(said, slice_of(mic, sizeof mic));
	secret_wipe(key, sizeof key);
	return same ? NULL : "its messages were changed on the way: the MIC does not match";
}

static bool is_now(uint64_t time, int64_t now_unix_us)
{
	uint64_t now = ntlm_time(now_unix_us);
	return (time > now ? time - now : now - time) <= CLOCK_SKEW_MOST;
}

const char *ntlm_exchange_verify(const struct ntlm_exchange *exchange, const struct ntlm_claim *claim,
				 const uint8_t hash[NTLM_HASH_BYTES], int64_t now_unix_us)
{
	struct ntlm_challenge ours;
	bool sound = ntlm_read_challenge(slice_of(exchange->challenge, exchange->challenge_size), &ours);
	ASSERT(sound);
	uint8_t user_key[NTLM_HASH_BYTES], proof[NTLM_HASH_BYTES], base_key[NTLM_HASH_BYTES];
	make_user_key(user_key, claim, hash);
	ntlm_proof(proof, user_key, slice_of(ours.challenge, sizeof ours.challenge), claim->response.blob);
	ntlm_base_key(base_key, user_key, proof);
	const char *reason = check_mic(exchange, claim, base_key);
	if (!is_now(claim->response.time, now_unix_us))
		reason = "its clock is over 36 hours off";
	if (!secret_equal(claim->response.proof, slice_of(proof, sizeof proof)))
		reason = "wrong password";
	secret_wipe(user_key, sizeof user_key);
	secret_wipe(base_key, sizeof base_key);
	return reason;
}
