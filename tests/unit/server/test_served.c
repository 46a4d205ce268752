/* core/server/served, tls_contents and config_change: what goes on from one configuration to the next, and what can't change. How a
 * worker takes it is in test_worker_change.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/server/config_change.h"
#include "core/server/served.h"
#include "core/server/tls_contents.h"
#include "crypto/secret.h"

static char folder[] = "/tmp/postern-test-XXXXXX";
static char file[64];
static const uint8_t secret[TLS_TICKET_SECRET_BYTES];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || !secret_setup())
		return 1;
	snprintf(file, sizeof file, "%s/test.conf", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	static const char *const names[] = { "a.pem", "a.key", "b.pem", "b.key" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char path[96];
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static void write_file(const char *name, const char *text)
{
	char path[96];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *stream = fopen(path, "w");
	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
}

static struct config *parse(const char *servers)
{
	struct config_problems problems = { 0 };
	char *text;
	assert_true(asprintf(&text, "data = \"data\"\n%s\ndelivery { route \"*\" { hold = yes } }\n", servers) > 0);
	struct config *config = config_parse(text, file, &problems);
	if (!config)
		fail_msg("%s", problems.list[0].text);
	free(text);
	return config;
}

#define PLAIN(name, listeners)                                                                                         \
	"server " name " { hostname = \"" name ".example\" listen = { " listeners " } auth { plaintext = yes } "
#define END "}\n"

/* --- listeners --- */

static void listeners_are_the_same_by_their_address(void **state)
{
	(void)state;
	size_t block;
	struct config *before = parse(PLAIN("a", "\"127.0.0.1:25 plain\", \"127.0.0.1:26 plain\"")
					      END PLAIN("b", "\"[::1]:25 plain\"") END);
	struct config *after = parse(PLAIN("c", "\"[::1]:25 plain\", \"127.0.0.2:26 plain\"")
					     END PLAIN("a", "\"127.0.0.1:26 plain\", \"[::1]:26 plain\"") END);
	assert_int_equal(served_listeners(before), 3);
	assert_int_equal(served_listeners(after), 4);
	assert_string_equal(served_listener(after, 2, &block)->text, "127.0.0.1:26 plain");
	assert_int_equal(block, 1);
	assert_null(served_listener(after, 4, NULL));
	static const int wanted[] = { 2, -1, 1, -1 };
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(served_listener_before(before, after, i), wanted[i]);
	config_free(before);
	config_free(after);
}

/* --- going on --- */

static struct served start(const char *servers, const struct served *before, struct server_states *states)
{
	struct served served;
	struct error error;
	if (!served_start(&served, parse(servers), secret, &error))
		fail_msg("%s", error.text);
	if (!served_go_on(&served, before, states, &error))
		fail_msg("%s", error.text);
	return served;
}

static void blocks_go_on_with_their_slots_and_clients(void **state)
{
	(void)state;
	struct error error;
	struct server_states *states = server_states_create(&error);
	struct served first = start(PLAIN("a", "\"127.0.0.1:25 plain\"")
					    END PLAIN("b", "\"127.0.0.1:26 plain\"") "connect { per_address = 3 }" END,
				    NULL, states);
	assert_int_equal(first.blocks[0].slot, 0);
	assert_int_equal(first.blocks[1].slot, 1);
	(void)server_states_pause(states, 1, true);
	(void)server_states_pause(states, 2, true); /* of one that is no more */
	struct served next = start(PLAIN("c", "\"127.0.0.1:25 plain\"")
					   END PLAIN("b", "\"127.0.0.1:27 plain\"") "connect { per_address = 9 }" END,
				   &first, states);
	assert_int_equal(next.blocks[0].slot, 2);
	assert_int_equal(next.blocks[1].slot, 1);
	assert_true(server_states_is_paused(states, 1));
	assert_false(server_states_is_paused(states, 2));
	struct stat before, after;
	assert_int_equal(fstat(first.blocks[1].clients_fd, &before), 0);
	assert_int_equal(fstat(next.blocks[1].clients_fd, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	served_finish(&first);
	served_finish(&next);
	server_states_destroy(states);
}

/* While sessions of it are open a slot is nobody else's. */
static void there_may_be_no_slot(void **state)
{
	(void)state;
	struct error error;
	struct server_states *states = server_states_create(&error);
	struct served first = start(PLAIN("a", "\"127.0.0.1:25 plain\"") END, NULL, states), next;
	for (size_t slot = 1; slot < LIMIT_SERVERS; slot++)
		server_states_count(states, 0, slot, 1);
	assert_true(served_start(&next, parse(PLAIN("b", "\"127.0.0.1:25 plain\"") END), secret, &error));
	assert_false(served_go_on(&next, &first, states, &error));
	assert_non_null(strstr(error.text, "test.conf:2: no room for server 'b'"));
	server_states_count(states, 0, LIMIT_SERVERS - 1, -1);
	assert_true(served_go_on(&next, &first, states, &error));
	assert_int_equal(next.blocks[0].slot, LIMIT_SERVERS - 1);
	served_finish(&first);
	served_finish(&next);
	server_states_destroy(states);
}

/* --- files of TLS --- */

#define TLS                                                                                                            \
	"server a { hostname = \"a.example\" listen = { \"127.0.0.1:25 tls\" } tls { certificate = \"a.pem\" "         \
	"key = \"a.key\" } }\n"                                                                                        \
	"server b { hostname = \"a.example\" listen = { \"127.0.0.1:26 tls\" } tls { certificate = \"b.pem\" "         \
	"key = \"a.key\" } }\n"

static void check_contents(struct tls_contents *contents, const struct config_certificate *certificate,
			   const char *wanted)
{
	char text[64] = "";
	FILE *stream = fopen(tls_contents_find(contents, certificate->certificate), "r");
	assert_non_null(stream);
	assert_true(fread(text, 1, sizeof text - 1, stream) == strlen(wanted));
	assert_string_equal(text, wanted);
	fclose(stream);
}

static void files_of_tls_come_as_they_were(void **state)
{
	(void)state;
	struct error error;
	struct tls_contents contents;
	struct config *config = parse(TLS);
	write_file("a.pem", "certificate a");
	write_file("b.pem", "");
	write_file("a.key", "key");
	int fd = tls_contents_write(config, &error);
	if (fd < 0)
		fail_msg("%s", error.text);
	write_file("a.pem", "another");
	for (int i = 0; i < 2; i++) { /* each reader for itself */
		assert_true(tls_contents_open(&contents, config, fd, &error));
		assert_int_equal(contents.count, 4);
		check_contents(&contents, &config->servers[0].certificates[0], "certificate a");
		check_contents(&contents, &config->servers[1].certificates[0], "");
		tls_contents_close(&contents);
	}
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	struct rlimit low = { (rlim_t)fd + 2, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	bool opened = tls_contents_open(&contents, config, fd, &error);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	tls_contents_close(&contents);
	assert_false(opened);
	assert_non_null(strstr(error.text, "a.key can be made: Too many open files"));
	assert_int_equal(ftruncate(fd, 30), 0);
	assert_false(tls_contents_open(&contents, config, fd, &error));
	tls_contents_close(&contents);
	assert_non_null(strstr(error.text, "cut short"));
	close(fd);
	config_free(config);
}

static void files_of_tls_that_are_missing_or_too_large_are_told(void **state)
{
	(void)state;
	struct error error;
	struct config *config = parse(TLS);
	char path[96];
	write_file("a.pem", "certificate a");
	write_file("b.pem", "certificate b");
	write_file("a.key", "key");
	snprintf(path, sizeof path, "%s/b.pem", folder);
	assert_int_equal(truncate(path, 4 * 1024 * 1024 + 1), 0);
	assert_int_equal(tls_contents_write(config, &error), -1);
	assert_non_null(strstr(error.text, "b.pem: over 4 MiB"));
	assert_int_equal(truncate(path, 4 * 1024 * 1024), 0);
	int fd = tls_contents_write(config, &error);
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	assert_int_equal(tls_contents_write(config, &error), -1);
	assert_non_null(strstr(error.text, "b.pem: No such file"));
	config_free(config);
}

/* --- what can't change --- */

static void what_needs_a_restart_is_told_with_its_line(void **state)
{
	(void)state;
	struct config_problems problems = { 0 };
	struct config *before = parse(PLAIN("a", "\"127.0.0.1:25 plain\"") END "workers = 2\nuser = nobody\n");
	struct config *same = parse("workers = 2\nuser = nobody\n" PLAIN("b", "\"127.0.0.1:26 plain\"") END);
	struct config *other = parse("hashers = 3\nloop = epoll\n" PLAIN("a", "\"127.0.0.1:25 plain\"") END);
	config_change_check(before, same, &problems);
	assert_int_equal(problems.count, 0);
	config_change_check(before, other, &problems);
	assert_int_equal(problems.count, 4);
	static const char *const wanted[] = {
		":2: 'hashers' is 3 now and was 2 at the start: that needs a restart",
		":3: 'loop' is not what it was at the start: that needs a restart",
		": 'user' is not set now and was nobody at the start: that needs a restart",
		": 'workers' is 1 now and was 2 at the start: that needs a restart",
	};
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(problems.list[i].text + strlen(file), wanted[i]);
	config_problems_free(&problems);
	config_free(before);
	config_free(same);
	config_free(other);
}

static void the_data_folder_is_found_in_a_file_that_is_wrong(void **state)
{
	(void)state;
	char wanted[96];
	write_file("test.conf", "data = \"there\"\nnothing = 1\nserver a { listen = { \"x\" } }\n");
	snprintf(wanted, sizeof wanted, "%s/there", folder);
	char *data = config_data_folder(file);
	assert_string_equal(data, wanted);
	free(data);
	write_file("test.conf", "server a {");
	assert_null(config_data_folder(file));
	unlink(file);
	assert_null(config_data_folder(file));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_are_the_same_by_their_address),
		cmocka_unit_test(blocks_go_on_with_their_slots_and_clients),
		cmocka_unit_test(there_may_be_no_slot),
		cmocka_unit_test(files_of_tls_come_as_they_were),
		cmocka_unit_test(files_of_tls_that_are_missing_or_too_large_are_told),
		cmocka_unit_test(what_needs_a_restart_is_told_with_its_line),
		cmocka_unit_test(the_data_folder_is_found_in_a_file_that_is_wrong),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
