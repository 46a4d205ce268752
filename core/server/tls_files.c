/* Watching the files of TLS, passing on their contents, changing over; see tls_files.h.
 *
 * Contents lie one behind the other: of each file its size (8 bytes) and its bytes, padded to 8. A worker gives each to the
 * TLS library as a file in memory of its own, so that all readers of such files are the same everywhere. */
#include "core/server/tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/server/file_watch.h"
#include "crypto/certificate.h"

enum { MOST_BYTES = 4 * 1024 * 1024 /* of one file: a hundred times the largest chain */ };

/* --- which files --- */

/* All of them, always in the same order; one that several use comes several times. False: `with` has said so. */
static bool for_each_file(const struct config *config, server_block_with_file *with, void *context)
{
	for (size_t i = 0; i < config->server_count; i++)
		if (!server_block_each_tls_file(&config->servers[i], with, context))
			return false;
	return true;
}

/* --- the keeper --- */

struct keeper {
	struct tls_files *files;
	struct file_watch *watches;
	size_t count, room;
	bool pressed; /* to read all anew, changed or not */
};

static bool add_watch(void *context, const char *path)
{
	struct keeper *keeper = context;
	if (keeper->count == keeper->room) {
		size_t room = keeper->room ? 2 * keeper->room : 16;
		struct file_watch *more = realloc(keeper->watches, room * sizeof *more);
		if (!more)
			return false;
		keeper->watches = more;
		keeper->room = room;
	}
	file_watch_begin(&keeper->watches[keeper->count++], path);
	return true;
}

/* Would the server start with them as they are now? */
static bool are_good(const struct config *config, struct error *error)
{
	for (size_t i = 0; i < config->server_count; i++) {
		const struct config_server *server = &config->servers[i];
		for (size_t j = 0; j < server->certificate_count; j++) {
			const struct config_certificate *one = &server->certificates[j];
			if (!certificate_check_pair(one->certificate, one->key, (int64_t)time(NULL), error))
				return false;
			if (one->name && !certificate_covers(one->certificate, one->name))
				return error_set(error, "certificate %s is not for %s, so no client would accept it",
						 one->certificate, one->name);
		}
		struct tls_context *tls;
		if (!server_block_read_tls(server, NULL, NULL, NULL, &tls, error))
			return false;
		tls_context_destroy(tls);
	}
	return true;
}

struct copying {
	uint8_t *at;  /* NULL: sizes are being summed up */
	size_t bytes; /* so far */
	size_t room;
	struct error *error;
};

static size_t padded(size_t bytes)
{
	return (bytes + 7) & ~(size_t)7;
}

/* What grows or shrinks between the two passes does not fit and is tried again later. */
static bool copy_file(void *context, const char *path)
{
	struct copying *copying = context;
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && fstat(fd, &status) == 0;
	if (!good)
		error_set_errno(copying->error, errno, "%s", path);
	uint64_t size = good ? (uint64_t)status.st_size : 0;
	if (good && size > MOST_BYTES)
		good = error_set(copying->error, "%s: over %d MiB is no certificate, and no key", path,
				 MOST_BYTES / (1024 * 1024));
	size_t whole = sizeof size + padded(size);
	if (good && copying->at &&
	    (copying->room - copying->bytes < whole ||
	     read(fd, copying->at + copying->bytes + sizeof size, size) != (ssize_t)size))
		good = error_set(copying->error, "%s: it is changing", path);
	if (good && copying->at)
		memcpy(copying->at + copying->bytes, &size, sizeof size);
	copying->bytes += whole;
	if (fd >= 0)
		close(fd);
	return good;
}

static bool pass_on(struct keeper *keeper, struct error *error)
{
	struct shared_image *contents = &keeper->files->contents;
	struct copying copying = { .error = error };
	if (!for_each_file(keeper->files->config, copy_file, &copying))
		return false;
	copying.room = copying.bytes;
	copying.bytes = 0;
	copying.at = shared_image_reserve(contents, copying.room, error);
	if (!copying.at)
		return false;
	bool good = for_each_file(keeper->files->config, copy_file, &copying);
	shared_image_unmap(slice_of(copying.at, copying.room));
	return good;
}

static bool have_changed(struct keeper *keeper)
{
	bool changed = false;
	for (size_t i = 0; i < keeper->count; i++)
		changed |= file_watch_look(&keeper->watches[i]);
	return changed;
}

/* They were read while nobody wrote them. */
static bool are_as_they_were(const struct keeper *keeper)
{
	for (size_t i = 0; i < keeper->count; i++) {
		struct file_state now = file_state_of(keeper->watches[i].path);
		if (!file_state_equal(&now, &keeper->watches[i].seen))
			return false;
	}
	return true;
}

static void look(struct keeper *keeper)
{
	struct error error = { "" };
	bool wanted = have_changed(keeper) || keeper->pressed;
	if (!wanted || !shared_image_is_free(&keeper->files->contents))
		return;
	bool good = are_good(keeper->files->config, &error) && pass_on(keeper, &error);
	if (!are_as_they_were(keeper))
		return;
	keeper->pressed = false;
	for (size_t i = 0; i < keeper->count; i++)
		file_watch_take(&keeper->watches[i]);
	if (good)
		shared_image_publish(&keeper->files->contents);
	log_message(good ? LOG_INFO : LOG_ERROR, good ? "certificates" : "certificates-refused", "%s%s",
		    good ? "new sessions get the certificates as they are now" : error.text,
		    good ? "" : "; the ones before are served on");
	log_flush();
}

static int keep(struct keeper *keeper)
{
	if (!for_each_file(keeper->files->config, add_watch, keeper)) {
		log_message(LOG_ERROR, "certificates", "no memory to watch them");
		return EXIT_FAILURE;
	}
	for (;;) {
		uint8_t byte;
		struct pollfd command = { .fd = keeper->files->keeper_pipe[0], .events = POLLIN };
		int ready = poll(&command, 1, TLS_FILES_LOOK_MS);
		if (ready > 0 && read(command.fd, &byte, 1) <= 0)
			return EXIT_SUCCESS; /* the supervisor has ended */
		keeper->pressed |= ready > 0;
		look(keeper);
	}
}

static _Noreturn void run_keeper(struct tls_files *files, pid_t parent)
{
	struct keeper keeper = { .files = files };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_SUCCESS);
	signal(SIGINT, SIG_IGN); /* a terminal's is for the supervisor */
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_NAME, "postern-keeper", 0, 0, 0);
	log_set_process("keeper");
	close(files->keeper_pipe[1]);
	int status = keep(&keeper);
	log_flush();
	_exit(status);
}

/* --- the supervisor --- */

static bool count_file(void *context, const char *path)
{
	(void)path;
	++*(size_t *)context;
	return true;
}

bool tls_files_start(struct tls_files *files, const struct config *config, struct error *error)
{
	size_t count = 0;
	*files = (struct tls_files){ .config = config, .keeper_pipe = { -1, -1 } };
	(void)for_each_file(config, count_file, &count);
	if (count == 0)
		return true;
	if (!shared_image_create(&files->contents, error))
		return false;
	if (pipe2(files->keeper_pipe, O_CLOEXEC) != 0)
		return error_set_errno(error, errno, "no pipe to the keeper of certificates");
	log_flush();
	pid_t parent = getpid();
	files->keeper = fork();
	if (files->keeper == 0)
		run_keeper(files, parent);
	close(files->keeper_pipe[0]);
	files->keeper_pipe[0] = -1;
	if (files->keeper > 0)
		return true;
	files->keeper = 0;
	return error_set_errno(error, errno, "no process to watch certificates");
}

void tls_files_leave(struct tls_files *files)
{
	for (int i = 0; files->contents.state && i < 2; i++)
		if (files->keeper_pipe[i] >= 0)
			close(files->keeper_pipe[i]);
	files->keeper_pipe[0] = files->keeper_pipe[1] = -1;
}

void tls_files_stop(struct tls_files *files)
{
	tls_files_leave(files);
	shared_image_destroy(&files->contents);
}

bool tls_files_look_now(struct tls_files *files)
{
	uint8_t byte = 0;
	return files->keeper && write(files->keeper_pipe[1], &byte, 1) == 1;
}

bool tls_files_reap(struct tls_files *files, pid_t pid)
{
	if (files->keeper == 0 || pid != files->keeper)
		return false;
	files->keeper = 0;
	log_message(LOG_ERROR, "keeper-died", "certificates are not watched any more: a renewed one needs a restart");
	return true;
}

void tls_files_expect_worker(struct tls_files *files, unsigned worker)
{
	if (files->contents.state)
		shared_image_expect(&files->contents, worker);
}

void tls_files_forget_worker(struct tls_files *files, unsigned worker)
{
	if (files->contents.state)
		shared_image_forget(&files->contents, worker);
}

/* --- a worker --- */

/* The files' contents as files in this worker's memory. */
struct copy {
	const char *path;
	int fd;
	char place[32];
};

struct copies {
	struct slice contents; /* what was not taken yet */
	struct copy *list;
	size_t count, room;
};

static struct slice take_contents(struct slice *contents)
{
	uint64_t size;
	ASSERT(contents->size >= sizeof size);
	memcpy(&size, contents->data, sizeof size);
	ASSERT(contents->size - sizeof size >= padded(size));
	struct slice taken = slice_of(contents->data + sizeof size, size);
	*contents = slice_skip(*contents, sizeof size + padded(size));
	return taken;
}

static bool make_copy(void *context, const char *path)
{
	struct copies *copies = context;
	struct slice bytes = take_contents(&copies->contents);
	ASSERT(copies->count < copies->room);
	struct copy *copy = &copies->list[copies->count];
	copy->path = path;
	copy->fd = memfd_create("postern-tls", MFD_CLOEXEC);
	if (copy->fd < 0)
		return false;
	copies->count++;
	snprintf(copy->place, sizeof copy->place, "/proc/self/fd/%d", copy->fd);
	return write(copy->fd, bytes.data, bytes.size) == (ssize_t)bytes.size;
}

static const char *find_copy(void *context, const char *path)
{
	const struct copies *copies = context;
	size_t at = 0;
	while (strcmp(copies->list[at].path, path) != 0)
		at++;
	return copies->list[at].place;
}

static bool make_copies(struct copies *copies, const struct config *config, struct slice contents)
{
	*copies = (struct copies){ .contents = contents };
	(void)for_each_file(config, count_file, &copies->room);
	copies->list = calloc(copies->room, sizeof *copies->list);
	return copies->list && for_each_file(config, make_copy, copies);
}

static void free_copies(struct copies *copies)
{
	for (size_t i = 0; i < copies->count; i++)
		close(copies->list[i].fd);
	free(copies->list);
}

/* All blocks or none. */
static bool change_over(const struct config *config, struct server_block *blocks, struct slice contents,
			struct error *error)
{
	struct copies copies;
	struct tls_context *made[LIMIT_SERVERS] = { NULL };
	bool good = make_copies(&copies, config, contents) || error_set(error, "no memory for copies of certificates");
	for (size_t i = 0; good && i < config->server_count; i++)
		good = server_block_read_tls(&config->servers[i], blocks[i].ticket_secret, find_copy, &copies, &made[i],
					     error);
	free_copies(&copies);
	for (size_t i = 0; i < config->server_count; i++) {
		struct tls_context *unused = good ? blocks[i].tls : made[i];
		if (good)
			blocks[i].tls = made[i];
		tls_context_destroy(unused);
	}
	return good;
}

void tls_files_adopt(struct tls_files *files, struct server_block *blocks, unsigned worker, uint64_t *generation)
{
	struct error error = { "" };
	uint64_t next;
	if (!files->contents.state || shared_image_generation(&files->contents) == *generation)
		return;
	struct slice contents = shared_image_map(&files->contents, &next, &error);
	bool good = contents.size && change_over(files->config, blocks, contents, &error);
	shared_image_unmap(contents);
	if (!good) {
		log_message(LOG_ERROR, "certificates-refused", "%s; trying again", error.text);
		return;
	}
	*generation = next;
	shared_image_settle(&files->contents, worker, next);
}
