/* core/server/config_check: what the machine lacks for a configuration is told before `serve` would stumble over it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/server/config.h"
#include "crypto/certificate.h"
#include "crypto/secret.h"

static char folder[] = "/tmp/test_config_check.XXXXXX";
static char commands[256];

/* Two pairs of files for two names, in a folder of the test's own. */
static int make_folder(void **state)
{
	(void)state;
	static const char *const names[2][2] = { { "a.example", NULL }, { "b.example", NULL } };
	struct error error;
	if (!secret_setup() || !mkdtemp(folder) || chdir(folder) || mkdir("data", 0755) || chmod(folder, 0755))
		return -1;
	struct certificate_files files = { "ca.pem", "ca.key", "a.pem", "a.key" };
	if (!certificate_make_private(&files, names[0], 30, &error))
		return -1;
	files.certificate = "b.pem";
	files.key = "b.key";
	return certificate_make_private(&files, names[1], 30, &error) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	snprintf(commands, sizeof commands, "rm -rf %s", folder);
	return chdir("/") || system(commands);
}

/* Parses (which must be right) and checks; answers what was said, in static memory. */
static const char *check(const char *text)
{
	static char said[4096];
	struct config_problems problems = { 0 };
	struct config *config = config_parse(text, "f", &problems);
	assert_non_null(config);
	bool right = config_check(config, &problems);
	assert_true(right == (problems.count == 0));
	said[0] = 0;
	for (size_t i = 0, used = 0; i < problems.count; i++)
		used += (size_t)snprintf(said + used, sizeof said - used, "%s\n", problems.list[i].text);
	config_problems_free(&problems);
	config_free(config);
	return said;
}

/* Writes a file of `size` bytes and examines it; answers how much of what was said holds `part`. */
static size_t examine(const char *text, size_t size, const char *part)
{
	struct config_problems problems = { 0 };
	FILE *file = fopen("examined.conf", "w");
	size_t count = 0;
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	struct config *config = config_examine("examined.conf", &problems);
	assert_true((config != NULL) == (problems.count == 0));
	for (size_t i = 0; i < problems.count; i++)
		count += strstr(problems.list[i].text, part) != NULL;
	config_problems_free(&problems);
	config_free(config);
	return count;
}

#define SERVER(tls) "server a { hostname = a.example listen = \"127.0.0.1:25 starttls\"\ntls { " tls " } }\n"
#define PAIR        "certificate = a.pem key = a.key"
#define ROUTE       "delivery { route \"*\" { maildir = data/mail/%d/%u } }\n"

#define LISTS(files)                                                                                                   \
	"server b { hostname = a.example listen = \"127.0.0.1:26 plain\" auth { plaintext = yes }\n"                   \
	"connect { lists = { " files " } } }\n"

static void write_list(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void list_files_are_read(void **state)
{
	(void)state;
	char wanted[512];
	write_list("good", "192.0.2.0/24 # one\r\n.bad.example\n");
	write_list("bad", "192.0.2.0/24\n192.0.2.1/24\n\n*.bad.example\n");
	assert_string_equal(check("data = data\n" LISTS("\"deny:good\"") ROUTE), "");
	const char *said = check("data = data\n" LISTS("\"deny:good\", \"allow:bad\",\n\"deny:none\"") ROUTE);
	snprintf(wanted, sizeof wanted, "%s/bad:2: \"192.0.2.1/24\" has bits set behind its length", folder);
	assert_non_null(strstr(said, wanted));
	snprintf(wanted, sizeof wanted, "%s/bad:4: \"*.bad.example\": a * is not used", folder);
	assert_non_null(strstr(said, wanted));
	snprintf(wanted, sizeof wanted, "f:4: list %s/none: this user can't read it: No such file or directory\n",
		 folder);
	assert_non_null(strstr(said, wanted));
}

static void what_is_all_there_is_right(void **state)
{
	(void)state;
	assert_string_equal(
		check("data = data\n" SERVER(PAIR " sni b.example { certificate = b.pem key = b.key }") ROUTE), "");
	assert_string_equal(check("data = new\n" SERVER(PAIR) "delivery { route \"*\" { maildir = \"new2/%u\" } }"),
			    "");
}

static void certificates_are_checked_each(void **state)
{
	(void)state;
	const char *said = check("data = data\n" SERVER("certificate = a.pem key = b.key\n"
							"sni x.example { certificate = a.pem key = a.key }\n"
							"sni y.example { certificate = none.pem key = a.key }") ROUTE);
	assert_non_null(strstr(said, "f:3: "));
	assert_non_null(strstr(said, "f:4: certificate "));
	assert_non_null(strstr(said, "is not for x.example"));
	assert_non_null(strstr(said, "f:5: "));
	assert_non_null(strstr(said, "none.pem"));
}

static void folders_must_be_writable_folders(void **state)
{
	(void)state;
	char expected[1024];
	snprintf(expected, sizeof expected,
		 "f:1: data folder %s/a.pem is no folder\n"
		 "f:4: Maildir %s/ca.key is no folder\n",
		 folder, folder);
	assert_string_equal(
		check("data = a.pem\n" SERVER(PAIR) "delivery { route \"*\" { maildir = \"ca.key/%d/%u\" } }\n"),
		expected);
}

static void data_folder_is_made_but_not_what_it_is_in(void **state)
{
	(void)state;
	char expected[1024];
	snprintf(expected, sizeof expected, "f:1: data folder %s/x/y: make %s/x first\n", folder, folder);
	assert_string_equal(check("data = x/y\n" SERVER(PAIR) ROUTE), expected);
}

/* What can't be read does not hide what the machine lacks; and however little was read, it is judged without harm. */
static void all_is_told_in_one_run(void **state)
{
	(void)state;
	static const char text[] = "workrs = 2\ndata = \"/nonexistent/data\"\nuser = \"no-such-user\"\n" SERVER(
		"certificate = \"/nonexistent.pem\" key = \"/nonexistent.key\"") "delivery { route \"*\" { maildir = "
										 "\"/nonexistent/%d\" } }\n";
	size_t size = sizeof text - 1;
	assert_int_equal(examine(text, size, "did you mean 'workers'"), 1);
	assert_int_equal(examine(text, size, "user 'no-such-user' does not exist"), 1);
	assert_int_equal(examine(text, size, "/nonexistent.pem"), 1);
	assert_int_equal(examine(text, size, "data folder /nonexistent/data: make"), 1);
	assert_int_equal(examine(text, size, ""), 4);
	for (size_t cut = 0; cut < size; cut++)
		assert_true(examine(text, cut, "") > 0);
}

static void user_must_exist_and_may_write(void **state)
{
	(void)state;
	const char *said = check("data = data\nuser = \"no-such-user\"\n" SERVER(PAIR) ROUTE);
	assert_string_equal(said,
			    "f:2: user 'no-such-user' does not exist; make it with: useradd --system no-such-user\n");
	if (geteuid() != 0)
		skip();
	char expected[1024];
	snprintf(expected, sizeof expected,
		 "f:1: data folder %s/data: nobody can't write in %s/data: Permission denied\n", folder, folder);
	said = check("data = data\nuser = nobody\n" SERVER(PAIR) ROUTE);
	assert_string_equal(said, expected);
	/* Who starts the server makes it and gives it away. */
	assert_string_equal(check("data = new\nuser = nobody\n" SERVER(PAIR) "delivery { route \"*\" { hold = yes } }"),
			    "");
}

static void built_in_needs_nothing(void **state)
{
	(void)state;
	struct config_problems problems = { 0 };
	struct config *config = config_default(&problems);
	assert_non_null(config);
	assert_true(config_check(config, &problems));
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_all_there_is_right),
		cmocka_unit_test(list_files_are_read),
		cmocka_unit_test(certificates_are_checked_each),
		cmocka_unit_test(folders_must_be_writable_folders),
		cmocka_unit_test(all_is_told_in_one_run),
		cmocka_unit_test(user_must_exist_and_may_write),
		cmocka_unit_test(data_folder_is_made_but_not_what_it_is_in),
		cmocka_unit_test(built_in_needs_nothing),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
