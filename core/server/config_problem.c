/* The list of what is wrong with a configuration; see config.h.
 *
 * Kept in order of lines while it grows, so that people read it beside their file. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/server/config.h"

/* Lines in order; what concerns the whole file (line 0) comes last. */
static bool comes_after(int line, int other)
{
	return line != 0 && (other == 0 || other > line);
}

/* What is told where there is no memory for the first problem: a wrong configuration must not pass for want of it. */
static struct config_problem last_resort[1];

static struct config_problem *last_resort_of(struct config_problems *problems)
{
	problems->list = last_resort;
	problems->count = 1;
	return last_resort;
}

/* NULL: there is no memory for more, and at least one stands there already. */
static struct config_problem *make_room(struct config_problems *problems, int line)
{
	if (problems->list == last_resort)
		return NULL;
	struct config_problem *larger = realloc(problems->list, (problems->count + 1) * sizeof *larger);
	if (!larger)
		return problems->count ? NULL : last_resort_of(problems);
	problems->list = larger;
	size_t at = problems->count;
	while (at > 0 && comes_after(line, larger[at - 1].line))
		at--;
	memmove(&larger[at + 1], &larger[at], (problems->count - at) * sizeof *larger);
	problems->count++;
	return &larger[at];
}

void config_problem_add(struct config_problems *problems, const char *file, int line, const char *format, ...)
{
	struct config_problem *problem = make_room(problems, line);
	if (!problem)
		return;
	problem->line = line;
	int size = line ? snprintf(problem->text, sizeof problem->text, "%s:%d: ", file, line)
			: snprintf(problem->text, sizeof problem->text, "%s: ", file);
	size_t said_at = size < 0 ? 0 : (size_t)size;
	if (said_at >= sizeof problem->text)
		said_at = sizeof problem->text - 1;
	problem->said_at = (uint16_t)said_at;
	va_list args;
	va_start(args, format);
	vsnprintf(problem->text + said_at, sizeof problem->text - said_at, format, args);
	va_end(args);
}

void config_problems_free(struct config_problems *problems)
{
	if (problems->list != last_resort)
		free(problems->list);
	*problems = (struct config_problems){ NULL, 0, 0 };
}
