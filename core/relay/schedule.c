/* The back-off table; see schedule.h. */
#include "core/relay/schedule.h"

#include "core/base/error.h"

enum { SECONDS_A_MINUTE = 60, SECONDS_AN_HOUR = 3600, GIVE_UP_SECONDS = 5 * 24 * SECONDS_AN_HOUR };

static const uint32_t delay_seconds[SCHEDULE_STEPS] = {
	1 * SECONDS_A_MINUTE,  5 * SECONDS_A_MINUTE, 15 * SECONDS_A_MINUTE, 30 * SECONDS_A_MINUTE,
	60 * SECONDS_A_MINUTE, 2 * SECONDS_AN_HOUR,  4 * SECONDS_AN_HOUR,
};

unsigned schedule_step(int64_t age_us)
{
	int64_t age_seconds = age_us / 1000000;
	int64_t passed_seconds = 0;
	unsigned step = 0;
	while (step < SCHEDULE_STEPS - 1 && age_seconds >= passed_seconds + delay_seconds[step]) {
		passed_seconds += delay_seconds[step];
		step++;
	}
	return step;
}

uint64_t schedule_delay_ms(unsigned step)
{
	ASSERT(step < SCHEDULE_STEPS);
	return (uint64_t)delay_seconds[step] * 1000;
}

bool schedule_is_over(int64_t age_us)
{
	return age_us / 1000000 >= GIVE_UP_SECONDS;
}
