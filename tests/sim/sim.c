/* The simulator's program: the real worker lives and dies on a simulated disk and network, seed after seed.
 *
 * Each seed is a process of its own, so that one that dies is told by its number, and leaks are looked for in each. The last
 * line says what happened in all; a run in which something never happened that should have fails too. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "crypto/secret.h"
#include "tests/sim/failure.h"
#include "tests/sim/world.h"

enum {
	SEEDS_UNLESS_SAID = 100,
	SEED_MOST_SECONDS = 120,
	TWICE_ONE_IN = 10, /* seeds that are run twice and must give the same trace */
	PROGRESS_EACH = 10,
	CHECKED_FROM_SEEDS = 50, /* fewer may miss something by chance */
	LOG_SHOWN_BYTES = 4000,
};

static const char help[] =
	"usage: sim [--seeds N] [--seed S] [--verbose]\n"
	"\n"
	"Runs the server in a simulated world: with clients that come and go, disks that fill and fail, and crashes. "
	"After\n"
	"each crash every mail that was accepted must be there, whole. All chance is in the seed: one that fails is\n"
	"repeated with --seed.\n"
	"\n"
	"  --seeds N   seeds 1 to N; 100 unless said\n"
	"  --from S    the first seed of --seeds\n"
	"  --seed S    this one only, in this process\n"
	"  --verbose   with the server's log\n";

struct options {
	uint64_t first, count;
	bool single;
	bool verbose;
};

static bool read_number(const char *text, uint64_t *number)
{
	char *end;
	*number = text ? strtoull(text, &end, 10) : 0;
	return text && *text && !*end;
}

static bool read_options(int count, char **words, struct options *options)
{
	*options = (struct options){ .first = 1, .count = SEEDS_UNLESS_SAID };
	for (int i = 1; i < count; i++) {
		const char *value = i + 1 < count ? words[i + 1] : NULL;
		if (strcmp(words[i], "--verbose") == 0) {
			options->verbose = true;
			continue;
		}
		bool right = false;
		if (strcmp(words[i], "--seeds") == 0) {
			right = read_number(value, &options->count);
		} else if (strcmp(words[i], "--from") == 0) {
			right = read_number(value, &options->first);
		} else if (strcmp(words[i], "--seed") == 0) {
			right = read_number(value, &options->first);
			options->count = 1;
			options->single = true;
		}
		if (!right)
			return false;
		i++;
	}
	return true;
}

/* --- one seed --- */

static void run_seed(const struct world_settings *settings, struct world_counts *counts)
{
	uint64_t hash = world_run(settings, counts);
	if (settings->seed % TWICE_ONE_IN != 0)
		return;
	struct world_counts again = { 0 };
	if (world_run(settings, &again) != hash)
		sim_fail("the same seed is not the same run: something takes its chance or its time from elsewhere");
}

/* The end of what the seed's server has logged. */
static void print_log(int log_fd)
{
	char text[LOG_SHOWN_BYTES];
	off_t size = lseek(log_fd, 0, SEEK_END);
	off_t from = size > LOG_SHOWN_BYTES ? size - LOG_SHOWN_BYTES : 0;
	ssize_t got = pread(log_fd, text, sizeof text, from);
	if (got > 0)
		fprintf(stderr, "the end of its log:\n%.*s", (int)got, text);
}

/* False, with what is to be done about it, when the seed has failed. `counts` is shared memory. */
static bool run_in_process(const struct world_settings *settings, struct world_counts *counts, int log_fd)
{
	if (ftruncate(log_fd, 0) != 0)
		sim_fail("the log can't be cut");
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		alarm(SEED_MOST_SECONDS);
		run_seed(settings, counts);
		exit(EXIT_SUCCESS);
	}
	int status = 0;
	if (child < 0 || waitpid(child, &status, 0) != child)
		sim_fail("no process for a seed");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	print_log(log_fd);
	if (WIFSIGNALED(status))
		fprintf(stderr, "seed %" PRIu64 ": died of signal %d (%s)\n", settings->seed, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	fprintf(stderr, "repeat it with: sim --seed %" PRIu64 " --verbose\n", settings->seed);
	return false;
}

/* --- all of them --- */

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What happened, and whether a run must have seen it: one in which it never did has not tested what it is for. */
struct row {
	const char *what;
	size_t at;
	bool needed;
};

#define ROW(member, needed, what)                                                                                      \
	{                                                                                                              \
		what, offsetof(struct world_counts, member), needed                                                    \
	}
static const struct row rows[] = {
	ROW(lives, true, "lives of the server"),
	ROW(power_failures, true, "of them ended by a power failure"),
	ROW(kills, true, "killed"),
	ROW(drains, true, "drained"),
	ROW(starts_failed, true, "starts that failed with the disk"),
	ROW(clients, true, "clients"),
	ROW(proxied, true, "of them behind a proxy"),
	ROW(mails, true, "mails begun"),
	ROW(accepted, true, "accepted"),
	ROW(large, true, "of them in files of their own"),
	ROW(sign_ins, true, "of clients that had signed in"),
	ROW(refused, true, "refused"),
	ROW(deferred, true, "sent whole and deferred"),
	ROW(unanswered, true, "sent whole and not answered"),
	ROW(orders, true, "orders to the queue"),
	ROW(removals, true, "mails removed by one"),
	ROW(pauses, true, "orders to pause a server or resume it"),
	ROW(compactions, true, "segments emptied by compaction"),
	ROW(full_windows, true, "times without space"),
	ROW(error_windows, true, "times with disk errors"),
	ROW(descriptor_windows, true, "times without descriptors"),
	ROW(probes, true, "times that service was seen to be back"),
	ROW(audits, true, "audits"),
	ROW(live_found, true, "messages found in the spool"),
	ROW(copies_found, true, "copies found in Maildirs"),
	ROW(left_unanswered, true, "of mails whose 250 was not read"),
	ROW(left_deferred, false, "of mails that a failed write had left"),
};

static uint64_t count_of(const struct world_counts *counts, const struct row *row)
{
	return *(const uint64_t *)((const uint8_t *)counts + row->at);
}

static void print_summary(const struct world_counts *counts, double seconds)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		printf("%10" PRIu64 " %s\n", count_of(counts, &rows[i]), rows[i].what);
	printf("%" PRIu64 " seeds, %" PRIu64 " mails accepted and none lost, in %.1f s (%.0f virtual minutes)\n",
	       counts->seeds, counts->accepted, seconds, (double)counts->virtual_ms / 60000);
}

static bool has_tested(const struct world_counts *counts)
{
	bool all = true;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!rows[i].needed || count_of(counts, &rows[i]))
			continue;
		fprintf(stderr, "sim: the run tests less than it should: there were no %s\n", rows[i].what);
		all = false;
	}
	return all;
}

static struct world_counts *shared_counts(void)
{
	void *memory =
		mmap(NULL, sizeof(struct world_counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		sim_fail("no shared memory");
	return memory;
}

static bool run_all(const struct options *options, struct world_settings *settings, int log_fd)
{
	struct world_counts *counts = shared_counts();
	double began = seconds_now();
	bool shows = isatty(STDOUT_FILENO), good = true;
	for (uint64_t i = 0; good && i < options->count; i++) {
		settings->seed = options->first + i;
		if (options->single)
			run_seed(settings, counts);
		else
			good = run_in_process(settings, counts, log_fd);
		if (shows && (i + 1) % PROGRESS_EACH == 0)
			printf("%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " mails accepted\n", i + 1, options->count,
			       counts->accepted);
	}
	if (good)
		print_summary(counts, seconds_now() - began);
	if (good && options->count >= CHECKED_FROM_SEEDS)
		good = has_tested(counts);
	munmap(counts, sizeof *counts);
	return good;
}

static void remove_users(const char *folder)
{
	static const char *const files[] = { "users/data.mdb", "users/lock.mdb", "users", "" };
	char path[256];
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		remove(path);
	}
}

int main(int count, char **words)
{
	struct options options;
	if (count == 2 && strcmp(words[1], "--help") == 0) {
		fputs(help, stdout);
		return EXIT_SUCCESS;
	}
	if (!read_options(count, words, &options)) {
		fputs(help, stderr);
		return 2;
	}
	char folder[] = "/tmp/postern-sim-XXXXXX", users[64];
	if (!secret_setup() || !mkdtemp(folder))
		sim_fail("no randomness, or no temporary folder");
	snprintf(users, sizeof users, "%s/users", folder);
	int log_fd = open(folder, O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0)
		sim_fail("no file for the log");
	log_configure(options.verbose ? LOG_DEBUG : LOG_INFO, options.verbose ? STDERR_FILENO : log_fd);
	world_make_users(users);
	struct world_settings settings = { .users_directory = users, .verbose = options.verbose };
	bool good = run_all(&options, &settings, log_fd);
	close(log_fd);
	remove_users(folder);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
