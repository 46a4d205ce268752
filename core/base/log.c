/* The structured log; see log.h. */
#include "core/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/base/limits.h"

static enum log_level lowest = LOG_INFO;
static int log_fd = 2;
static int64_t turn_unix_us;
static const char *process_field = "";

/* Lines that wait for log_flush(); empty while `buffering` is off. */
static uint8_t waiting[LIMIT_LOG_BUFFER_BYTES];
static size_t waiting_size;
static bool buffering;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_configure(enum log_level level, int fd)
{
	log_flush();
	lowest = level;
	log_fd = fd;
}

enum log_level log_level(void)
{
	return lowest;
}

void log_set_time(const struct clock_now *now)
{
	turn_unix_us = now->unix_us;
}

/* A log that can't be written must not stop the mail: there is nowhere left to say so. */
static void write_out(const uint8_t *bytes, size_t size)
{
	while (size) {
		ssize_t written = write(log_fd, bytes, size);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return;
		bytes += written;
		size -= (size_t)written;
	}
}

void log_flush(void)
{
	write_out(waiting, waiting_size);
	waiting_size = 0;
}

void log_set_buffered(bool buffered)
{
	log_flush();
	buffering = buffered;
}

void log_set_process(const char *process)
{
	process_field = process;
}

static int64_t unix_us_now(void)
{
	if (turn_unix_us)
		return turn_unix_us;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Many lines share a second: the calendar part is formatted once for each. */
static void append_time(struct buffer *text, int64_t unix_us)
{
	static time_t cached_second = -1;
	static char cached[24];
	time_t second = (time_t)(unix_us / 1000000);
	if (second != cached_second) {
		struct tm utc;
		gmtime_r(&second, &utc);
		strftime(cached, sizeof cached, "%Y-%m-%dT%H:%M:%S", &utc);
		cached_second = second;
	}
	unsigned ms = (unsigned)(unix_us / 1000 % 1000);
	char fraction[] = {
		'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z', ' ', 0
	};
	buffer_append_text(text, cached);
	buffer_append_text(text, fraction);
}

bool log_begin(struct log_line *line, enum log_level level, const char *event)
{
	if (level < lowest)
		return false;
	/* Room is kept for the end mark and the line feed. */
	buffer_init(&line->text, line->storage, sizeof line->storage - 8);
	line->level = level;
	append_time(&line->text, unix_us_now());
	buffer_append_text(&line->text, level_names[level]);
	buffer_append_byte(&line->text, ' ');
	buffer_append_text(&line->text, event);
	if (process_field[0]) {
		buffer_append_byte(&line->text, ' ');
		buffer_append_text(&line->text, process_field);
	}
	return true;
}

static void append_key(struct log_line *line, const char *key)
{
	buffer_append_byte(&line->text, ' ');
	buffer_append_text(&line->text, key);
	buffer_append_byte(&line->text, '=');
}

static bool is_plain(struct slice value)
{
	if (value.size == 0)
		return false;
	for (size_t i = 0; i < value.size; i++) {
		uint8_t c = value.data[i];
		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return true;
}

static void append_quoted(struct buffer *text, struct slice value)
{
	static const char hex[] = "0123456789abcdef";
	buffer_append_byte(text, '"');
	for (size_t i = 0; i < value.size; i++) {
		uint8_t c = value.data[i];
		if (c == '"' || c == '\\') {
			char escaped[] = { '\\', (char)c };
			buffer_append(text, slice_of(escaped, 2));
		} else if (c < ' ' || c >= 0x7f) {
			char escaped[] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
			buffer_append(text, slice_of(escaped, 4));
		} else {
			buffer_append_byte(text, c);
		}
	}
	buffer_append_byte(text, '"');
}

void log_slice(struct log_line *line, const char *key, struct slice value)
{
	append_key(line, key);
	if (is_plain(value))
		buffer_append(&line->text, value);
	else
		append_quoted(&line->text, value);
}

void log_text(struct log_line *line, const char *key, const char *value)
{
	log_slice(line, key, slice_from_text(value));
}

void log_number(struct log_line *line, const char *key, int64_t value)
{
	append_key(line, key);
	if (value < 0)
		buffer_append_byte(&line->text, '-');
	buffer_append_number(&line->text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void log_hex(struct log_line *line, const char *key, uint64_t value)
{
	char text[17];
	snprintf(text, sizeof text, "%llx", (unsigned long long)value);
	log_text(line, key, text);
}

void log_end(struct log_line *line)
{
	static const char cut[] = "\xe2\x80\xa6";
	if (line->text.overflow) {
		memcpy(line->storage + line->text.size, cut, 3);
		line->text.size += 3;
	}
	line->storage[line->text.size++] = '\n';
	if (!buffering) {
		write_out(line->storage, line->text.size);
		return;
	}
	if (line->text.size > sizeof waiting - waiting_size)
		log_flush();
	memcpy(waiting + waiting_size, line->storage, line->text.size);
	waiting_size += line->text.size;
	if (line->level >= LOG_ERROR)
		log_flush();
}

void log_message(enum log_level level, const char *event, const char *format, ...)
{
	struct log_line line;
	if (!log_begin(&line, level, event))
		return;
	char message[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	log_text(&line, "message", message);
	log_end(&line);
}
