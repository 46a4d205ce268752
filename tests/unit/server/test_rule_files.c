/* core/server/rule_file and file_watch: list files from the disk, and their changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buffer.h"
#include "core/server/file_watch.h"
#include "core/server/rule_file.h"

static char folder[] = "/tmp/postern-test-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof path, "%s/list", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* --- reading --- */

static struct buffer told;
static char told_text[4096];

static void tell(void *context, const char *name, uint32_t line, const char *what)
{
	assert_ptr_equal(context, &told);
	assert_string_equal(name, path);
	buffer_append_format(&told, "%u: %s\n", line, what);
}

static bool read_file(uint32_t *lines, uint32_t *rules)
{
	struct radix_builder prefixes;
	struct suffix_builder names;
	radix_builder_init(&prefixes);
	suffix_builder_init(&names);
	memset(told_text, 0, sizeof told_text);
	buffer_init(&told, told_text, sizeof told_text - 1);
	bool good = rule_file_read(path, &prefixes, &names, 100, 0, lines, tell, &told);
	*rules = (uint32_t)(prefixes.count + names.count);
	radix_builder_finish(&prefixes);
	suffix_builder_finish(&names);
	return good;
}

static void a_list_is_read_and_its_faults_told(void **state)
{
	(void)state;
	uint32_t lines, rules;
	write_file(path, "192.0.2.0/24\n# x\n.bad.example\n");
	assert_true(read_file(&lines, &rules));
	assert_int_equal(lines, 3);
	assert_int_equal(rules, 2);
	assert_string_equal(told_text, "");
	write_file(path, "192.0.2.0/24\n192.0.2.0/33\na b\n1\n2\n3\n4\n5\n");
	assert_false(read_file(&lines, &rules));
	assert_int_equal(rules, 1);
	assert_non_null(strstr(told_text, "2: \"192.0.2.0/33\": behind the / stands the length"));
	assert_non_null(strstr(told_text, "3: \"a b\""));
	assert_non_null(strstr(told_text, "0: 2 more lines are wrong\n"));
	unlink(path);
	assert_false(read_file(&lines, &rules));
	assert_string_equal(told_text, "0: the list can't be read: No such file or directory\n");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(read_file(&lines, &rules));
	assert_string_equal(told_text, "0: the list can't be read: Is a directory\n");
	rmdir(path);
}

/* --- watching --- */

static void a_change_counts_when_it_has_settled(void **state)
{
	(void)state;
	struct file_watch watch;
	char other[80];
	snprintf(other, sizeof other, "%s.new", path);
	write_file(path, "a");
	file_watch_begin(&watch, path);
	assert_false(file_watch_look(&watch));
	assert_false(file_watch_look(&watch));
	write_file(path, "ab");
	assert_false(file_watch_look(&watch)); /* it may just be being written */
	write_file(path, "abc");
	assert_false(file_watch_look(&watch));
	assert_true(file_watch_look(&watch));
	assert_true(file_watch_look(&watch));
	file_watch_take(&watch);
	assert_false(file_watch_look(&watch));
	/* One of the same size and time, renamed into its place. */
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	write_file(other, "abd");
	struct timespec times[2] = { status.st_atim, status.st_mtim };
	assert_int_equal(utimensat(AT_FDCWD, other, times, 0), 0);
	assert_int_equal(rename(other, path), 0);
	assert_false(file_watch_look(&watch));
	assert_true(file_watch_look(&watch));
	file_watch_take(&watch);
	unlink(path);
	assert_false(file_watch_look(&watch));
	assert_true(file_watch_look(&watch));
	file_watch_take(&watch);
	assert_false(file_watch_look(&watch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_read_and_its_faults_told),
		cmocka_unit_test(a_change_counts_when_it_has_settled),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
