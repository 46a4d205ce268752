/* Password hashing with argon2id; see password.h.
 *
 * The cost is libsodium's for interactive use: 2 passes over 64 MiB, RFC 9106's order of magnitude for a server that verifies
 * many. Hashes that were imported bring a cost of their own, within bounds, so that a row of the database can't make
 * a hasher eat all memory or a minute. */
#include "crypto/password.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <sodium.h>

#include "crypto/secret.h"

enum {
	PASSES = crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
	MEMORY_BYTES = crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE,

	/* Of hashes from elsewhere. */
	PASSES_MOST = 16,
	MEMORY_MOST_KIB = 1024 * 1024,
	LANES_MOST = 1, /* libsodium computes no more */

	MEMORY_BESIDE_BYTES = 128 * 1024,

	SALT_BYTES = 16,
	OUTPUT_BYTES = 32,
};
_Static_assert((int)LIMIT_HASH_TEXT_BYTES >= crypto_pwhash_STRBYTES, "libsodium writes this many");

/* libsodium wants an address for the empty password too. */
static const char *characters(struct slice password)
{
	return password.size ? (const char *)password.data : "";
}

bool password_hash(char text[LIMIT_HASH_TEXT_BYTES], struct slice password)
{
	return crypto_pwhash_argon2id_str(text, characters(password), password.size, PASSES, MEMORY_BYTES) == 0;
}

/* Takes "NAME=NUMBER" off the front, with the comma or dollar sign behind it. */
static bool take_parameter(struct slice *rest, const char *name, uint8_t end, uint64_t most, uint64_t *number)
{
	struct slice prefix = slice_from_text(name);
	if (!slice_starts_with(*rest, prefix))
		return false;
	*rest = slice_skip(*rest, prefix.size);
	size_t size = slice_find(*rest, end);
	if (size == rest->size || !slice_parse_number(slice_first(*rest, size), most, number) || *number == 0)
		return false;
	*rest = slice_skip(*rest, size + 1);
	return true;
}

/* False for what is no argon2 hash, or one of a cost out of bounds. */
static bool parse_cost(const char *text, struct password_cost *cost)
{
	struct slice rest = slice_from_text(text);
	bool argon2id = slice_starts_with(rest, SLICE_LITERAL(crypto_pwhash_argon2id_STRPREFIX));
	if (!argon2id && !slice_starts_with(rest, SLICE_LITERAL(crypto_pwhash_argon2i_STRPREFIX)))
		return false;
	rest = slice_skip(rest, argon2id ? sizeof crypto_pwhash_argon2id_STRPREFIX - 1
					 : sizeof crypto_pwhash_argon2i_STRPREFIX - 1);
	if (slice_starts_with(rest, SLICE_LITERAL("v=19$")))
		rest = slice_skip(rest, strlen("v=19$"));
	uint64_t memory_kib = 0, passes = 0, lanes = 0;
	bool sane = take_parameter(&rest, "m=", ',', MEMORY_MOST_KIB, &memory_kib) &&
		    take_parameter(&rest, "t=", ',', PASSES_MOST, &passes) &&
		    take_parameter(&rest, "p=", '$', LANES_MOST, &lanes);
	*cost = (struct password_cost){ argon2id ? PASSWORD_ARGON2ID : PASSWORD_ARGON2I, (uint32_t)memory_kib,
					(uint32_t)passes };
	return sane;
}

/* libsodium's own parser has the last word; it is asked for nothing but whether it can read the text (-1: it can't). */
bool password_cost_of(const char *text, struct password_cost *cost)
{
	return strnlen(text, LIMIT_HASH_TEXT_BYTES) < LIMIT_HASH_TEXT_BYTES && parse_cost(text, cost) &&
	       crypto_pwhash_str_needs_rehash(text, PASSES, MEMORY_BYTES) >= 0;
}

bool password_hash_is_valid(const char *text)
{
	struct password_cost cost;
	return password_cost_of(text, &cost);
}

/* Whether as much can be had as libsodium will ask for: the blocks, 2 bytes a block to find them by, and small things. */
static bool memory_is_there(const struct password_cost *cost)
{
	size_t bytes = (size_t)cost->memory_kib * (1024 + 2) + MEMORY_BESIDE_BYTES;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	munmap(memory, bytes);
	return true;
}

/* libsodium says the same, errno included, of a wrong password and of memory that it did not get. So it is asked only with
 * the memory there, and "wrong" counts only where it still is: the process has one thread. */
enum password_verdict password_verify(const char *text, struct slice password)
{
	struct password_cost cost;
	if (!password_cost_of(text, &cost))
		return PASSWORD_WRONG;
	if (!memory_is_there(&cost))
		return PASSWORD_NO_MEMORY;
	if (crypto_pwhash_str_verify(text, characters(password), password.size) == 0)
		return PASSWORD_RIGHT;
	return memory_is_there(&cost) ? PASSWORD_WRONG : PASSWORD_NO_MEMORY;
}

struct password_cost password_usual_cost(void)
{
	return (struct password_cost){ PASSWORD_ARGON2ID, MEMORY_BYTES / 1024, PASSES };
}

bool password_cost_equal(const struct password_cost *a, const struct password_cost *b)
{
	return a->kind == b->kind && a->memory_kib == b->memory_kib && a->passes == b->passes;
}

static char *append_base64(char *at, const uint8_t *bytes, size_t size)
{
	size_t capacity = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	sodium_bin2base64(at, capacity, bytes, size, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	return at + strlen(at);
}

/* The form of a hash around a random output: to find a password for it is as hard as to guess the output. */
void password_nobodys_hash(char text[LIMIT_HASH_TEXT_BYTES], const struct password_cost *cost)
{
	uint8_t salt[SALT_BYTES], output[OUTPUT_BYTES];
	secret_random(salt, sizeof salt);
	secret_random(output, sizeof output);
	const char *prefix =
		cost->kind == PASSWORD_ARGON2I ? crypto_pwhash_argon2i_STRPREFIX : crypto_pwhash_argon2id_STRPREFIX;
	int size =
		snprintf(text, LIMIT_HASH_TEXT_BYTES, "%sv=19$m=%u,t=%u,p=1$", prefix, cost->memory_kib, cost->passes);
	char *at = append_base64(text + size, salt, sizeof salt);
	*at++ = '$';
	append_base64(at, output, sizeof output);
}

void password_spend(const struct password_cost *cost, struct slice password)
{
	char text[LIMIT_HASH_TEXT_BYTES];
	password_nobodys_hash(text, cost);
	enum password_verdict verdict = password_verify(text, password);
	ASSERT(verdict != PASSWORD_RIGHT);
}
