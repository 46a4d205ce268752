/* Telling a recorded refusal. */
#ifndef POSTERN_TOOLS_REFUSAL_PRINT_H
#define POSTERN_TOOLS_REFUSAL_PRINT_H

#include "core/server/refusal.h"

void refusal_print(const struct refusal *refusal, bool json);

#endif
