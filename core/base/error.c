/* Filling errors and ending on broken assertions; see error.h. */
#include "core/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool error_set(struct error *error, const char *format, ...)
{
	if (!error)
		return false;
	va_list args;
	va_start(args, format);
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	return false;
}

bool error_set_errno(struct error *error, int code, const char *format, ...)
{
	if (!error)
		return false;
	va_list args;
	va_start(args, format);
	int written = vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	if (written >= 0 && (size_t)written < sizeof error->text)
		snprintf(error->text + written, sizeof error->text - (size_t)written, ": %s",
			 strerror(code < 0 ? -code : code));
	return false;
}

void assert_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "postern: %s:%d: this must hold and does not: %s\n", file, line, what);
	abort();
}
