/* Bringing a chain into order and into place; see certificate_arrange.h. */
#include "crypto/certificate_arrange.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "core/base/limits.h"
#include "crypto/certificate_parts.h"
#include "crypto/key_pair.h"

/* --- order --- */

struct heap {
	STACK_OF(X509) * all; /* what is not used yet */
	STACK_OF(X509) * arranged;
};

/* Moves all of a chain behind the others. */
static bool take_chain(STACK_OF(X509) * all, struct key_pair *pair)
{
	X509 *certificate;
	while ((certificate = sk_X509_shift(pair->chain))) {
		if (sk_X509_push(all, certificate))
			continue;
		X509_free(certificate);
		return false;
	}
	return true;
}

static bool read_file(STACK_OF(X509) * all, const char *file, struct error *error)
{
	struct key_pair pair = { NULL, NULL };
	bool done = key_pair_read_chain(&pair, file, error) &&
		    (take_chain(all, &pair) || error_set(error, "certificate %s: out of memory", file));
	key_pair_finish(&pair);
	return done;
}

static bool is_leaf(X509 *certificate, const EVP_PKEY *key)
{
	bool is = key ? X509_check_private_key(certificate, key) : !X509_check_ca(certificate);
	ERR_clear_error();
	return is;
}

/* Moves number `at` to the end of what is arranged. */
static bool move(struct heap *heap, size_t at)
{
	X509 *certificate = sk_X509_delete(heap->all, at);
	if (sk_X509_push(heap->arranged, certificate))
		return true;
	X509_free(certificate);
	return false;
}

static bool move_leaf(struct heap *heap, const EVP_PKEY *key)
{
	for (size_t i = 0; i < sk_X509_num(heap->all); i++)
		if (is_leaf(sk_X509_value(heap->all, i), key))
			return move(heap, i);
	return false;
}

/* The one that has issued the last arranged; none behind one that signed itself. */
static bool move_issuer(struct heap *heap)
{
	X509 *last = sk_X509_value(heap->arranged, sk_X509_num(heap->arranged) - 1);
	if (X509_check_issued(last, last) == X509_V_OK)
		return false;
	for (size_t i = 0; i < sk_X509_num(heap->all); i++)
		if (X509_check_issued(sk_X509_value(heap->all, i), last) == X509_V_OK)
			return move(heap, i);
	return false;
}

static void move_issuers(struct heap *heap)
{
	while (move_issuer(heap))
		;
	ERR_clear_error();
}

/* What was served till now has the issuers that a renewal often comes without. */
static void borrow(struct heap *heap, struct certificate_arranging *arranging)
{
	struct key_pair installed = { NULL, NULL };
	size_t before = sk_X509_num(heap->arranged);
	if (arranging->installed_file && key_pair_read_chain(&installed, arranging->installed_file, NULL)) {
		X509_free(sk_X509_shift(installed.chain));
		if (take_chain(heap->all, &installed))
			move_issuers(heap);
	}
	key_pair_finish(&installed);
	arranging->borrowed = sk_X509_num(heap->arranged) - before;
}

/* True when they came in another order than they are in now. */
static bool was_reordered(const struct heap *heap, X509 *const *before, size_t count)
{
	for (size_t i = 0; i < sk_X509_num(heap->arranged) && i < count; i++)
		if (sk_X509_value(heap->arranged, i) != before[i])
			return true;
	return false;
}

static bool arrange(struct heap *heap, const EVP_PKEY *key, struct certificate_arranging *arranging,
		    struct error *error)
{
	X509 *before[LIMIT_CERTIFICATE_CHAIN];
	size_t count = sk_X509_num(heap->all);
	if (count > LIMIT_CERTIFICATE_CHAIN)
		return error_set(error, "%zu certificates are too many for one chain; at most %d", count,
				 LIMIT_CERTIFICATE_CHAIN);
	for (size_t i = 0; i < count; i++)
		before[i] = sk_X509_value(heap->all, i);
	if (!move_leaf(heap, key))
		return error_set(error, "none of the certificates in %s %s%s", arranging->files[0],
				 key ? "was made for the key " : "is a server's, they are all CAs'",
				 key ? arranging->key_file : "");
	move_issuers(heap);
	arranging->reordered = was_reordered(heap, before, count);
	arranging->dropped = sk_X509_num(heap->all);
	borrow(heap, arranging);
	return true;
}

static bool write_pem(const struct heap *heap, struct buffer *pem, struct error *error)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const uint8_t *data;
	size_t size;
	bool done = bio != NULL;
	for (size_t i = 0; done && i < sk_X509_num(heap->arranged); i++)
		done = PEM_write_bio_X509(bio, sk_X509_value(heap->arranged, i));
	done = done && BIO_mem_contents(bio, &data, &size) && buffer_append(pem, slice_of(data, size));
	BIO_free(bio);
	return done || error_set(error, "the chain is too large");
}

bool certificate_arrange(struct certificate_arranging *arranging, struct buffer *pem, struct error *error)
{
	struct heap heap = { sk_X509_new_null(), sk_X509_new_null() };
	struct key_pair pair = { NULL, NULL };
	bool done = (heap.all && heap.arranged) || error_set(error, "out of memory");
	if (done && arranging->key_file)
		done = key_pair_read_key(&pair, arranging->key_file, error);
	for (size_t i = 0; done && arranging->files[i]; i++)
		done = read_file(heap.all, arranging->files[i], error);
	done = done && arrange(&heap, pair.key, arranging, error) && write_pem(&heap, pem, error);
	sk_X509_pop_free(heap.all, X509_free);
	sk_X509_pop_free(heap.arranged, X509_free);
	key_pair_finish(&pair);
	ERR_clear_error();
	return done;
}

/* --- place --- */

static bool same_file(const char *one, const char *other)
{
	struct stat a, b;
	return strcmp(one, other) == 0 ||
	       (stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

/* A key of which no other copy may exist is not written over. */
static bool keep_old(struct certificate_placing *placing, EVP_PKEY *key, struct error *error)
{
	char old[PATH_MAX];
	struct key_pair there = { NULL, NULL };
	bool is_other = access(placing->target_key, F_OK) == 0 &&
			!(key_pair_read_key(&there, placing->target_key, NULL) && EVP_PKEY_cmp(there.key, key) == 1);
	key_pair_finish(&there);
	ERR_clear_error();
	if (!is_other)
		return true;
	if (snprintf(old, sizeof old, "%s.old", placing->target_key) >= (int)sizeof old)
		return error_set_errno(error, ENAMETOOLONG, "cannot keep %s", placing->target_key);
	unlink(old);
	placing->kept_old_key = true;
	return link(placing->target_key, old) == 0 ||
	       error_set_errno(error, errno, "cannot keep %s as %s", placing->target_key, old);
}

static bool write_bio(const struct certificate_placing *placing, BIO *pem, const char *file, mode_t mode,
		      struct error *error)
{
	const uint8_t *data;
	size_t size;
	if (!BIO_mem_contents(pem, &data, &size))
		return certificate_fail(error, file);
	struct durable_file_owner owner = { placing->owner.user, placing->owner.group };
	return durable_file_write_for(file, mode, slice_of(data, size), DURABLE_FILE_REPLACE,
				      placing->owner.known ? &owner : NULL, error);
}

/* The key, the chain, or both behind each other. */
static bool write_one(const struct certificate_placing *placing, EVP_PKEY *key, bool with_chain, const char *file,
		      struct error *error)
{
	BIO *pem = BIO_new(BIO_s_mem());
	bool done = pem && (!key || PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL)) &&
		    (!with_chain || BIO_write_all(pem, placing->pem.data, placing->pem.size));
	done = done ? write_bio(placing, pem, file, key ? 0600 : 0644, error) : certificate_fail(error, file);
	BIO_free(pem);
	return done;
}

bool certificate_place(struct certificate_placing *placing, struct error *error)
{
	struct key_pair pair = { NULL, NULL };
	bool one_file = same_file(placing->target_certificate, placing->target_key);
	bool stays = !one_file && same_file(placing->key_file, placing->target_key);
	bool done = key_pair_read_key(&pair, placing->key_file, error) && (stays || keep_old(placing, pair.key, error));
	if (done && !stays)
		done = write_one(placing, pair.key, one_file, placing->target_key, error);
	if (done && !one_file)
		done = write_one(placing, NULL, true, placing->target_certificate, error);
	key_pair_finish(&pair);
	ERR_clear_error();
	return done;
}
