/* NTLMv2's digests and keys, through BoringSSL; see ntlm.h. */
#include "crypto/ntlm.h"

#include <openssl/hmac.h>
#include <openssl/md4.h>
#include <openssl/md5.h>
#include <openssl/rc4.h>

#include "core/base/cursor.h"
#include "crypto/secret.h"

_Static_assert(MD4_DIGEST_LENGTH == NTLM_HASH_BYTES && MD5_DIGEST_LENGTH == NTLM_HASH_BYTES,
	       "all digests are equally long");

/* HMAC-MD5 over parts. The library can't fail without a key that is too long or no memory; the latter ends the process, as there
 * is no answer that would be right. */
static void digest(uint8_t out[NTLM_HASH_BYTES], const uint8_t key[NTLM_HASH_BYTES], const struct slice *parts,
		   size_t count)
{
	HMAC_CTX context;
	HMAC_CTX_init(&context);
	bool done = HMAC_Init_ex(&context, key, NTLM_HASH_BYTES, EVP_md5(), NULL);
	for (size_t i = 0; i < count; i++)
		done = done && HMAC_Update(&context, parts[i].data, parts[i].size);
	done = done && HMAC_Final(&context, out, NULL);
	ASSERT(done);
	HMAC_CTX_cleanse(&context);
}

void ntlm_hash(uint8_t hash[NTLM_HASH_BYTES], struct slice password)
{
	MD4_CTX context;
	MD4_Init(&context);
	MD4_Update(&context, password.data, password.size);
	MD4_Final(hash, &context);
	secret_wipe(&context, sizeof context);
}

void ntlm_user_key(uint8_t key[NTLM_HASH_BYTES], const uint8_t hash[NTLM_HASH_BYTES], struct slice user,
		   struct slice domain)
{
	digest(key, hash, (const struct slice[]){ user, domain }, 2);
}

void ntlm_proof(uint8_t proof[NTLM_HASH_BYTES], const uint8_t user_key[NTLM_HASH_BYTES], struct slice challenge,
		struct slice blob)
{
	digest(proof, user_key, (const struct slice[]){ challenge, blob }, 2);
}

void ntlm_base_key(uint8_t key[NTLM_HASH_BYTES], const uint8_t user_key[NTLM_HASH_BYTES],
		   const uint8_t proof[NTLM_HASH_BYTES])
{
	digest(key, user_key, (const struct slice[]){ slice_of(proof, NTLM_HASH_BYTES) }, 1);
}

void ntlm_exchange_key(uint8_t out[NTLM_HASH_BYTES], const uint8_t base_key[NTLM_HASH_BYTES],
		       const uint8_t in[NTLM_HASH_BYTES])
{
	RC4_KEY cipher;
	RC4_set_key(&cipher, NTLM_HASH_BYTES, base_key);
	RC4(&cipher, NTLM_HASH_BYTES, in, out);
	secret_wipe(&cipher, sizeof cipher);
}

void ntlm_mic(uint8_t mic[NTLM_HASH_BYTES], const uint8_t key[NTLM_HASH_BYTES], struct slice negotiate,
	      struct slice challenge, struct slice authenticate, size_t mic_at)
{
	static const uint8_t zeros[NTLM_HASH_BYTES];
	ASSERT(authenticate.size >= mic_at + sizeof zeros);
	digest(mic, key,
	       (const struct slice[]){ negotiate, challenge, slice_first(authenticate, mic_at),
				       slice_of(zeros, sizeof zeros), slice_skip(authenticate, mic_at + sizeof zeros) },
	       5);
}

/* No addresses, of neither side: four zeros; then the binding with its size. */
void ntlm_channel_digest(uint8_t out[NTLM_HASH_BYTES], struct slice end_point)
{
	static const char type[] = "tls-server-end-point:";
	uint8_t head[5 * 4] = { 0 };
	store_le(head + 4 * 4, sizeof type - 1 + end_point.size, 4);
	MD5_CTX context;
	MD5_Init(&context);
	MD5_Update(&context, head, sizeof head);
	MD5_Update(&context, type, sizeof type - 1);
	MD5_Update(&context, end_point.data, end_point.size);
	MD5_Final(out, &context);
}
