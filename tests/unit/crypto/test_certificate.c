/* crypto/certificate: making a private CA and certificates, going on after half a run, and checking what is in files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cmocka.h>

#include "crypto/certificate.h"
#include "crypto/key_pair.h"
#include "tests/unit/crypto/tls_pair.h"

enum { FILE_MOST_BYTES = 16384, SECONDS_PER_DAY = 24 * 60 * 60 };

static const char *const localhost[] = { "localhost", "127.0.0.1", NULL };

static char ca[PAIR_PATH_BYTES], ca_key[PAIR_PATH_BYTES], leaf[PAIR_PATH_BYTES], key[PAIR_PATH_BYTES];
static const struct certificate_files files = { ca, ca_key, leaf, key };

static void copy_path(char to[PAIR_PATH_BYTES], const char *name)
{
	slice_to_text(slice_from_text(folder_path(name)), to, PAIR_PATH_BYTES);
}

/* Names that no other test has used. */
static int new_names(void **state)
{
	(void)state;
	static int number;
	char name[32];
	char *const paths[] = { ca, ca_key, leaf, key };
	static const char *const bases[] = { "ca.pem", "ca.key", "leaf.pem", "leaf.key" };
	number++;
	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "%d-%s", number, bases[i]);
		copy_path(paths[i], name);
	}
	return 0;
}

static size_t read_file(const char *path, char text[FILE_MOST_BYTES])
{
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	size_t size = fread(text, 1, FILE_MOST_BYTES - 1, file);
	text[size] = 0;
	fclose(file);
	return size;
}

static void write_file(const char *path, const char *first, const char *second)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(first, file);
	fputs(second, file);
	assert_int_equal(fclose(file), 0);
}

static void make(const char *const *names, unsigned days)
{
	struct error error;
	if (!certificate_make_private(&files, names, days, &error))
		fail_msg("%s", error.text);
}

static void check_not_made(const char *const *names, const char *said)
{
	struct error error = { "" };
	assert_false(certificate_make_private(&files, names, 1, &error));
	if (!strstr(error.text, said))
		fail_msg("not \"%s\": %s", said, error.text);
}

static void check_bad_pair(int64_t now, const char *said)
{
	struct error error = { "" };
	assert_false(certificate_check_pair(leaf, key, now, &error));
	if (!strstr(error.text, said))
		fail_msg("not \"%s\": %s", said, error.text);
}

static void what_is_made_is_good_and_private(void **state)
{
	(void)state;
	mode_t before = umask(0);
	make(localhost, 30);
	umask(before);
	struct stat status;
	assert_int_equal(stat(key, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(stat(ca_key, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(stat(leaf, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);

	struct error error;
	assert_true(certificate_check_pair(leaf, key, time(NULL), &error));
	assert_true(certificate_check_pair(ca, ca_key, time(NULL), &error));
	struct key_pair pair = { NULL, NULL };
	assert_true(key_pair_read(&pair, leaf, key, &error));
	assert_int_equal(sk_X509_num(pair.chain), 2);
	key_pair_finish(&pair);
}

static void a_second_run_keeps_keys_and_ca(void **state)
{
	(void)state;
	static char before[4][FILE_MOST_BYTES], after[4][FILE_MOST_BYTES];
	const char *const paths[] = { ca, ca_key, key, leaf };
	make(localhost, 30);
	for (size_t i = 0; i < 4; i++)
		read_file(paths[i], before[i]);
	make(localhost, 60);
	for (size_t i = 0; i < 4; i++)
		read_file(paths[i], after[i]);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(before[i], after[i]);
	assert_string_not_equal(before[3], after[3]);
	int64_t days;
	assert_true(certificate_days_left(leaf, time(NULL) + 60, &days, NULL));
	assert_int_equal(days, 59);
}

static void a_run_that_was_cut_off_goes_on(void **state)
{
	(void)state;
	make(localhost, 30);
	assert_int_equal(unlink(leaf), 0);
	make(localhost, 30);
	assert_int_equal(unlink(leaf) + unlink(key) + unlink(ca), 0);
	make(localhost, 30);
	struct error error;
	assert_true(certificate_check_pair(leaf, key, time(NULL), &error));
	assert_int_equal(unlink(ca_key), 0);
	check_not_made(localhost, "put the key back");
}

static void names_are_checked(void **state)
{
	(void)state;
	static const char *const bad[] = { "",   "a b",   "a..b",         ".a",      "a.",          "*",
					   "*.", "a.*.b", "b\xc3\xbc.de", "a,DNS:b", "127.0.0.1:25" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *const names[] = { "localhost", bad[i], NULL };
		check_not_made(names, "is neither a DNS name nor an address");
	}
	static const char *const good[] = { "mail.example.org",      "*.example.org",
					    "xn--bcher-kva.example", "a_b",
					    "2001:db8::1",           NULL };
	make(good, 1);
	assert_true(certificate_covers(leaf, "mail.example.org"));
	assert_true(certificate_covers(leaf, "MAIL.Example.ORG"));
	assert_true(certificate_covers(leaf, "x.example.org"));
	assert_true(certificate_covers(leaf, "xn--bcher-kva.example"));
	assert_true(certificate_covers(leaf, "2001:db8:0::1"));
	assert_false(certificate_covers(leaf, "x.y.example.org"));
	assert_false(certificate_covers(leaf, "example.org"));
	assert_false(certificate_covers(leaf, "2001:db8::2"));
	assert_false(certificate_covers("/nowhere", "localhost"));
	/* A name too long for a common name is still an alternative name. */
	char text[150];
	memset(text, 'a', sizeof text);
	text[60] = text[120] = '.';
	text[sizeof text - 1] = 0;
	const char *const names[] = { text, NULL };
	make(names, 1);
	assert_true(certificate_covers(leaf, text));
}

static void nothing_is_left_where_nothing_can_be_written(void **state)
{
	(void)state;
	copy_path(ca_key, "nowhere/ca.key");
	check_not_made(localhost, "cannot write");
	check_not_made(localhost, "nowhere/ca.key");
	DIR *directory = opendir(folder_path(""));
	const struct dirent *entry;
	while ((entry = readdir(directory)))
		assert_null(strstr(entry->d_name, "key."));
	closedir(directory);
}

static void dates_are_checked(void **state)
{
	(void)state;
	int64_t now = time(NULL), days;
	make(localhost, 30);
	assert_true(certificate_check_pair(leaf, key, now, NULL));
	assert_true(certificate_check_pair(leaf, key, now + 29 * SECONDS_PER_DAY, NULL));
	check_bad_pair(now + 33 * SECONDS_PER_DAY + 60, "number 1 in it expired 4 days ago; renew it");
	check_bad_pair(now - SECONDS_PER_DAY, "not valid yet");
	assert_true(certificate_days_left(leaf, now + 60, &days, NULL));
	assert_int_equal(days, 29);
	assert_true(certificate_days_left(leaf, now + 30 * SECONDS_PER_DAY + 60, &days, NULL));
	assert_int_equal(days, -1);
	struct error error;
	assert_false(certificate_days_left("/nowhere", now, &days, &error));
	assert_string_equal(error.text, "cannot read certificate /nowhere: No such file or directory");
}

static void files_are_checked(void **state)
{
	(void)state;
	static char chain[FILE_MOST_BYTES], ca_text[FILE_MOST_BYTES], key_text[FILE_MOST_BYTES];
	int64_t now = time(NULL);
	make(localhost, 30);
	read_file(leaf, chain);
	read_file(ca, ca_text);
	read_file(key, key_text);

	write_file(leaf, ca_text, chain);
	check_bad_pair(now, "does not belong to the certificate");
	write_file(leaf, chain, chain);
	check_bad_pair(now, "number 3 in it did not issue number 2");
	write_file(leaf, "no certificate\n", "");
	check_bad_pair(now, "no certificate in it");
	chain[100] = '!';
	write_file(leaf, chain, "");
	check_bad_pair(now, "number 1 in it is damaged (");
	chain[100] = 'A';

	/* One file for both is fine. */
	write_file(leaf, key_text, ca_text);
	write_file(key, ca_text, key_text);
	check_bad_pair(now, "does not belong");
	write_file(key, "", "");
	check_bad_pair(now, "no private key in it");
	key_text[100] ^= 1;
	write_file(key, key_text, "");
	check_bad_pair(now, "key ");
	assert_int_equal(unlink(key), 0);
	check_bad_pair(now, "cannot read key");
}

static void write_key(EVP_PKEY *made, const EVP_CIPHER *cipher)
{
	char password[] = "x";
	FILE *file = fopen(key, "we");
	assert_non_null(file);
	assert_true(
		PEM_write_PKCS8PrivateKey(file, made, cipher, cipher ? password : NULL, cipher ? 1 : 0, NULL, NULL));
	fclose(file);
}

static void keys_that_cannot_be_used_are_told(void **state)
{
	(void)state;
	make(localhost, 30);
	struct key_pair pair = { NULL, NULL };
	assert_true(key_pair_read_key(&pair, key, NULL));
	write_key(pair.key, EVP_aes_128_cbc());
	key_pair_finish(&pair);
	check_bad_pair(time(NULL), "under a password");

	EVP_PKEY *other = NULL;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_X25519, NULL);
	assert_true(EVP_PKEY_keygen_init(context) && EVP_PKEY_keygen(context, &other));
	write_key(other, NULL);
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(other);
	check_bad_pair(time(NULL), "neither an EC, an RSA nor an Ed25519 key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_made_is_good_and_private, new_names),
		cmocka_unit_test_setup(a_second_run_keeps_keys_and_ca, new_names),
		cmocka_unit_test_setup(a_run_that_was_cut_off_goes_on, new_names),
		cmocka_unit_test_setup(names_are_checked, new_names),
		cmocka_unit_test_setup(nothing_is_left_where_nothing_can_be_written, new_names),
		cmocka_unit_test_setup(dates_are_checked, new_names),
		cmocka_unit_test_setup(files_are_checked, new_names),
		cmocka_unit_test_setup(keys_that_cannot_be_used_are_told, new_names),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
