/* crypto/ntlm: the values of MS-NLMP §4.2.4, a channel's digest, sealed hashes and the file of their key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/ntlm.h"
#include "crypto/secret.h"
#include "tests/unit/proto/ntlm_vectors.h"
#include "tests/unit/users/scratch.h"

#define BYTES(array) slice_of(array, sizeof(array))

static const uint8_t user_upper[] = { 'U', 0, 'S', 0, 'E', 0, 'R', 0 };
static const uint8_t domain[] = { VECTOR_DOMAIN };
static const uint8_t challenge[] = { VECTOR_CHALLENGE };
static const uint8_t blob[] = { VECTOR_BLOB };

static void published_values_come_out(void **state)
{
	(void)state;
	static const uint8_t password[] = { 'P', 0, 'a', 0, 's', 0, 's', 0, 'w', 0, 'o', 0, 'r', 0, 'd', 0 };
	static const uint8_t hash_wanted[] = { 0xa4, 0xf4, 0x9c, 0x40, 0x65, 0x10, 0xbd, 0xca,
					       0xb6, 0x82, 0x4e, 0xe7, 0xc3, 0x0f, 0xd8, 0x52 };
	static const uint8_t user_key_wanted[] = { 0x0c, 0x86, 0x8a, 0x40, 0x3b, 0xfd, 0x7a, 0x93,
						   0xa3, 0x00, 0x1e, 0xf2, 0x2e, 0xf0, 0x2e, 0x3f };
	static const uint8_t base_key_wanted[] = { 0x8d, 0xe4, 0x0c, 0xca, 0xdb, 0xc1, 0x4a, 0x82,
						   0xf1, 0x5c, 0xb0, 0xad, 0x0d, 0xe9, 0x5c, 0xa3 };
	static const uint8_t proof_wanted[] = { VECTOR_PROOF }, key_wanted[] = { VECTOR_KEY };
	uint8_t hash[16], user_key[16], proof[16], base_key[16], key[16], random[16];

	ntlm_hash(hash, BYTES(password));
	assert_memory_equal(hash, hash_wanted, sizeof hash);
	ntlm_user_key(user_key, hash, BYTES(user_upper), BYTES(domain));
	assert_memory_equal(user_key, user_key_wanted, sizeof user_key);
	ntlm_proof(proof, user_key, BYTES(challenge), BYTES(blob));
	assert_memory_equal(proof, proof_wanted, sizeof proof);
	ntlm_base_key(base_key, user_key, proof);
	assert_memory_equal(base_key, base_key_wanted, sizeof base_key);
	memset(random, 0x55, sizeof random);
	ntlm_exchange_key(key, base_key, random);
	assert_memory_equal(key, key_wanted, sizeof key);
	ntlm_exchange_key(key, base_key, key_wanted);
	assert_memory_equal(key, random, sizeof key);
}

/* Python: hmac.new(bytes(range(16)), b"onetwothr" + bytes(16) + b"ee", "md5").hexdigest() */
static void the_mic_counts_itself_as_zeros(void **state)
{
	(void)state;
	static const uint8_t wanted[] = { 0x8a, 0x9d, 0x87, 0x3b, 0x26, 0x8c, 0x5c, 0x63,
					  0xc9, 0x68, 0x18, 0x92, 0x8f, 0x31, 0xdf, 0x04 };
	uint8_t key[16], mic[16], other[16];
	for (uint8_t i = 0; i < sizeof key; i++)
		key[i] = i;
	ntlm_mic(mic, key, SLICE_LITERAL("one"), SLICE_LITERAL("two"), SLICE_LITERAL("thrABCDEFGHIJKLMNOPee"), 3);
	assert_memory_equal(mic, wanted, sizeof mic);
	ntlm_mic(other, key, SLICE_LITERAL("one"), SLICE_LITERAL("two"), SLICE_LITERAL("thrABCDEFGHIJKLMNOPef"), 3);
	assert_memory_not_equal(mic, other, sizeof mic);
}

/* Python: hashlib.md5(bytes(16) + struct.pack("<I", 53) + b"tls-server-end-point:" + bytes(range(32))).hexdigest() */
static void a_channel_has_its_digest(void **state)
{
	(void)state;
	static const uint8_t wanted[] = { 0x8f, 0x12, 0x14, 0xc9, 0xc9, 0xca, 0xb8, 0xdc,
					  0x3b, 0xf8, 0x66, 0xda, 0x9a, 0xba, 0x57, 0xa7 };
	uint8_t end_point[32], digest[16];
	for (uint8_t i = 0; i < sizeof end_point; i++)
		end_point[i] = i;
	ntlm_channel_digest(digest, BYTES(end_point));
	assert_memory_equal(digest, wanted, sizeof wanted);
}

static void what_is_sealed_is_one_users(void **state)
{
	(void)state;
	uint8_t key[NTLM_SEAL_KEY_BYTES] = { 1 }, hash[16] = "0123456789abcde", back[16];
	uint8_t sealed[NTLM_SEALED_BYTES], again[NTLM_SEALED_BYTES];
	ntlm_seal(sealed, key, SLICE_LITERAL("alice"), hash);
	ntlm_seal(again, key, SLICE_LITERAL("alice"), hash);
	assert_memory_not_equal(sealed, again, sizeof sealed);
	assert_true(ntlm_unseal(back, key, SLICE_LITERAL("alice"), sealed));
	assert_memory_equal(back, hash, sizeof hash);
	assert_false(ntlm_unseal(back, key, SLICE_LITERAL("bob"), sealed));
	for (size_t i = 0; i < sizeof sealed; i++) {
		sealed[i] ^= 1;
		assert_false(ntlm_unseal(back, key, SLICE_LITERAL("alice"), sealed));
		sealed[i] ^= 1;
	}
	key[0]++;
	assert_false(ntlm_unseal(back, key, SLICE_LITERAL("alice"), sealed));
	static const uint8_t zeros[16];
	assert_memory_equal(back, zeros, sizeof back);
}

/* --- the key's file --- */

static void the_key_is_made_once(void **state)
{
	struct scratch *scratch = *state;
	struct error error = { "" };
	char path[256];
	snprintf(path, sizeof path, "%s/ntlm.key", scratch->path);
	assert_null(ntlm_seal_key_load(path, false, &error));
	assert_non_null(strstr(error.text, path));
	uint8_t *key = ntlm_seal_key_load(path, true, &error), *again = ntlm_seal_key_load(path, true, &error);
	assert_non_null(key);
	assert_non_null(again);
	assert_memory_equal(key, again, NTLM_SEAL_KEY_BYTES);
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	secret_free(key);
	secret_free(again);

	assert_int_equal(truncate(path, NTLM_SEAL_KEY_BYTES + 1), 0);
	assert_null(ntlm_seal_key_load(path, true, &error));
	assert_int_equal(truncate(path, NTLM_SEAL_KEY_BYTES - 1), 0);
	assert_null(ntlm_seal_key_load(path, true, &error));
	assert_non_null(strstr(error.text, "32 bytes"));
	assert_null(ntlm_seal_key_load("/nowhere/ntlm.key", true, &error));
}

static void root_makes_the_key_for_the_folders_owner(void **state)
{
	enum { SERVER = 4242 };
	const struct scratch *scratch = *state;
	struct error error = { "" };
	char folder[256], path[sizeof folder + 16];
	struct stat status;
	if (geteuid() != 0)
		skip();
	snprintf(folder, sizeof folder, "%s/data", scratch->path);
	snprintf(path, sizeof path, "%s/ntlm.key", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(chown(folder, SERVER, SERVER), 0);
	uint8_t *key = ntlm_seal_key_load(path, true, &error);
	assert_non_null(key);
	secret_free(key);
	assert_int_equal(lstat(path, &status), 0);
	assert_true(status.st_uid == SERVER && status.st_gid == SERVER);

	/* A link that leads elsewhere is nothing that is followed and given away. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("../other", path), 0);
	assert_null(ntlm_seal_key_load(path, true, &error));
	snprintf(path, sizeof path, "%s/other", scratch->path);
	assert_int_equal(lstat(path, &status), -1);
}

static int make_scratch(void **state)
{
	struct scratch *scratch = malloc(sizeof *scratch);
	assert_non_null(scratch);
	scratch_make(scratch);
	*state = scratch;
	return 0;
}

static int remove_scratch(void **state)
{
	scratch_remove(*state);
	free(*state);
	return 0;
}

int main(void)
{
	if (!secret_setup())
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_values_come_out),
		cmocka_unit_test(the_mic_counts_itself_as_zeros),
		cmocka_unit_test(a_channel_has_its_digest),
		cmocka_unit_test(what_is_sealed_is_one_users),
		cmocka_unit_test_setup_teardown(the_key_is_made_once, make_scratch, remove_scratch),
		cmocka_unit_test_setup_teardown(root_makes_the_key_for_the_folders_owner, make_scratch, remove_scratch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
