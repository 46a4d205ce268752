/* Structured log: one line an event on standard error, `key=value` pairs behind a level and an event name.
 *
 *   2026-11-24T10:11:12.345Z info accepted worker=0 session=3f2a id=0K3… size=1043
 *
 * A value with a space, quote, control or non-ASCII byte is quoted and escaped, so that nothing that a client sends can
 * start a line or a field of its own. A line is written whole, never mixed with another process', and is never longer
 * than 2048 bytes (cut with "…"). Secrets are never passed to the log: that is the caller's duty. */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/clock.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below `level` cost one comparison. The default is LOG_INFO to descriptor 2. */
void log_configure(enum log_level level, int fd);
enum log_level log_level(void);

/* Sets the time that lines carry until the next call; with unix_us 0 each line asks the system. The loop sets it. */
void log_set_time(const struct clock_now *now);

/* A line leaves at log_end(), unless lines are buffered: then the lines of a turn of the loop leave together, in one
 * write, when the loop is about to wait; also when LIMIT_LOG_BUFFER_BYTES are full, and at once with a line of
 * LOG_ERROR. A process that has set this calls log_flush() before it forks or ends. Off by default. */
void log_set_buffered(bool buffered);

/* Writes what is buffered. */
void log_flush(void);

/* Name of this process in each line, e.g. "worker=0"; a literal or otherwise immortal text; "" for none. */
void log_set_process(const char *process);

struct log_line {
	struct buffer text;
	uint8_t storage[2048];
	enum log_level level;
};

/* A line is built on the stack and written by log_end():
 *     struct log_line line;
 *     if (log_begin(&line, LOG_INFO, "accepted")) {
 *         log_number(&line, "size", size);
 *         log_end(&line);
 *     }
 */
MUST_USE bool log_begin(struct log_line *line, enum log_level level, const char *event);
void log_text(struct log_line *line, const char *key, const char *value);
void log_slice(struct log_line *line, const char *key, struct slice value);
void log_number(struct log_line *line, const char *key, int64_t value);
void log_hex(struct log_line *line, const char *key, uint64_t value);
void log_end(struct log_line *line);

/* For set-up code and rare events: an event with one formatted `message`. */
void log_message(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
