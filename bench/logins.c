/* Reading the list of logins: see logins.h. */
#include "bench/logins.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/limits.h"
#include "crypto/secret.h"
#include "proto/sasl.h"

static bool read_file(struct logins *logins, const char *path, struct error *error)
{
	FILE *file = fopen(path, "re");
	struct stat facts;
	if (!file || fstat(fileno(file), &facts) != 0) {
		error_set_errno(error, errno, "%s", path);
		if (file)
			fclose(file);
		return false;
	}
	logins->text_size = (size_t)facts.st_size;
	logins->text = malloc(logins->text_size + 1);
	bool good = logins->text && fread(logins->text, 1, logins->text_size, file) == logins->text_size;
	fclose(file);
	return good || error_set(error, "%s: can't be read whole", path);
}

/* Takes one line off the text, without its LF or CRLF. */
static struct slice take_line(struct slice *text)
{
	size_t end = slice_find(*text, '\n');
	struct slice line = slice_first(*text, end);
	*text = slice_skip(*text, end < text->size ? end + 1 : end);
	if (line.size && line.data[line.size - 1] == '\r')
		line.size--;
	return line;
}

static bool parse_lines(struct logins *logins, const char *path, struct error *error)
{
	struct slice text = slice_of(logins->text, logins->text_size);
	for (unsigned number = 1; text.size; number++) {
		struct slice line = take_line(&text);
		size_t colon = slice_find(line, ':');
		if (line.size == 0)
			continue;
		if (colon == 0 || colon + 1 >= line.size || colon > LIMIT_LOGIN_NAME_BYTES ||
		    line.size - colon - 1 > LIMIT_PASSWORD_BYTES)
			return error_set(error, "%s:%u: not name:password", path, number);
		logins->list[logins->count++] = (struct login){ slice_first(line, colon), slice_skip(line, colon + 1) };
	}
	return logins->count > 0 || error_set(error, "%s: no line of name:password", path);
}

static size_t count_lines(struct slice text)
{
	size_t lines = 1;
	while (text.size) {
		take_line(&text);
		lines++;
	}
	return lines;
}

bool logins_init(struct logins *logins, const struct options *options, struct error *error)
{
	*logins = (struct logins){ 0 };
	if (options->mechanism == 0)
		return true;
	if (options->users && !read_file(logins, options->users, error))
		return false;
	logins->list = calloc(count_lines(slice_of(logins->text, logins->text_size)), sizeof *logins->list);
	if (!logins->list)
		return error_set(error, "out of memory");
	if (options->users)
		return parse_lines(logins, options->users, error);
	/* The certificate says who it is, unless a name is given. */
	if (options->mechanism == SASL_EXTERNAL && !options->user)
		logins->list[logins->count++] = (struct login){ SLICE_LITERAL(""), SLICE_LITERAL("") };
	if (options->user)
		logins->list[logins->count++] =
			(struct login){ slice_from_text(options->user),
					slice_from_text(options->password ? options->password : "") };
	return true;
}

void logins_finish(struct logins *logins)
{
	if (logins->text)
		secret_wipe(logins->text, logins->text_size);
	free(logins->text);
	free(logins->list);
	*logins = (struct logins){ 0 };
}
