/* Reading a configuration's text and preparing it for libConfuse; see config_source.h. */
#include "core/server/config_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SOURCE_MOST_BYTES = 1024 * 1024, /* of one file */
	DEPTH_MOST = 8,                  /* blocks and lists in each other; ours need four */
};

static char *read_all(FILE *stream, size_t *size)
{
	char *text = malloc(SOURCE_MOST_BYTES + 2);
	if (!text)
		return NULL;
	*size = fread(text, 1, SOURCE_MOST_BYTES + 1, stream);
	text[*size] = 0;
	return text;
}

char *config_source_read(const char *file, struct config_problems *problems)
{
	FILE *stream = fopen(file, "re");
	if (!stream) {
		config_problem_add(problems, file, 0, "can't be opened: %s", strerror(errno));
		return NULL;
	}
	size_t size = 0;
	errno = 0;
	char *text = read_all(stream, &size);
	const char *wrong = NULL;
	if (!text)
		wrong = "out of memory";
	else if (ferror(stream))
		wrong = strerror(errno);
	else if (size > SOURCE_MOST_BYTES)
		wrong = "over 1 MiB, which is no configuration";
	else if (memchr(text, 0, size))
		wrong = "holds a NUL byte, so it is not text";
	fclose(stream);
	if (!wrong)
		return text;
	config_problem_add(problems, file, 0, "can't be read: %s", wrong);
	free(text);
	return NULL;
}

struct scan {
	char *at;
	int line;
	const char *file;
	struct config_problems *problems;
	size_t depth;
	int opened[DEPTH_MOST]; /* lines of the braces that are open */
};

static bool is_at_comment(const struct scan *scan, bool word_before)
{
	return *scan->at == '#' || (scan->at[0] == '/' && (scan->at[1] == '*' || (scan->at[1] == '/' && !word_before)));
}

static void blank(struct scan *scan)
{
	if (*scan->at == '\n')
		scan->line++;
	else
		*scan->at = ' ';
	scan->at++;
}

/* From the first character of a comment to behind its last. */
static bool blank_comment(struct scan *scan)
{
	if (scan->at[0] == '#' || scan->at[1] == '/') {
		while (*scan->at && *scan->at != '\n')
			blank(scan);
		return true;
	}
	int start = scan->line;
	blank(scan);
	blank(scan);
	while (*scan->at && !(scan->at[0] == '*' && scan->at[1] == '/'))
		blank(scan);
	if (!*scan->at) {
		config_problem_add(scan->problems, scan->file, start, "this comment has no end; close it with */");
		return false;
	}
	blank(scan);
	blank(scan);
	return true;
}

/* From the opening quote to behind the closing one, which must be on the same line. */
static bool skip_quoted(struct scan *scan)
{
	char quote = *scan->at++;
	while (*scan->at && *scan->at != '\n' && *scan->at != quote)
		scan->at += scan->at[0] == '\\' && scan->at[1] && scan->at[1] != '\n' ? 2 : 1;
	if (*scan->at != quote) {
		config_problem_add(scan->problems, scan->file, scan->line,
				   "a text that starts with %c is not closed on its line", quote);
		return false;
	}
	scan->at++;
	return true;
}

static bool take_brace(struct scan *scan)
{
	if (*scan->at++ == '{') {
		if (scan->depth == DEPTH_MOST) {
			config_problem_add(scan->problems, scan->file, scan->line, "blocks are nested too deeply");
			return false;
		}
		scan->opened[scan->depth++] = scan->line;
		return true;
	}
	if (scan->depth == 0) {
		config_problem_add(scan->problems, scan->file, scan->line, "this } closes nothing");
		return false;
	}
	scan->depth--;
	return true;
}

/* One comment, quoted text, brace or other character. */
static bool scan_step(struct scan *scan, bool word_before)
{
	if (is_at_comment(scan, word_before))
		return blank_comment(scan);
	unsigned char c = (unsigned char)*scan->at;
	if (c == '"' || c == '\'')
		return skip_quoted(scan);
	if (c == '{' || c == '}')
		return take_brace(scan);
	if (c == '\n')
		scan->line++;
	if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) {
		config_problem_add(scan->problems, scan->file, scan->line, "a control character (0x%02x)", c);
		return false;
	}
	scan->at++;
	return true;
}

bool config_source_prepare(char *text, const char *file, struct config_problems *problems)
{
	struct scan scan = { .at = text, .line = 1, .file = file, .problems = problems };
	while (*scan.at) {
		bool word_before = scan.at > text && !strchr(" \t\r\n{},=", scan.at[-1]);
		if (!scan_step(&scan, word_before))
			return false;
	}
	if (scan.depth > 0) {
		config_problem_add(problems, file, scan.opened[scan.depth - 1], "the { on this line is not closed");
		return false;
	}
	return true;
}
