/* core/spool when memory runs out: what is acknowledged stays, what can't be done is refused, and nothing is left undone for
 * ever. On epoll, in a folder in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/log.h"
#include "core/spool/envelope.h"
#include "core/spool/spool.h"
#include "crypto/secret.h"
#include "tests/unit/torture/scratch_folder.h"
#include "tests/unit/torture/torture.h"

enum { MESSAGES = 24, TEXT_BYTES = 9000, SEGMENT_BYTES = 128 * 1024, TURNS = 60 };

enum fate { NONE, LIVE, DOUBTFUL, ENDED };

struct message {
	struct spool_entry entry;
	struct spool_entry change;
	uint64_t id;
	struct spool_place place;
	struct iovec parts[2];
	enum fate fate;
	bool waits, recovered;
	enum spool_status status;
};

static struct loop *loop;
static struct spool *spool;
static struct message messages[MESSAGES];
static uint8_t envelope_bytes[128];
static size_t envelope_size;
static uint8_t text[TEXT_BYTES];
static unsigned moves; /* by compaction, in all runs */

static struct message *find(uint64_t id)
{
	for (size_t i = 0; i < MESSAGES; i++)
		if (messages[i].id == id)
			return &messages[i];
	return NULL;
}

static void message_recovered(void *context, const struct spool_message *found)
{
	(void)context;
	struct message *message = find(found->id);
	assert_non_null(message);
	assert_int_equal(found->size_bytes, TEXT_BYTES);
	message->recovered = true;
	message->place = found->place;
}

static void message_moved(void *context, uint64_t id, struct spool_place to)
{
	(void)context;
	find(id)->place = to;
	moves++;
}

static bool turn(bool wait)
{
	struct error error;
	return loop_turn(loop, wait, &error);
}

static bool open_lane(void)
{
	struct error error = { "" };
	struct spool_settings settings = {
		.directory = "lane", .lane = 1, .segment_bytes = SEGMENT_BYTES, .compaction_ms = 1
	};
	for (size_t i = 0; i < MESSAGES; i++)
		messages[i].recovered = false;
	loop = loop_create(&(struct loop_settings){ .kind = LOOP_EPOLL }, &error);
	spool = loop ? spool_open(loop, &settings, message_recovered, message_moved, NULL, &error) : NULL;
	if (!spool) {
		assert_true(torture_has_failed() && error.text[0]);
		loop_destroy(loop);
		loop = NULL;
	}
	return spool != NULL;
}

static void close_lane(void)
{
	spool_close(spool);
	loop_destroy(loop);
	spool = NULL;
	loop = NULL;
}

/* --- what is done with it --- */

static void appended(struct spool_entry *entry, enum spool_status status)
{
	struct message *message = CONTAINER_OF(entry, struct message, entry);
	message->waits = false;
	message->status = status;
	message->fate = status == SPOOL_OK ? LIVE : DOUBTFUL;
	message->place = entry->place;
}

static void changed(struct spool_entry *entry, enum spool_status status)
{
	struct message *message = CONTAINER_OF(entry, struct message, change);
	message->waits = false;
	message->status = status;
}

static void await(const struct message *message)
{
	for (unsigned turns = 0; message->waits; turns++) {
		assert_true(turns < 10000);
		assert_true(turn(true));
	}
}

static void append(struct message *message)
{
	message->id = spool_new_id(spool);
	message->waits = true;
	message->parts[0] = (struct iovec){ envelope_bytes, envelope_size };
	message->parts[1] = (struct iovec){ text, TEXT_BYTES };
	spool_append_message(spool, &message->entry, message->id, message->parts, 2, (uint32_t)envelope_size,
			     TEXT_BYTES, false, false, appended);
	await(message);
}

static void change(struct message *message, enum spool_change what, uint32_t recipient, const char *detail)
{
	if (message->fate != LIVE)
		return;
	message->waits = true;
	spool_append_change(spool, &message->change, message->id, what, recipient, slice_from_text(detail), changed);
	await(message);
	if (what != SPOOL_MESSAGE_DONE)
		return;
	message->fate = message->status == SPOOL_OK ? ENDED : LIVE;
	if (message->fate == ENDED)
		spool_forget(spool, message->id, message->place, false);
}

static bool read_is_done;
static enum spool_status read_status;

static void read_done(struct spool_read *read, enum spool_status status)
{
	(void)read;
	read_is_done = true;
	read_status = status;
}

static void read_back(const struct message *message)
{
	static struct spool_read read;
	if (message->fate != LIVE)
		return;
	read_is_done = false;
	spool_read_start(spool, &read, message->id, message->place, false, read_done);
	while (!read_is_done)
		assert_true(turn(true));
	assert_true(read_status == SPOOL_OK || torture_has_failed());
	if (read_status == SPOOL_OK) {
		assert_int_equal(read.text.size, TEXT_BYTES);
		assert_memory_equal(read.text.data, text, TEXT_BYTES);
	}
	spool_read_finish(&read);
}

/* Some messages and changes; most end, so that compaction has something to do. */
static void work(void)
{
	for (size_t i = 0; i < MESSAGES; i++)
		append(&messages[i]);
	for (size_t i = 0; i < MESSAGES; i++) {
		if (i % 8 == 0) {
			change(&messages[i], SPOOL_RECIPIENT_DONE, 1, "");
			change(&messages[i], SPOOL_HOLD, 0, "by hand");
			change(&messages[i], SPOOL_ATTEMPT, 0, "a longer reason that needs more memory");
		} else {
			change(&messages[i], SPOOL_MESSAGE_DONE, 0, "");
		}
	}
	read_back(&messages[0]);
	for (unsigned i = 0; i < TURNS; i++) {
		assert_true(turn(false));
		usleep(100);
	}
}

static bool listed(void *context, const struct spool_message *found)
{
	size_t *count = context;
	assert_non_null(find(found->id));
	++*count;
	return true;
}

static void list(void)
{
	struct error error;
	size_t count = 0, live = 0;
	for (size_t i = 0; i < MESSAGES; i++)
		live += messages[i].fate == LIVE;
	if (spool_list("lane", listed, &count, &error))
		assert_true(count >= live);
	else
		assert_true(torture_has_failed());
	struct spool_copy copy;
	if (messages[0].fate != LIVE || !spool_copy_message("lane", messages[0].id, &copy, &error))
		return;
	assert_int_equal(copy.text_size, TEXT_BYTES);
	free(copy.envelope);
	free(copy.text);
}

static void live(void *context)
{
	(void)context;
	if (!open_lane())
		return;
	work();
	close_lane();
	list();
	if (!open_lane())
		return;
	read_back(&messages[0]);
	close_lane();
}

/* --- what must hold --- */

static void prepare(void *context)
{
	(void)context;
	memset(messages, 0, sizeof messages);
	scratch_folder_enter();
}

static void look(void *context)
{
	(void)context;
	assert_true(open_lane());
	for (size_t i = 0; i < MESSAGES; i++) {
		assert_true(messages[i].fate != LIVE || messages[i].recovered);
		assert_true(messages[i].fate != ENDED || !messages[i].recovered);
		read_back(&messages[i]);
	}
	close_lane();
	scratch_folder_leave();
}

static void what_is_acknowledged_stays(void **state)
{
	(void)state;
	torture_run(&(struct torture){ .before = prepare, .scenario = live, .after = look });
	assert_true(moves > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_acknowledged_stays) };
	assert_true(secret_setup());
	log_configure(getenv("SPOOL_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, 2);
	alarm(280);
	struct buffer out;
	buffer_init(&out, envelope_bytes, sizeof envelope_bytes);
	assert_true(envelope_begin(&out, 0, SLICE_LITERAL("a"), SLICE_LITERAL("b"), SLICE_LITERAL("c@d.example")) &&
		    envelope_add_recipient(&out, SLICE_LITERAL("e@f.example")) &&
		    envelope_add_recipient(&out, SLICE_LITERAL("g@h.example")));
	envelope_finish(envelope_bytes, 0, 2, 1);
	envelope_size = out.size;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(i * 7 + i / 256);
	return cmocka_run_group_tests_name("torture spool", tests, NULL, NULL);
}
