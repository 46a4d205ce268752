/* Time as a value that is passed in, never asked for by an engine.
 *
 * The loop reads the clocks once a turn and everything in that turn sees the same time; the simulator passes a
 * time of its own. */
#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

#include <stdint.h>

struct clock_now {
	uint64_t monotonic_ns; /* never goes back; for time-outs and intervals */
	int64_t unix_us;       /* wall clock, microseconds since 1970 UTC; for what people read */
};

enum { CLOCK_NS_PER_MS = 1000000 };

#endif
