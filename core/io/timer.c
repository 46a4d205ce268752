/* The timer wheel; see timer.h.
 *
 * A timer's level is the highest byte in which its due time differs from now, its slot is that byte of the due time.
 * Two things follow, and everything here leans on them:
 * - A slot that holds timers is always ahead of now on its level; no index ever wraps round, so the next event is the
 *   first occupied slot of the lowest level that has one.
 * - A timer's level stays what it was at the start until now enters its slot, when the whole slot moves down. So the
 *   place of a running timer can be computed, and need not be stored. */
#include "core/io/timer.h"

#include "core/base/error.h"

enum { LEVEL_BITS = 8, SLOT_MASK = TIMER_SLOTS - 1, BITMAP_WORDS = TIMER_SLOTS / 64 };

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms)
{
	*wheel = (struct timer_wheel){ .now_ms = now_ms };
	list_init(&wheel->overdue);
	list_init(&wheel->distant);
	for (unsigned level = 0; level < TIMER_LEVELS; level++)
		for (unsigned slot = 0; slot < TIMER_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
}

/* TIMER_LEVELS and more: beyond the levels. */
static unsigned level_of(uint64_t now_ms, uint64_t due_ms)
{
	uint64_t difference = now_ms ^ due_ms;
	return difference ? (63 - (unsigned)__builtin_clzll(difference)) / LEVEL_BITS : 0;
}

static unsigned slot_of(uint64_t ms, unsigned level)
{
	return (unsigned)(ms >> (level * LEVEL_BITS)) & SLOT_MASK;
}

/* Also for a timer that is due now: its slot is run next. */
static void place(struct timer_wheel *wheel, struct timer *timer)
{
	unsigned level = level_of(wheel->now_ms, timer->due_ms);
	if (level >= TIMER_LEVELS) {
		list_append(&wheel->distant, &timer->link);
		return;
	}
	unsigned slot = slot_of(timer->due_ms, level);
	list_append(&wheel->slots[level][slot], &timer->link);
	wheel->occupied[level][slot / 64] |= UINT64_C(1) << slot % 64;
}

/* Safe for a timer that is not in its slot (overdue, about to run): the bit then only says what is true. */
static void take_out(struct timer_wheel *wheel, struct timer *timer)
{
	list_remove(&timer->link);
	unsigned level = level_of(wheel->now_ms, timer->due_ms);
	if (level >= TIMER_LEVELS)
		return;
	unsigned slot = slot_of(timer->due_ms, level);
	if (list_is_empty(&wheel->slots[level][slot]))
		wheel->occupied[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
}

void timer_wheel_start(struct timer_wheel *wheel, struct timer *timer, uint64_t due_ms)
{
	if (timer_is_running(timer))
		take_out(wheel, timer);
	timer->due_ms = due_ms ? due_ms : 1;
	if (due_ms <= wheel->now_ms)
		list_append(&wheel->overdue, &timer->link);
	else
		place(wheel, timer);
}

void timer_wheel_stop(struct timer_wheel *wheel, struct timer *timer)
{
	if (!timer_is_running(timer))
		return;
	take_out(wheel, timer);
	timer->due_ms = 0;
}

/* The first occupied slot behind `after`; TIMER_SLOTS where there is none. */
static unsigned next_slot(const uint64_t occupied[BITMAP_WORDS], unsigned after)
{
	unsigned slot = after + 1;
	if (slot >= TIMER_SLOTS)
		return TIMER_SLOTS;
	uint64_t word = occupied[slot / 64] & ~UINT64_C(0) << slot % 64;
	for (unsigned i = slot / 64;;) {
		if (word)
			return i * 64 + (unsigned)__builtin_ctzll(word);
		if (++i == BITMAP_WORDS)
			return TIMER_SLOTS;
		word = occupied[i];
	}
}

/* When the wheel has to be looked at next: a timer is due, or a slot's timers move down. UINT64_MAX: never. */
static uint64_t next_event_ms(const struct timer_wheel *wheel)
{
	for (unsigned level = 0; level < TIMER_LEVELS; level++) {
		unsigned slot = next_slot(wheel->occupied[level], slot_of(wheel->now_ms, level));
		if (slot == TIMER_SLOTS)
			continue;
		unsigned shift = level * LEVEL_BITS;
		return (wheel->now_ms >> shift >> LEVEL_BITS << LEVEL_BITS | slot) << shift;
	}
	unsigned wheel_bits = TIMER_LEVELS * LEVEL_BITS;
	return list_is_empty(&wheel->distant) ? UINT64_MAX : ((wheel->now_ms >> wheel_bits) + 1) << wheel_bits;
}

uint64_t timer_wheel_wait_ms(const struct timer_wheel *wheel)
{
	if (!list_is_empty(&wheel->overdue))
		return 0;
	uint64_t event_ms = next_event_ms(wheel);
	return event_ms == UINT64_MAX ? UINT64_MAX : event_ms - wheel->now_ms;
}

static void place_all(struct timer_wheel *wheel, struct list *from)
{
	struct list moving;
	list_init(&moving);
	list_splice(&moving, from);
	for (struct list *node; (node = list_take_first(&moving));)
		place(wheel, CONTAINER_OF(node, struct timer, link));
}

/* Now has entered a slot on each level whose lower bytes are zero: their timers move down. */
static void move_down(struct timer_wheel *wheel)
{
	if ((uint32_t)wheel->now_ms == 0)
		place_all(wheel, &wheel->distant);
	for (unsigned level = TIMER_LEVELS - 1; level > 0; level--) {
		if (wheel->now_ms & ((UINT64_C(1) << (level * LEVEL_BITS)) - 1))
			continue;
		unsigned slot = slot_of(wheel->now_ms, level);
		wheel->occupied[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
		place_all(wheel, &wheel->slots[level][slot]);
	}
}

/* The timers are taken out of `from` first: callbacks may stop the ones that come next, and what they start
 * does not run now. */
static void run(struct list *from)
{
	struct list due;
	list_init(&due);
	list_splice(&due, from);
	for (struct list *node; (node = list_take_first(&due));) {
		struct timer *timer = CONTAINER_OF(node, struct timer, link);
		timer->due_ms = 0;
		timer->expired(timer);
	}
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms)
{
	ASSERT(now_ms >= wheel->now_ms);
	run(&wheel->overdue);
	for (uint64_t event_ms; (event_ms = next_event_ms(wheel)) <= now_ms;) {
		wheel->now_ms = event_ms;
		move_down(wheel);
		unsigned slot = slot_of(event_ms, 0);
		wheel->occupied[0][slot / 64] &= ~(UINT64_C(1) << slot % 64);
		run(&wheel->slots[0][slot]);
	}
	wheel->now_ms = now_ms;
}
