/* tools/arguments: calls that are right reach their action with all that was said, wrong ones reach none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/arguments.h"
#include "tools/command.h"

struct request {
	bool flag, all;
	const char *text, *file, *address;
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

static int run_second(void *request)
{
	(void)request;
	ran = "second";
	return EXIT_DONE;
}

enum { ONE = 1, TWO_WORDS = 2, ANY = 4, PAIR = 8, MAYBE = 16, SOME = 32 };

static const struct argument_action actions[] = {
	{ "one", OPERANDS_ONE, "FILE", run_one, "takes one" },
	{ "two words", OPERANDS_NONE, NULL, run_two, "takes none" },
	{ "any", OPERANDS_ANY, "FILE", run_any, "takes any" },
	{ "pair", OPERANDS_TWO, "OLD NEW", run_any, "takes two" },
	{ "maybe", OPERANDS_MAYBE, "PATTERN", run_any, "takes one or none" },
	{ "some", OPERANDS_SOME, "ID", run_any, "takes one or more" },
};

static const struct argument_option options[] = {
	{ "c", "FILE", ARGUMENT_TEXT, offsetof(struct request, file), ONE | TWO_WORDS, 0, 0, 0, "a file" },
	{ "flag", NULL, ARGUMENT_FLAG, offsetof(struct request, flag), ONE | ANY, 0, 0, 0, "a flag" },
	{ "text", "TEXT", ARGUMENT_TEXT, offsetof(struct request, text), ONE | TWO_WORDS, TWO_WORDS, 0, 0, "a text" },
	{ "number", "N", ARGUMENT_NUMBER, offsetof(struct request, number), ONE, 0, 3, 30, "a number" },
	{ "many", "NAME", ARGUMENT_LIST, offsetof(struct request, many), ANY, 0, 0, 0, "names" },
	{ "all", NULL, ARGUMENT_INSTEAD, offsetof(struct request, all), SOME, 0, 0, 0, "all of them" },
};

static const struct argument_table table = {
	.command = "test",
	.actions = actions,
	.action_count = sizeof actions / sizeof *actions,
	.options = options,
	.option_count = sizeof options / sizeof *options,
	.operands = offsetof(struct request, operands),
	.before = "Before.",
	.after = "After.",
};

/* One call alone, without a name. */
static const struct argument_table nameless = {
	.command = "plain",
	.actions = (const struct argument_action[]){ { "", OPERANDS_NONE, NULL, run_any, NULL } },
	.action_count = 1,
	.options = options,
	.option_count = 1,
	.before = "Before.",
	.after = "After.",
};

/* Runs it twice, and adds to its status. */
static int twice(void *request, int (*run)(void *request))
{
	return run(request) + run(request) + 40;
}

/* Two. */
enum { BY_ADDRESS = 1, BY_ID = 2 };

static const struct argument_option ways[] = {
	{ "c", "FILE", ARGUMENT_TEXT, offsetof(struct request, file), BY_ADDRESS | BY_ID, 0, 0, 0, "a file" },
	{ "text", "TEXT", ARGUMENT_TEXT, offsetof(struct request, text), BY_ADDRESS, 0, 0, 0, "a text" },
	{ "flag", NULL, ARGUMENT_FLAG, offsetof(struct request, flag), BY_ID, 0, 0, 0, "a flag" },
	{ "address", "ADDRESS", ARGUMENT_TEXT, offsetof(struct request, address), BY_ADDRESS, BY_ADDRESS, 0, 0,
	  "an address" },
};

static const struct argument_table two_calls = {
	.command = "tell",
	.actions = (const struct argument_action[]){ { "", OPERANDS_NONE, NULL, run_any, NULL },
						     { "", OPERANDS_ONE, "ID", run_second, NULL } },
	.action_count = 2,
	.options = ways,
	.option_count = sizeof ways / sizeof *ways,
	.operands = offsetof(struct request, operands),
	.before = "Before it, a paragraph that is too long for one line of a terminal, as they are\n"
		  "usually set.\n"
		  "\n"
		  "  example  stays   as it is\n"
		  "  and this\n"
		  "\n"
		  "More.",
	.after = "After.",
};

enum { WORDS_MOST = ARGUMENT_LIST_MOST + 4, TEXT_BYTES = 8192 };

static char out[TEXT_BYTES], err[TEXT_BYTES];

static void read_back(int fd, char text[TEXT_BYTES])
{
	ssize_t size = pread(fd, text, TEXT_BYTES - 1, 0);
	assert_true(size >= 0);
	text[size] = 0;
	close(fd);
}

/* Runs the words behind the command's name; what is printed comes to `out` and `err`. */
static int call_of(const struct argument_table *of, struct request *request, const char *const *words)
{
	char *argv[WORDS_MOST + 2] = { (char *)(uintptr_t)of->command };
	int argc = 1, kept[2] = { dup(1), dup(2) };
	int files[2] = { memfd_create("out", 0), memfd_create("err", 0) };
	memset(request, 0, sizeof *request);
	ran = NULL;
	for (; *words && argc < WORDS_MOST; words++)
		argv[argc++] = (char *)(uintptr_t)*words;
	fflush(stdout);
	for (int i = 0; i < 2; i++)
		assert_true(dup2(files[i], i + 1) > 0);
	int status = arguments_run(of, argc, argv, request);
	fflush(stdout);
	fflush(stderr);
	for (int i = 0; i < 2; i++) {
		dup2(kept[i], i + 1);
		close(kept[i]);
	}
	read_back(files[0], out);
	read_back(files[1], err);
	return status;
}

static int call(struct request *request, const char *const *words)
{
	return call_of(&table, request, words);
}

#define WORDS(...)                ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })
#define CALL(request, ...)        call(request, WORDS(__VA_ARGS__))
#define CALL_OF(of, request, ...) call_of(of, request, WORDS(__VA_ARGS__))

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

static void values_stand_behind_or_in_the_word(void **state)
{
	(void)state;
	struct request request;
	static const char *const calls[][5] = {
		{ "one", "-c", "conf", "file" },
		{ "one", "-cconf", "file" },
		{ "one", "-c=conf", "file" },
	};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		assert_int_equal(call(&request, calls[i]), EXIT_NOT_DONE);
		assert_string_equal(request.file, "conf");
		assert_string_equal(request.operands.items[0], "file");
	}
	/* It is whatever stands there. */
	assert_int_equal(CALL(&request, "one", "--text", "--flag", "-c", "--", "file"), EXIT_NOT_DONE);
	assert_string_equal(request.text, "--flag");
	assert_string_equal(request.file, "--");
	assert_int_equal(CALL(&request, "one", "--text=", "file"), EXIT_NOT_DONE);
	assert_string_equal(request.text, "");
	assert_int_equal(CALL(&request, "one", "--text=a=b", "file"), EXIT_NOT_DONE);
	assert_string_equal(request.text, "a=b");
}

static void options_may_stand_before_the_action(void **state)
{
	(void)state;
	struct request request;
	assert_int_equal(CALL(&request, "-c", "conf", "two", "words", "--text", "a"), EXIT_DONE);
	assert_string_equal(ran, "two words");
	assert_string_equal(request.file, "conf");
	assert_int_equal(CALL(&request, "--flag", "--", "any", "--x"), EXIT_DONE);
	assert_string_equal(request.operands.items[0], "--x");
}

static void operands_are_counted(void **state)
{
	(void)state;
	struct request request;
	assert_int_equal(CALL(&request, "pair", "a", "b"), EXIT_DONE);
	assert_int_equal(request.operands.count, 2);
	assert_string_equal(request.operands.items[1], "b");
	assert_int_equal(CALL(&request, "maybe"), EXIT_DONE);
	assert_int_equal(request.operands.count, 0);
	assert_int_equal(CALL(&request, "maybe", "x"), EXIT_DONE);
	assert_int_equal(request.operands.count, 1);
	assert_int_equal(CALL(&request, "some", "x", "y", "z"), EXIT_DONE);
	assert_int_equal(request.operands.count, 3);
	assert_false(request.all);
	assert_int_equal(CALL(&request, "some", "--all"), EXIT_DONE);
	assert_int_equal(request.operands.count, 0);
	assert_true(request.all);
}

static void an_operand_tells_two_calls_apart(void **state)
{
	(void)state;
	struct request request;
	assert_int_equal(CALL_OF(&two_calls, &request, "-c", "conf", "--address", "a", "--text", "b"), EXIT_DONE);
	assert_string_equal(ran, "any");
	assert_string_equal(request.address, "a");
	assert_int_equal(CALL_OF(&two_calls, &request, "--flag", "-c", "conf", "x"), EXIT_DONE);
	assert_string_equal(ran, "second");
	assert_true(request.flag);
	assert_string_equal(request.file, "conf");
	assert_string_equal(request.operands.items[0], "x");
	assert_int_equal(CALL_OF(&nameless, &request, "-c", "conf"), EXIT_DONE);
	assert_string_equal(ran, "any");
}

static void what_all_actions_need_is_round_them(void **state)
{
	(void)state;
	struct request request;
	struct argument_table with = table;
	with.around = twice;
	assert_int_equal(CALL_OF(&with, &request, "one", "file"), 40 + 2 * EXIT_NOT_DONE);
	assert_string_equal(ran, "one");
	assert_int_equal(CALL_OF(&with, &request, "one"), EXIT_USAGE);
	assert_int_equal(CALL_OF(&with, &request, "--help"), EXIT_DONE);
	assert_null(ran);
}

static void wrong_calls_are_told(void **state)
{
	(void)state;
	struct request request;
	static const struct {
		const struct argument_table *of;
		const char *said, *words[6];
	} rows[] = {
		{ &table, "what is to be done?", { NULL } },
		{ &table, "what is to be done?", { "--flag" } },
		{ &table, "there is no action \"quite-another\"", { "quite-another" } },
		{ &table, "there is no action \"oen\"; did you mean one?", { "oen" } },
		{ &table, "there is no action \"two\"", { "two" } },
		{ &table, "there is no action \"two wrods\"; did you mean two words?", { "two", "wrods" } },
		{ &table, "there is no action \"two\"", { "two", "others", "--text", "a" } },
		{ &table, "there is no action \"o\"", { "o", "a" } },
		{ &table, "one needs FILE", { "one" } },
		{ &table, "one takes FILE; what is \"b\"?", { "one", "a", "b" } },
		{ &table, "two words takes nothing more; what is \"b\"?", { "two", "words", "--text", "a", "b" } },
		{ &table, "pair needs OLD NEW", { "pair" } },
		{ &table, "pair needs OLD NEW", { "pair", "a" } },
		{ &table, "pair takes OLD NEW; what is \"c\"?", { "pair", "a", "b", "c" } },
		{ &table, "maybe takes [PATTERN]; what is \"b\"?", { "maybe", "a", "b" } },
		{ &table, "some needs ID ...|--all", { "some" } },
		{ &table, "some takes ID ...|--all, not both", { "some", "--all", "x" } },
		{ &table, "some takes ID ...|--all, not both", { "some", "x", "--all" } },
		{ &table, "any has no --all", { "any", "--all" } },
		{ &table, "two words needs --text TEXT", { "two", "words" } },
		{ &table, "--none: there is no such option", { "one", "a", "--none" } },
		{ &table, "--none: there is no such option", { "--none", "one", "a" } },
		{ &table, "--none: there is no such option", { "one", "a", "--none=secret" } },
		{ &table, "--tex: there is no such option; did you mean --text?", { "one", "a", "--tex", "b" } },
		{ &table, "--Flag: there is no such option; did you mean --flag?", { "--Flag" } },
		{ &table, "-text: there is no such option; did you mean --text?", { "one", "a", "-text", "b" } },
		{ &table, "--c: there is no such option; did you mean -c?", { "one", "a", "--c", "b" } },
		{ &table, "-x: there is no such option; did you mean -c?", { "one", "-x" } },
		{ &table, "-flag: there is no such option; did you mean --flag?", { "any", "-flag" } },
		{ &table, "any has no --text", { "any", "--text", "a" } },
		{ &table, "any has no --text", { "--text", "a", "any" } },
		{ &table, "any has no -c", { "any", "-cconf" } },
		{ &table, "--text needs TEXT behind it", { "one", "a", "--text" } },
		{ &table, "-c needs FILE behind it", { "one", "a", "-c" } },
		{ &table, "--flag takes no value", { "one", "a", "--flag=yes" } },
		{ &table, "--all takes no value", { "some", "--all=" } },
		{ &table, "--number takes a number from 3 to 30", { "one", "a", "--number", "2" } },
		{ &table, "--number takes a number from 3 to 30", { "one", "a", "--number", "31" } },
		{ &table, "--number takes a number from 3 to 30", { "one", "a", "--number", "+5" } },
		{ &nameless, "plain takes nothing more; what is \"now\"?", { "now" } },
		{ &nameless, "plain takes nothing more; what is \"--help\"?", { "--", "--help" } },
		{ &nameless, "--frob: there is no such option", { "--frob" } },
		{ &two_calls, "tell needs --address ADDRESS", { NULL } },
		{ &two_calls, "tell has no --flag", { "--flag", "--address", "a" } },
		{ &two_calls, "tell ID has no --address", { "--address", "a", "x" } },
		{ &two_calls, "tell ID has no --text", { "x", "--text", "a" } },
		{ &two_calls, "tell ID takes ID; what is \"y\"?", { "x", "y" } },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char line[256];
		snprintf(line, sizeof line, "postern %s: %s\nusage: postern ", rows[i].of->command, rows[i].said);
		assert_int_equal(call_of(rows[i].of, &request, rows[i].words), EXIT_USAGE);
		assert_null(ran);
		assert_string_equal(out, "");
		if (strncmp(err, line, strlen(line)) != 0)
			fail_msg("\"%s\" does not begin:\n%s", line, err);
	}
}

/* Of the action that was meant, or of all. */
static void usage_is_shown_where_a_call_is_wrong(void **state)
{
	(void)state;
	struct request request;
	assert_int_equal(CALL(&request, "one"), EXIT_USAGE);
	assert_string_equal(err, "postern test: one needs FILE\n"
				 "usage: postern test one [-c FILE] [--flag] [--text TEXT] [--number N] FILE\n");
	static const char all[] = "postern test: what is to be done?\n"
				  "usage: postern test one [-c FILE] [--flag] [--text TEXT] [--number N] FILE\n"
				  "       postern test two words [-c FILE] --text TEXT\n"
				  "       postern test any [--flag] [--many NAME ...] [FILE ...]\n"
				  "       postern test pair OLD NEW\n"
				  "       postern test maybe [PATTERN]\n"
				  "       postern test some ID ...|--all\n";
	assert_int_equal(CALL(&request), EXIT_USAGE);
	assert_string_equal(err, all);
	static const char both[] = "postern tell: tell ID has no --text\n"
				   "usage: postern tell [-c FILE] [--text TEXT] --address ADDRESS\n"
				   "       postern tell [-c FILE] [--flag] ID\n";
	assert_int_equal(CALL_OF(&two_calls, &request, "x", "--text=a"), EXIT_USAGE);
	assert_string_equal(err, both);
}

static void lists_have_a_bound(void **state)
{
	(void)state;
	struct request request;
	const char *words[WORDS_MOST] = { "any" };
	for (size_t i = 1; i <= ARGUMENT_LIST_MOST; i++)
		words[i] = "x";
	assert_int_equal(call(&request, words), EXIT_DONE);
	assert_int_equal(request.operands.count, ARGUMENT_LIST_MOST);
	assert_null(request.operands.items[ARGUMENT_LIST_MOST]);
	words[ARGUMENT_LIST_MOST + 1] = "x";
	assert_int_equal(call(&request, words), EXIT_USAGE);
	assert_non_null(strstr(err, "any takes [FILE ...], but 1024 words at most\n"));
	for (size_t i = 1; i <= ARGUMENT_LIST_MOST + 1; i++)
		words[i] = "--many=x";
	assert_int_equal(call(&request, words), EXIT_USAGE);
	assert_non_null(strstr(err, "--many may be given 1024 times at most\n"));
}

static void help_is_given_anywhere(void **state)
{
	(void)state;
	struct request request;
	static const char *const calls[][4] = {
		{ "--help" }, { "-h" }, { "one", "--help" }, { "two", "words", "-h" }, { "--flag", "-h" },
	};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		assert_int_equal(call(&request, calls[i]), EXIT_DONE);
		assert_non_null(strstr(out, "usage: postern test one "));
		assert_non_null(strstr(out, "\nBefore.\n\none        takes one\ntwo words  takes none\n"));
		assert_non_null(strstr(out, "\n--all        all of them\n\nAfter.\n"));
		assert_string_equal(err, "");
	}
	assert_null(ran);
}

static void help_flows_but_for_examples(void **state)
{
	(void)state;
	struct request request;
	assert_int_equal(CALL_OF(&two_calls, &request, "--help"), EXIT_DONE);
	assert_string_equal(out, "usage: postern tell [-c FILE] [--text TEXT] --address ADDRESS\n"
				 "       postern tell [-c FILE] [--flag] ID\n"
				 "\n"
				 "Before it, a paragraph that is too long for one line of a terminal, as they are\n"
				 "usually set.\n"
				 "\n"
				 "  example  stays   as it is\n"
				 "  and this\n"
				 "\n"
				 "More.\n"
				 "\n"
				 "-c FILE            a file\n"
				 "--text TEXT        a text\n"
				 "--flag             a flag\n"
				 "--address ADDRESS  an address\n"
				 "\n"
				 "After.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_arrives),
		cmocka_unit_test(values_stand_behind_or_in_the_word),
		cmocka_unit_test(options_may_stand_before_the_action),
		cmocka_unit_test(operands_are_counted),
		cmocka_unit_test(an_operand_tells_two_calls_apart),
		cmocka_unit_test(what_all_actions_need_is_round_them),
		cmocka_unit_test(wrong_calls_are_told),
		cmocka_unit_test(usage_is_shown_where_a_call_is_wrong),
		cmocka_unit_test(lists_have_a_bound),
		cmocka_unit_test(help_is_given_anywhere),
		cmocka_unit_test(help_flows_but_for_examples),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
