/* The lanes of a data folder, for commands that look at them or ask their workers. */
#ifndef POSTERN_TOOLS_LANES_H
#define POSTERN_TOOLS_LANES_H

#include <stddef.h>

#include "core/base/error.h"

enum { LANES_MOST = 256 };

/* The lanes that exist, in order. `folder` is "<data>/lanes". False, told on standard error, when it can't be read. One
 * that is not there yet has no lanes. */
MUST_USE bool lanes_find(const char *folder, unsigned lanes[LANES_MOST], size_t *count);

/* "<folder>/N", malloc'ed; ends the program where there is no memory. */
char *lanes_directory(const char *folder, unsigned lane);

#endif
