/* A lane for tests; see lane.h. */
#include "tests/unit/spool/lane.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/spool/format.h"
#include "crypto/secret.h"

/* --- back ends --- */

static enum loop_kind kind = LOOP_EPOLL;

enum loop_kind lane_loop_kind(void)
{
	return kind;
}

int run_on_both_loops(int (*run)(void))
{
	assert_true(secret_setup());
	log_configure(getenv("SPOOL_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	kind = LOOP_EPOLL;
	int failed = run();
	struct error error;
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = LOOP_IO_URING }, &error);
	if (!loop) {
		print_message("io_uring is not to be had here: %s\n", error.text);
		return failed;
	}
	loop_destroy(loop);
	kind = LOOP_IO_URING;
	return failed + run();
}

/* --- folders --- */

static void make_folder(char directory[LANE_PATH_BYTES])
{
	const char *parent = getenv("TMPDIR");
	snprintf(directory, LANE_PATH_BYTES, "%s/spool-XXXXXX", parent ? parent : P_tmpdir);
	assert_non_null(mkdtemp(directory));
}

static void each_file(const char *directory, const char *folder,
		      void (*act)(void *context, const char *path, const char *name), void *context)
{
	char path[2 * LANE_PATH_BYTES];
	snprintf(path, sizeof path, "%s/%s", directory, folder);
	DIR *found = opendir(path);
	if (!found)
		return;
	for (struct dirent *entry; (entry = readdir(found));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s/%s", directory, folder, entry->d_name);
		act(context, path, entry->d_name);
	}
	closedir(found);
}

static void remove_file(void *context, const char *path, const char *name)
{
	(void)context;
	(void)name;
	unlink(path);
}

static void remove_folder(const char *directory)
{
	static const char *const folders[] = { "segments", "large", "." };
	for (size_t i = 0; i < 3; i++) {
		char path[2 * LANE_PATH_BYTES];
		each_file(directory, folders[i], remove_file, NULL);
		snprintf(path, sizeof path, "%s/%s", directory, folders[i]);
		rmdir(i == 2 ? directory : path);
	}
}

static void count_file(void *context, const char *path, const char *name)
{
	(void)path;
	(void)name;
	++*(size_t *)context;
}

size_t lane_count_files(const struct lane *lane, const char *folder)
{
	size_t count = 0;
	each_file(lane->directory, folder, count_file, &count);
	return count;
}

struct copying {
	const char *directory;
	const char *folder;
};

static void copy_file(void *context, const char *path, const char *name)
{
	const struct copying *copying = context;
	char to[2 * LANE_PATH_BYTES];
	snprintf(to, sizeof to, "%s/%s/%s", copying->directory, copying->folder, name);
	int in = open(path, O_RDONLY);
	if (in < 0)
		return; /* an operation that was under way has renamed it */
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(out >= 0);
	static uint8_t bytes[256 * 1024];
	for (ssize_t size; (size = read(in, bytes, sizeof bytes)) > 0;)
		assert_int_equal(write(out, bytes, (size_t)size), size);
	close(in);
	close(out);
}

static void copy_folder(const char *to, const char *from, const char *folder)
{
	char path[2 * LANE_PATH_BYTES];
	snprintf(path, sizeof path, "%s/%s", to, folder);
	assert_int_equal(mkdir(path, 0700), 0);
	each_file(from, folder, copy_file, &(struct copying){ to, folder });
}

/* --- life --- */

static void create_loop(struct lane *lane)
{
	struct error error;
	lane->loop = loop_create(&(struct loop_settings){ .kind = kind }, &error);
	if (!lane->loop)
		fail_msg("%s", error.text);
}

void lane_init(struct lane *lane, uint64_t segment_bytes)
{
	*lane = (struct lane){ 0 };
	lane->fill_text = lane_fill_text;
	make_folder(lane->directory);
	lane->settings = (struct spool_settings){
		.directory = lane->directory,
		.lane = 7,
		.segment_bytes = segment_bytes,
	};
	create_loop(lane);
}

void lane_crash(struct lane *copy, const struct lane *lane)
{
	*copy = (struct lane){ 0 };
	make_folder(copy->directory);
	copy->fill_text = lane->fill_text;
	copy->settings = lane->settings;
	copy->settings.directory = copy->directory;
	copy_folder(copy->directory, lane->directory, "segments");
	copy_folder(copy->directory, lane->directory, "large");
	create_loop(copy);
}

static bool take_message(struct lane *lane, const struct spool_message *message)
{
	if (lane->message_count == lane->message_capacity) {
		lane->message_capacity = lane->message_capacity ? lane->message_capacity * 2 : 64;
		lane->messages = realloc(lane->messages, lane->message_capacity * sizeof *lane->messages);
		assert_non_null(lane->messages);
	}
	struct envelope envelope;
	assert_true(envelope_read(&envelope, message->envelope));
	struct lane_message *taken = &lane->messages[lane->message_count++];
	*taken = (struct lane_message){
		.id = message->id,
		.place = message->place,
		.recipients = envelope.recipients,
		.size_bytes = message->size_bytes,
		.held = message->held,
		.large = message->large,
	};
	for (uint32_t i = 0; message->done_bits && i < envelope.recipients; i++) {
		if (message->done_bits[i / 8] >> i % 8 & 1) {
			taken->done_count++;
			taken->done_bits[i / 8] |= (uint8_t)(1u << i % 8);
		}
	}
	slice_to_text(message->detail, taken->detail, sizeof taken->detail);
	return true;
}

static bool list_message(void *context, const struct spool_message *message)
{
	return take_message(context, message);
}

static void recovered(void *context, const struct spool_message *message)
{
	struct lane *lane = context;
	assert_true(lane->message_count == 0 || lane->messages[lane->message_count - 1].id < message->id);
	take_message(lane, message);
}

static void moved(void *context, uint64_t id, struct spool_place to)
{
	struct lane *lane = context;
	for (size_t i = 0; i < lane->message_count; i++)
		if (lane->messages[i].id == id)
			lane->messages[i].place = to;
	if (lane->moved)
		lane->moved(lane->moved_context, id, to);
}

void lane_open(struct lane *lane)
{
	struct error error = { "" };
	lane->message_count = 0;
	lane->spool = spool_open(lane->loop, &lane->settings, recovered, moved, lane, &error);
	if (!lane->spool)
		fail_msg("%s", error.text);
}

void lane_close(struct lane *lane)
{
	spool_close(lane->spool);
	lane->spool = NULL;
}

void lane_finish(struct lane *lane)
{
	lane_close(lane);
	loop_destroy(lane->loop);
	remove_folder(lane->directory);
	free(lane->messages);
	*lane = (struct lane){ 0 };
}

void lane_turn(struct lane *lane, unsigned milliseconds)
{
	struct error error;
	uint64_t end_ns = loop_now(lane->loop)->monotonic_ns + (uint64_t)milliseconds * CLOCK_NS_PER_MS;
	do {
		assert_true(loop_turn(lane->loop, false, &error));
		usleep(200);
	} while (loop_now(lane->loop)->monotonic_ns < end_ns);
}

/* --- looking --- */

const struct lane_message *lane_find(const struct lane *lane, uint64_t id)
{
	const struct lane_message *found = NULL;
	for (size_t i = 0; i < lane->message_count; i++) {
		if (lane->messages[i].id == id) {
			assert_null(found); /* each is told once */
			found = &lane->messages[i];
		}
	}
	return found;
}

void lane_list(struct lane *lane)
{
	struct error error;
	lane->message_count = 0;
	if (!spool_list(lane->directory, list_message, lane, &error))
		fail_msg("%s", error.text);
}

void lane_segment_path(const struct lane *lane, uint32_t generation, char path[LANE_PATH_BYTES])
{
	char name[SEGMENT_NAME_BYTES];
	segment_name_format(generation, name);
	assert_true(snprintf(path, LANE_PATH_BYTES, "%.200s/segments/%s", lane->directory, name) < LANE_PATH_BYTES);
}

void lane_write_at(const char *path, uint64_t offset, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, size, (off_t)offset), size);
	close(fd);
}

/* --- appending --- */

void lane_fill_text(uint8_t *text, size_t size, uint64_t id)
{
	for (size_t i = 0; i < size; i++)
		text[i] = (uint8_t)(id * 31 + i * 7 + (i >> 8));
}

static void entry_done(struct spool_entry *entry, enum spool_status status)
{
	struct lane_entry *done = CONTAINER_OF(entry, struct lane_entry, entry);
	assert_false(done->done);
	done->done = true;
	done->status = status;
}

void lane_start_message(struct lane *lane, struct lane_entry *entry, uint32_t recipients, size_t text_size, bool held)
{
	struct buffer envelope;
	*entry = (struct lane_entry){ .id = spool_new_id(lane->spool), .text_size = text_size };
	entry->text = malloc(text_size + 1);
	assert_non_null(entry->text);
	lane->fill_text(entry->text, text_size, entry->id);
	buffer_init(&envelope, entry->envelope, sizeof entry->envelope);
	bool fits = envelope_begin(&envelope, 0, SLICE_LITERAL("anna"), SLICE_LITERAL("192.0.2.1"),
				   SLICE_LITERAL("anna@example.org"));
	for (uint32_t i = 0; i < recipients; i++)
		fits = fits && envelope_add_recipient(&envelope, SLICE_LITERAL("b@example.com"));
	assert_true(fits);
	envelope_finish(entry->envelope, 0, (uint16_t)recipients, (int64_t)entry->id);
	/* Two parts of text, so that gathering is exercised. */
	entry->parts[0] = (struct iovec){ envelope.data, envelope.size };
	entry->parts[1] = (struct iovec){ entry->text, text_size / 3 };
	entry->parts[2] = (struct iovec){ entry->text + text_size / 3, text_size - text_size / 3 };
	spool_append_message(lane->spool, &entry->entry, entry->id, entry->parts, 3, (uint32_t)envelope.size, text_size,
			     held, false, entry_done);
	assert_false(entry->done); /* never from inside */
}

void lane_start_change(struct lane *lane, struct lane_entry *entry, uint64_t id, enum spool_change change,
		       uint32_t recipient, const char *detail)
{
	*entry = (struct lane_entry){ .id = id };
	spool_append_change(lane->spool, &entry->entry, id, change, recipient, slice_from_text(detail), entry_done);
	assert_false(entry->done);
}

void lane_wait(struct lane *lane, const struct lane_entry *entry)
{
	struct error error;
	while (!entry->done)
		assert_true(loop_turn(lane->loop, true, &error));
}

void lane_entry_finish(struct lane_entry *entry)
{
	free(entry->text);
	entry->text = NULL;
}

uint64_t lane_append(struct lane *lane, uint32_t recipients, size_t text_size)
{
	struct lane_entry entry;
	lane_start_message(lane, &entry, recipients, text_size, false);
	lane_wait(lane, &entry);
	assert_int_equal(entry.status, SPOOL_OK);
	lane_entry_finish(&entry);
	return entry.id;
}

void lane_change(struct lane *lane, uint64_t id, enum spool_change change, uint32_t recipient, const char *detail)
{
	struct lane_entry entry;
	lane_start_change(lane, &entry, id, change, recipient, detail);
	lane_wait(lane, &entry);
	assert_int_equal(entry.status, SPOOL_OK);
}

/* --- reading --- */

struct reading {
	struct spool_read read;
	bool done;
	enum spool_status status;
};

static void read_done(struct spool_read *read, enum spool_status status)
{
	struct reading *reading = CONTAINER_OF(read, struct reading, read);
	reading->done = true;
	reading->status = status;
}

void lane_check_text(struct lane *lane, uint64_t id, struct spool_place place, size_t text_size, bool large)
{
	struct reading reading = { .done = false };
	struct error error;
	spool_read_start(lane->spool, &reading.read, id, place, large, read_done);
	assert_false(reading.done);
	while (!reading.done)
		assert_true(loop_turn(lane->loop, true, &error));
	assert_int_equal(reading.status, SPOOL_OK);
	uint8_t *wanted = malloc(text_size + 1), *got = malloc(text_size + 1);
	assert_true(wanted && got);
	lane_fill_text(wanted, text_size, id);
	size_t inline_size = reading.read.text.size;
	assert_int_equal(inline_size + (large ? reading.read.large_size : 0), text_size);
	memcpy(got, reading.read.text.data, inline_size);
	if (large)
		assert_int_equal(pread(reading.read.large_fd, got + inline_size, text_size - inline_size, 0),
				 text_size - inline_size);
	assert_memory_equal(got, wanted, text_size);
	free(wanted);
	free(got);
	spool_read_finish(&reading.read);
}
