/* tools/arguments: calls that are right reach their action with all that was said, wrong ones reach none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/arguments.h"
#include "tools/command.h"

struct request {
	bool flag;
	const char *text, *file;
	unsigned number;
	struct argument_list many, operands;
};

static const char *ran;

static int run_one(void *request)
{
	(void)request;
	ran = "one";
	return EXIT_NOT_DONE;
}

static int run_two(void *request)
{
	(void)request;
	ran = "two words";
	return EXIT_DONE;
}

static int run_any(void *request)
{
	(void)request;
	ran = "any";
	return EXIT_DONE;
}

enum { ONE = 1, TWO_WORDS = 2, ANY = 4 };

static const struct argument_action actions[] = {
	{ "one", OPERANDS_ONE, "FILE", run_one, "takes one" },
	{ "two words", OPERANDS_NONE, NULL, run_two, "takes none" },
	{ "any", OPERANDS_ANY, "FILE", run_any, "takes any" },
};

static const struct argument_option options[] = {
	{ "c", "FILE", ARGUMENT_TEXT, offsetof(struct request, file), ONE | TWO_WORDS, 0, 0, 0, "a file" },
	{ "flag", NULL, ARGUMENT_FLAG, offsetof(struct request, flag), ONE | ANY, 0, 0, 0, "a flag" },
	{ "text", "TEXT", ARGUMENT_TEXT, offsetof(struct request, text), ONE | TWO_WORDS, TWO_WORDS, 0, 0, "a text" },
	{ "number", "N", ARGUMENT_NUMBER, offsetof(struct request, number), ONE, 0, 3, 30, "a number" },
	{ "many", "NAME", ARGUMENT_LIST, offsetof(struct request, many), ANY, 0, 0, 0, "names" },
};

static const struct argument_table table = {
	.command = "test",
	.actions = actions,
	.action_count = 3,
	.options = options,
	.option_count = 5,
	.operands = offsetof(struct request, operands),
	.before = "Before.",
	.after = "After.",
};

enum { WORDS = 80 };

/* Runs the words behind the command's name; what is printed goes nowhere. */
static int call(struct request *request, const char *const *words)
{
	char *argv[WORDS + 2] = { (char *)"test" };
	int argc = 1, kept[2] = { dup(1), dup(2) };
	memset(request, 0, sizeof *request);
	ran = NULL;
	for (; *words && argc < WORDS; words++)
		argv[argc++] = (char *)*words;
	fflush(stdout);
	assert_non_null(freopen("/dev/null", "w", stdout));
	assert_non_null(freopen("/dev/null", "w", stderr));
	int status = arguments_run(&table, argc, argv, request);
	fflush(stdout);
	fflush(stderr);
	dup2(kept[0], 1);
	dup2(kept[1], 2);
	close(kept[0]);
	close(kept[1]);
	return status;
}

#define CALL(request, ...) call(request, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void what_is_said_arrives(void **state)
{
	(void)state;
	struct request request;
	assert_int_equal(
		CALL(&request, "one", "-c", "conf", "file", "--flag", "--text", "a", "--number=30", "--text=b"),
		EXIT_NOT_DONE);
	assert_string_equal(ran, "one");
	assert_string_equal(request.file, "conf");
	assert_string_equal(request.text, "b");
	assert_true(request.flag);
	assert_int_equal(request.number, 30);
	assert_int_equal(request.operands.count, 1);
	assert_string_equal(request.operands.items[0], "file");

	assert_int_equal(CALL(&request, "two", "words", "--text", ""), EXIT_DONE);
	assert_string_equal(ran, "two words");
	assert_string_equal(request.text, "");

	assert_int_equal(CALL(&request, "any", "--many", "a", "x", "--many", "b", "--", "--flag", "-"), EXIT_DONE);
	assert_int_equal(request.many.count, 2);
	assert_string_equal(request.many.items[1], "b");
	assert_null(request.many.items[2]);
	assert_int_equal(request.operands.count, 3);
	assert_string_equal(request.operands.items[1], "--flag");
	assert_string_equal(request.operands.items[2], "-");
	assert_false(request.flag);
}

static void wrong_calls_run_nothing(void **state)
{
	(void)state;
	struct request request;
	static const char *const calls[][6] = {
		{ NULL },                                 /* nothing */
		{ "none", NULL },                         /* no such action */
		{ "two", NULL },                          /* half of one */
		{ "two", "others", "--text", "a", NULL }, /* likewise */
		{ "one", NULL },                          /* no operand */
		{ "one", "a", "b", NULL },                /* two */
		{ "two", "words", "--text", "a", "b" },   /* one */
		{ "two", "words", NULL },                 /* what is required lacks */
		{ "one", "a", "--none", NULL },           /* no such option */
		{ "one", "a", "--tex", "b", NULL },       /* half of one */
		{ "one", "a", "-text", "b", NULL },       /* a long one with one dash */
		{ "one", "a", "--c", "b", NULL },         /* a short one with two */
		{ "any", "--text", "a", NULL },           /* of another action */
		{ "one", "a", "--text", NULL },           /* no value */
		{ "one", "a", "--flag=yes", NULL },       /* one too many */
		{ "one", "a", "--number", "2", NULL },    /* too small */
		{ "one", "a", "--number", "31", NULL },   /* too large */
		{ "one", "a", "--number", "+5", NULL },   /* no number */
	};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		assert_int_equal(call(&request, calls[i]), EXIT_USAGE);
		assert_null(ran);
	}
}

static void lists_have_a_bound(void **state)
{
	(void)state;
	struct request request;
	const char *words[WORDS + 1] = { "any" };
	for (size_t i = 1; i <= ARGUMENT_LIST_MOST; i++)
		words[i] = "x";
	assert_int_equal(call(&request, words), EXIT_DONE);
	assert_int_equal(request.operands.count, ARGUMENT_LIST_MOST);
	assert_null(request.operands.items[ARGUMENT_LIST_MOST]);
	words[ARGUMENT_LIST_MOST + 1] = "x";
	assert_int_equal(call(&request, words), EXIT_USAGE);
	for (size_t i = 1; i <= ARGUMENT_LIST_MOST + 1; i++)
		words[i] = "--many=x";
	assert_int_equal(call(&request, words), EXIT_USAGE);
}

static void help_is_given_anywhere(void **state)
{
	(void)state;
	struct request request;
	assert_int_equal(CALL(&request, "--help"), EXIT_DONE);
	assert_int_equal(CALL(&request, "-h"), EXIT_DONE);
	assert_int_equal(CALL(&request, "one", "--help"), EXIT_DONE);
	assert_int_equal(CALL(&request, "two", "words", "-h"), EXIT_DONE);
	assert_null(ran);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_arrives),
		cmocka_unit_test(wrong_calls_run_nothing),
		cmocka_unit_test(lists_have_a_bound),
		cmocka_unit_test(help_is_given_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
