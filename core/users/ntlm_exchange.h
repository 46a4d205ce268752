/* The server's side of NTLMv2 (MS-NLMP §3.2.5) where we know the user's NT hash ourselves: makes CHALLENGE, reads AUTHENTICATE and tells
 * whether it proves the password. Pure but for randomness: messages in, messages and verdicts out. Who the user is, and
 * where the hash comes from, is the caller's.
 *
 * Every challenge is random and good for one answer, so nothing can be replayed. LM and NTLMv1 are refused. The MIC is checked
 * where the client says that it has made one: that word is part of what the password proves. */
#ifndef POSTERN_USERS_NTLM_EXCHANGE_H
#define POSTERN_USERS_NTLM_EXCHANGE_H

#include "core/base/limits.h"
#include "core/users/ntlm_names.h"
#include "crypto/ntlm.h"
#include "proto/ntlm_message.h"
#include "proto/utf16.h"

/* Whether the client must say through which TLS session it signs in (RFC 5929 tls-server-end-point; Windows' Extended Protection). */
enum ntlm_binding {
	NTLM_BINDING_NONE,    /* what it says is not looked at */
	NTLM_BINDING_ALLOW,   /* it need not, but what it says must be so */
	NTLM_BINDING_REQUIRE, /* it must */
};

enum {
	NTLM_TARGET_BYTES = NTLM_NETBIOS_BYTES * UTF16_BYTES_A_BYTE,
	/* Two NetBIOS names, two DNS names, the time and the end. */
	NTLM_INFO_BYTES = 2 * (NTLM_PAIR_HEADER_BYTES + NTLM_TARGET_BYTES) +
			  2 * (NTLM_PAIR_HEADER_BYTES + LIMIT_DOMAIN_BYTES * UTF16_BYTES_A_BYTE) +
			  NTLM_PAIR_HEADER_BYTES + 8 + NTLM_PAIR_HEADER_BYTES,
	NTLM_CHALLENGE_MOST_BYTES = NTLM_CHALLENGE_HEADER_BYTES + NTLM_TARGET_BYTES + NTLM_INFO_BYTES,
};

/* What a server is called in its challenges; made once. */
struct ntlm_target {
	bool is_domain; /* a domain was given; else the server speaks for itself */
	uint16_t name_size, info_size;
	uint8_t name[NTLM_TARGET_BYTES];
	uint8_t info[NTLM_INFO_BYTES]; /* pairs, without time and end */
};

/* `hostname`: the DNS name, whose first label in capitals becomes the computer's NetBIOS name. `domain`: the NetBIOS name of the
 * domain; empty: the computer's own. False for a domain that ntlm_domain_is_valid() does not take. */
MUST_USE bool ntlm_target_init(struct ntlm_target *target, struct slice hostname, struct slice domain);

struct ntlm_exchange {
	uint16_t negotiate_size, challenge_size;
	uint8_t negotiate[LIMIT_NTLM_NEGOTIATE_BYTES]; /* as it came: the MIC covers it */
	uint8_t challenge[NTLM_CHALLENGE_MOST_BYTES];  /* as it went */
};

/* NEGOTIATE in, CHALLENGE out. False where it is no NEGOTIATE; nothing is appended then. */
MUST_USE bool ntlm_exchange_challenge(struct ntlm_exchange *exchange, const struct ntlm_target *target,
				      struct slice negotiate, int64_t now_unix_us, struct buffer *out);

/* What AUTHENTICATE says; slices of it but for the names. */
struct ntlm_claim {
	struct slice message;
	struct ntlm_authenticate authenticate;
	struct ntlm_response response;
	struct slice user, domain; /* UTF-8, in the memory below; the user is not empty */
	uint8_t user_storage[LIMIT_LOGIN_NAME_BYTES];
	uint8_t domain_storage[LIMIT_DOMAIN_BYTES];
};

/* False where it is no AUTHENTICATE, or one of a kind that is refused: then *reason says why (static), NULL: it is malformed. The
 * claim's user is set as soon as it is known. */
MUST_USE bool ntlm_claim_read(struct ntlm_claim *claim, struct slice authenticate, const char **reason);

/* Is what it says of the channel so? `end_point`: the server's certificate's hash as RFC 5929 §4.1 has it; empty where there is none.
 * NULL, or why it is refused (static). The word is the client's alone until the proof is found right. */
const char *ntlm_claim_binding(const struct ntlm_claim *claim, enum ntlm_binding rule, bool in_tls,
			       struct slice end_point);

/* Does it prove the password whose hash this is, over our challenge, now? NULL: yes, or why not (static). Takes the same time for
 * every hash. */
const char *ntlm_exchange_verify(const struct ntlm_exchange *exchange, const struct ntlm_claim *claim,
				 const uint8_t hash[NTLM_HASH_BYTES], int64_t now_unix_us);

#endif
