/* A run of the simulator has failed: which seed and life it is, and how it is repeated. */
#ifndef POSTERN_TESTS_FAILURE_H
#define POSTERN_TESTS_FAILURE_H

#include <stdint.h>

#include "core/base/error.h"

/* Where the run is now: for the message. */
void failure_place(uint64_t seed, unsigned life);

/* Prints what is wrong and the command that repeats it; the process ends with status 1, without cleaning up. */
void sim_fail(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));

#endif
