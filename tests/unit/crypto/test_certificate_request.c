/* crypto/certificate_request, _issue, _examine, _arrange: keys, requests, a private CA, what clients would complain of, and bringing
 * what a CA sends into order. The openssl command is the second opinion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/certificate.h"
#include "crypto/certificate_arrange.h"
#include "crypto/certificate_examine.h"
#include "crypto/certificate_issue.h"
#include "tests/unit/crypto/tls_pair.h"

enum { SECONDS_PER_DAY = 24 * 60 * 60, COMMAND_BYTES = 1024 };

static const struct certificate_subject everybody = {
	.common_name = "mail.example.org",
	.organisation = "Beispiel & S\xc3\xb6hne",
	.unit = "Post",
	.city = "K\xc3\xb6ln",
	.state = "NRW",
	.country = "DE",
};
static const char *const names[] = { "mail.example.org", "*.example.net", "192.0.2.1", "2001:db8::1", NULL };

/* A path in the test's folder that stays. */
static const char *at(const char *name)
{
	return folder_path(name);
}

/* True when the shell command does well in the folder; what it says is in the file "said". */
__attribute__((format(printf, 1, 2))) static bool shell(const char *format, ...)
{
	char command[COMMAND_BYTES], whole[2 * COMMAND_BYTES];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	snprintf(whole, sizeof whole, "cd %s && { %s; } >said 2>&1", folder_path(""), command);
	return system(whole) == 0;
}

static void need(bool done, const struct error *error)
{
	if (!done)
		fail_msg("%s", error->text);
}

static void make_key(enum key_kind kind, const char *name)
{
	struct error error;
	unlink(at(name));
	need(certificate_key_create(kind, at(name), &error), &error);
}

static void make_request(const char *key, const char *request)
{
	struct error error;
	need(certificate_request_make(at(key), at(request), &everybody, names, &error), &error);
}

static void make_ca(const char *key, const char *certificate)
{
	static const struct certificate_subject subject = { .common_name = "Site CA", .organisation = "Example" };
	struct error error;
	unlink(at(key));
	unlink(at(certificate));
	need(certificate_ca_create(KEY_P384, at(key), at(certificate), &subject, 3650, &error), &error);
}

static bool sign(const char *request, const char *certificate, unsigned days, bool for_client, struct error *error)
{
	char serial[CERTIFICATE_SERIAL_TEXT_BYTES], paths[4][PAIR_PATH_BYTES];
	const char *const wanted[] = { "site.pem", "site.key", request, certificate };
	for (size_t i = 0; i < 4; i++)
		slice_to_text(slice_from_text(at(wanted[i])), paths[i], PAIR_PATH_BYTES);
	unlink(paths[3]);
	struct certificate_signing signing = { paths[0], paths[1], paths[2], paths[3], NULL, days, for_client };
	return certificate_sign(&signing, serial, error);
}

/* --- keys and requests --- */

static void key_kinds_are_found_by_name(void **state)
{
	(void)state;
	enum key_kind kind;
	for (unsigned i = 0; i < KEY_KINDS; i++) {
		assert_true(key_kind_find(key_kind_name((enum key_kind)i), &kind));
		assert_int_equal(kind, i);
	}
	assert_true(key_kind_find("P-256", &kind) && kind == KEY_P256);
	assert_true(key_kind_find("RSA 3072", &kind) && kind == KEY_RSA_3072);
	assert_false(key_kind_find("rsa1024", &kind));
	assert_false(key_kind_find("", &kind));
	assert_false(key_kind_find("p256 and much more than fits", &kind));
	assert_null(key_kind_warning(KEY_P256));
	assert_non_null(key_kind_warning(KEY_ED25519));
}

static void keys_are_private_and_never_overwritten(void **state)
{
	(void)state;
	struct stat status;
	struct error error;
	mode_t before = umask(0);
	make_key(KEY_P256, "one.key");
	umask(before);
	assert_int_equal(stat(at("one.key"), &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_true(shell("cp one.key copy"));
	assert_false(certificate_key_create(KEY_P256, at("one.key"), &error));
	assert_non_null(strstr(error.text, "File exists"));
	assert_true(shell("cmp one.key copy"));
}

static void openssl_accepts_requests_of_each_kind(void **state)
{
	(void)state;
	static const char *const algorithms[] = { "ecdsa-with-SHA256",       "ecdsa-with-SHA384",
						  "sha256WithRSAEncryption", "sha256WithRSAEncryption",
						  "sha256WithRSAEncryption", "ED25519" };
	for (unsigned i = 0; i < KEY_KINDS; i++) {
		if (i == KEY_RSA_4096)
			continue; /* takes seconds */
		make_key((enum key_kind)i, "kind.key");
		make_request("kind.key", "kind.csr");
		assert_true(shell("openssl req -in kind.csr -verify -noout"));
		assert_true(shell("openssl req -in kind.csr -noout -text -nameopt utf8,sep_comma_plus"));
		assert_true(shell("openssl req -in kind.csr -noout -text | grep -q 'Signature Algorithm: %s'",
				  algorithms[i]));
	}
	assert_true(shell("openssl req -in kind.csr -noout -text | grep -qF "
			  "'DNS:mail.example.org, DNS:*.example.net, IP Address:192.0.2.1'"));
	assert_true(shell("openssl req -in kind.csr -noout -subject -nameopt RFC2253,-esc_msb | grep -qF "
			  "'subject=CN=mail.example.org,OU=Post,O=Beispiel & S\xc3\xb6hne,L=K\xc3\xb6ln,ST=NRW,C=DE'"));
}

static void subjects_are_checked(void **state)
{
	(void)state;
	char longest[66];
	memset(longest, 'a', sizeof longest);
	longest[64] = 0;
	struct error error;
	struct certificate_subject subject = { .organisation = longest };
	assert_true(certificate_subject_check(&subject, &error));
	longest[64] = 'a';
	longest[65] = 0;
	assert_false(certificate_subject_check(&subject, &error));
	assert_non_null(strstr(error.text, "organisation (at most 64"));
	const struct {
		struct certificate_subject subject;
		const char *said;
	} bad[] = {
		{ { .country = "Germany" }, "two capital letters" },
		{ { .country = "de" }, "two capital letters" },
		{ { .city = "K\xf6ln" }, "city" },
		{ { .unit = "a\nb" }, "control character" },
		{ { .country = "D" }, "two capital letters" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(certificate_subject_check(&bad[i].subject, &error));
		if (!strstr(error.text, bad[i].said))
			fail_msg("not \"%s\": %s", bad[i].said, error.text);
	}
}

static void wrong_requests_are_not_made(void **state)
{
	(void)state;
	struct error error;
	static const char *const bad[] = { "mail.example.org", "b\xc3\xbc.example", NULL }, *const none[] = { NULL };
	make_key(KEY_P256, "bad.key");
	assert_false(certificate_request_make(at("bad.key"), at("bad.csr"), &everybody, bad, &error));
	assert_false(certificate_request_make(at("bad.key"), at("bad.csr"), &everybody, none, &error));
	assert_non_null(strstr(error.text, "at least one name"));
	assert_false(certificate_request_make(at("no.key"), at("bad.csr"), &everybody, names, &error));
	assert_int_not_equal(access(at("bad.csr"), F_OK), 0);
	assert_true(certificate_name_check("alice@example.org", &error));
	assert_false(certificate_name_check("alice@", &error));
	assert_false(certificate_name_check("a b@example.org", &error));
}

/* --- the CA --- */

static void what_the_ca_signs_is_accepted(void **state)
{
	(void)state;
	struct error error;
	make_ca("site.key", "site.pem");
	make_key(KEY_P256, "leaf.key");
	make_request("leaf.key", "leaf.csr");
	need(sign("leaf.csr", "leaf.pem", 30, false, &error), &error);
	assert_true(shell("openssl verify -x509_strict -CAfile site.pem -purpose sslserver "
			  "-verify_hostname mail.example.org leaf.pem"));
	assert_true(shell("openssl verify -x509_strict -CAfile site.pem -verify_ip 2001:db8::1 leaf.pem"));
	assert_false(shell("openssl verify -CAfile site.pem -purpose sslclient leaf.pem"));
	assert_true(shell("test $(grep -c BEGIN leaf.pem) = 2"));
	assert_true(certificate_check_pair(at("leaf.pem"), at("leaf.key"), time(NULL), &error));

	need(sign("leaf.csr", "client.pem", 30, true, &error), &error);
	assert_true(shell("openssl verify -x509_strict -CAfile site.pem -purpose sslclient client.pem"));
	assert_false(shell("openssl verify -CAfile site.pem -purpose sslserver client.pem"));
	/* It signs leaves only. */
	assert_true(shell("openssl x509 -in site.pem -noout -text | grep -q 'CA:TRUE, pathlen:0'"));
}

static void what_the_ca_does_not_sign(void **state)
{
	(void)state;
	struct error error;
	make_ca("site.key", "site.pem");
	assert_false(sign("none.csr", "bad.pem", 30, false, &error));
	assert_non_null(strstr(error.text, "cannot read request"));
	assert_true(shell("echo nothing >none.csr"));
	assert_false(sign("none.csr", "bad.pem", 30, false, &error));
	assert_non_null(strstr(error.text, "no request in it"));
	assert_true(shell("openssl req -new -newkey rsa:1024 -nodes -keyout weak.key -out weak.csr -subj /CN=a "
			  "-addext subjectAltName=DNS:a.example"));
	assert_false(sign("weak.csr", "bad.pem", 30, false, &error));
	assert_non_null(strstr(error.text, "its key is weak (RSA 1024)"));
	assert_true(shell("openssl req -new -newkey rsa:2048 -nodes -keyout bare.key -out bare.csr -subj /CN=a"));
	assert_false(sign("bare.csr", "bad.pem", 30, false, &error));
	assert_non_null(strstr(error.text, "it asks for no names"));
	assert_true(shell("openssl req -new -key bare.key -out uri.csr -subj /CN=a -addext subjectAltName=URI:x:y"));
	assert_false(sign("uri.csr", "bad.pem", 30, false, &error));
	assert_non_null(strstr(error.text, "neither DNS names, addresses nor mailboxes"));
	make_key(KEY_P256, "leaf.key");
	make_request("leaf.key", "leaf.csr");
	assert_false(sign("leaf.csr", "bad.pem", 3651, false, &error));
	assert_non_null(strstr(error.text, "ends before 3651 days"));
	/* A byte of the subject, so that the form stays whole and the signature does not. */
	assert_true(shell("openssl req -in leaf.csr -outform DER | sed 's/mail.example.org/mall.example.org/' | "
			  "openssl req -inform DER -out leaf.csr"));
	assert_false(sign("leaf.csr", "bad.pem", 30, false, &error));
	assert_non_null(strstr(error.text, "its signature is wrong"));
	assert_int_not_equal(access(at("bad.pem"), F_OK), 0);
}

static void what_signs_itself_is_accepted_by_who_has_it(void **state)
{
	(void)state;
	struct error error;
	make_key(KEY_P384, "self.key");
	unlink(at("self.pem"));
	need(certificate_self_sign(at("self.key"), at("self.pem"), &everybody, names, 30, &error), &error);
	assert_true(shell("openssl verify -CAfile self.pem -verify_hostname x.example.net self.pem"));
	assert_true(certificate_check_pair(at("self.pem"), at("self.key"), time(NULL), &error));
	assert_false(certificate_self_sign(at("self.key"), at("self.pem"), &everybody, names, 30, &error));
}

/* --- what clients would say --- */

static struct certificate_report report;

/* Examines; answers the names of the findings with commas, those that clients refuse in capitals' stead with "!". */
static const char *findings_of(const char *file, const char *key, const char *host, const char *roots, int days_later)
{
	static char found[1024];
	char paths[3][PAIR_PATH_BYTES];
	const char *const wanted[] = { file, key ? key : "", roots ? roots : "" }, *const hosts[] = { host, NULL };
	for (size_t i = 0; i < 3; i++)
		slice_to_text(slice_from_text(at(wanted[i])), paths[i], PAIR_PATH_BYTES);
	struct certificate_question question = { .certificate_file = paths[0],
						 .key_file = key ? paths[1] : NULL,
						 .host_names = hosts,
						 .roots_file = roots ? paths[2] : NULL,
						 .unix_now = time(NULL) + days_later * SECONDS_PER_DAY };
	certificate_examine(&question, &report);
	struct buffer text;
	buffer_init(&text, found, sizeof found - 1);
	for (size_t i = 0; i < report.count; i++) {
		buffer_append_text(&text, i ? "," : "");
		buffer_append_text(&text, report.findings[i].severity == CERTIFICATE_FAULT ? "!" : "");
		buffer_append_text(&text, report.findings[i].name);
	}
	found[text.size] = 0;
	return found;
}

static void make_all(void)
{
	struct error error;
	make_ca("site.key", "site.pem");
	make_key(KEY_P256, "leaf.key");
	make_request("leaf.key", "leaf.csr");
	need(sign("leaf.csr", "leaf.pem", 90, false, &error), &error);
	assert_true(shell("openssl x509 -in leaf.pem -out only.pem"));
}

static void what_is_right_is_found_right(void **state)
{
	(void)state;
	make_all();
	assert_string_equal(findings_of("leaf.pem", "leaf.key", "mail.example.org", "site.pem", 0), "");
	assert_string_equal(report.names, "mail.example.org *.example.net 192.0.2.1 2001:db8::1");
	assert_string_equal(report.key, "P-256");
	assert_string_equal(report.issuer, "CN=Site CA,O=Example");
	assert_in_range(report.days_left, 89, 90); /* the second may be the same one */
	assert_int_equal(report.chain, 2);
	assert_true(shell("openssl x509 -in leaf.pem -noout -fingerprint -sha256 | tr -d : | grep -qi '=%s'",
			  report.fingerprint));
	assert_string_equal(findings_of("leaf.pem", "leaf.key", "mail.example.org", NULL, 0), "private-ca");
	/* The CA's own file may be left out where clients have it. */
	assert_string_equal(findings_of("only.pem", "leaf.key", "mail.example.org", "site.pem", 0), "");
}

static void what_is_wrong_is_named(void **state)
{
	(void)state;
	make_all();
	assert_string_equal(findings_of("leaf.pem", NULL, "mail.example.com", "site.pem", 0), "!wrong-name");
	assert_string_equal(findings_of("leaf.pem", NULL, "192.0.2.1", "site.pem", 80), "expires-soon");
	assert_string_equal(findings_of("leaf.pem", NULL, "192.0.2.1", "site.pem", 93), "!expired");
	assert_string_equal(findings_of("leaf.pem", NULL, "192.0.2.1", "site.pem", -2),
			    "!not-yet-valid,!not-yet-valid");
	assert_string_equal(findings_of("only.pem", NULL, "192.0.2.1", NULL, 0), "!incomplete-chain");
	assert_string_equal(findings_of("leaf.pem", "site.key", "192.0.2.1", "site.pem", 0), "!key-mismatch");
	assert_string_equal(findings_of("leaf.pem", "no.key", "192.0.2.1", "site.pem", 0), "!key-unreadable");
	assert_string_equal(findings_of("no.pem", NULL, "192.0.2.1", "site.pem", 0), "!unreadable");
	assert_true(shell("chmod 644 leaf.key; cat site.pem only.pem >turned.pem; cat only.pem only.pem >twice.pem"));
	assert_string_equal(findings_of("leaf.pem", "leaf.key", "192.0.2.1", "site.pem", 0), "key-open");
	assert_string_equal(findings_of("twice.pem", NULL, "192.0.2.1", "site.pem", 0), "!wrong-order");
	assert_non_null(strstr(findings_of("turned.pem", "leaf.key", "192.0.2.1", "site.pem", 0), "!wrong-order"));
	assert_non_null(strstr(findings_of("turned.pem", "leaf.key", "192.0.2.1", "site.pem", 0), "!key-mismatch"));
	assert_non_null(strstr(findings_of("turned.pem", "leaf.key", "192.0.2.1", "site.pem", 0), "is-a-ca"));
	assert_true(shell("openssl req -x509 -newkey rsa:1024 -nodes -keyout weak.key -out weak.pem -sha1 -days 5000 "
			  "-subj /CN=x -addext keyUsage=keyCertSign -addext extendedKeyUsage=clientAuth"));
	assert_string_equal(findings_of("weak.pem", "weak.key", "x", NULL, 0),
			    "long-lived,!no-names,!wrong-name,is-a-ca,!not-for-servers,!may-not-sign,!weak-key,"
			    "self-signed");
	assert_true(shell("openssl x509 -req -in leaf.csr -CA site.pem -CAkey site.key -CAcreateserial -sha1 -days 90 "
			  "-out sha1.pem"));
	assert_string_equal(findings_of("sha1.pem", NULL, "x", "site.pem", 0), "!no-names,!wrong-name,!weak-signature");
}

static void names_are_safe_on_a_terminal(void **state)
{
	(void)state;
	assert_true(
		shell("openssl req -x509 -newkey rsa:2048 -nodes -keyout odd.key -out odd.pem -subj /CN=x -addext "
		      "\"subjectAltName=DNS:a$(printf '\\033')[2Jb.example,DNS:c$(printf '\\303')d,IP:192.0.2.1\""));
	findings_of("odd.pem", NULL, "192.0.2.1", NULL, 0);
	assert_string_equal(report.names, "a?[2Jb.example c?d 192.0.2.1");
}

/* --- order --- */

static uint8_t arranged[CERTIFICATE_ARRANGED_BYTES];

static bool arrange(struct certificate_arranging *arranging, struct error *error)
{
	struct buffer pem;
	buffer_init(&pem, arranged, sizeof arranged);
	if (!certificate_arrange(arranging, &pem, error))
		return false;
	FILE *file = fopen(at("arranged.pem"), "we");
	assert_non_null(file);
	fwrite(arranged, 1, pem.size, file);
	return fclose(file) == 0;
}

static void any_order_becomes_the_right_one(void **state)
{
	(void)state;
	struct error error;
	make_all();
	/* A root, an intermediate and a leaf by openssl, mixed with what does not belong there. */
	assert_true(shell(
		"openssl req -x509 -newkey rsa:2048 -nodes -keyout r.key -out r.pem -subj /CN=r && "
		"openssl req -newkey rsa:2048 -nodes -keyout i.key -out i.csr -subj /CN=i && "
		"echo basicConstraints=critical,CA:TRUE >ext && "
		"openssl x509 -req -in i.csr -CA r.pem -CAkey r.key -CAcreateserial -extfile ext -out i.pem && "
		"openssl x509 -req -in leaf.csr -copy_extensions copy -CA i.pem -CAkey i.key -CAcreateserial "
		"-out l.pem && cat r.pem only.pem i.pem l.pem i.pem >mixed.pem && cat l.pem i.pem r.pem >right.pem"));
	char paths[4][PAIR_PATH_BYTES];
	const char *const wanted[] = { "mixed.pem", "leaf.key", "right.pem", "l.pem" };
	for (size_t i = 0; i < 4; i++)
		slice_to_text(slice_from_text(at(wanted[i])), paths[i], PAIR_PATH_BYTES);
	/* only.pem has the same key: whichever comes first is the server's. */
	const char *const mixed[] = { paths[3], paths[0], NULL }, *const alone[] = { paths[3], NULL },
			  *const right[] = { paths[2], NULL };
	struct certificate_arranging arranging = { .files = mixed, .key_file = paths[1] };
	need(arrange(&arranging, &error), &error);
	assert_true(shell("cmp arranged.pem right.pem"));
	assert_true(arranging.reordered);
	assert_int_equal(arranging.dropped, 3);
	assert_string_equal(findings_of("arranged.pem", "leaf.key", "192.0.2.1", "r.pem", 0), "");

	arranging = (struct certificate_arranging){ .files = right, .key_file = paths[1] };
	need(arrange(&arranging, &error), &error);
	assert_false(arranging.reordered);
	assert_int_equal(arranging.dropped + arranging.borrowed, 0);

	/* A renewal that comes alone has the issuers of what is served now. */
	arranging = (struct certificate_arranging){ .files = alone, .key_file = paths[1], .installed_file = paths[2] };
	need(arrange(&arranging, &error), &error);
	assert_true(shell("cmp arranged.pem right.pem"));
	assert_int_equal(arranging.borrowed, 2);

	make_key(KEY_P256, "leaf.key");
	arranging = (struct certificate_arranging){ .files = alone, .key_file = paths[1] };
	assert_false(arrange(&arranging, &error));
	assert_non_null(strstr(error.text, "was made for the key"));
}

static void what_is_placed_is_safe(void **state)
{
	(void)state;
	struct error error;
	make_all();
	char paths[4][PAIR_PATH_BYTES];
	const char *const wanted[] = { "leaf.pem", "leaf.key", "served.pem", "served.key" };
	for (size_t i = 0; i < 4; i++)
		slice_to_text(slice_from_text(at(wanted[i])), paths[i], PAIR_PATH_BYTES);
	assert_true(shell("cp site.key served.key; chmod 644 served.key; cp site.key was.key"));
	const char *const files[] = { paths[0], NULL };
	struct certificate_arranging arranging = { .files = files, .key_file = paths[1] };
	struct buffer pem;
	buffer_init(&pem, arranged, sizeof arranged);
	need(certificate_arrange(&arranging, &pem, &error), &error);
	struct certificate_placing placing = {
		.pem = buffer_slice(&pem), .key_file = paths[1], .target_certificate = paths[2], .target_key = paths[3]
	};
	need(certificate_place(&placing, &error), &error);
	assert_true(placing.kept_old_key);
	assert_true(
		shell("cmp served.key.old was.key && cmp served.pem leaf.pem && test $(stat -c %%a served.key) = 600 "
		      "&& test $(stat -c %%a served.pem) = 644"));
	assert_string_equal(findings_of("served.pem", "served.key", "192.0.2.1", "site.pem", 0), "");
	/* The same key again: nothing is kept. */
	placing.kept_old_key = false;
	placing.key_file = paths[3];
	need(certificate_place(&placing, &error), &error);
	assert_false(placing.kept_old_key);
	/* One file for both. */
	placing = (struct certificate_placing){
		.pem = buffer_slice(&pem), .key_file = paths[1], .target_certificate = paths[2], .target_key = paths[2]
	};
	need(certificate_place(&placing, &error), &error);
	assert_true(shell("test $(stat -c %%a served.pem) = 600"));
	assert_string_equal(findings_of("served.pem", "served.pem", "192.0.2.1", "site.pem", 0), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_kinds_are_found_by_name),
		cmocka_unit_test(keys_are_private_and_never_overwritten),
		cmocka_unit_test(openssl_accepts_requests_of_each_kind),
		cmocka_unit_test(subjects_are_checked),
		cmocka_unit_test(wrong_requests_are_not_made),
		cmocka_unit_test(what_the_ca_signs_is_accepted),
		cmocka_unit_test(what_the_ca_does_not_sign),
		cmocka_unit_test(what_signs_itself_is_accepted_by_who_has_it),
		cmocka_unit_test(what_is_right_is_found_right),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(names_are_safe_on_a_terminal),
		cmocka_unit_test(any_order_becomes_the_right_one),
		cmocka_unit_test(what_is_placed_is_safe),
	};
	return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
