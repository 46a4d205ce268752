/* core/relay/maildir and folder: copies into Maildirs that are there, are not there, are in the way, on both loops. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/relay/maildir.h"
#include "tests/unit/relay/files.h"

enum { COPIES = 40 };

static enum loop_kind kind;

struct fixture {
	struct loop *loop;
	struct folder_cache folders;
};

/* One copy and how it ended. */
struct job {
	struct maildir_copy copy;
	struct maildir_message message;
	uint8_t *chunk;
	char name[MAILDIR_NAME_BYTES];
	int32_t result;
	bool done;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	files_enter_folder();
	fixture->loop = files_loop(kind);
	assert_true(folder_cache_init(&fixture->folders, fixture->loop));
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	folder_cache_finish(&fixture->folders);
	loop_destroy(fixture->loop);
	free(fixture);
	files_leave_folder();
	return 0;
}

static void ended(struct maildir_copy *copy, int32_t result)
{
	struct job *job = CONTAINER_OF(copy, struct job, copy);
	assert_false(job->done);
	job->result = result;
	job->done = true;
}

static void start(struct fixture *fixture, struct job *job, const char *name, const char *path, size_t base_bytes,
		  struct slice text)
{
	static const char head[] = "Return-Path: <a@b>\n";
	*job = (struct job){ .chunk = malloc(LIMIT_DELIVERY_CHUNK_BYTES) };
	assert_non_null(job->chunk);
	memcpy(job->chunk, head, sizeof head - 1);
	snprintf(job->name, sizeof job->name, "%s", name);
	job->message = (struct maildir_message){ job->name, text, -1, 0 };
	maildir_copy_init(&job->copy, &fixture->folders);
	maildir_copy_start(&job->copy, &job->message, path, base_bytes, job->chunk, sizeof head - 1, ended);
	assert_false(job->done);
}

static void finish(struct fixture *fixture, struct job *job)
{
	files_turn_until(fixture->loop, &job->done);
	free(job->chunk);
}

static int32_t copy_to(struct fixture *fixture, const char *path, size_t base_bytes, const char *text)
{
	struct job job;
	start(fixture, &job, "1.A.host", path, base_bytes, slice_from_text(text));
	finish(fixture, &job);
	assert_int_equal(job.result != 0, job.copy.failed != NULL);
	return job.result;
}

static void assert_file(const char *path, const char *expected)
{
	size_t size;
	char *bytes = files_read(path, &size);
	assert_string_equal(bytes, expected);
	free(bytes);
}

static unsigned mode_of(const char *path)
{
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	return status.st_mode & 0777;
}

static void missing_folders_are_made_below_the_base(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(copy_to(fixture, "base/d/u", 5, "a\r\n.b\r\n"), -ENOENT);
	assert_int_equal(files_count("base", NULL), 0);
	assert_int_equal(mkdir("base", 0755), 0);
	assert_int_equal(copy_to(fixture, "base/d/u", 5, "a\r\n.b\r\n"), 0);
	assert_file("base/d/u/new/1.A.host", "Return-Path: <a@b>\na\n.b\n");
	assert_int_equal(files_count("base/d/u/tmp", NULL), 0);
	assert_int_equal(mode_of("base/d"), 0700);
	assert_int_equal(mode_of("base/d/u"), 0700);
	assert_int_equal(mode_of("base/d/u/cur"), 0700);
	assert_int_equal(mode_of("base/d/u/new/1.A.host"), 0600);
	/* A path with no base, and one with a separator at its end. */
	assert_int_equal(copy_to(fixture, "all/", 0, "x\r\n"), 0);
	assert_file("all/new/1.A.host", "Return-Path: <a@b>\nx\n");
}

/* Homes are often so: one may go through, and see nothing. */
static void folders_on_the_way_need_not_be_readable(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(mkdir("home", 0700), 0);
	assert_int_equal(mkdir("home/u", 0700), 0);
	assert_int_equal(mkdir("home/u/Maildir", 0700), 0);
	assert_int_equal(chmod("home/u", 0300), 0);
	assert_int_equal(chmod("home", 0300), 0);
	assert_int_equal(copy_to(fixture, "home/u/Maildir", 5, "x\r\n"), 0);
	assert_file("home/u/Maildir/new/1.A.host", "Return-Path: <a@b>\nx\n");
	assert_int_equal(chmod("home", 0700), 0);
	assert_int_equal(chmod("home/u", 0700), 0);
}

static void a_repeat_overwrites(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(copy_to(fixture, "m", 0, "a longer first text\r\n"), 0);
	files_write("m/tmp/1.A.host", "left behind by a crash, longer than the text", 44);
	assert_int_equal(copy_to(fixture, "m", 0, "second\r\n"), 0);
	assert_int_equal(files_count("m/new", NULL), 1);
	assert_int_equal(files_count("m/tmp", NULL), 0);
	assert_file("m/new/1.A.host", "Return-Path: <a@b>\nsecond\n");
}

static void what_is_missing_in_a_maildir_is_made(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(mkdir("m", 0700), 0);
	assert_int_equal(copy_to(fixture, "m", 0, "1\r\n"), 0);
	/* While the folder is open, and by hand: */
	assert_int_equal(rmdir("m/tmp"), 0);
	assert_int_equal(copy_to(fixture, "m", 0, "2\r\n"), 0);
	assert_file("m/new/1.A.host", "Return-Path: <a@b>\n2\n");
	assert_int_equal(rename("m", "moved"), 0);
	assert_int_equal(rmdir("moved/tmp"), 0);
	assert_int_equal(copy_to(fixture, "m", 0, "3\r\n"), 0);
	assert_file("m/new/1.A.host", "Return-Path: <a@b>\n3\n");
}

static void a_folder_that_was_moved_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(copy_to(fixture, "m", 0, "1\r\n"), 0);
	assert_int_equal(rename("m", "moved"), 0);
	usleep((LIMIT_OPEN_FOLDER_MS + 50) * 1000);
	struct error error;
	assert_true(loop_turn(fixture->loop, false, &error));
	assert_int_equal(copy_to(fixture, "m", 0, "2\r\n"), 0);
	assert_file("moved/new/1.A.host", "Return-Path: <a@b>\n1\n");
	assert_file("m/new/1.A.host", "Return-Path: <a@b>\n2\n");
}

static void nothing_stays_open_when_idle(void **state)
{
	struct fixture *fixture = *state;
	size_t before = files_count("/proc/self/fd", NULL);
	assert_int_equal(copy_to(fixture, "m", 0, "1\r\n"), 0);
	assert_int_equal(files_count("/proc/self/fd", NULL), before + 2);
	bool closed = false;
	for (int i = 0; i < 5 && !closed; i++) {
		files_turn(fixture->loop);
		closed = files_count("/proc/self/fd", NULL) == before;
	}
	assert_true(closed);
}

static void a_folder_that_refuses_defers_and_leaves_nothing(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(mkdir("base", 0500), 0);
	assert_int_equal(copy_to(fixture, "base/d/u", 5, "1\r\n"), -EACCES);
	assert_int_equal(chmod("base", 0700), 0);
	files_write("base/d", "in the way", 10);
	assert_int_equal(copy_to(fixture, "base/d/u", 5, "1\r\n"), -ENOTDIR);
	assert_int_equal(unlink("base/d"), 0);
	assert_int_equal(copy_to(fixture, "base/d/u", 5, "1\r\n"), 0);

	assert_int_equal(chmod("base/d/u/new", 0500), 0);
	assert_int_equal(copy_to(fixture, "base/d/u", 5, "2\r\n"), -EACCES);
	assert_int_equal(files_count("base/d/u/tmp", NULL), 0);
	assert_int_equal(chmod("base/d/u/new", 0700), 0);
	assert_int_equal(chmod("base/d/u/tmp", 0500), 0);
	assert_int_equal(copy_to(fixture, "base/d/u", 5, "2\r\n"), -EACCES);
	assert_int_equal(chmod("base/d/u/tmp", 0700), 0);
	assert_file("base/d/u/new/1.A.host", "Return-Path: <a@b>\n1\n");
}

/* A planted link must not make the server write elsewhere. */
static void links_in_tmp_are_not_followed(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(copy_to(fixture, "m", 0, "1\r\n"), 0);
	files_write("victim", "whole", 5);
	assert_int_equal(symlink("../../victim", "m/tmp/1.A.host"), 0);
	assert_int_equal(copy_to(fixture, "m", 0, "2\r\n"), 0);
	assert_file("victim", "whole");
	assert_int_equal(link("victim", "m/tmp/1.A.host"), 0);
	assert_int_equal(copy_to(fixture, "m", 0, "3\r\n"), 0);
	assert_file("victim", "whole");
	assert_file("m/new/1.A.host", "Return-Path: <a@b>\n3\n");
}

/* A text whose CRLFs fall on every place around the ends of chunks. */
static char *make_text(size_t size, uint64_t seed)
{
	char *text = malloc(size + 1);
	assert_non_null(text);
	for (size_t at = 0; at < size;) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		size_t line = seed >> 33 & 127;
		for (; line > 0 && at + 2 < size; line--)
			text[at++] = (char)('a' + line % 26);
		text[at++] = '\r';
		if (at < size)
			text[at++] = '\n';
	}
	text[size] = 0;
	return text;
}

static void assert_converted(const char *path, const char *text, size_t size)
{
	size_t file_size, expected = 19;
	char *bytes = files_read(path, &file_size);
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n')
			continue;
		assert_true(expected < file_size && bytes[expected] == text[i]);
		expected++;
	}
	assert_int_equal(expected, file_size);
	free(bytes);
}

static void texts_larger_than_a_chunk_are_whole(void **state)
{
	struct fixture *fixture = *state;
	for (size_t size = LIMIT_DELIVERY_CHUNK_BYTES - 25; size < LIMIT_DELIVERY_CHUNK_BYTES + 5; size++) {
		struct job job;
		char *text = make_text(size, size);
		start(fixture, &job, "1.A.host", "m", 0, slice_of(text, size));
		finish(fixture, &job);
		assert_int_equal(job.result, 0);
		assert_converted("m/new/1.A.host", text, size);
		free(text);
	}
}

static void large_files_are_streamed(void **state)
{
	struct fixture *fixture = *state;
	enum { FRONT = 1000, SIZE = 3 * 1024 * 1024 + 17 };
	char *text = make_text(SIZE, 7);
	files_write("large", text + FRONT, SIZE - FRONT);
	struct job job;
	start(fixture, &job, "1.A.host", "m", 0, slice_of(text, FRONT));
	job.message.large_fd = open("large", O_RDONLY);
	job.message.large_size = SIZE - FRONT;
	finish(fixture, &job);
	assert_int_equal(job.result, 0);
	assert_converted("m/new/1.A.host", text, SIZE);

	/* A file that is shorter than it should be is a failure, not a short message. */
	start(fixture, &job, "2.B.host", "m", 0, slice_of(text, FRONT));
	int fd = open("large", O_RDONLY);
	job.message.large_fd = fd;
	job.message.large_size = SIZE;
	finish(fixture, &job);
	assert_int_equal(job.result, -EIO);
	assert_string_equal(job.copy.failed, "read");
	assert_int_equal(files_count("m/new", NULL), 1);
	assert_int_equal(files_count("m/tmp", NULL), 0);
	close(fd);
	free(text);
}

static void copies_at_once_share_folders(void **state)
{
	struct fixture *fixture = *state;
	static struct job jobs[COPIES];
	assert_int_equal(mkdir("base", 0700), 0);
	size_t before = files_count("/proc/self/fd", NULL);
	for (size_t i = 0; i < COPIES; i++) {
		char name[32];
		snprintf(name, sizeof name, "%zu.X.host", i);
		start(fixture, &jobs[i], name, i % 2 ? "base/odd/u" : "base/even/u", 5, SLICE_LITERAL("x\r\n"));
	}
	for (size_t i = 0; i < COPIES; i++) {
		finish(fixture, &jobs[i]);
		assert_int_equal(jobs[i].result, 0);
	}
	assert_int_equal(files_count("/proc/self/fd", NULL), before + 4);
	assert_int_equal(files_count("base/odd/u/new", NULL), COPIES / 2);
	assert_int_equal(files_count("base/even/u/new", NULL), COPIES / 2);
}

static void more_folders_than_may_be_open(void **state)
{
	struct fixture *fixture = *state;
	enum { FOLDERS = LIMIT_OPEN_FOLDERS + 20 };
	size_t before = files_count("/proc/self/fd", NULL);
	for (size_t i = 0; i < FOLDERS; i++) {
		char path[32], inner[40];
		snprintf(path, sizeof path, "m%zu", i);
		static const char *const names[] = { "", "/tmp", "/new", "/cur" };
		for (size_t j = 0; j < 4; j++) {
			snprintf(inner, sizeof inner, "%s%s", path, names[j]);
			assert_int_equal(mkdir(inner, 0700), 0);
		}
		assert_int_equal(copy_to(fixture, path, 0, "x\r\n"), 0);
		assert_true(fixture->folders.pool.used <= LIMIT_OPEN_FOLDERS);
	}
	assert_true(files_count("/proc/self/fd", NULL) <= before + (size_t)LIMIT_OPEN_FOLDERS * 2);
}

static void names_are_safe_and_the_same_each_time(void **state)
{
	(void)state;
	char host[MAILDIR_HOST_BYTES], name[MAILDIR_NAME_BYTES], long_host[400];
	maildir_host("mail.example.org", host);
	maildir_name(name, 1764000000999999, "0K3ABCDEFGHJK", host);
	assert_string_equal(name, "1764000000.0K3ABCDEFGHJK.mail.example.org");
	maildir_host("../a:b", host);
	assert_string_equal(host, "..\\057a\\072b");
	memset(long_host, ':', sizeof long_host);
	long_host[sizeof long_host - 1] = 0;
	maildir_host(long_host, host);
	assert_true(strlen(host) < MAILDIR_HOST_BYTES);
	maildir_name(name, INT64_MAX, "0K3ABCDEFGHJK", host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(missing_folders_are_made_below_the_base, set_up, tear_down),
		cmocka_unit_test_setup_teardown(folders_on_the_way_need_not_be_readable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_repeat_overwrites, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_missing_in_a_maildir_is_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_was_moved_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_stays_open_when_idle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_refuses_defers_and_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_in_tmp_are_not_followed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(texts_larger_than_a_chunk_are_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(large_files_are_streamed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(copies_at_once_share_folders, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_folders_than_may_be_open, set_up, tear_down),
		cmocka_unit_test(names_are_safe_and_the_same_each_time),
	};
	files_drop_root();
	kind = LOOP_EPOLL;
	int failed = cmocka_run_group_tests_name("maildir on epoll", tests, NULL, NULL);
	kind = LOOP_AUTO;
	return failed + cmocka_run_group_tests_name("maildir on io_uring, where there is one", tests, NULL, NULL);
}
