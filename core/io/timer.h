/* A hierarchical timer wheel: starting, moving and stopping are O(1) however many timers run.
 *
 * Ticks are milliseconds. Four levels of 256 slots hold 49 days, what is further ahead waits in a list of its own; a
 * timer far ahead moves down as its time comes near, so each timer is touched at most five times. A timer never runs
 * early. The wheel knows no clock: time is passed in. */
#ifndef POSTERN_IO_TIMER_H
#define POSTERN_IO_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/list.h"

struct timer;
typedef void timer_callback(struct timer *timer);

struct timer {
	struct list link;
	uint64_t due_ms; /* on the wheel's time; 0 when not running */
	timer_callback *expired;
};

enum { TIMER_LEVELS = 4, TIMER_SLOTS = 256 };

struct timer_wheel {
	uint64_t now_ms;
	struct list overdue; /* was past when it was started */
	struct list slots[TIMER_LEVELS][TIMER_SLOTS];
	struct list distant;                               /* more than the levels hold */
	uint64_t occupied[TIMER_LEVELS][TIMER_SLOTS / 64]; /* a bit a slot that holds timers */
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms);

static inline void timer_init(struct timer *timer, timer_callback *expired)
{
	list_init(&timer->link);
	timer->due_ms = 0;
	timer->expired = expired;
}

static inline bool timer_is_running(const struct timer *timer)
{
	return timer->due_ms != 0;
}

/* due_ms is absolute; what is past runs at the next advance. Moves the timer when it is running. */
void timer_wheel_start(struct timer_wheel *wheel, struct timer *timer, uint64_t due_ms);
void timer_wheel_stop(struct timer_wheel *wheel, struct timer *timer);

/* Milliseconds until something may be due (never later than the first timer, but it may be earlier: at most one idle
 * wake for each level); UINT64_MAX when no timer runs. */
uint64_t timer_wheel_wait_ms(const struct timer_wheel *wheel);

/* Moves time on and runs what is due: first what was past when it was started, then in order of due time. Callbacks
 * may start and stop any timer; what they start as past waits for the next advance. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms);

#endif
