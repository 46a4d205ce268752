/* Results that can't be ignored, and errors that say what, where and what to do.
 *
 * Set-up code (configuration, files, certificates, the command line) answers `bool` marked MUST_USE and fills a
 * `struct error`; hot code answers an enum marked MUST_USE. Neither uses errno across a call boundary. */
#ifndef POSTERN_BASE_ERROR_H
#define POSTERN_BASE_ERROR_H

#include <stdbool.h>

#define MUST_USE                         __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

struct error {
	char text[512];
};

/* Fills the text (cut where too long) and answers false, so that `return error_set(…)` reads well.
 * `error` may be NULL: the caller does not want the text. */
bool error_set(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* As error_set, with ": <strerror(code)>" behind it; code is an errno value, positive or negative. */
bool error_set_errno(struct error *error, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* A programmer's error, never a client's: says where and aborts, in every build. */
void assert_failed(const char *what, const char *file, int line) __attribute__((noreturn, cold));
#define ASSERT(what) ((what) ? (void)0 : assert_failed(#what, __FILE__, __LINE__))

#endif
