/* Asks core/dns for names, for the system tests: what it answers with real DNS servers.
 *
 *   reverse_driver TIMEOUT_MS CACHE [SERVER:PORT …]
 *
 * Reads lines of addresses. All of a line are asked at once, and when the last is answered there comes for each, in order of
 * the answers, "ADDRESS STATUS NAME MS", NAME being "-" where there is none; then "counters NAME=NUMBER …". A line
 * "wait MS" lets time pass. POSTERN_LOOP says which loop. */
#include <stdio.h>
#include <stdlib.h>

#include "core/dns/reverse.h"
#include "crypto/secret.h"

enum { LINE_BYTES = 1024 * 1024, AT_ONCE = 20000 };

struct asked {
	struct reverse_waiter waiter;
	struct net_address address;
};

static struct loop *loop;
static struct reverse *reverse;
static struct asked all[AT_ONCE];
static size_t waiting;
static uint64_t began_ns;

static void fail(const char *what)
{
	fprintf(stderr, "reverse_driver: %s\n", what);
	exit(1);
}

static void tell(const struct asked *asked, const struct reverse_name *name)
{
	char text[NET_ADDRESS_TEXT_BYTES];
	net_address_format(&asked->address, text);
	unsigned long ms = (unsigned long)((loop_now(loop)->monotonic_ns - began_ns) / CLOCK_NS_PER_MS);
	printf("%s %s %.*s%s %lu\n", text, reverse_status_name(name->status), SLICE_ARGS(name->name),
	       name->name.size ? "" : "-", ms);
}

static void found(struct reverse_waiter *waiter, const struct reverse_name *name)
{
	waiting--;
	tell(CONTAINER_OF(waiter, struct asked, waiter), name);
}

static void turn(bool wait)
{
	struct error error;
	if (!loop_turn(loop, wait, &error))
		fail(error.text);
}

static void ask(struct asked *asked, const char *text)
{
	struct error error;
	struct reverse_name name;
	reverse_waiter_init(&asked->waiter);
	if (!net_address_parse(slice_from_text(text), &asked->address, &error))
		fail(error.text);
	if (reverse_find(reverse, &asked->address, &asked->waiter, found, &name))
		tell(asked, &name);
	else
		waiting++;
}

static void tell_counters(void)
{
	struct reverse_counters counters = reverse_counters(reverse);
	printf("counters hits=%lu questions=%lu joined=%lu failed=%lu refused=%lu in_flight=%zu sockets=%zu\n",
	       (unsigned long)counters.hits, (unsigned long)counters.questions, (unsigned long)counters.joined,
	       (unsigned long)counters.failed, (unsigned long)counters.refused, counters.in_flight, counters.sockets);
	fflush(stdout);
}

static void time_passed(struct timer *timer)
{
	(void)timer;
	waiting--;
}

static void let_pass(uint64_t ms)
{
	struct timer timer;
	timer_init(&timer, time_passed);
	waiting = 1;
	loop_timer_start(loop, &timer, ms);
	while (waiting)
		turn(true);
}

static void run_line(char *line)
{
	size_t count = 0;
	unsigned long ms;
	turn(false);
	if (sscanf(line, "wait %lu", &ms) == 1) {
		let_pass(ms);
	} else {
		began_ns = loop_now(loop)->monotonic_ns;
		char *rest = line;
		for (char *word; (word = strsep(&rest, " \n"));)
			if (word[0] && count < AT_ONCE)
				ask(&all[count++], word);
		while (waiting)
			turn(true);
	}
	tell_counters();
}

static enum loop_kind loop_kind(void)
{
	const char *kind = getenv("POSTERN_LOOP");
	return !kind || strcmp(kind, "auto") == 0 ? LOOP_AUTO : strcmp(kind, "epoll") == 0 ? LOOP_EPOLL : LOOP_IO_URING;
}

int main(int count, char **words)
{
	static char line[LINE_BYTES];
	struct net_address servers[LIMIT_NAME_SERVERS];
	struct error error;
	if (count < 3 || count - 3 > LIMIT_NAME_SERVERS || !secret_setup())
		fail("reverse_driver TIMEOUT_MS CACHE [SERVER:PORT …]");
	struct reverse_settings settings = {
		.resolver = { servers, (size_t)(count - 3), (uint32_t)strtoul(words[1], NULL, 10) },
		.cache_entries = (uint32_t)strtoul(words[2], NULL, 10),
	};
	for (size_t i = 0; i < settings.resolver.server_count; i++) {
		struct sockaddr_storage address;
		socklen_t size;
		if (!net_address_parse_with_port(words[3 + i], &address, &size, &error))
			fail(error.text);
		servers[i] = net_address_from_socket(&address);
	}
	loop = loop_create(&(struct loop_settings){ .kind = loop_kind() }, &error);
	reverse = loop ? reverse_create(loop, &settings, &error) : NULL;
	if (!reverse)
		fail(error.text);
	tell_counters();
	while (fgets(line, sizeof line, stdin))
		run_line(line);
	reverse_destroy(reverse);
	loop_destroy(loop);
	return 0;
}
