/* core/spool against a stupid model: random messages and changes, with segments that are small and compaction that never
 * rests, so that everything is moved and recycled many times. Now and then the lane is closed and opened, or a crash is
 * imitated by opening a copy of its files as they are in the middle of it all. */
#include "tests/unit/spool/lane.h"

#include <stdio.h>

enum {
	MESSAGES = 600,
	IN_FLIGHT = 24,
	STEPS = 20000,
	RECIPIENTS_MOST = 20,
	TEXT_MOST = 3000,
};

enum { UNUSED, APPENDING, LIVE, ENDED };

struct modelled {
	uint64_t id;
	int state;
	uint32_t recipients;
	size_t text_size;
	bool held;
	uint32_t done_bits;
	char detail[16];
	struct spool_place place;
	bool changing; /* a change is in flight: the files may have it or not */
};

struct flight {
	struct lane_entry entry;
	bool used;
	size_t message;
	enum spool_change change;
	uint32_t recipient;
	char detail[16];
};

struct model {
	struct lane lane;
	struct modelled messages[MESSAGES];
	struct flight flights[IN_FLIGHT];
	uint64_t moved;
};

static uint32_t below(uint32_t bound)
{
	return (uint32_t)random() % bound;
}

static struct modelled *find(struct model *model, uint64_t id)
{
	for (size_t i = 0; i < MESSAGES; i++)
		if (model->messages[i].id == id)
			return &model->messages[i];
	return NULL;
}

static void message_moved(void *context, uint64_t id, struct spool_place to)
{
	struct model *model = context;
	struct modelled *message = find(model, id);
	assert_non_null(message);
	message->place = to;
	model->moved++;
}

static bool all_recipients_done(const struct modelled *message)
{
	return message->done_bits == (1u << message->recipients) - 1;
}

/* --- what is in flight --- */

static struct flight *free_flight(struct model *model)
{
	for (size_t i = 0; i < IN_FLIGHT; i++)
		if (!model->flights[i].used)
			return &model->flights[i];
	return NULL;
}

static void settle(struct model *model, struct flight *flight)
{
	struct modelled *message = &model->messages[flight->message];
	flight->used = false;
	assert_int_equal(flight->entry.status, SPOOL_OK);
	if (message->state == APPENDING) {
		message->state = LIVE;
		if (message->place.size == 0) /* else it has been moved already */
			message->place = flight->entry.entry.place;
		lane_entry_finish(&flight->entry);
		return;
	}
	message->changing = false;
	switch (flight->change) {
	case SPOOL_RECIPIENT_DONE:
		message->done_bits |= 1u << flight->recipient;
		break;
	case SPOOL_HOLD:
	case SPOOL_RELEASE:
		message->held = flight->change == SPOOL_HOLD;
		break;
	case SPOOL_MESSAGE_DONE:
	case SPOOL_ATTEMPT:
		break;
	}
	if (flight->detail[0])
		snprintf(message->detail, sizeof message->detail, "%s", flight->detail);
	if (flight->change == SPOOL_MESSAGE_DONE || all_recipients_done(message)) {
		spool_forget(model->lane.spool, message->id, message->place, false);
		message->state = ENDED;
	}
}

static void settle_done(struct model *model, bool wait)
{
	for (size_t i = 0; i < IN_FLIGHT; i++) {
		struct flight *flight = &model->flights[i];
		if (flight->used && wait)
			lane_wait(&model->lane, &flight->entry);
		if (flight->used && flight->entry.done)
			settle(model, flight);
	}
}

/* --- steps --- */

static void append(struct model *model, struct flight *flight, size_t at)
{
	struct modelled *message = &model->messages[at];
	*message = (struct modelled){
		.state = APPENDING,
		.recipients = 1 + below(RECIPIENTS_MOST),
		.text_size = below(TEXT_MOST),
		.held = below(4) == 0,
	};
	flight->used = true;
	flight->message = at;
	lane_start_message(&model->lane, &flight->entry, message->recipients, message->text_size, message->held);
	message->id = flight->entry.id;
}

static void change(struct model *model, struct flight *flight, size_t at)
{
	static const enum spool_change changes[] = {
		SPOOL_RECIPIENT_DONE, SPOOL_RECIPIENT_DONE, SPOOL_MESSAGE_DONE,
		SPOOL_HOLD,           SPOOL_RELEASE,        SPOOL_ATTEMPT,
	};
	struct modelled *message = &model->messages[at];
	if (message->changing)
		return;
	flight->used = true;
	flight->message = at;
	flight->change = changes[below(sizeof changes / sizeof changes[0])];
	flight->recipient = below(message->recipients);
	flight->detail[0] = 0;
	if (flight->change >= SPOOL_HOLD && below(2))
		snprintf(flight->detail, sizeof flight->detail, "try %u", below(1000000));
	message->changing = true;
	lane_start_change(&model->lane, &flight->entry, message->id, flight->change, flight->recipient, flight->detail);
}

static void step(struct model *model)
{
	struct error error;
	size_t at = below(MESSAGES);
	struct modelled *message = &model->messages[at];
	struct flight *flight = free_flight(model);
	if (flight && (message->state == UNUSED || message->state == ENDED))
		append(model, flight, at);
	else if (flight && message->state == LIVE)
		change(model, flight, at);
	if (message->state == LIVE && below(20) == 0)
		lane_check_text(&model->lane, message->id, message->place, message->text_size, false);
	if (!flight || below(3) == 0)
		assert_true(loop_turn(model->lane.loop, !flight, &error));
	settle_done(model, false);
}

/* --- comparing --- */

static uint32_t bits_of(const struct lane_message *found)
{
	return (uint32_t)found->done_bits[0] | (uint32_t)found->done_bits[1] << 8 | (uint32_t)found->done_bits[2] << 16;
}

static void compare_message(const struct modelled *message, const struct lane_message *found, bool moved_since)
{
	assert_int_equal(found->recipients, message->recipients);
	assert_int_equal(found->size_bytes, message->text_size);
	if (message->changing)
		return;
	assert_int_equal(bits_of(found), message->done_bits);
	assert_int_equal(found->held, message->held);
	assert_string_equal(found->detail, message->detail);
	/* Where it is being moved, its new record may be on the disk before anybody was told. */
	if (!moved_since)
		assert_true(found->place.segment >= message->place.segment);
}

/* `lane` was opened or listed just now. */
static void compare(struct model *model, const struct lane *lane, bool moved_since)
{
	size_t live = 0;
	for (size_t i = 0; i < MESSAGES; i++) {
		const struct modelled *message = &model->messages[i];
		const struct lane_message *found = message->id ? lane_find(lane, message->id) : NULL;
		if (message->state == LIVE && !message->changing)
			assert_non_null(found);
		if (message->state == ENDED)
			assert_null(found);
		live += found != NULL;
		if (found && message->state == LIVE)
			compare_message(message, found, moved_since);
	}
	assert_int_equal(live, lane->message_count); /* and nothing else */
}

static void reopen(struct model *model)
{
	settle_done(model, true);
	lane_list(&model->lane);
	compare(model, &model->lane, false);
	lane_close(&model->lane);
	lane_open(&model->lane);
	compare(model, &model->lane, true);
	for (size_t i = 0; i < model->lane.message_count; i++)
		find(model, model->lane.messages[i].id)->place = model->lane.messages[i].place;
}

static void crash(struct model *model)
{
	struct lane copy;
	lane_crash(&copy, &model->lane);
	lane_open(&copy);
	compare(model, &copy, true);
	for (size_t i = 0; i < copy.message_count; i += 7) {
		const struct modelled *message = find(model, copy.messages[i].id);
		lane_check_text(&copy, message->id, copy.messages[i].place, message->text_size, false);
	}
	/* Once more: what the first recovery wrote must not change anything. */
	lane_close(&copy);
	lane_list(&copy);
	compare(model, &copy, true);
	lane_open(&copy);
	compare(model, &copy, true);
	lane_finish(&copy);
}

/* What a crash has decided becomes the model's truth. */
static void adopt(struct modelled *message, const struct lane_message *found)
{
	if (message->state != APPENDING && message->state != LIVE)
		return;
	message->state = found ? LIVE : ENDED;
	message->changing = false;
	if (!found)
		return;
	message->place = found->place;
	message->held = found->held;
	message->done_bits = bits_of(found);
	snprintf(message->detail, sizeof message->detail, "%.15s", found->detail);
}

/* A crash after which the copy is what there is. */
static void crash_and_go_on(struct model *model)
{
	struct lane copy;
	lane_crash(&copy, &model->lane);
	for (size_t i = 0; i < IN_FLIGHT; i++) {
		struct flight *flight = &model->flights[i];
		if (flight->used)
			lane_wait(&model->lane, &flight->entry);
		lane_entry_finish(&flight->entry);
		flight->used = false;
	}
	model->lane.moved = NULL;
	lane_finish(&model->lane);
	model->lane = copy;
	model->lane.settings.directory = model->lane.directory;
	model->lane.moved = message_moved;
	model->lane.moved_context = model;
	lane_open(&model->lane);
	compare(model, &model->lane, true);
	for (size_t i = 0; i < MESSAGES; i++)
		if (model->messages[i].id)
			adopt(&model->messages[i], lane_find(&model->lane, model->messages[i].id));
}

static void end_all(struct model *model)
{
	settle_done(model, true);
	for (size_t i = 0; i < MESSAGES; i++) {
		struct modelled *message = &model->messages[i];
		if (message->state != LIVE)
			continue;
		lane_change(&model->lane, message->id, SPOOL_MESSAGE_DONE, 0, "");
		spool_forget(model->lane.spool, message->id, message->place, false);
	}
}

static void a_lane_agrees_with_the_model(void **state)
{
	(void)state;
	static struct model model;
	memset(&model, 0, sizeof model);
	const char *seed = getenv("SPOOL_TEST_SEED");
	srandom(seed ? (unsigned)strtoul(seed, NULL, 10) : 1);
	lane_init(&model.lane, SMALL_SEGMENT_BYTES);
	model.lane.settings.compaction_ms = 1;
	model.lane.moved = message_moved;
	model.lane.moved_context = &model;
	lane_open(&model.lane);
	for (size_t i = 0; i < STEPS; i++) {
		step(&model);
		if (i % 2000 == 1999)
			reopen(&model);
		if (i % 1000 == 499)
			crash(&model);
		if (i % 1000 == 799)
			crash_and_go_on(&model);
	}
	assert_true(model.moved > 100);
	end_all(&model);
	lane_turn(&model.lane, 100);
	/* The current one and the newest before it, and what is ready. */
	assert_in_range(lane_count_files(&model.lane, "segments"), 1, 2 + LIMIT_READY_SEGMENTS);
	lane_close(&model.lane);
	lane_open(&model.lane);
	assert_int_equal(model.lane.message_count, 0);
	lane_finish(&model.lane);
}

static int run(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_lane_agrees_with_the_model) };
	return cmocka_run_group_tests_name("spool model", tests, NULL, NULL);
}

int main(void)
{
	return run_on_both_loops(run);
}
