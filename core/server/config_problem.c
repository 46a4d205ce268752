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

static struct config_problem *make_room(struct config_problems *problems, int line)
{
	struct config_problem *larger = realloc(problems->list, (problems->count + 1) * sizeof *larger);
	if (!larger) {
		/* A lost problem would let a wrong configuration pass: there is nothing better to do. */
		fputs("postern: out of memory while reading the configuration\n", stderr);
		abort();
	}
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
	free(problems->list);
	*problems = (struct config_problems){ NULL, 0 };
}
