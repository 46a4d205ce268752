/* Finding the lanes of a data folder; see lanes.h. */
#include "tools/lanes.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/slice.h"
#include "tools/command.h"

static int compare_lanes(const void *a, const void *b)
{
	unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;
	return left < right ? -1 : left > right;
}

bool lanes_find(const char *folder, unsigned lanes[LANES_MOST], size_t *count)
{
	*count = 0;
	DIR *directory = opendir(folder);
	if (!directory && errno == ENOENT)
		return true;
	if (!directory) {
		fprintf(stderr, "postern: %s: %s\n", folder, strerror(errno));
		return false;
	}
	for (struct dirent *entry; *count < LANES_MOST && (entry = readdir(directory));) {
		uint64_t lane;
		if (slice_parse_number(slice_from_text(entry->d_name), LANES_MOST - 1, &lane))
			lanes[(*count)++] = (unsigned)lane;
	}
	closedir(directory);
	qsort(lanes, *count, sizeof *lanes, compare_lanes);
	return true;
}

char *lanes_directory(const char *folder, unsigned lane)
{
	char *directory;
	if (asprintf(&directory, "%s/%u", folder, lane) >= 0)
		return directory;
	fputs("postern: out of memory\n", stderr);
	exit(EXIT_NOT_DONE);
}
