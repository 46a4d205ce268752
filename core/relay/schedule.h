/* When a message that could not be delivered is tried again, and when that ends.
 *
 * The delay depends on the message's age alone, so a restart loses nothing: 1, 5, 15, 30 minutes, 1, 2, and then each 4
 * hours, until 5 days have gone. Each delay is a step with an index; all messages of one step wait equally long, so a
 * list for each step is in order of due time by itself. */
#ifndef POSTERN_RELAY_SCHEDULE_H
#define POSTERN_RELAY_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

enum { SCHEDULE_STEPS = 7 };

/* The step after a try that failed when the message was this old. A clock that went back gives negative ages: step 0. */
unsigned schedule_step(int64_t age_us);

uint64_t schedule_delay_ms(unsigned step);

/* Old enough to give up after one more failure. */
bool schedule_is_over(int64_t age_us);

#endif
