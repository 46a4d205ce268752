/* Names of addresses; see reverse.h.
 *
 * A question asks for the pointers, then for the addresses of one name after the other. One query runs at a time; a question
 * that is over before its query (the time was up) leaves that behind, to end by itself. */
#include "core/dns/reverse.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/pool.h"
#include "crypto/secret.h"

enum { SHARES = 4096, NS_PER_S = 1000000000 };

/* How questions ended since some time ago, for the log. */
struct window {
	uint64_t ended, failed;
	uint64_t over_s;
	bool told;
};

struct reverse {
	struct loop *loop;
	struct resolver *resolver;
	struct reverse_cache *cache;
	struct map in_flight; /* questions, by address */
	struct pool questions;
	struct pool queries;
	uint32_t timeout_ms;
	uint16_t shares[SHARES]; /* questions in flight, by a hash of their networks */
	uint8_t key[SECRET_SHORT_KEY_BYTES];
	struct reverse_counters counters;
	struct window window;
};

struct question {
	struct map_node node;
	struct reverse *reverse;
	struct net_address address;
	struct list waiters;
	struct timer deadline;
	struct query *query; /* the one that runs */
	struct dns_pointers pointers;
	uint8_t next;   /* of the pointers' hosts */
	bool uncertain; /* a host's addresses could not be had */
	uint32_t ttl_s;
	char name[DNS_REVERSE_NAME_BYTES];
};

struct query {
	struct resolver_query base;
	struct reverse *reverse;
	struct question *question; /* NULL: it is over */
};

const char *reverse_status_name(enum reverse_status status)
{
	static const char *const names[] = {
		[REVERSE_CONFIRMED] = "confirmed",
		[REVERSE_UNKNOWN] = "unknown",
		[REVERSE_LIES] = "lies",
		[REVERSE_FAILED] = "failed",
	};
	return names[status];
}

static uint32_t now_s(const struct reverse *reverse)
{
	return (uint32_t)(loop_now(reverse->loop)->monotonic_ns / NS_PER_S);
}

/* --- shares of what may be in flight --- */

static uint64_t hash_address(const struct reverse *reverse, const struct net_address *address)
{
	uint8_t bytes[17] = { [16] = address->family };
	memcpy(bytes, address->bytes, 16);
	return secret_short_hash(reverse->key, slice_of(bytes, sizeof bytes));
}

/* A /48 is what one customer has. Two networks that share a number share the bound: that is rare, and costs little. */
static uint16_t *share_of(struct reverse *reverse, const struct net_address *address)
{
	uint64_t network = net_address_site(address);
	uint64_t hash = secret_short_hash(reverse->key, slice_of(&network, sizeof network));
	return &reverse->shares[hash % SHARES];
}

/* --- the end of a question --- */

static uint32_t within(uint32_t ttl_s, uint32_t least_s, uint32_t most_s)
{
	return ttl_s < least_s ? least_s : ttl_s > most_s ? most_s : ttl_s;
}

static uint32_t lifetime(enum reverse_status status, uint32_t ttl_s)
{
	if (status == REVERSE_FAILED)
		return LIMIT_REVERSE_FAILED_S;
	return within(ttl_s, LIMIT_REVERSE_LEAST_S,
		      status == REVERSE_CONFIRMED ? LIMIT_REVERSE_MOST_S : LIMIT_REVERSE_NEGATIVE_S);
}

/* Servers that don't answer are worth a line, not one a client; that the zones of some are broken is none of ours. */
static void note_end(struct reverse *reverse, bool failed)
{
	struct window *window = &reverse->window;
	struct log_line line;
	reverse->counters.failed += failed;
	if (now_s(reverse) >= window->over_s && window->ended >= LIMIT_REVERSE_COMPLAINT)
		*window = (struct window){ .over_s = now_s(reverse) + LIMIT_REVERSE_COMPLAINT_S };
	window->ended++;
	window->failed += failed;
	if (window->told || window->failed < LIMIT_REVERSE_COMPLAINT || window->failed * 2 < window->ended)
		return;
	window->told = true;
	window->over_s = now_s(reverse) + LIMIT_REVERSE_COMPLAINT_S;
	if (!log_begin(&line, LOG_WARN, "dns-failed"))
		return;
	log_text(&line, "message", "most names of clients can't be had; do the DNS servers answer?");
	log_number(&line, "asked", (int64_t)window->ended);
	log_number(&line, "failed", (int64_t)window->failed);
	log_end(&line);
}

/* A query that runs ends by itself. */
static void leave_query(struct question *question)
{
	struct query *query = question->query;
	if (query && resolver_forget(&query->base))
		pool_give(&question->reverse->queries, query);
	else if (query)
		query->question = NULL;
	question->query = NULL;
}

/* What is told lives on the stack: a waiter's new question may move what the cache holds. */
static void end_question(struct question *question, enum reverse_status status, const struct dns_host *host)
{
	struct reverse *reverse = question->reverse;
	struct dns_host kept = { .size = 0 };
	struct list *node, waiters;
	if (host)
		kept = *host;
	struct reverse_name name = { status, dns_host_slice(&kept) };
	note_end(reverse, status == REVERSE_FAILED);
	reverse_cache_put(reverse->cache, &question->address, now_s(reverse), lifetime(status, question->ttl_s), &name);
	leave_query(question);
	map_remove(&reverse->in_flight, &question->node);
	loop_timer_stop(reverse->loop, &question->deadline);
	--*share_of(reverse, &question->address);
	list_init(&waiters);
	list_splice(&waiters, &question->waiters);
	pool_give(&reverse->questions, question);
	while ((node = list_take_first(&waiters))) {
		struct reverse_waiter *waiter = CONTAINER_OF(node, struct reverse_waiter, link);
		waiter->found(waiter, &name);
	}
}

static void time_is_up(struct timer *timer)
{
	end_question(CONTAINER_OF(timer, struct question, deadline), REVERSE_FAILED, NULL);
}

/* --- its steps --- */

/* The question whose answer this is; NULL where it did not wait for it. */
static struct question *take_answer(struct resolver_query *base)
{
	struct query *query = CONTAINER_OF(base, struct query, base);
	struct question *question = query->question;
	if (question)
		question->query = NULL;
	pool_give(&query->reverse->queries, query);
	return question;
}

static bool ask(struct question *question, const char *name, enum dns_type type, resolver_answered *answered)
{
	struct reverse *reverse = question->reverse;
	struct query *query = pool_take(&reverse->queries);
	if (!query)
		return false;
	query->reverse = reverse;
	query->question = question;
	question->query = query;
	resolver_ask(reverse->resolver, &query->base, name, type, answered);
	return true;
}

static void shorten(struct question *question, uint32_t ttl_s)
{
	question->ttl_s = ttl_s < question->ttl_s ? ttl_s : question->ttl_s;
}

static void try_next_host(struct question *question);

static void host_answered(struct resolver_query *base, struct slice message)
{
	struct question *question = take_answer(base);
	struct dns_match match;
	if (!question)
		return;
	const struct dns_host *host = &question->pointers.hosts[question->next];
	enum dns_answer answer = dns_answer_match(message, dns_host_slice(host), &question->address, &match);
	if (answer == DNS_ANSWER_BAD)
		question->uncertain = true;
	else
		shorten(question, match.ttl_s);
	if (answer == DNS_ANSWER_HERE && match.found) {
		end_question(question, REVERSE_CONFIRMED, host);
		return;
	}
	question->next++;
	try_next_host(question);
}

static void try_next_host(struct question *question)
{
	enum dns_type type = question->address.family == 6 ? DNS_TYPE_AAAA : DNS_TYPE_A;
	if (question->next == question->pointers.count)
		end_question(question, question->uncertain ? REVERSE_FAILED : REVERSE_LIES, NULL);
	else if (!ask(question, question->pointers.hosts[question->next].text, type, host_answered))
		end_question(question, REVERSE_FAILED, NULL);
}

static void pointers_answered(struct resolver_query *base, struct slice message)
{
	struct question *question = take_answer(base);
	if (!question)
		return;
	enum dns_answer answer = dns_answer_pointers(message, slice_from_text(question->name), &question->pointers);
	question->ttl_s = question->pointers.ttl_s;
	if (answer == DNS_ANSWER_HERE)
		try_next_host(question);
	else
		end_question(question, answer == DNS_ANSWER_NONE ? REVERSE_UNKNOWN : REVERSE_FAILED, NULL);
}

/* --- asking --- */

static struct question *find_question(struct reverse *reverse, const struct net_address *address, uint64_t hash)
{
	for (struct map_node *node = map_find(&reverse->in_flight, hash); node; node = map_find_next(node)) {
		struct question *question = CONTAINER_OF(node, struct question, node);
		if (net_address_equal(&question->address, address))
			return question;
	}
	return NULL;
}

/* NULL: too many are in flight. */
static struct question *start_question(struct reverse *reverse, const struct net_address *address, uint64_t hash)
{
	uint16_t *share = share_of(reverse, address);
	struct question *question = *share < LIMIT_REVERSE_NETWORK ? pool_take(&reverse->questions) : NULL;
	if (!question)
		return NULL;
	question->reverse = reverse;
	question->address = *address;
	question->query = NULL;
	question->pointers.count = question->pointers.ttl_s = 0;
	question->next = 0;
	question->uncertain = false;
	question->ttl_s = 0;
	list_init(&question->waiters);
	timer_init(&question->deadline, time_is_up);
	dns_reverse_name(address, question->name);
	if (!ask(question, question->name, DNS_TYPE_PTR, pointers_answered)) {
		pool_give(&reverse->questions, question);
		return NULL;
	}
	++*share;
	map_insert(&reverse->in_flight, &question->node, hash);
	loop_timer_start(reverse->loop, &question->deadline, reverse->timeout_ms);
	reverse->counters.questions++;
	return question;
}

bool reverse_find(struct reverse *reverse, const struct net_address *address, struct reverse_waiter *waiter,
		  reverse_found *found, struct reverse_name *name)
{
	*name = (struct reverse_name){ .status = REVERSE_UNKNOWN };
	if (address->family == 0)
		return true;
	if (reverse_cache_find(reverse->cache, address, now_s(reverse), name)) {
		reverse->counters.hits++;
		return true;
	}
	uint64_t hash = hash_address(reverse, address);
	struct question *question = find_question(reverse, address, hash);
	if (question)
		reverse->counters.joined++;
	else
		question = start_question(reverse, address, hash);
	if (!question) {
		reverse->counters.refused++;
		name->status = REVERSE_FAILED;
		return true;
	}
	waiter->found = found;
	list_append(&question->waiters, &waiter->link);
	return false;
}

struct reverse_counters reverse_counters(const struct reverse *reverse)
{
	struct reverse_counters counters = reverse->counters;
	counters.in_flight = reverse->questions.used;
	counters.sockets = resolver_sockets(reverse->resolver);
	return counters;
}

/* --- life --- */

struct reverse *reverse_create(struct loop *loop, const struct reverse_settings *settings, struct error *error)
{
	ASSERT(settings->resolver.timeout_ms > 0 && settings->resolver.timeout_ms <= LIMIT_DNS_TIMEOUT_MS);
	struct reverse *reverse = calloc(1, sizeof *reverse);
	if (!reverse) {
		error_set(error, "no memory for names of clients");
		return NULL;
	}
	reverse->loop = loop;
	reverse->timeout_ms = settings->resolver.timeout_ms;
	secret_random(reverse->key, sizeof reverse->key);
	pool_init(&reverse->questions, sizeof(struct question), 16, LIMIT_REVERSE_QUESTIONS);
	pool_init(&reverse->queries, sizeof(struct query), 64, LIMIT_REVERSE_QUERIES);
	reverse->cache = reverse_cache_create(settings->cache_entries, reverse->key);
	if (!reverse->cache || !map_init(&reverse->in_flight, LIMIT_REVERSE_QUESTIONS))
		error_set(error, "no memory for %u names of clients; make the cache of \"dns\" smaller",
			  settings->cache_entries);
	else
		reverse->resolver = resolver_create(loop, &settings->resolver, error);
	if (reverse->resolver)
		return reverse;
	reverse_destroy(reverse);
	return NULL;
}

static void end_all(struct reverse *reverse)
{
	struct map_node *node;
	while ((node = map_walk(&reverse->in_flight, NULL)))
		end_question(CONTAINER_OF(node, struct question, node), REVERSE_FAILED, NULL);
}

void reverse_destroy(struct reverse *reverse)
{
	if (!reverse)
		return;
	if (reverse->resolver)
		end_all(reverse);
	resolver_destroy(reverse->resolver);
	map_finish(&reverse->in_flight);
	reverse_cache_destroy(reverse->cache);
	pool_finish(&reverse->queries);
	pool_finish(&reverse->questions);
	free(reverse);
}
