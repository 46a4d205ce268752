/* Allocations that fail when told to; see torture.h. */
#include "tests/unit/torture/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RUNS_MOST = 20000 };

static bool armed;
static unsigned pauses;
static bool for_good;   /* not only the one, all that follow too */
static size_t failing;  /* number of the one that fails */
static size_t seen;     /* allocations in this run */
static size_t failures; /* in this run */

/* Of the sanitizers, where they are built in. */
void __sanitizer_print_stack_trace(void) __attribute__((weak));

static bool fails(void)
{
	if (!armed || pauses > 0)
		return false;
	seen++;
	bool now = for_good ? seen >= failing : seen == failing;
	if (now && failures++ == 0 && getenv("TORTURE_NUMBER") && __sanitizer_print_stack_trace) {
		pauses++;
		__sanitizer_print_stack_trace();
		pauses--;
	}
	return now;
}

void torture_pause(void)
{
	pauses++;
}

void torture_resume(void)
{
	assert_true(pauses > 0);
	pauses--;
}

bool torture_has_failed(void)
{
	return failures > 0;
}

/* --- what the linker puts in the place of the C library's --- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *at, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_realloc(void *at, size_t size)
{
	return fails() ? NULL : __real_realloc(at, size);
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *__real_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size)
{
	return fails() ? NULL : __real_strndup(text, size);
}

char *__real_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved);
char *__wrap_realpath(const char *path, char *resolved)
{
	return !resolved && fails() ? NULL : __real_realpath(path, resolved);
}

/* What it leaves in *text is undefined, so that is made something that nobody may touch. */
int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **text, const char *format, ...)
{
	if (fails()) {
		*text = (char *)(uintptr_t)1;
		return -1;
	}
	va_list args;
	va_start(args, format);
	int size = vasprintf(text, format, args);
	va_end(args);
	return size;
}

int __wrap___asprintf_chk(char **text, int flag, const char *format, ...) __attribute__((format(printf, 3, 4)));
int __wrap___asprintf_chk(char **text, int flag, const char *format, ...)
{
	(void)flag;
	if (fails()) {
		*text = (char *)(uintptr_t)1;
		return -1;
	}
	va_list args;
	va_start(args, format);
	int size = vasprintf(text, format, args);
	va_end(args);
	return size;
}

/* --- runs --- */

/* Answers whether there was something to fail. */
static bool run_once(const struct torture *torture, size_t number, bool all)
{
	if (torture->before)
		torture->before(torture->context);
	failing = number;
	for_good = all;
	seen = failures = 0;
	armed = true;
	torture->scenario(torture->context);
	armed = false;
	assert_int_equal(pauses, 0);
	if (torture->after)
		torture->after(torture->context);
	return failures > 0;
}

/* A test that fails leaves in the middle. */
static void tell_where(void)
{
	if (armed)
		print_message("TORTURE_NUMBER=%zu%s\n", failing, for_good ? " (all from that one on)" : "");
}

static void run_number(const struct torture *torture, size_t number)
{
	for (unsigned all = 0; all < 2; all++)
		run_once(torture, number, all);
}

void torture_run(const struct torture *torture)
{
	static bool registered;
	if (!registered)
		atexit(tell_where);
	registered = true;
	if (getenv("TORTURE_NUMBER")) {
		run_number(torture, strtoul(getenv("TORTURE_NUMBER"), NULL, 10));
		return;
	}
	for (unsigned all = 0; all < 2; all++) {
		size_t number = 1;
		while (run_once(torture, number, all)) {
			assert_true(number < RUNS_MOST);
			number++;
		}
		print_message("    %zu allocations failed, %s\n", number - 1,
			      all ? "and all that followed" : "one each run");
		assert_true(number > 1);
	}
}
