/* Measures the spool; asserts nothing. Prints appends a second and processor time for a message of 1 KB at 1, 8 and 64
 * entries in flight, the time of a first start, of recovering many small messages, and until a listing tells its first.
 *
 *   measure_spool [messages to recover, 1000000] [io_uring | epoll]
 *
 * The folder is made in TMPDIR: put that on the disk that is to be measured. Processor time is the whole process', the
 * kernel's threads that work for it too. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/spool/envelope.h"
#include "core/spool/spool.h"
#include "crypto/secret.h"

enum { TEXT_BYTES = 1024, MEASURE_MS = 3000, FLIGHT_MOST = 4096 };

static struct loop *loop;
static struct spool *spool;
static char directory[256];
static uint8_t text[TEXT_BYTES];
static uint8_t envelope[128];
static size_t envelope_size;
static struct iovec parts[2];

struct flight {
	struct spool_entry entry;
	bool ends; /* the message's end is being written */
};
static struct flight flights[FLIGHT_MOST];
static uint64_t appended, wanted, failed;
static bool end_messages;
static size_t running;

static double seconds(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double processor_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void must(bool ok, const struct error *error)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", error->text);
	exit(1);
}

static void turn(void)
{
	struct error error;
	must(loop_turn(loop, true, &error), &error);
}

/* --- appending --- */

static void entry_done(struct spool_entry *entry, enum spool_status status);

static void start(struct flight *flight)
{
	flight->ends = false;
	spool_append_message(spool, &flight->entry, spool_new_id(spool), parts, 2, (uint32_t)envelope_size, TEXT_BYTES,
			     false, false, entry_done);
}

static void entry_done(struct spool_entry *entry, enum spool_status status)
{
	struct flight *flight = CONTAINER_OF(entry, struct flight, entry);
	failed += status != SPOOL_OK;
	if (end_messages && status == SPOOL_OK && !flight->ends) {
		flight->ends = true;
		spool_append_change(spool, entry, entry->id, SPOOL_MESSAGE_DONE, 0, (struct slice){ NULL, 0 },
				    entry_done);
		return;
	}
	if (flight->ends)
		spool_forget(spool, entry->id, (struct spool_place){ 0 }, false);
	appended++;
	if (appended + running <= wanted)
		start(flight);
	else
		running--;
}

/* Appends until the time or the number is reached. */
static void append_many(size_t in_flight, uint64_t count, double for_seconds)
{
	double end = seconds(CLOCK_MONOTONIC) + for_seconds;
	appended = 0;
	wanted = count;
	running = in_flight;
	for (size_t i = 0; i < in_flight; i++)
		start(&flights[i]);
	while (running > 0) {
		turn();
		if (for_seconds > 0 && seconds(CLOCK_MONOTONIC) > end)
			wanted = 0;
	}
}

static void measure_appends(size_t in_flight, bool with_end)
{
	end_messages = with_end;
	double began = seconds(CLOCK_MONOTONIC), processor = processor_seconds();
	append_many(in_flight, UINT64_MAX / 2, MEASURE_MS / 1000.0);
	double took = seconds(CLOCK_MONOTONIC) - began;
	processor = processor_seconds() - processor;
	printf("%4zu in flight%s: %7.0f messages/s, %6.1f µs processor, %6.0f µs latency%s\n", in_flight,
	       with_end ? ", appended and ended" : "", (double)appended / took, processor * 1e6 / (double)appended,
	       took * 1e6 * (double)in_flight / (double)appended, failed ? ", FAILURES" : "");
	end_messages = false;
}

/* --- opening and listing --- */

static uint64_t told;
static double first_told;

static void count_recovered(void *context, const struct spool_message *message)
{
	(void)context;
	(void)message;
	told++;
}

static bool count_listed(void *context, const struct spool_message *message)
{
	(void)context;
	(void)message;
	if (told++ == 0)
		first_told = seconds(CLOCK_MONOTONIC);
	return true;
}

static void ignore_move(void *context, uint64_t id, struct spool_place to)
{
	(void)context;
	(void)id;
	(void)to;
}

static double open_lane(void)
{
	struct error error;
	told = 0;
	double began = seconds(CLOCK_MONOTONIC);
	spool = spool_open(loop, &(struct spool_settings){ .directory = directory }, count_recovered, ignore_move, NULL,
			   &error);
	must(spool != NULL, &error);
	return seconds(CLOCK_MONOTONIC) - began;
}

static void measure_recovery(uint64_t count)
{
	struct error error;
	printf("writing %llu messages …\n", (unsigned long long)count);
	append_many(FLIGHT_MOST, count, 0);
	spool_close(spool);
	double took = open_lane();
	printf("recovery: %llu messages in %.2f s\n", (unsigned long long)told, took);
	told = 0;
	double began = seconds(CLOCK_MONOTONIC);
	must(spool_list(directory, count_listed, NULL, &error), &error);
	printf("listing: the first of %llu after %.1f ms, the last after %.2f s\n", (unsigned long long)told,
	       (first_told - began) * 1e3, seconds(CLOCK_MONOTONIC) - began);
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	printf("memory at most: %ld MiB\n", usage.ru_maxrss / 1024);
}

static void fill_envelope(void)
{
	struct buffer buffer;
	struct error error = { "the envelope does not fit" };
	buffer_init(&buffer, envelope, sizeof envelope);
	must(envelope_begin(&buffer, 0, SLICE_LITERAL("anna"), SLICE_LITERAL("192.0.2.1"),
			    SLICE_LITERAL("anna@example.org")) &&
		     envelope_add_recipient(&buffer, SLICE_LITERAL("b@example.com")),
	     &error);
	envelope_finish(envelope, 0, 1, 1);
	envelope_size = buffer.size;
	parts[0] = (struct iovec){ envelope, envelope_size };
	parts[1] = (struct iovec){ text, sizeof text };
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	enum loop_kind kind = argc > 2 && strcmp(argv[2], "epoll") == 0 ? LOOP_EPOLL : LOOP_AUTO;
	const char *parent = getenv("TMPDIR");
	struct error error = { "no randomness" };
	must(secret_setup(), &error);
	snprintf(directory, sizeof directory, "%s/measure-XXXXXX", parent ? parent : P_tmpdir);
	error_set(&error, "can't make a folder in %s", parent ? parent : P_tmpdir);
	must(mkdtemp(directory) != NULL, &error);
	loop = loop_create(&(struct loop_settings){ .kind = kind }, &error);
	must(loop != NULL, &error);
	fill_envelope();
	printf("%s, %s\n", loop_name(loop), directory);
	printf("first start: %.0f ms\n", open_lane() * 1e3);
	static const size_t flight_counts[] = { 1, 8, 64, 1024 };
	for (size_t i = 0; i < sizeof flight_counts / sizeof flight_counts[0]; i++) {
		measure_appends(flight_counts[i], false);
		measure_appends(flight_counts[i], true);
	}
	measure_recovery(count);
	spool_close(spool);
	loop_destroy(loop);
	printf("%s is left for you to look at\n", directory);
	return failed > 0;
}
