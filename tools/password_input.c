/* Passwords from the terminal or standard input; see password_input.h.
 *
 * Bytes are read one by one, so that none stays behind in a buffer of stdio's. */
#include "tools/password_input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "crypto/secret.h"

bool password_is_usable(struct slice password, struct error *error)
{
	if (password.size == 0)
		return error_set(error, "the password is empty");
	if (password.size > LIMIT_PASSWORD_BYTES)
		return error_set(error, "the password is over %d bytes", LIMIT_PASSWORD_BYTES);
	if (slice_find(password, 0) < password.size)
		return error_set(error, "the password has a NUL byte in it, which no client can send");
	return true;
}

enum line_end { LINE_ENDED, LINE_INPUT_ENDED, LINE_FAILED };

/* As read(), but signals come in only while it waits, under the mask `waiting`; NULL: they are not blocked. */
static ssize_t read_byte(int fd, char *byte, const sigset_t *waiting)
{
	struct pollfd input = { .fd = fd, .events = POLLIN };
	if (waiting && ppoll(&input, 1, NULL, waiting) < 0)
		return -1;
	return read(fd, byte, 1);
}

/* A line without its end. What is over the capacity is dropped, so that the size tells that it was too long. */
static enum line_end read_line(int fd, struct password_input *line, const sigset_t *waiting)
{
	char byte;
	ssize_t got;
	line->size = 0;
	while ((got = read_byte(fd, &byte, waiting)) == 1 && byte != '\n')
		if (line->size < sizeof line->bytes)
			line->bytes[line->size++] = byte;
	if (got == 1 && line->size > 0 && line->bytes[line->size - 1] == '\r')
		line->size--;
	return got == 1 ? LINE_ENDED : got == 0 ? LINE_INPUT_ENDED : LINE_FAILED;
}

bool password_read(struct password_input *password, struct error *error)
{
	enum line_end end = read_line(STDIN_FILENO, password, NULL);
	if (end == LINE_FAILED)
		return error_set_errno(error, errno, "can't read standard input");
	if (!password_is_usable(slice_of(password->bytes, password->size), error))
		return false;
	char more;
	if (end == LINE_ENDED && read(STDIN_FILENO, &more, 1) == 1)
		return error_set(error, "standard input has more than one line: which is the password?");
	return true;
}

/* --- the terminal --- */

/* Whatever would end or stop us while the terminal shows nothing. The last two tell that the terminal is somebody else's
 * at present; they come from using it, and are not blocked, or the use would go on. */
static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU };
enum { SIGNALS = sizeof signals / sizeof signals[0], BLOCKED = SIGNALS - 2 };

static volatile sig_atomic_t caught;

static void note_signal(int number)
{
	caught = number;
}

static bool show_nothing(int terminal, struct termios *before)
{
	if (tcgetattr(terminal, before) != 0)
		return false;
	struct termios silent = *before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	silent.c_lflag |= ECHONL;
	return tcsetattr(terminal, TCSAFLUSH, &silent) == 0;
}

/* `before` and `waiting` are what was; both go back by release_signals(). */
static void catch_signals(struct sigaction before[SIGNALS], sigset_t *waiting)
{
	struct sigaction note = { .sa_handler = note_signal };
	sigset_t blocked;
	sigemptyset(&blocked);
	for (size_t i = 0; i < BLOCKED; i++)
		sigaddset(&blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, waiting);
	caught = 0;
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &note, &before[i]);
}

static void release_signals(const struct sigaction before[SIGNALS], const sigset_t *waiting)
{
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
	sigprocmask(SIG_SETMASK, waiting, NULL);
}

/* One question. A signal ends the reading; it is raised again when the terminal is as it was. */
static enum line_end ask_once(int terminal, const char *question, struct password_input *line)
{
	struct sigaction before[SIGNALS];
	sigset_t waiting;
	struct termios shown;
	catch_signals(before, &waiting);
	enum line_end end = LINE_FAILED;
	if (show_nothing(terminal, &shown)) {
		if (write(terminal, question, strlen(question)) > 0)
			end = read_line(terminal, line, &waiting);
		tcsetattr(terminal, TCSAFLUSH, &shown);
	}
	release_signals(before, &waiting);
	return end;
}

/* Asks again after the process was stopped and goes on. */
static bool ask(int terminal, const char *question, struct password_input *line, struct error *error)
{
	for (;;) {
		enum line_end end = ask_once(terminal, question, line);
		if (caught)
			raise(caught);
		else if (end == LINE_ENDED)
			return password_is_usable(slice_of(line->bytes, line->size), error);
		else
			return error_set(error, "there was no answer on the terminal");
	}
}

static bool ask_twice(int terminal, const char *name, struct password_input *password, struct error *error)
{
	char question[LIMIT_LOGIN_NAME_BYTES + 32];
	struct password_input again;
	snprintf(question, sizeof question, "New password for %s: ", name);
	bool same = false;
	if (ask(terminal, question, password, error) && ask(terminal, "The same again: ", &again, error))
		same = secret_equal(slice_of(password->bytes, password->size), slice_of(again.bytes, again.size)) ||
		       error_set(error, "the two passwords differ; nothing is changed");
	secret_wipe(&again, sizeof again);
	return same;
}

static int open_terminal(struct error *error)
{
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (terminal < 0)
		error_set(error, "there is no terminal to ask for the password; use --password-stdin");
	return terminal;
}

bool password_ask(const char *name, struct password_input *password, struct error *error)
{
	int terminal = open_terminal(error);
	if (terminal < 0)
		return false;
	bool asked = ask_twice(terminal, name, password, error);
	close(terminal);
	return asked;
}

bool password_ask_once(const char *name, struct password_input *password, struct error *error)
{
	char question[LIMIT_LOGIN_NAME_BYTES + 32];
	int terminal = open_terminal(error);
	if (terminal < 0)
		return false;
	snprintf(question, sizeof question, "Password of %s: ", name);
	bool asked = ask(terminal, question, password, error);
	close(terminal);
	return asked;
}
