/* core/spool/live_index.c: against a sorted array, on messages that come in order, late, and go in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/spool/live.h"

enum { IDS_MOST = 6000, WAITING_MOST = 300, STEPS = 60000 };

struct model {
	struct live_index index;
	uint64_t ids[IDS_MOST]; /* in the index, sorted */
	size_t count;
	struct live *waiting[WAITING_MOST]; /* made, in order */
	size_t waiting_count;
	uint64_t newest;
	uint64_t random;
};

static uint32_t below(struct model *model, uint32_t count)
{
	model->random = model->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(model->random >> 33) % count;
}

static size_t place_of(const struct model *model, uint64_t id)
{
	size_t at = 0;
	while (at < model->count && model->ids[at] < id)
		at++;
	return at;
}

static bool is_known(const struct model *model, uint64_t id)
{
	size_t at = place_of(model, id);
	if (at < model->count && model->ids[at] == id)
		return true;
	for (size_t i = 0; i < model->waiting_count; i++)
		if (model->waiting[i]->id == id)
			return true;
	return false;
}

static void make(struct model *model, bool late)
{
	uint64_t id = late ? 1 + below(model, (uint32_t)model->newest + 1) : model->newest + 1 + below(model, 3);
	if (model->waiting_count == WAITING_MOST || is_known(model, id))
		return;
	struct live *made = live_create(&model->index, id);
	assert_non_null(made);
	assert_null(live_find(&model->index, id));
	made->offset = (uint32_t)id * 7;
	model->waiting[model->waiting_count++] = made;
	if (id > model->newest)
		model->newest = id;
}

static void take_in(struct model *model)
{
	if (model->waiting_count == 0 || model->count == IDS_MOST)
		return;
	struct live *made = model->waiting[0];
	uint64_t id = made->id;
	memmove(&model->waiting[0], &model->waiting[1], --model->waiting_count * sizeof *model->waiting);
	if (below(model, 10) == 0) {
		live_discard(&model->index, made);
		return;
	}
	struct live *live = live_insert(&model->index, made);
	assert_int_equal(live->id, id);
	assert_int_equal(live->offset, (uint32_t)id * 7);
	size_t at = place_of(model, id);
	memmove(&model->ids[at + 1], &model->ids[at], (model->count++ - at) * sizeof *model->ids);
	model->ids[at] = id;
}

static void take_out(struct model *model, bool oldest)
{
	if (model->count == 0)
		return;
	size_t at = oldest ? 0 : below(model, (uint32_t)model->count);
	struct live *live = live_find(&model->index, model->ids[at]);
	assert_non_null(live);
	assert_int_equal(live->offset, (uint32_t)model->ids[at] * 7);
	live_remove(&model->index, live);
	memmove(&model->ids[at], &model->ids[at + 1], (--model->count - at) * sizeof *model->ids);
}

static void check(const struct model *model)
{
	size_t at = 0;
	assert_int_equal(model->index.size, model->count);
	for (const struct live *live = live_next(&model->index, 0); live; live = live_next(&model->index, live->id)) {
		assert_true(at < model->count);
		assert_int_equal(live->id, model->ids[at]);
		assert_ptr_equal(live_find(&model->index, live->id), live);
		at++;
	}
	assert_int_equal(at, model->count);
	assert_null(live_find(&model->index, model->newest + 1));
	assert_null(live_next(&model->index, model->newest));
}

/* `late` of a hundred are not the newest, `out` of a hundred steps take one out, and of these `oldest` of a hundred the oldest. */
static void run(uint64_t seed, uint32_t late, uint32_t out, uint32_t oldest)
{
	struct model *model = calloc(1, sizeof *model);
	assert_non_null(model);
	model->random = seed;
	live_index_init(&model->index);
	for (size_t step = 0; step < STEPS; step++) {
		if (below(model, 100) < out)
			take_out(model, below(model, 100) < oldest);
		else if (below(model, 2))
			make(model, below(model, 100) < late);
		else
			take_in(model);
		if (step % 5000 == 0)
			check(model);
	}
	check(model);
	while (model->count)
		take_out(model, false);
	check(model);
	while (model->waiting_count)
		live_discard(&model->index, model->waiting[--model->waiting_count]);
	live_index_finish(&model->index);
	free(model);
}

static void in_order_and_out_in_order(void **state)
{
	(void)state;
	run(1, 0, 25, 100);
}

static void some_late_and_out_in_any_order(void **state)
{
	(void)state;
	run(2, 5, 20, 50);
}

static void all_in_any_order(void **state)
{
	(void)state;
	run(3, 100, 10, 0);
	run(4, 50, 33, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_and_out_in_order),
		cmocka_unit_test(some_late_and_out_in_any_order),
		cmocka_unit_test(all_in_any_order),
	};
	return cmocka_run_group_tests_name("index of live messages", tests, NULL, NULL);
}
