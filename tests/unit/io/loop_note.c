/* An operation that remembers what it was told; see loop_table.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/io/loop_table.h"

struct note note_make(struct loop_world *world)
{
	struct note note = { .world = world };
	loop_op_init(&note.op);
	return note;
}

uint8_t sum_bytes(uint8_t sum, struct slice bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		sum = (uint8_t)(sum * 31 + bytes.data[i]);
	return sum;
}

void note_done(struct loop_op *op, const struct loop_completion *completion)
{
	struct note *note = CONTAINER_OF(op, struct note, op);
	assert_int_equal(completion->more, loop_op_is_running(op));
	note->calls++;
	note->result = completion->result;
	note->more = completion->more;
	note->total += completion->bytes.size;
	note->sum = sum_bytes(note->sum, completion->bytes);
	size_t size = completion->bytes.size < sizeof note->bytes ? completion->bytes.size : sizeof note->bytes;
	if (size)
		memcpy(note->bytes, completion->bytes.data, size);
	if (completion->more && note->accepted_count < 64)
		note->accepted[note->accepted_count++] = completion->result;
	if (note->again && completion->result > 0)
		loop_receive(note->world->loop, op, op->fd, note_done);
}

void world_turn(struct loop_world *world, bool wait)
{
	struct error error;
	if (!loop_turn(world->loop, wait, &error))
		fail_msg("%s", error.text);
}

void note_until(struct note *note, unsigned calls)
{
	for (unsigned turns = 0; note->calls < calls; turns++) {
		assert_true(turns < 100000);
		world_turn(note->world, true);
	}
}

int32_t note_await(struct note *note)
{
	return loop_await(note->world->loop, &note->op);
}
