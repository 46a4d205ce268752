/* The three messages of NTLM (MS-NLMP §2.2.1), read and written: NEGOTIATE of the client, CHALLENGE of the server, AUTHENTICATE of
 * the client; and the attribute-value pairs and the NTLMv2 response in them. Only with names in Unicode. What the messages
 * prove is crypto/ntlm.h's to say.
 *
 * Readers take a whole message, check every length and offset against it, and answer slices of it. Numbers are
 * little-endian; names are UTF-16 (proto/utf16.h). Times are Windows': 100 ns since 1601, UTC. */
#ifndef POSTERN_PROTO_NTLM_MESSAGE_H
#define POSTERN_PROTO_NTLM_MESSAGE_H

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/slice.h"

/* §2.2.2.5, of the names there those that matter. */
enum ntlm_flags {
	NTLM_UNICODE = 0x00000001,
	NTLM_OEM = 0x00000002,
	NTLM_REQUEST_TARGET = 0x00000004,
	NTLM_SIGN = 0x00000010,
	NTLM_SEAL = 0x00000020,
	NTLM_NTLM = 0x00000200,
	NTLM_ANONYMOUS = 0x00000800,
	NTLM_ALWAYS_SIGN = 0x00008000,
	NTLM_TARGET_DOMAIN = 0x00010000,
	NTLM_TARGET_SERVER = 0x00020000,
	NTLM_EXTENDED_SECURITY = 0x00080000,
	NTLM_TARGET_INFO = 0x00800000,
	NTLM_VERSION = 0x02000000,
	NTLM_128 = 0x20000000,
	NTLM_KEY_EXCHANGE = 0x40000000,
	NTLM_56 = 0x80000000,
};

enum {
	NTLM_CHALLENGE_BYTES = 8,
	NTLM_PROOF_BYTES = 16,
	NTLM_MIC_BYTES = 16,
	NTLM_MIC_AT = 72, /* in AUTHENTICATE */
	NTLM_BINDING_BYTES = 16,
	NTLM_SESSION_KEY_BYTES = 16,

	NTLM_CHALLENGE_HEADER_BYTES = 56,    /* of CHALLENGE, with the version */
	NTLM_AUTHENTICATE_HEADER_BYTES = 88, /* of AUTHENTICATE, with version and MIC */
	NTLM_BLOB_HEADER_BYTES = 28,         /* of the NTLMv2 response, behind the proof */
	NTLM_PAIR_HEADER_BYTES = 4,
};

/* --- attribute-value pairs (§2.2.2.1) --- */

enum ntlm_pair {
	NTLM_PAIR_END,
	NTLM_PAIR_COMPUTER, /* NetBIOS name of the server */
	NTLM_PAIR_DOMAIN,   /* NetBIOS name of its domain */
	NTLM_PAIR_DNS_COMPUTER,
	NTLM_PAIR_DNS_DOMAIN,
	NTLM_PAIR_DNS_TREE,
	NTLM_PAIR_FLAGS,   /* 4 bytes: enum ntlm_pair_flags */
	NTLM_PAIR_TIME,    /* 8 bytes */
	NTLM_PAIR_HOST,    /* of the client's machine */
	NTLM_PAIR_TARGET,  /* the service that the client means, as "smtp/mail.example.org" */
	NTLM_PAIR_BINDING, /* NTLM_BINDING_BYTES: digest of the channel's binding; zeros: none */
};

enum ntlm_pair_flags { NTLM_PAIR_FLAG_MIC = 2 };

/* False and nothing appended where it does not fit. */
bool ntlm_append_pair(struct buffer *out, enum ntlm_pair id, struct slice value);

/* The same with the UTF-16 of a name, at most 255 bytes of it. False too for what is not UTF-8. */
MUST_USE bool ntlm_append_name_pair(struct buffer *out, enum ntlm_pair id, struct slice utf8);

/* Takes the next pair off. False at the end mark, and where it is not whole: then `pairs` has not become empty. */
MUST_USE bool ntlm_next_pair(struct slice *pairs, unsigned *id, struct slice *value);

/* --- NEGOTIATE (§2.2.1.1) --- */

struct ntlm_negotiate {
	uint32_t flags;
};
MUST_USE bool ntlm_read_negotiate(struct slice message, struct ntlm_negotiate *negotiate);
bool ntlm_write_negotiate(struct buffer *out, uint32_t flags);

/* --- CHALLENGE (§2.2.1.2) --- */

struct ntlm_challenge {
	uint32_t flags;
	uint8_t challenge[NTLM_CHALLENGE_BYTES];
	struct slice target_name;
	struct slice target_info; /* pairs, with their end mark */
};
MUST_USE bool ntlm_read_challenge(struct slice message, struct ntlm_challenge *challenge);
bool ntlm_write_challenge(struct buffer *out, const struct ntlm_challenge *challenge);

/* --- AUTHENTICATE (§2.2.1.3) --- */

struct ntlm_authenticate {
	uint32_t flags;
	struct slice lm_response;
	struct slice nt_response;
	struct slice domain;
	struct slice user;
	struct slice workstation;
	struct slice session_key; /* encrypted */
	struct slice mic;         /* NTLM_MIC_BYTES where there is room for one before all else; or empty */
};
MUST_USE bool ntlm_read_authenticate(struct slice message, struct ntlm_authenticate *authenticate);

/* With zeros for the MIC, which is made over the message and then stored at NTLM_MIC_AT. `mic` is ignored. */
bool ntlm_write_authenticate(struct buffer *out, const struct ntlm_authenticate *authenticate);

/* --- the NTLMv2 response (§2.2.2.7, §2.2.2.8) --- */

struct ntlm_response {
	struct slice proof; /* NTLM_PROOF_BYTES */
	struct slice blob;  /* what it proves, beside the server's challenge */
	uint64_t time;
	struct slice client_challenge; /* NTLM_CHALLENGE_BYTES */
	uint32_t pair_flags;           /* enum ntlm_pair_flags */
	struct slice binding;          /* NTLM_BINDING_BYTES, or empty */
	struct slice target;           /* UTF-16, or empty */
};

enum ntlm_response_kind {
	NTLM_RESPONSE_2,
	NTLM_RESPONSE_1,    /* LM or NTLMv1, or none at all */
	NTLM_RESPONSE_EVIL, /* neither */
};
MUST_USE enum ntlm_response_kind ntlm_read_response(struct slice nt_response, struct ntlm_response *response);

/* The blob, for the client's side. `pairs`: with their end mark. */
bool ntlm_write_blob(struct buffer *out, uint64_t time, const uint8_t challenge[NTLM_CHALLENGE_BYTES],
		     struct slice pairs);

/* From microseconds since 1970. */
uint64_t ntlm_time(int64_t unix_us);

#endif
