/* Folders and loops for the relay's tests; see files.h. */
#include "tests/unit/relay/files.h"

#include <dirent.h>
#include <ftw.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOBODY = 65534, DEADLINE_SECONDS = 120 };

static char folder[256];

void files_drop_root(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		exit(1);
}

void files_enter_folder(void)
{
	const char *place = getenv("TMPDIR");
	snprintf(folder, sizeof folder, "%s/postern-relay-XXXXXX", place ? place : "/tmp");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status, (void)type, (void)ftw;
	return remove(path);
}

void files_leave_folder(void)
{
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

char *files_read(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	struct stat status;
	assert_int_equal(fstat(fileno(file), &status), 0);
	char *bytes = malloc((size_t)status.st_size + 1);
	assert_non_null(bytes);
	*size = fread(bytes, 1, (size_t)status.st_size, file);
	assert_int_equal(*size, status.st_size);
	bytes[*size] = 0;
	fclose(file);
	return bytes;
}

void files_write(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

size_t files_count(const char *path, char name[256])
{
	DIR *directory = opendir(path);
	size_t count = 0;
	if (!directory)
		return 0;
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (name)
			slice_to_text(slice_from_text(entry->d_name), name, 256);
	}
	closedir(directory);
	return count;
}

void files_only(const char *in, char path[512])
{
	char name[256];
	assert_int_equal(files_count(in, name), 1);
	snprintf(path, 512, "%s/%s", in, name);
}

struct loop *files_loop(enum loop_kind kind)
{
	struct error error = { "" };
	struct loop *loop = loop_create(&(struct loop_settings){ .kind = kind, .receive_buffers = 8 }, &error);
	if (!loop)
		fail_msg("%s", error.text);
	return loop;
}

void files_turn(struct loop *loop)
{
	struct error error;
	assert_true(loop_turn(loop, true, &error));
}

void files_turn_until(struct loop *loop, const bool *flag)
{
	time_t deadline = time(NULL) + DEADLINE_SECONDS;
	struct error error;
	while (!*flag) {
		assert_true(loop_turn(loop, false, &error));
		assert_true(time(NULL) < deadline);
	}
}
