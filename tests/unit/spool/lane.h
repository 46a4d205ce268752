/* For the spool's tests: a lane in a folder of its own, with a loop, and calls that wait for their callback. */
#ifndef POSTERN_TESTS_SPOOL_LANE_H
#define POSTERN_TESTS_SPOOL_LANE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/spool/envelope.h"
#include "core/spool/spool.h"

enum { LANE_PATH_BYTES = 256, SMALL_SEGMENT_BYTES = 128 * 1024 };

/* A message as recovery or a listing told it. */
struct lane_message {
	uint64_t id;
	struct spool_place place;
	uint32_t recipients;
	uint32_t done_count;
	uint64_t size_bytes;
	bool held;
	bool large;
	bool doubled; /* told more than once */
	char detail[64];
	uint8_t done_bits[32];
};

struct lane {
	struct loop *loop;
	struct spool *spool;
	char directory[LANE_PATH_BYTES];
	struct spool_settings settings;
	struct lane_message *messages; /* of the last opening or listing, in the order told */
	size_t message_count;
	size_t message_capacity;
	void (*fill_text)(uint8_t *text, size_t size, uint64_t id);
	spool_moved *moved;
	void *moved_context;
};

/* Which back end the tests of this run use: from the environment, see run_on_both_loops(). */
enum loop_kind lane_loop_kind(void);
/* Runs the group with each back end that the system has. */
int run_on_both_loops(int (*run)(void));

/* A new empty folder and a loop; the spool is not open yet. */
void lane_init(struct lane *lane, uint64_t segment_bytes);
void lane_open(struct lane *lane);
void lane_close(struct lane *lane);
/* Closes what is open, removes the folder. */
void lane_finish(struct lane *lane);

/* What a crash now would leave: copies the folder as it is into a new lane, which is not open yet. */
void lane_crash(struct lane *copy, const struct lane *lane);

const struct lane_message *lane_find(const struct lane *lane, uint64_t id);
/* Fills `messages` by spool_list(). */
void lane_list(struct lane *lane);

/* Turns the loop for a while. */
void lane_turn(struct lane *lane, unsigned milliseconds);

/* A message to be appended, and its callback's answer. Text is a pattern that follows from the id (lane->fill_text). */
struct lane_entry {
	struct spool_entry entry;
	struct iovec parts[3];
	uint8_t envelope[512];
	uint8_t *text;
	size_t text_size;
	uint64_t id;
	bool done;
	enum spool_status status;
};
void lane_start_message(struct lane *lane, struct lane_entry *entry, uint32_t recipients, size_t text_size, bool held);
void lane_start_change(struct lane *lane, struct lane_entry *entry, uint64_t id, enum spool_change change,
		       uint32_t recipient, const char *detail);
void lane_wait(struct lane *lane, const struct lane_entry *entry);
void lane_entry_finish(struct lane_entry *entry);

/* Start, wait, check that it is durable; answers the id. */
uint64_t lane_append(struct lane *lane, uint32_t recipients, size_t text_size);
void lane_change(struct lane *lane, uint64_t id, enum spool_change change, uint32_t recipient, const char *detail);

/* Reads the message from the spool and compares its text with what it must be. */
void lane_check_text(struct lane *lane, uint64_t id, struct spool_place place, size_t text_size, bool large);
void lane_fill_text(uint8_t *text, size_t size, uint64_t id);

/* Path of the segment file with the highest generation that was begun, or of any by its generation. */
void lane_segment_path(const struct lane *lane, uint32_t generation, char path[LANE_PATH_BYTES]);
size_t lane_count_files(const struct lane *lane, const char *folder);
void lane_write_at(const char *path, uint64_t offset, const void *bytes, size_t size);

#endif
