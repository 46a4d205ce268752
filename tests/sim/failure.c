/* See failure.h. */
#include "tests/sim/failure.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static uint64_t current_seed;
static unsigned current_life;

void failure_place(uint64_t seed, unsigned life)
{
	current_seed = seed;
	current_life = life;
}

void sim_fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fflush(stdout);
	fprintf(stderr, "seed %" PRIu64 ", life %u: ", current_seed, current_life);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	fflush(stderr);
	va_end(arguments);
	_exit(1);
}
