/* A program that runs beside a worker and answers line by line on its standard output what it is told on its standard input: helpers of
 * other people's making, which may hang, die or talk nonsense. All through the loop.
 *
 * It is started without a shell, in a process group of its own (a terminal's signals are not for it, and killing it kills what it has
 * started), with no descriptor but its three, and a small environment. What it writes on standard error is logged. It sees the end
 * of its input when the worker is gone. */
#ifndef POSTERN_USERS_COPROCESS_H
#define POSTERN_USERS_COPROCESS_H

#include <sys/types.h>

#include "core/base/buffer.h"
#include "core/base/error.h"
#include "core/base/limits.h"
#include "core/io/loop.h"

struct coprocess;

/* A line without its LF, valid inside the callback only. May say the next thing, or kill. */
typedef void coprocess_heard(struct coprocess *process, struct slice line);

/* What was said last has gone: it can hear the next thing. */
typedef void coprocess_ready(struct coprocess *process);

/* It is no more, whoever ended it; nothing runs. May be started again, but not from here. */
typedef void coprocess_ended(struct coprocess *process);

struct coprocess {
	/* set by the owner before the first start */
	struct loop *loop;
	const char *const *arguments; /* [0]: the program, an absolute path; NULL at the end */
	coprocess_heard *heard;
	coprocess_ready *ready;
	coprocess_ended *ended;
	/* private; zeroed before the first start */
	bool alive, killed;
	pid_t pid;
	int pid_fd, fd, error_fd;
	struct loop_op gone, send, receive, errors;
	size_t line_size, error_size, said_size;
	int64_t error_second;
	unsigned errors_told;
	uint8_t line[LIMIT_COPROCESS_LINE_BYTES];
	uint8_t said[LIMIT_COPROCESS_LINE_BYTES];
	uint8_t error_line[LIMIT_COPROCESS_ERROR_BYTES];
};

/* Must not be alive. Blocks until the program has begun: a millisecond. */
MUST_USE bool coprocess_start(struct coprocess *process, struct error *error);

/* Says a line; LF is put behind it. False where the one before is still on its way, it is not alive, or the line is too long. */
MUST_USE bool coprocess_say(struct coprocess *process, struct slice line);

static inline bool coprocess_can_hear(const struct coprocess *process)
{
	return process->alive && !process->killed && !loop_op_is_running(&process->send);
}

/* `ended` comes soon, never from here; until then it hears nothing. Nothing happens to one that is not alive. */
void coprocess_kill(struct coprocess *process);

#endif
