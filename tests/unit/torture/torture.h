/* Every allocation fails once: a scenario is run again and again, and each time another one of its allocations finds no memory,
 * until there is none left to fail. Then the same with all allocations from that one on.
 *
 * Programs are linked with the allocation functions wrapped (torture_libs), so it is our own code's allocations that fail, be
 * it in a function under test or in the scenario: one that must not fail stands between torture_pause() and torture_resume().
 * Libraries' own allocations do not fail. A scenario may end early; it returns in any case, having freed what it made, which
 * the leak checker sees to, and has asserted what must hold all the same.
 *
 * A test that fails tells the number of the allocation; with it in the environment, TORTURE_NUMBER=…, that run is done
 * alone, and the sanitizer shows where the allocation is. */
#ifndef POSTERN_TESTS_TORTURE_H
#define POSTERN_TESTS_TORTURE_H

#include <stdbool.h>
#include <stddef.h>

/* Fails the test when not one allocation was seen. The scenario must be the same each time it is run. `before` (may be NULL)
 * prepares each run, without failures, `after` (may be NULL) looks at what it left, without failures. */
struct torture {
	void (*before)(void *context);
	void (*scenario)(void *context);
	void (*after)(void *context);
	void *context;
};
void torture_run(const struct torture *torture);

/* They nest. */
void torture_pause(void);
void torture_resume(void);

/* Whether an allocation has failed in this run. */
bool torture_has_failed(void);

#endif
