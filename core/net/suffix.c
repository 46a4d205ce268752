/* Finding a name in the suffix table; see suffix.h. */
#include <stdlib.h>

#include "core/net/suffix_parts.h"

enum { CACHE_LINE_BYTES = 64 };

void suffix_destroy(struct suffix_table *table)
{
	if (!table)
		return;
	if (!table->borrowed) {
		free(table->records);
		free(table->buckets);
		free(table->filter);
	}
	free(table);
}

size_t suffix_memory_bytes(const struct suffix_table *table)
{
	if (table->borrowed)
		return sizeof *table;
	return sizeof *table + table->size + (table->bucket_count + 1) * sizeof *table->buckets +
	       table->filter_count * sizeof *table->filter;
}

static uint32_t find_record(const struct suffix_table *table, uint64_t hash, struct slice name, bool below)
{
	uint32_t bucket = suffix_bucket(table, hash);
	size_t at = (size_t)table->buckets[bucket] * RECORD_ALIGNMENT;
	size_t end = (size_t)table->buckets[bucket + 1] * RECORD_ALIGNMENT;
	for (size_t line = CACHE_LINE_BYTES; line < BUCKET_RECORDS * CACHE_LINE_BYTES; line += CACHE_LINE_BYTES)
		__builtin_prefetch(table->records + at + line);
	while (at < end) {
		struct suffix_record record = suffix_record_at(table->records, at);
		if (record.tag == suffix_tag(hash) && record.below == below && !record.hidden &&
		    slice_equal(name, suffix_name_at(table->records, at, &record)))
			return record.rule;
		at += suffix_record_bytes(&record);
	}
	return SUFFIX_NO_RULE;
}

/* Where a name may be found is asked for, for all its suffixes at once, before it is known which of them are needed. */
static void prefetch(const struct suffix_table *table, uint64_t hash)
{
	__builtin_prefetch(&table->filter[suffix_filter_word(table, hash)]);
	__builtin_prefetch(&table->buckets[suffix_bucket(table, hash)]);
}

static uint32_t find_suffix(const struct suffix_table *table, const struct suffix_names *names, size_t labels,
			    bool below)
{
	uint64_t hash = suffix_hash(names, labels, below);
	uint64_t bits = suffix_filter_bits(hash);
	if ((table->filter[suffix_filter_word(table, hash)] & bits) != bits)
		return SUFFIX_NO_RULE;
	return find_record(table, hash, suffix_of(names, labels), below);
}

uint32_t suffix_find(const struct suffix_table *table, struct slice name)
{
	struct suffix_names names;
	uint32_t rule = SUFFIX_NO_RULE;
	if (table->size == 0 || !suffix_split(name, &names))
		return SUFFIX_NO_RULE;
	size_t most = names.labels < table->labels_most ? names.labels : table->labels_most;
	if (table->has_single)
		prefetch(table, suffix_hash(&names, names.labels, false));
	for (size_t labels = most; labels > 0; labels--)
		if (table->labels[labels])
			prefetch(table, suffix_hash(&names, labels, true));
	if (table->has_single)
		rule = find_suffix(table, &names, names.labels, false);
	for (size_t labels = most; rule == SUFFIX_NO_RULE && labels > 0; labels--)
		if (table->labels[labels])
			rule = find_suffix(table, &names, labels, true);
	return rule;
}

bool suffix_next(const struct suffix_table *table, size_t *at, struct suffix *suffix, uint32_t *rule)
{
	while (*at < table->size) {
		struct suffix_record record = suffix_record_at(table->records, *at);
		struct slice name = suffix_name_at(table->records, *at, &record);
		*at += suffix_record_bytes(&record);
		if (record.hidden)
			continue;
		*suffix = (struct suffix){ name, record.below };
		*rule = record.rule;
		return true;
	}
	return false;
}
