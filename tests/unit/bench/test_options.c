/* bench/options, bench/logins, bench/message: what the command line gives, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/logins.h"
#include "bench/message.h"
#include "bench/options.h"
#include "core/io/loop.h"
#include "crypto/tls.h"
#include "proto/sasl.h"

enum { MOST_ARGUMENTS = 64 };

/* The line is cut at blanks. */
static bool parse(struct options *options, enum command command, const char *line, struct error *error)
{
	static char text[512];
	char *arguments[MOST_ARGUMENTS];
	int count = 0;
	strcpy(text, line);
	for (char *at = text, *word; (word = strsep(&at, " "));) {
		assert_true(count < MOST_ARGUMENTS);
		if (*word)
			arguments[count++] = word;
	}
	return options_parse(options, command, count, arguments, error);
}

static void a_whole_line_is_understood(void **state)
{
	(void)state;
	struct options options;
	struct error error;
	assert_true(
		parse(&options, COMMAND_STREAM,
		      "--to [::1]:465 --starttls --user a --password b --mechanism LOGIN --ca ca.pem --host h.example "
		      "--connections 7 --duration 1500ms --size 100K --recipients 3 --pipeline 16 --resume --rate 2000 "
		      "--from x@y --rcpt z@y --loop epoll --server-pid 12,34 --json --tls-version 1.2 --workers 2 "
		      "--warm-up 9",
		      &error));
	assert_string_equal(options.to, "[::1]:465");
	assert_int_equal(options.security, SECURITY_STARTTLS);
	assert_int_equal(options.mechanism, SASL_LOGIN);
	assert_string_equal(options.ca, "ca.pem");
	assert_string_equal(options.host, "h.example");
	assert_int_equal(options.connections, 7);
	assert_int_equal(options.duration_ms, 1500);
	assert_int_equal(options.count, 0);
	assert_int_equal(options.size_bytes, 100 * 1024);
	assert_int_equal(options.recipients, 3);
	assert_int_equal(options.pipeline, 16);
	assert_int_equal(options.rate, 2000);
	assert_int_equal(options.warm_up, 9);
	assert_int_equal(options.workers, 2);
	assert_true(options.resume && options.json);
	assert_int_equal(options.loop, LOOP_EPOLL);
	assert_int_equal(options.tls_version, TLS_VERSION_1_2);
	assert_int_equal(options.server_pid_count, 2);
	assert_int_equal(options.server_pids[1], 34);
}

static void defaults_are_safe(void **state)
{
	(void)state;
	struct options options;
	struct error error;
	assert_true(parse(&options, COMMAND_SESSION, "--to localhost:465", &error));
	assert_int_equal(options.security, SECURITY_TLS);
	assert_non_null(options.ca);
	assert_int_equal(options.duration_ms, 10000);
	assert_int_equal(options.workers, 1);
	assert_true(parse(&options, COMMAND_SESSION, "--to localhost:465 --count 5 --no-verify", &error));
	assert_int_equal(options.duration_ms, 0);
	assert_null(options.ca);
}

static void values_may_stand_in_the_word(void **state)
{
	(void)state;
	struct options options;
	struct error error;
	assert_true(parse(&options, COMMAND_SESSION, "--to=a:1 --user=a --password=b=c --count=5", &error));
	assert_string_equal(options.to, "a:1");
	assert_string_equal(options.password, "b=c");
	assert_int_equal(options.count, 5);
}

static void times_have_units(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		uint64_t ms;
	} cases[] = {
		{ "--to a:1 --duration 2", 2000 },
		{ "--to a:1 --duration 2s", 2000 },
		{ "--to a:1 --duration 250ms", 250 },
		{ "--to a:1 --duration 3min", 180000 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct options options;
		struct error error;
		assert_true(parse(&options, COMMAND_IDLE, cases[i].line, &error));
		assert_int_equal(options.duration_ms, cases[i].ms);
	}
}

/* What is wrong, and a word that the error must say. */
static void wrong_lines_are_refused(void **state)
{
	(void)state;
	static const struct {
		enum command command;
		const char *line;
		const char *said;
	} cases[] = {
		{ COMMAND_SESSION, "", "--to" },
		{ COMMAND_SESSION, "--to", "--to needs HOST:PORT behind it" },
		{ COMMAND_SESSION, "--to a:1 --colour", "--colour: there is no such option" },
		{ COMMAND_SESSION, "--to a:1 --conections 1", "there is no such option; did you mean --connections?" },
		{ COMMAND_SESSION, "a:1", "a:1: there is no such option" },
		{ COMMAND_SESSION, "--to=a:1 --resume=yes", "--resume takes no value" },
		{ COMMAND_SESSION, "--to=", "--to: \"\" is not a good HOST:PORT" },
		{ COMMAND_SESSION, "--to=a:1 --connections=0", "--connections: \"0\" is not a good N" },
		{ COMMAND_SESSION, "--to a:1 --connections 0", "--connections" },
		{ COMMAND_SESSION, "--to a:1 --connections 1x", "--connections" },
		{ COMMAND_SESSION, "--to a:1 --connections -1", "--connections" },
		{ COMMAND_SESSION, "--to a:1 --connections 2000000", "--connections" },
		{ COMMAND_SESSION, "--to a:1 --size 1G", "--size" },
		{ COMMAND_SESSION, "--to a:1 --size 18446744073709551615K", "--size" },
		{ COMMAND_SESSION, "--to a:1 --duration s", "--duration" },
		{ COMMAND_SESSION, "--to a:1 --mechanism CRAM-MD5", "--mechanism" },
		{ COMMAND_SESSION, "--to a:1 --server-pid 1,,2", "--server-pid" },
		{ COMMAND_SESSION, "--to a:1 --server-pid 0", "--server-pid" },
		{ COMMAND_SESSION, "--to a:1 --user a", "--password" },
		{ COMMAND_SESSION, "--to a:1 --mechanism EXTERNAL", "--certificate" },
		{ COMMAND_SESSION, "--to a:1 --mechanism EXTERNAL --certificate c", "--key" },
		{ COMMAND_SESSION, "--to a:1 --user a --password b --users f", "--users" },
		{ COMMAND_SESSION, "--to a:1 --pipeline 2", "--pipeline" },
		{ COMMAND_SESSION, "--to a:1 --connections 2 --workers 3", "--workers" },
		{ COMMAND_STREAM, "--to a:1 --pipeline 0", "--pipeline" },
		{ COMMAND_LOGIN, "--to a:1", "--user" },
		{ COMMAND_LOGIN, "--to a:1 --user a --password b --size 5", "--size is for other subcommands" },
		{ COMMAND_IDLE, "--to a:1 --rate 5", "--rate" },
		{ COMMAND_SINK, "", "--listen" },
		{ COMMAND_SINK, "--tls-listen 127.0.0.1:1", "--certificate" },
		{ COMMAND_SINK, "--listen 127.0.0.1:1 --certificate c", "--key" },
		{ COMMAND_SINK, "--listen 127.0.0.1:1 --json", "--json" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct options options;
		struct error error = { "" };
		assert_false(parse(&options, cases[i].command, cases[i].line, &error));
		assert_non_null(strstr(error.text, cases[i].said));
	}
}

static void logins_come_from_a_file(void **state)
{
	(void)state;
	static const char good[] = "a:1\r\n\nb@c:p:w\nlast:x", bad[] = "a:1\nnobody\n";
	char path[] = "/tmp/postern-logins-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, good, sizeof good - 1), sizeof good - 1);
	struct options options = { .mechanism = SASL_PLAIN, .users = path };
	struct logins logins;
	struct error error = { "" };
	assert_true(logins_init(&logins, &options, &error));
	assert_int_equal(logins.count, 3);
	assert_true(slice_equal(logins.list[0].password, SLICE_LITERAL("1")));
	assert_true(slice_equal(logins.list[1].name, SLICE_LITERAL("b@c")));
	assert_true(slice_equal(logins.list[1].password, SLICE_LITERAL("p:w")));
	assert_true(slice_equal(logins.list[2].password, SLICE_LITERAL("x")));
	logins_finish(&logins);
	assert_int_equal(pwrite(fd, bad, sizeof bad - 1, 0), sizeof bad - 1);
	assert_int_equal(ftruncate(fd, sizeof bad - 1), 0);
	assert_false(logins_init(&logins, &options, &error));
	assert_non_null(strstr(error.text, ":2:"));
	logins_finish(&logins);
	close(fd);
	unlink(path);
}

/* Every size is exact, and text ends a line wherever there is room for it. */
static void messages_have_the_size_asked_for(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1, 2, 100, 190, 191, 192, 193, 200, 1000, 1024, 4096, 100 * 1024 };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct options options = {
			.from = "a@b.example", .recipient = "c@d.example", .recipients = 2, .size_bytes = sizes[i]
		};
		struct message message;
		struct error error = { "" };
		assert_true(message_init(&message, &options, &error));
		const char *chunk = memmem(message.chunk.data, message.chunk.size, " LAST\r\n", 7);
		assert_non_null(chunk);
		struct slice text =
			slice_skip(message.chunk, (size_t)((const uint8_t *)chunk + 7 - message.chunk.data));
		assert_int_equal(text.size, sizes[i]);
		if (sizes[i] > 400)
			assert_memory_equal(text.data + text.size - 2, "\r\n", 2);
		assert_memory_equal(message.text.data + message.text.size - 5, "\r\n.\r\n", 5);
		message_finish(&message);
	}
}

static void recipients_are_numbered(void **state)
{
	(void)state;
	struct options options = { .from = "a@b", .recipient = "c@d", .recipients = 3, .size_bytes = 10 };
	struct message message;
	struct error error = { "" };
	assert_true(message_init(&message, &options, &error));
	assert_true(
		slice_equal(message.rcpts, SLICE_LITERAL("RCPT TO:<c@d>\r\nRCPT TO:<c+2@d>\r\nRCPT TO:<c+3@d>\r\n")));
	message_finish(&message);
	options.from = "a@b>\r\nRSET";
	assert_false(message_init(&message, &options, &error));
	message_finish(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_line_is_understood), cmocka_unit_test(defaults_are_safe),
		cmocka_unit_test(times_have_units),           cmocka_unit_test(wrong_lines_are_refused),
		cmocka_unit_test(logins_come_from_a_file),    cmocka_unit_test(messages_have_the_size_asked_for),
		cmocka_unit_test(recipients_are_numbered),    cmocka_unit_test(values_may_stand_in_the_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
