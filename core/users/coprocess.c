/* A program beside a worker; see coprocess.h. */
#include "core/users/coprocess.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "crypto/secret.h"

enum { ERRORS_A_SECOND = 5 };

/* --- the end --- */

/* Everything has had its last callback, and it is dead: then it is over. */
static void end_when_over(struct coprocess *process)
{
	if (loop_op_is_running(&process->gone) || loop_op_is_running(&process->send) ||
	    loop_op_is_running(&process->receive) || loop_op_is_running(&process->errors))
		return;
	int status;
	waitpid(process->pid, &status, 0);
	loop_close(process->loop, process->pid_fd);
	loop_close(process->loop, process->fd);
	loop_close(process->loop, process->error_fd);
	secret_wipe(process->said, sizeof process->said);
	secret_wipe(process->line, sizeof process->line);
	process->alive = false;
	process->ended(process);
}

static void process_gone(struct loop_op *op, const struct loop_completion *completion)
{
	struct coprocess *process = CONTAINER_OF(op, struct coprocess, gone);
	(void)completion;
	coprocess_kill(process);
	end_when_over(process);
}

/* The group too: what it has started itself. */
void coprocess_kill(struct coprocess *process)
{
	if (!process->alive || process->killed)
		return;
	process->killed = true;
	kill(-process->pid, SIGKILL);
	kill(process->pid, SIGKILL);
	loop_shutdown(process->loop, process->fd);
	loop_shutdown(process->loop, process->error_fd);
	loop_cancel(process->loop, &process->send);
	loop_cancel(process->loop, &process->receive);
	loop_cancel(process->loop, &process->errors);
}

/* --- what it says --- */

static void received(struct loop_op *op, const struct loop_completion *completion);

static void take_line(struct coprocess *process, struct slice *bytes)
{
	size_t end = slice_find(*bytes, '\n');
	if (end > sizeof process->line - process->line_size) {
		log_message(LOG_ERROR, "helper", "%s: a line of over %d bytes; it is started anew",
			    process->arguments[0], LIMIT_COPROCESS_LINE_BYTES);
		coprocess_kill(process);
		return;
	}
	memcpy(process->line + process->line_size, bytes->data, end);
	process->line_size += end;
	bool whole = end < bytes->size;
	*bytes = slice_skip(*bytes, whole ? end + 1 : end);
	if (!whole)
		return;
	size_t size = process->line_size;
	process->line_size = 0;
	process->heard(process, slice_of(process->line, size));
}

static void received(struct loop_op *op, const struct loop_completion *completion)
{
	struct coprocess *process = CONTAINER_OF(op, struct coprocess, receive);
	struct slice bytes = completion->bytes;
	if (completion->result <= 0)
		coprocess_kill(process);
	while (!process->killed && bytes.size)
		take_line(process, &bytes);
	if (process->killed)
		end_when_over(process);
	else
		loop_receive(process->loop, &process->receive, process->fd, received);
}

/* A few a second: it may say the same of every exchange. */
static void tell_error(struct coprocess *process)
{
	int64_t second = loop_now(process->loop)->unix_us / 1000000;
	if (second != process->error_second) {
		process->error_second = second;
		process->errors_told = 0;
	}
	struct log_line line;
	if (process->error_size && process->errors_told++ < ERRORS_A_SECOND &&
	    log_begin(&line, LOG_WARN, "helper-says")) {
		log_text(&line, "program", process->arguments[0]);
		log_slice(&line, "text", slice_of(process->error_line, process->error_size));
		log_end(&line);
	}
	process->error_size = 0;
}

/* What is longer than the memory for it is cut there. */
static void errors_received(struct loop_op *op, const struct loop_completion *completion)
{
	struct coprocess *process = CONTAINER_OF(op, struct coprocess, errors);
	for (size_t i = 0; completion->result > 0 && i < completion->bytes.size; i++) {
		if (completion->bytes.data[i] == '\n')
			tell_error(process);
		else if (process->error_size < sizeof process->error_line)
			process->error_line[process->error_size++] = completion->bytes.data[i];
	}
	if (process->killed)
		end_when_over(process);
	else if (completion->result > 0)
		loop_receive(process->loop, &process->errors, process->error_fd, errors_received);
}

/* --- what it is told --- */

static void sent(struct loop_op *op, const struct loop_completion *completion)
{
	struct coprocess *process = CONTAINER_OF(op, struct coprocess, send);
	secret_wipe(process->said, process->said_size);
	if (completion->result < 0)
		coprocess_kill(process);
	if (process->killed)
		end_when_over(process);
	else
		process->ready(process);
}

bool coprocess_say(struct coprocess *process, struct slice line)
{
	if (!coprocess_can_hear(process) || line.size + 1 > sizeof process->said)
		return false;
	memcpy(process->said, line.data, line.size);
	process->said[line.size] = '\n';
	process->said_size = line.size + 1;
	loop_send(process->loop, &process->send, process->fd, slice_of(process->said, process->said_size), sent);
	return true;
}

/* --- the beginning --- */

static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", language[] = "LANG=C";
static char *const environment[] = { path, language, NULL };

/* Signals as a program expects them, in a group of its own. */
static bool set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	return posix_spawnattr_setflags(attributes,
					POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP) == 0 &&
	       posix_spawnattr_setsigmask(attributes, &none) == 0 &&
	       posix_spawnattr_setsigdefault(attributes, &all) == 0 && posix_spawnattr_setpgroup(attributes, 0) == 0;
}

static bool set_actions(posix_spawn_file_actions_t *actions, int fd, int error_fd)
{
	return posix_spawn_file_actions_adddup2(actions, fd, 0) == 0 &&
	       posix_spawn_file_actions_adddup2(actions, fd, 1) == 0 &&
	       posix_spawn_file_actions_adddup2(actions, error_fd, 2) == 0 &&
	       posix_spawn_file_actions_addclosefrom_np(actions, 3) == 0;
}

/* An errno value, 0 when it runs. */
static int spawn(struct coprocess *process, int fd, int error_fd)
{
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t actions;
	if (posix_spawnattr_init(&attributes) != 0)
		return ENOMEM;
	if (posix_spawn_file_actions_init(&actions) != 0) {
		posix_spawnattr_destroy(&attributes);
		return ENOMEM;
	}
	int code = ENOMEM;
	if (set_attributes(&attributes) && set_actions(&actions, fd, error_fd))
		code = posix_spawn(&process->pid, process->arguments[0], &actions, &attributes,
				   (char *const *)process->arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return code;
}

static void start_operations(struct coprocess *process)
{
	loop_op_init(&process->gone);
	loop_op_init(&process->send);
	loop_op_init(&process->receive);
	loop_op_init(&process->errors);
	loop_poll(process->loop, &process->gone, process->pid_fd, POLLIN, process_gone);
	loop_receive(process->loop, &process->receive, process->fd, received);
	loop_receive(process->loop, &process->errors, process->error_fd, errors_received);
}

/* The pid stays ours until it is waited for, so a descriptor for it is never somebody else's. */
static int begin(struct coprocess *process, const int line_fds[2], const int error_fds[2])
{
	int code = spawn(process, line_fds[1], error_fds[1]);
	if (code)
		return code;
	process->pid_fd = pidfd_open(process->pid, 0);
	if (process->pid_fd >= 0)
		return 0;
	code = errno;
	kill(process->pid, SIGKILL);
	waitpid(process->pid, NULL, 0);
	return code;
}

static void close_pair(const int fds[2])
{
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

bool coprocess_start(struct coprocess *process, struct error *error)
{
	ASSERT(!process->alive);
	int line_fds[2] = { -1, -1 }, error_fds[2] = { -1, -1 };
	int code = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line_fds) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, error_fds) < 0)
		code = errno;
	if (code == 0)
		code = begin(process, line_fds, error_fds);
	if (code) {
		close_pair(line_fds);
		close_pair(error_fds);
		return error_set_errno(error, code, "cannot start %s", process->arguments[0]);
	}
	close(line_fds[1]);
	close(error_fds[1]);
	process->fd = line_fds[0];
	process->error_fd = error_fds[0];
	process->alive = true;
	process->killed = false;
	process->line_size = process->error_size = 0;
	start_operations(process);
	return true;
}
