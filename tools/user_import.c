/* `postern user import`: a file of NAME:PASSWORD and NAME:KEPT lines into the database.
 *
 * Lines wait in a window, in their order, until those before them are stored; so the passwords among them are hashed by
 * all processors, and of two lines for one user the later one still comes later. Wrong lines are told and passed over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/password.h"
#include "tools/command_user.h"
#include "tools/hash_pool.h"
#include "tools/import_line.h"
#include "tools/line_reader.h"

enum {
	WINDOW = 512,       /* lines read and not stored: more than all processes have in hand */
	PROGRESS_MS = 250,  /* between two lines of progress */
	PROGRESS_EACH = 64, /* lines between two looks at the clock */
	WRONG_SHOWN = 1000, /* wrong lines that are told one by one */
};

_Static_assert(LIMIT_LOGIN_NAME_BYTES + 2 + CREDENTIALS_TEXT_BYTES < LINE_READER_BYTES,
	       "what export prints can be read");

/* A line whose turn to be stored has not come. */
struct pending {
	uint64_t line;
	char name[LIMIT_LOGIN_NAME_BYTES + 1];
	struct kept_credentials kept; /* of a password without a hash: there was no memory for it */
	uint8_t *grants;              /* on the heap, for `kept`; NULL: there are none */
	bool is_password;             /* a password says nothing of the state */
	bool disabled;
	bool ready;
};

struct import {
	const struct user_request *request;
	const char *file; /* for messages */
	int fd;
	struct users *users;
	struct hash_pool *pool;
	struct line_reader reader;
	struct buffer grants; /* of the line that is being read */
	uint8_t grants_storage[USERS_GRANTS_MOST_BYTES];
	struct pending window[WINDOW];
	uint64_t stored_lines, read_lines; /* of those that were right: the window lies between them */
	uint64_t imported, wrong;
	bool ended; /* the file */
	bool shows_progress;
	uint64_t began_ms, shown_ms;
	uint64_t file_bytes; /* 0: unknown */
};

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- what is said meanwhile --- */

static void erase_progress(const struct import *import)
{
	if (import->shows_progress)
		fputs("\r\033[K", stderr);
}

static void show_progress(struct import *import)
{
	uint64_t now = now_ms();
	if (now - import->shown_ms < PROGRESS_MS)
		return;
	import->shown_ms = now;
	erase_progress(import);
	fprintf(stderr, "%s: %llu users", import->file, (unsigned long long)import->imported);
	if (import->file_bytes > 0)
		fprintf(stderr, ", %llu%%", (unsigned long long)(100 * import->reader.bytes_read / import->file_bytes));
	fflush(stderr);
}

static void tell_wrong(struct import *import, uint64_t line, const char *what)
{
	import->wrong++;
	if (import->wrong > WRONG_SHOWN)
		return;
	erase_progress(import);
	fprintf(stderr, "%s:%llu: %s\n", import->file, (unsigned long long)line, what);
	if (import->wrong == WRONG_SHOWN)
		fprintf(stderr, "%s: further lines that are wrong are only counted\n", import->file);
}

/* --- into the window --- */

static struct pending *pending_at(struct import *import, uint64_t number)
{
	return &import->window[number % WINDOW];
}

/* False: there is no memory for them. */
static bool keep_grants(struct pending *pending, struct error *error)
{
	struct slice grants = pending->kept.grants;
	if (grants.size == 0)
		return true;
	pending->grants = malloc(grants.size);
	if (!pending->grants)
		return error_set(error, "out of memory");
	memcpy(pending->grants, grants.data, grants.size);
	pending->kept.grants.data = pending->grants;
	return true;
}

/* False when it can't go on at all. */
static bool add_line(struct import *import, const struct import_line *line, struct error *error)
{
	uint64_t number = import->read_lines++;
	struct pending *pending = pending_at(import, number);
	*pending = (struct pending){
		.line = import->reader.line,
		.is_password = line->kind == IMPORT_PASSWORD,
		.disabled = line->disabled,
		.ready = line->kind == IMPORT_KEPT,
	};
	bool fits = slice_to_text(line->name, pending->name, sizeof pending->name);
	ASSERT(fits);
	if (!pending->ready)
		return hash_pool_give(import->pool, number, line->password, error);
	pending->kept = line->kept;
	return keep_grants(pending, error);
}

/* A byte order mark, which Windows' editors put in front, is no part of the first name. */
static struct slice without_mark(const struct import *import, struct slice text)
{
	struct slice mark = SLICE_LITERAL("\xef\xbb\xbf");
	return import->reader.line == 1 && slice_starts_with(text, mark) ? slice_skip(text, mark.size) : text;
}

static bool read_line(struct import *import, struct error *error)
{
	struct slice text;
	struct import_line line;
	struct error wrong;
	switch (line_reader_next(&import->reader, &text)) {
	case LINE_READ:
		if (!import_line_parse(without_mark(import, text), import->request->clear, &import->grants, &line,
				       &wrong))
			tell_wrong(import, import->reader.line, wrong.text);
		else if (line.kind != IMPORT_BLANK)
			return add_line(import, &line, error);
		return true;
	case LINE_TOO_LONG:
		tell_wrong(import, import->reader.line, "the line is too long");
		return true;
	case LINE_END:
		import->ended = true;
		return true;
	case LINE_UNREADABLE:
		break;
	}
	return error_set_errno(error, errno, "can't read %s", import->file);
}

/* --- out of the window --- */

static bool store(struct import *import, const struct pending *pending, struct error *error)
{
	struct slice name = slice_from_text(pending->name);
	bool replace = import->request->replace;
	if (pending->is_password && !pending->kept.hash[0]) {
		tell_wrong(import, pending->line, "no memory to hash the password (64 MiB are needed)");
		return true;
	}
	struct user_credentials credentials = credentials_of(&pending->kept);
	struct user_state state = { pending->disabled, pending->kept.has_grants ? &pending->kept.grants : NULL };
	enum users_status status = pending->is_password
					   ? users_put(import->users, name, &credentials, replace, error)
					   : users_restore(import->users, name, &credentials, &state, replace, error);
	if (status == USERS_OK) {
		import->imported++;
	} else if (status == USERS_EXISTS) {
		char what[LIMIT_LOGIN_NAME_BYTES + 64];
		snprintf(what, sizeof what, "%s is there already (--replace sets the new password)", pending->name);
		tell_wrong(import, pending->line, what);
	}
	if (status == USERS_TOO_MANY_COSTS)
		tell_wrong(
			import, pending->line,
			"the hash's memory and passes are like no other's here, and there are as many kinds as may be");
	return status != USERS_FAILED;
}

static bool store_ready(struct import *import, struct error *error)
{
	while (import->stored_lines < import->read_lines) {
		struct pending *pending = pending_at(import, import->stored_lines);
		if (!pending->ready)
			return true;
		import->stored_lines++;
		bool stored = store(import, pending, error);
		free(pending->grants);
		pending->grants = NULL;
		if (!stored)
			return false;
	}
	return true;
}

static bool await_hash(struct import *import, struct error *error)
{
	uint64_t number;
	struct hashed_password hashed;
	if (!hash_pool_take(import->pool, &number, &hashed, error))
		return false;
	struct pending *pending = pending_at(import, number);
	memcpy(pending->kept.hash, hashed.hash, sizeof hashed.hash);
	pending->kept.scram = hashed.scram;
	pending->ready = true;
	return true;
}

static bool run(struct import *import, struct error *error)
{
	for (uint64_t step = 0; !import->ended || import->stored_lines < import->read_lines; step++) {
		bool room = import->read_lines - import->stored_lines < WINDOW && hash_pool_has_room(import->pool);
		bool went_on = room && !import->ended ? read_line(import, error) : await_hash(import, error);
		if (!went_on || !store_ready(import, error))
			return false;
		if (import->shows_progress && step % PROGRESS_EACH == 0)
			show_progress(import);
	}
	return true;
}

/* --- beginning and end --- */

static bool open_file(struct import *import, struct error *error)
{
	bool standard_input = strcmp(import->request->operand, "-") == 0;
	import->file = standard_input ? "standard input" : import->request->operand;
	import->fd = standard_input ? STDIN_FILENO : open(import->request->operand, O_RDONLY | O_CLOEXEC);
	if (import->fd < 0)
		return error_set_errno(error, errno, "can't read %s", import->file);
	struct stat status;
	if (fstat(import->fd, &status) == 0 && S_ISREG(status.st_mode))
		import->file_bytes = (uint64_t)status.st_size;
	line_reader_init(&import->reader, import->fd);
	buffer_init(&import->grants, import->grants_storage, sizeof import->grants_storage);
	return true;
}

/* Memory and passes: what the time goes with. */
static double weight(const struct password_cost *cost)
{
	return (double)cost->memory_kib * cost->passes;
}

/* Hashes of several costs make wrong passwords expensive (core/users/sign_in.h): whoever imports them should know. */
static void tell_costs(struct import *import)
{
	struct users_costs costs;
	if (!users_costs(import->users, &costs) || costs.count == 1)
		return;
	struct password_cost usual = password_usual_cost();
	double all = 0;
	for (unsigned i = 0; i < costs.count; i++)
		all += weight(&costs.rows[i].cost);
	fprintf(stderr,
		"%s: hashes of %u costs are in the database now. So that the time it takes tells nobody who has one, a "
		"wrong password is\nverified at each of them: %.1f times the usual work. New passwords have the usual "
		"cost.\n",
		import->file, costs.count, all / weight(&usual));
}

static int finish(struct import *import, bool whole, const struct error *error)
{
	uint64_t took_ms = now_ms() - import->began_ms;
	erase_progress(import);
	if (!whole) {
		user_complain("%s", error->text);
		user_complain(
			"the import has ended early, near %s:%llu; what came before is stored, and with --replace "
			"it can be run again",
			import->file, (unsigned long long)import->reader.line);
	}
	printf("imported %llu users in %llu.%llu s", (unsigned long long)import->imported,
	       (unsigned long long)took_ms / 1000, (unsigned long long)took_ms / 100 % 10);
	if (import->wrong > 0)
		printf("; %llu lines were wrong", (unsigned long long)import->wrong);
	putchar('\n');
	tell_costs(import);
	return whole && import->wrong == 0 ? EXIT_DONE : EXIT_NOT_DONE;
}

static int import_file(struct import *import)
{
	struct error error = { "" };
	import->users = user_open(import->request, true);
	if (!import->users)
		return EXIT_ENVIRONMENT;
	users_batch_begin(import->users);
	bool whole = run(import, &error);
	/* What could be stored is, also when the rest could not. */
	struct error end_error;
	if (!users_batch_end(import->users, &end_error) && whole) {
		whole = false;
		error = end_error;
	}
	return finish(import, whole, &error);
}

int user_import(void *context)
{
	const struct user_request *request = context;
	struct error error;
	struct import *import = calloc(1, sizeof *import);
	if (!import) {
		user_complain("out of memory");
		return EXIT_NOT_DONE;
	}
	import->request = request;
	import->fd = -1;
	import->began_ms = import->shown_ms = now_ms();
	import->shows_progress = isatty(STDERR_FILENO);
	int status = EXIT_NOT_DONE;
	/* The processes are forked before the database is open, which no two may share. */
	if (open_file(import, &error) && (import->pool = hash_pool_create(&error)))
		status = import_file(import);
	else
		user_complain("%s", error.text);
	hash_pool_destroy(import->pool);
	users_close(import->users);
	line_reader_finish(&import->reader);
	for (size_t i = 0; i < WINDOW; i++)
		free(import->window[i].grants);
	if (import->fd > STDIN_FILENO)
		close(import->fd);
	free(import);
	return status;
}
