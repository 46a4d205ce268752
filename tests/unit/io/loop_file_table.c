/* The table of loop tests for files; see loop_table.h. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/limits.h"
#include "tests/unit/io/loop_table.h"

/* --- each operation, awaited --- */

static const char *path_of(struct loop_world *world, const char *name)
{
	static char paths[4][256];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", world->directory, name);
	return path;
}

static int32_t open_file(struct loop_world *world, const char *name, int flags)
{
	struct note note = note_make(world);
	loop_open(world->loop, &note.op, AT_FDCWD, path_of(world, name), flags, 0600, note_done);
	return note_await(&note);
}

static int32_t write_text(struct loop_world *world, int fd, const char *text, uint64_t offset, unsigned flags)
{
	struct note note = note_make(world);
	struct iovec part = { (void *)(uintptr_t)text, strlen(text) };
	loop_write(world->loop, &note.op, fd, &part, 1, offset, flags, note_done);
	return note_await(&note);
}

static int32_t read_bytes(struct loop_world *world, int fd, void *to, size_t size, uint64_t offset)
{
	struct note note = note_make(world);
	struct iovec part = { to, size };
	loop_read(world->loop, &note.op, fd, &part, 1, offset, note_done);
	return note_await(&note);
}

static int32_t sync_file(struct loop_world *world, int fd, bool data_only)
{
	struct note note = note_make(world);
	loop_sync(world->loop, &note.op, fd, data_only, note_done);
	return note_await(&note);
}

static int32_t rename_file(struct loop_world *world, const char *from, const char *to)
{
	struct note note = note_make(world);
	loop_rename(world->loop, &note.op, AT_FDCWD, path_of(world, from), path_of(world, to), note_done);
	return note_await(&note);
}

static int32_t unlink_file(struct loop_world *world, const char *name)
{
	struct note note = note_make(world);
	loop_unlink(world->loop, &note.op, AT_FDCWD, path_of(world, name), note_done);
	return note_await(&note);
}

static void count_name(void *context, const char *name)
{
	(void)name;
	++*(unsigned *)context;
}

static unsigned names_in(struct loop_world *world, const char *directory)
{
	unsigned count = 0;
	struct error error;
	assert_true(loop_list_directory(world->loop, directory, count_name, &count, &error));
	return count;
}

/* --- tests --- */

/* As a segment of the spool is: space reserved, each block written once, and then over and over, whole blocks at a time. */
static void whole_blocks_go_past_the_page_cache(struct loop_world *world)
{
	enum { BLOCK = 4096, BLOCKS = 64 };
	int made = open_file(world, "direct", O_RDWR | O_CREAT | O_EXCL);
	int fd = open_file(world, "direct", O_RDWR | O_DIRECT);
	uint8_t *out = aligned_alloc(BLOCK, 2 * BLOCK), *back = aligned_alloc(BLOCK, 2 * BLOCK);
	assert_true(out && back);
	struct note note = note_make(world);
	loop_allocate(world->loop, &note.op, made, BLOCKS * BLOCK, note_done);
	assert_int_equal(note_await(&note), 0);
	/* Not every file system can. */
	for (int round = 0; fd >= 0 && round < 3 * BLOCKS; round++) {
		uint64_t at = (uint64_t)(round % (BLOCKS / 2)) * 2 * BLOCK;
		memset(out, round, 2 * BLOCK);
		struct iovec parts[2] = { { out, BLOCK }, { out + BLOCK, BLOCK } }, in = { back, 2 * BLOCK };
		loop_write(world->loop, &note.op, fd, parts, 2, at, LOOP_WRITE_DURABLE, note_done);
		assert_int_equal(note_await(&note), 2 * BLOCK);
		loop_read(world->loop, &note.op, made, &in, 1, at, note_done);
		assert_int_equal(note_await(&note), 2 * BLOCK);
		assert_memory_equal(out, back, 2 * BLOCK);
	}
	assert_int_equal(loop_file_size(world->loop, made), BLOCKS * BLOCK);
	if (fd >= 0) {
		struct iovec half = { out, BLOCK / 8 };
		loop_write(world->loop, &note.op, fd, &half, 1, BLOCK / 16, LOOP_WRITE_DURABLE, note_done);
		assert_int_equal(note_await(&note), -EINVAL);
		loop_close(world->loop, fd);
	}
	loop_close(world->loop, made);
	assert_int_equal(unlink_file(world, "direct"), 0);
	free(out);
	free(back);
}

/* More than back ends have under way, of which some are cancelled. */
static void many_durable_writes_run_at_once(struct loop_world *world)
{
	enum { WRITES = 500 };
	static struct note notes[WRITES];
	static uint8_t bytes[WRITES], back[WRITES];
	static struct iovec parts[WRITES];
	int fd = open_file(world, "writes", O_RDWR | O_CREAT);
	for (unsigned i = 0; i < WRITES; i++) {
		notes[i] = note_make(world);
		bytes[i] = (uint8_t)(1 + i % 255);
		parts[i] = (struct iovec){ &bytes[i], 1 };
		loop_write(world->loop, &notes[i].op, fd, &parts[i], 1, i, LOOP_WRITE_DURABLE, note_done);
	}
	world_turn(world, false);
	for (unsigned i = 3; i < WRITES; i += 7)
		loop_cancel(world->loop, &notes[i].op);
	for (unsigned i = 0; i < WRITES; i++) {
		int32_t result = note_await(&notes[i]);
		assert_true(result == 1 || (result == -ECANCELED && i % 7 == 3));
		assert_int_equal(notes[i].calls, 1);
	}
	assert_in_range(read_bytes(world, fd, back, sizeof back, 0), WRITES - 1, WRITES);
	for (unsigned i = 0; i < WRITES; i++)
		assert_true(back[i] == bytes[i] || (back[i] == 0 && i % 7 == 3));
	loop_close(world->loop, fd);
	assert_int_equal(unlink_file(world, "writes"), 0);
}

static void what_was_written_is_read_back(struct loop_world *world)
{
	int fd = open_file(world, "file", O_RDWR | O_CREAT | O_EXCL);
	assert_true(fd >= 0);
	assert_int_equal(write_text(world, fd, "hello", 0, 0), 5);
	assert_int_equal(write_text(world, fd, "world", 10, LOOP_WRITE_DURABLE), 5);
	assert_int_equal(loop_file_size(world->loop, fd), 15);
	char text[32] = "";
	assert_int_equal(read_bytes(world, fd, text, sizeof text, 0), 15);
	assert_memory_equal(text, "hello\0\0\0\0\0world", 15);
	assert_int_equal(read_bytes(world, fd, text, 3, 11), 3);
	assert_memory_equal(text, "orl", 3);
	assert_int_equal(read_bytes(world, fd, text, sizeof text, 15), 0);
	assert_int_equal(read_bytes(world, fd, text, sizeof text, 4096), 0);
	loop_close(world->loop, fd);

	fd = open_file(world, "file", O_RDONLY);
	assert_int_equal(read_bytes(world, fd, text, sizeof text, 10), 5);
	assert_int_equal(write_text(world, fd, "no", 0, 0), -EBADF);
	loop_close(world->loop, fd);
	assert_int_equal(unlink_file(world, "file"), 0);
}

static void parts_are_gathered_and_scattered(struct loop_world *world)
{
	enum { PARTS = LIMIT_IO_PARTS };
	static uint8_t bytes[PARTS][7], back[PARTS][7];
	struct iovec out[PARTS], in[PARTS];
	for (int i = 0; i < PARTS; i++) {
		memset(bytes[i], i * 31 % 251, sizeof bytes[i]);
		out[i] = (struct iovec){ bytes[i], sizeof bytes[i] };
		in[i] = (struct iovec){ back[i], sizeof back[i] };
	}
	int fd = open_file(world, "parts", O_RDWR | O_CREAT);
	struct note note = note_make(world);
	loop_write(world->loop, &note.op, fd, out, PARTS, 100, LOOP_WRITE_DURABLE, note_done);
	assert_int_equal(note_await(&note), sizeof bytes);
	loop_read(world->loop, &note.op, fd, in, PARTS, 100, note_done);
	assert_int_equal(note_await(&note), sizeof bytes);
	assert_memory_equal(bytes, back, sizeof bytes);
	loop_close(world->loop, fd);
	assert_int_equal(unlink_file(world, "parts"), 0);
}

static void names_come_and_go(struct loop_world *world)
{
	assert_int_equal(open_file(world, "missing", O_RDONLY), -ENOENT);
	assert_int_equal(unlink_file(world, "missing"), -ENOENT);
	assert_int_equal(rename_file(world, "missing", "other"), -ENOENT);
	int fd = open_file(world, "a", O_RDWR | O_CREAT | O_EXCL);
	assert_int_equal(write_text(world, fd, "a", 0, 0), 1);
	assert_int_equal(open_file(world, "a", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
	int other = open_file(world, "b", O_RDWR | O_CREAT);
	assert_int_equal(names_in(world, world->directory), 2);
	assert_int_equal(rename_file(world, "a", "b"), 0);
	assert_int_equal(names_in(world, world->directory), 1);
	assert_int_equal(open_file(world, "a", O_RDONLY), -ENOENT);
	assert_int_equal(loop_file_size(world->loop, other), 0);
	loop_close(world->loop, other);
	assert_int_equal(unlink_file(world, "b"), 0);
	assert_int_equal(names_in(world, world->directory), 0);
	/* An open file outlives its name. */
	char text[4];
	assert_int_equal(read_bytes(world, fd, text, sizeof text, 0), 1);
	loop_close(world->loop, fd);
}

static void directories_are_made_and_synced(struct loop_world *world)
{
	struct note note = note_make(world);
	const char *path = path_of(world, "folder");
	loop_make_directory(world->loop, &note.op, AT_FDCWD, path, 0700, note_done);
	assert_int_equal(note_await(&note), 0);
	loop_make_directory(world->loop, &note.op, AT_FDCWD, path, 0700, note_done);
	assert_int_equal(note_await(&note), -EEXIST);
	loop_make_directory(world->loop, &note.op, AT_FDCWD, path_of(world, "missing/folder"), 0700, note_done);
	assert_int_equal(note_await(&note), -ENOENT);

	/* Paths may be relative to a directory that is open. */
	int directory = open_file(world, "folder", O_RDONLY | O_DIRECTORY);
	assert_true(directory >= 0);
	loop_open(world->loop, &note.op, directory, "one", O_WRONLY | O_CREAT, 0600, note_done);
	int fd = note_await(&note);
	assert_true(fd >= 0);
	assert_int_equal(sync_file(world, fd, true), 0);
	assert_int_equal(sync_file(world, fd, false), 0);
	loop_close(world->loop, fd);
	loop_rename(world->loop, &note.op, directory, "one", "two", note_done);
	assert_int_equal(note_await(&note), 0);
	assert_int_equal(sync_file(world, directory, false), 0);
	assert_int_equal(names_in(world, path), 1);
	loop_unlink(world->loop, &note.op, directory, "two", note_done);
	assert_int_equal(note_await(&note), 0);
	loop_close(world->loop, directory);
	struct error error;
	unsigned count = 0;
	assert_false(loop_list_directory(world->loop, path_of(world, "missing"), count_name, &count, &error));
	assert_non_null(strstr(error.text, "missing"));
}

static void space_is_reserved(struct loop_world *world)
{
	int fd = open_file(world, "reserved", O_RDWR | O_CREAT);
	struct note note = note_make(world);
	loop_allocate(world->loop, &note.op, fd, 1 << 20, note_done);
	assert_int_equal(note_await(&note), 0);
	assert_int_equal(loop_file_size(world->loop, fd), 1 << 20);
	assert_int_equal(write_text(world, fd, "in it", 5000, LOOP_WRITE_DURABLE), 5);
	assert_int_equal(loop_file_size(world->loop, fd), 1 << 20);
	char byte = 1;
	assert_int_equal(read_bytes(world, fd, &byte, 1, (1 << 20) - 1), 1);
	assert_int_equal(byte, 0);
	loop_close(world->loop, fd);
	fd = open_file(world, "reserved", O_RDWR | O_TRUNC);
	assert_int_equal(loop_file_size(world->loop, fd), 0);
	loop_close(world->loop, fd);
	assert_int_equal(unlink_file(world, "reserved"), 0);
}

/* More at once than any queue of a back end holds. */
static void thousands_of_reads_run_at_once(struct loop_world *world)
{
	enum { READS = 6000 };
	struct read {
		struct note note;
		struct iovec part;
		uint8_t byte;
	} *reads = calloc(READS, sizeof *reads);
	assert_non_null(reads);
	static char text[READS + 1];
	memset(text, 0, sizeof text);
	for (int i = 0; i < READS; i++)
		text[i] = (char)(1 + i % 127);
	int fd = open_file(world, "many", O_RDWR | O_CREAT);
	assert_int_equal(write_text(world, fd, text, 0, 0), READS);
	for (uint64_t i = 0; i < READS; i++) {
		reads[i].note = note_make(world);
		reads[i].part = (struct iovec){ &reads[i].byte, 1 };
		loop_read(world->loop, &reads[i].note.op, fd, &reads[i].part, 1, i, note_done);
	}
	for (int i = 0; i < READS; i++) {
		assert_int_equal(note_await(&reads[i].note), 1);
		assert_int_equal(reads[i].byte, text[i]);
	}
	loop_close(world->loop, fd);
	assert_int_equal(unlink_file(world, "many"), 0);
	free(reads);
}

/* It may have happened; there is one callback. */
static void file_operations_are_cancelled(struct loop_world *world)
{
	int fd = open_file(world, "cancelled", O_RDWR | O_CREAT);
	for (int turns = 0; turns < 2; turns++) {
		struct note write = note_make(world), sync = note_make(world);
		struct iovec part = { (char[]){ "x" }, 1 };
		loop_write(world->loop, &write.op, fd, &part, 1, 0, LOOP_WRITE_DURABLE, note_done);
		loop_sync(world->loop, &sync.op, fd, false, note_done);
		if (turns)
			world_turn(world, false);
		loop_cancel(world->loop, &write.op);
		loop_cancel(world->loop, &sync.op);
		int32_t written = note_await(&write), synced = note_await(&sync);
		assert_true(written == 1 || written == -ECANCELED);
		assert_true(synced == 0 || synced == -ECANCELED);
		assert_int_equal(write.calls, 1);
		assert_int_equal(sync.calls, 1);
	}
	loop_close(world->loop, fd);
	assert_int_equal(unlink_file(world, "cancelled"), 0);
}

static void a_lock_has_one_holder(struct loop_world *world)
{
	int first = open_file(world, "lock", O_RDWR | O_CREAT), second = open_file(world, "lock", O_RDWR);
	int other = open_file(world, "other", O_RDWR | O_CREAT);
	assert_int_equal(loop_lock(world->loop, first), 0);
	assert_int_equal(loop_lock(world->loop, first), 0);
	assert_int_equal(loop_lock(world->loop, second), -EWOULDBLOCK);
	assert_int_equal(loop_lock(world->loop, other), 0);
	loop_close(world->loop, first);
	assert_int_equal(loop_lock(world->loop, second), 0);
	loop_close(world->loop, second);
	loop_close(world->loop, other);
	assert_int_equal(loop_lock(world->loop, second), -EBADF);
	assert_int_equal(unlink_file(world, "lock"), 0);
	assert_int_equal(unlink_file(world, "other"), 0);
}

static void a_local_socket_takes_the_place_of_a_dead_one(struct loop_world *world)
{
	struct note open = note_make(world), accept = note_make(world);
	loop_open(world->loop, &open.op, AT_FDCWD, world->directory, O_RDONLY | O_DIRECTORY, 0, note_done);
	int directory = note_await(&open);
	int dead = loop_listen_local(world->loop, directory, "socket", 4);
	assert_true(dead >= 0);
	loop_close(world->loop, dead);
	assert_int_equal(names_in(world, world->directory), 1);
	int fd = loop_listen_local(world->loop, directory, "socket", 4);
	assert_true(fd >= 0);
	assert_int_equal(names_in(world, world->directory), 1);
	loop_accept(world->loop, &accept.op, fd, note_done);
	world_turn(world, false);
	assert_true(loop_op_is_running(&accept.op));
	loop_cancel(world->loop, &accept.op);
	assert_int_equal(note_await(&accept), -ECANCELED);
	loop_close(world->loop, fd);
	assert_int_equal(unlink_file(world, "socket"), 0);
	loop_close(world->loop, directory);
}

#define ROW(test)                                                                                                      \
	{                                                                                                              \
#test, test                                                                                            \
	}
const struct loop_table_row loop_file_table[] = {
	ROW(what_was_written_is_read_back),
	ROW(parts_are_gathered_and_scattered),
	ROW(whole_blocks_go_past_the_page_cache),
	ROW(many_durable_writes_run_at_once),
	ROW(names_come_and_go),
	ROW(directories_are_made_and_synced),
	ROW(space_is_reserved),
	ROW(thousands_of_reads_run_at_once),
	ROW(file_operations_are_cancelled),
	ROW(a_lock_has_one_holder),
	ROW(a_local_socket_takes_the_place_of_a_dead_one),
	{ 0 },
};
