/* A worker's stages and the pace of its operations: see load.h. */
#include "bench/load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "bench/client.h"
#include "bench/process_tree.h"
#include "core/base/limits.h"
#include "crypto/tls.h"

enum {
	LOAD_CONTROL_MS = 10,      /* how often the parent's word is looked at */
	LOAD_OPENING_MOST = 64,    /* lasting connections in the handshake at the same time, a worker */
	LOAD_CLOSING_MS = 5000,    /* lasting connections have that long to say QUIT */
	LOAD_INTERRUPTED_MS = 500, /* what runs when the user interrupts has that long to end */
	NS_PER_S = 1000000000,
};

uint64_t load_clock_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static uint64_t worker_cpu_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* --- who may start an operation --- */

/* The n-th intended start: on the loop's grid of milliseconds, so that waking up at it is no delay. */
static uint64_t due_ns(const struct load *load)
{
	uint64_t exact = load->first_due_ns + (uint64_t)((double)load->taken * load->interval_ns);
	return (exact + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS * CLOCK_NS_PER_MS;
}

bool load_take(struct load *load, uint64_t *start_ns)
{
	bool open = load->stage == LOAD_WARMING || load->stage == LOAD_MEASURING;
	bool full = load->scenario->at_once && load->running >= load->scenario->at_once;
	if (!open || full || load->taken >= load->take_most)
		return false;
	uint64_t now_ns = load_clock_ns();
	bool paced = load->interval_ns > 0 && load->stage == LOAD_MEASURING;
	*start_ns = paced ? due_ns(load) : now_ns;
	if (*start_ns > now_ns || *start_ns >= load->end_ns)
		return false;
	load->taken++;
	load->running++;
	return true;
}

void load_wait(struct load *load, struct client *client)
{
	if (list_is_empty(&client->link))
		list_append(&load->waiting, &client->link);
}

/* Gives more() to clients that wait, each once. */
static void wake_waiting(struct load *load, size_t most)
{
	struct list woken;
	list_init(&woken);
	for (struct list *link; most-- > 0 && (link = list_take_first(&load->waiting));)
		list_append(&woken, link);
	for (struct list *link; (link = list_take_first(&woken));)
		load->scenario->more(CONTAINER_OF(link, struct client, link));
}

void load_done(struct load *load, bool good, uint64_t start_ns, uint64_t end_ns)
{
	ASSERT(load->running > 0);
	load->running--;
	if (good) {
		load->results->operations++;
		load->results->last_ns = end_ns;
		load_record(load, PHASE_TOTAL, start_ns, end_ns);
	}
	if (load->scenario->at_once)
		wake_waiting(load, 1);
}

/* --- open loop --- */

/* Wakes as many clients as there are operations due, and itself when the next one is. */
static void on_pace(struct timer *timer)
{
	struct load *load = CONTAINER_OF(timer, struct load, pace);
	if (load->stage != LOAD_MEASURING)
		return;
	uint64_t now_ns = load_clock_ns();
	while (!list_is_empty(&load->waiting) && due_ns(load) <= now_ns && due_ns(load) < load->end_ns)
		wake_waiting(load, 1);
	uint64_t next_ns = due_ns(load);
	loop_timer_start(load->loop, &load->pace, next_ns > now_ns ? (next_ns - now_ns) / CLOCK_NS_PER_MS + 1 : 1);
}

/* Intended starts that the end left behind. */
static uint64_t count_unstarted(struct load *load)
{
	uint64_t count = 0;
	if (load->interval_ns == 0 || load->end_ns == UINT64_MAX)
		return 0;
	for (; load->taken < load->take_most && due_ns(load) < load->end_ns; load->taken++)
		count++;
	return count;
}

/* --- lasting connections --- */

static void open_more(struct load *load)
{
	while (load->opening < LOAD_OPENING_MOST && load->opened < load->client_count && load->stage == LOAD_OPENING) {
		load->opening++;
		client_connect(&load->clients[load->opened++], load_clock_ns());
	}
}

void load_opened(struct load *load)
{
	if (load->stage != LOAD_OPENING)
		return;
	load->opening--;
	open_more(load);
}

/* --- stages --- */

static uint64_t share_of(const struct load *load, uint64_t whole)
{
	return whole / load->options->workers + (load->worker < whole % load->options->workers);
}

static void enter_warming(struct load *load)
{
	load->stage = LOAD_WARMING;
	load->results = load->warm;
	load->taken = 0;
	load->take_most = share_of(load, load->options->warm_up);
	wake_waiting(load, load->client_count);
}

static void enter_ready(struct load *load)
{
	load->stage = LOAD_READY;
	load->results = &load->shared->results;
	atomic_store(&load->shared->stage, WORKER_READY);
}

static void enter_measuring(struct load *load)
{
	const struct options *options = load->options;
	uint64_t now_ns = load_clock_ns();
	load->stage = LOAD_MEASURING;
	load->cpu_begin_ns = worker_cpu_ns();
	load->waited_begin_ns = process_waited_ns(getpid());
	load->taken = 0;
	load->take_most = options->count ? share_of(load, options->count) : UINT64_MAX;
	if (load->scenario->each_once)
		load->take_most = load->alive;
	else if (options->duration_ms)
		load->end_ns = now_ns + options->duration_ms * CLOCK_NS_PER_MS;
	if (options->rate) {
		load->interval_ns = (double)NS_PER_S * (double)options->workers / (double)options->rate;
		load->first_due_ns = now_ns + (uint64_t)(load->interval_ns * load->worker / (double)options->workers);
		on_pace(&load->pace);
	} else {
		wake_waiting(load, load->client_count);
	}
}

static void enter_measured(struct load *load)
{
	load->stage = LOAD_MEASURED;
	load->shared->unstarted = count_unstarted(load);
	load->shared->results.cpu_ns = worker_cpu_ns() - load->cpu_begin_ns;
	load->shared->results.waited_ns = process_waited_ns(getpid()) - load->waited_begin_ns;
	atomic_store(&load->shared->stage, WORKER_MEASURED);
}

/* What happens from now on is not counted. */
static void enter_closing(struct load *load)
{
	load->stage = LOAD_CLOSING;
	load->results = load->warm;
	load->cut_ns = load_clock_ns() + LOAD_CLOSING_MS * (uint64_t)CLOCK_NS_PER_MS;
	for (size_t i = 0; i < load->client_count; i++) {
		if (load->clients[i].step == CLIENT_READY)
			client_quit(&load->clients[i]);
	}
}

static void cut_all(struct load *load)
{
	for (size_t i = 0; i < load->client_count; i++)
		client_cut(&load->clients[i]);
	load->cut_ns = UINT64_MAX;
}

static void interrupt(struct load *load)
{
	if (load->stage < LOAD_READY) {
		cut_all(load);
		enter_ready(load);
	}
	load->stage = LOAD_ENDING;
	load->cut_ns = load_clock_ns() + LOAD_INTERRUPTED_MS * (uint64_t)CLOCK_NS_PER_MS;
}

static bool warming_is_over(const struct load *load)
{
	bool nobody_left = load->scenario->lasting && load->alive == 0;
	return load->running == 0 && (load->taken >= load->take_most || nobody_left);
}

/* Goes on to the next stage where the time has come. */
static void advance(struct load *load)
{
	uint32_t word = atomic_load(&load->run->stage);
	uint64_t now_ns = load_clock_ns();
	if (word >= RUN_INTERRUPT && load->stage < LOAD_ENDING)
		interrupt(load);
	if (load->stage == LOAD_OPENING && load->opening == 0 && load->opened == load->client_count)
		enter_warming(load);
	if (load->stage == LOAD_WARMING && warming_is_over(load))
		enter_ready(load);
	if (load->stage == LOAD_READY && word == RUN_MEASURE)
		enter_measuring(load);
	if (load->stage == LOAD_MEASURING && (now_ns >= load->end_ns || load->taken >= load->take_most))
		load->stage = LOAD_ENDING;
	if (load->stage == LOAD_ENDING && load->running == 0)
		enter_measured(load);
	if (load->stage == LOAD_MEASURED && word == RUN_CLOSE)
		enter_closing(load);
	if (load->stage == LOAD_CLOSING && load->alive == 0)
		load->stage = LOAD_OVER;
	if (now_ns >= load->cut_ns)
		cut_all(load);
}

static void on_control(struct timer *timer)
{
	struct load *load = CONTAINER_OF(timer, struct load, control);
	advance(load);
	loop_timer_start(load->loop, &load->control, LOAD_CONTROL_MS);
}

/* --- life --- */

static bool make_tls(struct load *load, struct error *error)
{
	const struct options *options = load->options;
	if (options->security == SECURITY_PLAIN)
		return true;
	struct tls_client_settings settings = {
		.ca_file = options->ca,
		.min_version = options->tls_version ? (uint16_t)options->tls_version : TLS_VERSION_1_2,
		.max_version = options->tls_version ? (uint16_t)options->tls_version : TLS_VERSION_1_3,
		.resume = options->resume,
		.certificate_file = options->certificate,
		.key_file = options->key,
	};
	load->tls = tls_client_context_create(&settings, error);
	return load->tls != NULL;
}

static bool make_clients(struct load *load, struct error *error)
{
	size_t pipeline = load->options->pipeline ? load->options->pipeline : 1;
	load->client_count = share_of(load, load->options->connections);
	load->clients = calloc(load->client_count, sizeof *load->clients);
	load->windows = calloc(load->client_count * pipeline, sizeof *load->windows);
	load->warm = calloc(1, sizeof *load->warm);
	if (!load->clients || !load->windows || !load->warm)
		return error_set(error, "out of memory");
	list_init(&load->waiting);
	for (size_t i = 0; i < load->client_count; i++) {
		client_init(&load->clients[i], load);
		load->clients[i].window = &load->windows[i * pipeline];
	}
	return true;
}

static bool set_up(struct load *load, struct error *error)
{
	struct loop_settings settings = { .kind = (enum loop_kind)load->options->loop,
					  .receive_buffers = LIMIT_RECEIVE_BUFFERS };
	load->loop = loop_create(&settings, error);
	if (!load->loop || !make_tls(load, error) || !make_clients(load, error))
		return false;
	stream_buffers_init(&load->buffers, load->client_count);
	snprintf(load->run->loop, sizeof load->run->loop, "%s", loop_name(load->loop));
	timer_init(&load->control, on_control);
	timer_init(&load->pace, on_pace);
	load->end_ns = load->cut_ns = UINT64_MAX;
	load->results = &load->shared->results;
	load->next_login = (size_t)share_of(load, load->logins->count) * load->worker;
	return true;
}

static void tear_down(struct load *load)
{
	if (load->clients)
		stream_buffers_finish(&load->buffers);
	if (load->loop)
		loop_destroy(load->loop);
	tls_context_destroy(load->tls);
	free(load->clients);
	free(load->windows);
	free(load->warm);
}

static void start(struct load *load)
{
	if (load->scenario->lasting) {
		load->stage = LOAD_OPENING;
		open_more(load);
	} else {
		for (size_t i = 0; i < load->client_count; i++)
			load_wait(load, &load->clients[i]);
		enter_warming(load);
	}
	on_control(&load->control);
}

int load_run(struct load *load)
{
	struct error error = { "" };
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bool good = set_up(load, &error);
	if (good)
		start(load);
	while (good && load->stage != LOAD_OVER)
		good = loop_turn(load->loop, true, &error);
	if (good)
		tear_down(load);
	else
		fprintf(stderr, "postern-bench: %s\n", error.text);
	return good ? 0 : 1;
}
