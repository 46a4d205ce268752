/* Measures core/net; asserts nothing. Prints for each set of prefixes the time to make the tree, its bytes a prefix and
 * the time of a lookup; then the same for names, the time to read a file of both, and what counting a connection costs.
 *
 *   measure_net [prefixes, names and lines, 1000000]
 *
 * Each figure is the median of several runs. A lookup waits for the one before it, so its time is what a caller waits. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/net/clients.h"
#include "core/net/rule_list.h"
#include "bench/measure_sets.h"

static volatile uint32_t sink; /* so that nothing is left out as useless */

enum { RUNS = 5, LOOKUPS = 1 << 20 };

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare_times(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median(double times[RUNS])
{
	qsort(times, RUNS, sizeof *times, compare_times);
	return times[RUNS / 2];
}

static void *must(void *memory)
{
	if (memory)
		return memory;
	fprintf(stderr, "no memory\n");
	exit(1);
}

/* --- prefixes --- */

static struct radix_tree *build(const struct net_prefix *prefixes, uint32_t count, double *took)
{
	struct radix_builder builder;
	double began = seconds();
	radix_builder_init(&builder);
	for (uint32_t i = 0; i < count; i++)
		if (!radix_builder_add(&builder, &prefixes[i], i, 0))
			must(NULL);
	struct radix_tree *tree = must(radix_build(&builder, NULL, NULL));
	*took = seconds() - began;
	return tree;
}

/* The processor may begin a lookup before the one before it is done, unless it waits to know that one's rule. */
static double find_all(const struct radix_tree *tree, const struct net_address *addresses, bool waits)
{
	uint32_t rule = 0, sum = 0;
	double began = seconds();
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct net_address address = addresses[i];
		if (waits)
			address.bytes[0] ^= (uint8_t)(rule >> 31); /* never set */
		rule = radix_find(tree, &address);
		sum += rule;
	}
	sink = sum;
	return (seconds() - began) / LOOKUPS;
}

static double walk_all(const struct radix_tree *tree, size_t *ranges)
{
	struct radix_walk walk = radix_walk_from_start(tree);
	struct radix_range range;
	double began = seconds();
	for (*ranges = 0; radix_walk_next(&walk, &range);)
		++*ranges;
	return seconds() - began;
}

static void measure_set(enum measure_set set, uint32_t count)
{
	struct measure_random random = { 7 };
	struct net_prefix *prefixes = must(malloc(count * sizeof *prefixes));
	struct net_address *addresses = must(malloc(LOOKUPS * sizeof *addresses));
	struct radix_tree *tree = NULL;
	double times[RUNS], find_times[RUNS], wait_times[RUNS];
	for (uint32_t i = 0; i < count; i++)
		prefixes[i] = measure_set_prefix(set, i, &random);
	for (uint32_t i = 0; i < LOOKUPS; i++)
		addresses[i] = measure_address_in(&prefixes[measure_random_below(&random, count)], &random);
	for (int i = 0; i < RUNS; i++) {
		radix_destroy(tree);
		tree = build(prefixes, count, &times[i]);
	}
	for (int i = 0; i < RUNS; i++)
		find_times[i] = find_all(tree, addresses, false);
	for (int i = 0; i < RUNS; i++)
		wait_times[i] = find_all(tree, addresses, true);
	size_t ranges;
	double walk = walk_all(tree, &ranges);
	printf("%-14s %8.0f ms %8.1f bytes/prefix %6.0f ns/lookup, %4.0f alone %10zu ranges walked in %.0f ms\n",
	       measure_set_name(set), median(times) * 1e3, (double)radix_memory_bytes(tree) / count,
	       median(find_times) * 1e9, median(wait_times) * 1e9, ranges, walk * 1e3);
	radix_destroy(tree);
	free(prefixes);
	free(addresses);
}

/* --- names --- */

/* Names one behind the other, as a program that streams through them would have them. */
struct names {
	char *texts;
	uint32_t *starts; /* one more than there are names */
	uint32_t count;
};

static struct names make_names(uint32_t count)
{
	return (struct names){ must(malloc((size_t)count * MEASURE_NAME_BYTES)),
			       must(calloc(count + 1, sizeof(uint32_t))), 0 };
}

static void add_name(struct names *names, const char *name, size_t size)
{
	uint32_t at = names->starts[names->count++];
	memcpy(names->texts + at, name, size);
	names->starts[names->count] = at + (uint32_t)size;
}

static struct slice name_at(const struct names *names, uint32_t at)
{
	return slice_of(names->texts + names->starts[at], names->starts[at + 1] - names->starts[at]);
}

static void free_names(struct names *names)
{
	free(names->texts);
	free(names->starts);
}

static struct suffix_table *build_names(const struct names *names, double *took)
{
	struct suffix_builder builder;
	double began = seconds();
	suffix_builder_init(&builder);
	for (uint32_t i = 0; i < names->count; i++) {
		struct suffix suffix = { name_at(names, i), i % 8 != 0 };
		if (!suffix_builder_add(&builder, &suffix, i, 0))
			must(NULL);
	}
	struct suffix_table *table = must(suffix_build(&builder, NULL, NULL));
	*took = seconds() - began;
	return table;
}

static double find_names(const struct suffix_table *table, const struct names *names, bool waits)
{
	uint32_t rule = 0, sum = 0;
	double began = seconds();
	for (uint32_t i = 0; i < names->count; i++) {
		struct slice name = name_at(names, i);
		if (waits)
			name.size += rule >> 31; /* never set */
		rule = suffix_find(table, name);
		sum += rule;
	}
	sink = sum;
	return (seconds() - began) / names->count;
}

/* `below`: a label is put before a rule's name; else the names are new ones. */
static struct names names_to_find(const struct names *names, bool below, struct measure_random *random)
{
	struct names found = make_names(LOOKUPS);
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		char text[MEASURE_NAME_BYTES];
		size_t size = measure_name(random, text);
		struct slice name = name_at(names, measure_random_below(random, names->count));
		if (below)
			size = (size_t)snprintf(text, sizeof text, "mx%u.%.*s", i % 100, SLICE_ARGS(name));
		add_name(&found, text, size);
	}
	return found;
}

static void measure_names(uint32_t count)
{
	struct measure_random random = { 9 };
	struct names names = make_names(count);
	struct suffix_table *table = NULL;
	double times[RUNS], find_times[RUNS], wait_times[RUNS];
	for (uint32_t i = 0; i < count; i++) {
		char text[MEASURE_NAME_BYTES];
		add_name(&names, text, measure_name(&random, text));
	}
	for (int i = 0; i < RUNS; i++) {
		suffix_destroy(table);
		table = build_names(&names, &times[i]);
	}
	for (int below = 1; below >= 0; below--) {
		struct names found = names_to_find(&names, below, &random);
		for (int i = 0; i < RUNS; i++)
			find_times[i] = find_names(table, &found, false);
		for (int i = 0; i < RUNS; i++)
			wait_times[i] = find_names(table, &found, true);
		printf("%-14s %8.0f ms %8.1f bytes/name   %6.0f ns/lookup, %4.0f alone\n",
		       below ? "names, under" : "names, not", median(times) * 1e3,
		       (double)suffix_memory_bytes(table) / count, median(find_times) * 1e9, median(wait_times) * 1e9);
		free_names(&found);
	}
	suffix_destroy(table);
	free_names(&names);
}

/* --- list files --- */

/* Half prefixes, half names. */
static size_t write_list(char *text, uint32_t lines)
{
	struct measure_random random = { 13 };
	size_t size = 0;
	for (uint32_t i = 0; i < lines; i++) {
		if (i % 2) {
			struct net_prefix prefix = measure_set_prefix(MEASURE_MIXED, i / 2, &random);
			net_prefix_format(&prefix, text + size);
			size += strlen(text + size);
		} else {
			text[size++] = '.';
			size += measure_name(&random, text + size);
		}
		text[size++] = '\n';
	}
	return size;
}

static void measure_list(uint32_t lines)
{
	static struct rule_list list;
	char *text = must(malloc((size_t)lines * (MEASURE_NAME_BYTES + 1)));
	size_t size = write_list(text, lines);
	double read_times[RUNS], times[RUNS];
	for (int i = 0; i < RUNS; i++) {
		struct radix_builder prefixes;
		struct suffix_builder names;
		double began = seconds();
		radix_builder_init(&prefixes);
		suffix_builder_init(&names);
		rule_list_begin(&list, &prefixes, &names, 0, 0);
		if (!rule_list_take(&list, slice_of(text, size)) || !rule_list_end(&list))
			must(NULL);
		read_times[i] = seconds() - began;
		struct radix_tree *tree = must(radix_build(&prefixes, NULL, NULL));
		struct suffix_table *table = must(suffix_build(&names, NULL, NULL));
		times[i] = seconds() - began;
		radix_destroy(tree);
		suffix_destroy(table);
	}
	printf("list file, %u lines, half names: read in %.0f ms, tree and table made after %.0f ms\n", list.rules,
	       median(read_times) * 1e3, median(times) * 1e3);
	free(text);
}

/* --- connections of clients --- */

enum { CLIENTS_WORKERS = 2, CLIENTS_OPEN = 1000 };

/* Each connection closes when CLIENTS_OPEN others have come. Answers the time of opening and closing one. */
static double open_and_close(struct clients *clients, const struct net_address *addresses, uint32_t different)
{
	static struct client_ticket tickets[CLIENTS_OPEN];
	struct client_limits limits = { 50, 500, { 1000000, 60000000000u } };
	uint32_t refused = 0;
	double began = seconds();
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct client_ticket *ticket = &tickets[i % CLIENTS_OPEN];
		clients_close(clients, 0, ticket);
		refused += clients_open(clients, 0, &addresses[i % different], &limits, i * 1000, ticket);
	}
	sink = refused;
	double took = (seconds() - began) / LOOKUPS;
	for (uint32_t i = 0; i < CLIENTS_OPEN; i++)
		clients_close(clients, 0, &tickets[i]);
	return took;
}

static void measure_clients(uint32_t count)
{
	struct clients_settings settings = { count, CLIENTS_WORKERS, { 0x9e3779b97f4a7c15u, 0xff51afd7ed558ccdu } };
	struct measure_random random = { 11 };
	size_t bytes = (clients_bytes(&settings) + 63) / 64 * 64;
	struct clients *clients = clients_init(memset(must(aligned_alloc(64, bytes)), 0, bytes), &settings);
	struct net_address *addresses = must(malloc(LOOKUPS * sizeof *addresses));
	double times[2][RUNS];
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct net_prefix prefix = measure_set_prefix(MEASURE_MIXED, i, &random);
		addresses[i] = measure_address_in(&prefix, &random);
	}
	for (int i = 0; i < RUNS; i++) {
		times[0][i] = open_and_close(clients, addresses, 2000);
		times[1][i] = open_and_close(clients, addresses, LOOKUPS);
	}
	printf("clients, %.1f bytes an entry: address, network and rate of a connection, opened and closed, %.0f ns "
	       "where "
	       "the client is one of 2000, %.0f ns where it is a new one\n",
	       (double)bytes / count, median(times[0]) * 1e9, median(times[1]) * 1e9);
	free(addresses);
	free(clients);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
	if (count == 0)
		return 64;
	printf("%u prefixes\n", count);
	for (enum measure_set set = 0; set < MEASURE_SETS; set++)
		measure_set(set, count);
	measure_names(count);
	measure_list(count);
	measure_clients(count);
	return 0;
}
