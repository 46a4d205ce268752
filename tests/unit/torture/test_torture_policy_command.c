/* `postern policy` when memory runs out: it says what it says, or that it can't, and never that all is well where it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/torture/scratch_folder.h"
#include "tests/unit/torture/torture.h"
#include "tools/command.h"

enum { WORDS_MOST = 6 };

static const char config_form[] =
	"data = \"data\"\n"
	"server one { hostname = \"mail.example.org\" listen = \"127.0.0.1:2587 plain\" auth { plaintext = yes }\n"
	"    connect { deny = { \"203.0.113.0/24\", \".bad.example\" } lists = { \"deny:list\" } }\n"
	"    relay { allow = { \"192.0.2.0/%d\", \".printers%d.example\" } } }\n"
	"delivery { route \"*\" { hold = yes } }\n";

static const char cases[] = "203.0.113.9 -> refuse\n"
			    "192.0.2.9 name=unknown to=a@b.example -> refuse 550\n";

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void write_config(const char *name, int bits)
{
	char text[sizeof config_form + 16];
	snprintf(text, sizeof text, config_form, bits, bits);
	write_file(name, text);
}

static void enter(void *context)
{
	(void)context;
	scratch_folder_enter();
	write_config("old", 24);
	write_config("new", 25);
	write_file("list", "198.51.100.0/24\nmx.worse.example\n");
	write_file("cases", cases);
}

static void leave(void *context)
{
	(void)context;
	scratch_folder_leave();
}

/* What it prints is lost: here it is the status that counts. */
static int run_silently(int count, char **words)
{
	int nowhere = open("/dev/null", O_WRONLY), out = dup(1), err = dup(2);
	assert_true(nowhere >= 0 && out >= 0 && err >= 0);
	fflush(stdout);
	dup2(nowhere, 1);
	dup2(nowhere, 2);
	int status = command_policy(count, words);
	fflush(stdout);
	dup2(out, 1);
	dup2(err, 2);
	close(nowhere);
	close(out);
	close(err);
	return status;
}

static void call(void *context)
{
	const char *const *call = context;
	char *words[WORDS_MOST + 1] = { NULL };
	int count = 0;
	for (; call[count]; count++)
		words[count] = (char *)(uintptr_t)call[count];
	int status = run_silently(count, words);
	assert_true(status == EXIT_NOT_DONE || (torture_has_failed() && status == EXIT_ENVIRONMENT));
}

#define TORTURE(...)                                                                                                   \
	do {                                                                                                           \
		const char *words[] = { "policy", __VA_ARGS__, NULL };                                                 \
		torture_run(&(struct torture){ .before = enter, .scenario = call, .after = leave, .context = words }); \
	} while (0)

static void wrong_cases_stay_wrong(void **state)
{
	(void)state;
	TORTURE("test", "-c", "old", "cases");
	TORTURE("test", "--json", "-c", "old", "cases");
}

static void differences_stay(void **state)
{
	(void)state;
	TORTURE("diff", "old", "new");
	TORTURE("diff", "--json", "old", "new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_cases_stay_wrong),
		cmocka_unit_test(differences_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
