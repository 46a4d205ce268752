/* Reading a list file; see rule_file.h. */
#include "core/server/rule_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024 };

/* Answers 0, or what the system says. */
static int read_pieces(int fd, struct rule_list *list)
{
	uint8_t piece[PIECE_BYTES];
	for (;;) {
		ssize_t size = read(fd, piece, sizeof piece);
		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return errno;
		if (size == 0 || !rule_list_take(list, slice_of(piece, (size_t)size)))
			return 0;
	}
}

static void tell_faults(const struct rule_list *list, const char *path, rule_file_problem *problem, void *context)
{
	char more[64];
	uint32_t told = list->wrong < LIMIT_LIST_FAULTS ? list->wrong : LIMIT_LIST_FAULTS;
	for (uint32_t i = 0; i < told; i++)
		problem(context, path, list->faults[i].line, list->faults[i].error.text);
	if (list->wrong == told)
		return;
	snprintf(more, sizeof more, "%u more lines are wrong", list->wrong - told);
	problem(context, path, 0, more);
}

bool rule_file_read(const char *path, struct radix_builder *prefixes, struct suffix_builder *names, uint32_t first_rule,
		    uint8_t rank, uint32_t *lines, rule_file_problem *problem, void *context)
{
	struct rule_list list;
	struct error error;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int code = fd < 0 ? errno : 0;
	rule_list_begin(&list, prefixes, names, first_rule, rank);
	if (fd >= 0) {
		code = read_pieces(fd, &list);
		close(fd);
	}
	bool room = rule_list_end(&list);
	*lines = list.lines;
	if (code) {
		error_set_errno(&error, code, "the list can't be read");
		problem(context, path, 0, error.text);
	} else if (!room) {
		problem(context, path, list.lines, "there is no room for more rules; leave some out");
	}
	tell_faults(&list, path, problem, context);
	return code == 0 && room && list.wrong == 0;
}
