/* Gathering names and making the table of them; see suffix.h. */
#include <stdlib.h>

#include "core/net/suffix_parts.h"

enum { RECORDS_LEAST = 4096 };

void suffix_builder_init(struct suffix_builder *builder)
{
	*builder = (struct suffix_builder){ .records = NULL };
}

void suffix_builder_finish(struct suffix_builder *builder)
{
	free(builder->records);
	suffix_builder_init(builder);
}

static bool make_room(struct suffix_builder *builder, size_t bytes)
{
	if (builder->capacity - builder->size >= bytes)
		return true;
	size_t capacity = builder->capacity ? builder->capacity * 2 : RECORDS_LEAST;
	uint8_t *larger = realloc(builder->records, capacity);
	if (!larger)
		return false;
	builder->records = larger;
	builder->capacity = capacity;
	return true;
}

bool suffix_builder_add(struct suffix_builder *builder, const struct suffix *suffix, uint32_t rule, uint8_t rank)
{
	struct slice name = suffix->name;
	ASSERT(rule < SUFFIX_NO_RULE && rank <= SUFFIX_RANK_MOST && name.size > 0 && name.size <= LIMIT_DNS_NAME_BYTES);
	struct suffix_record record = { .rule = rule, .size = (uint8_t)name.size };
	record.rank = rank & SUFFIX_RANK_MOST;
	record.below = suffix->below;
	size_t bytes = suffix_record_bytes(&record);
	if (builder->count >= LIMIT_RULES || !make_room(builder, bytes))
		return false;
	uint8_t *at = builder->records + builder->size;
	memset(at, 0, bytes);
	memcpy(at, &record, sizeof record);
	for (size_t i = 0; i < name.size; i++)
		at[sizeof record + i] = ascii_lower(name.data[i]);
	builder->size += bytes;
	builder->count++;
	return true;
}

/* An addition that is read back. */
struct addition {
	struct suffix_record record;
	struct slice name;
	size_t labels;
	uint64_t hash;
	uint32_t bucket;
	size_t bytes;
};

static struct addition addition_at(const struct suffix_table *table, const struct suffix_builder *builder, size_t at)
{
	struct suffix_names names;
	struct addition addition = { .record = suffix_record_at(builder->records, at) };
	addition.name = suffix_name_at(builder->records, at, &addition.record);
	bool is_name = suffix_split(addition.name, &names);
	ASSERT(is_name);
	addition.labels = names.labels;
	addition.hash = suffix_hash(&names, names.labels, addition.record.below);
	addition.bucket = suffix_bucket(table, addition.hash);
	addition.bytes = suffix_record_bytes(&addition.record);
	addition.record.tag = suffix_tag(addition.hash);
	return addition;
}

/* Is an equal rule in the bucket already? Then one of the two is hidden. */
static void settle(struct suffix_table *table, size_t at, size_t end, struct addition *late, suffix_hidden *hidden,
		   void *context)
{
	while (at < end) {
		struct suffix_record early = suffix_record_at(table->records, at);
		if (early.hidden || early.below != late->record.below ||
		    !slice_equal(suffix_name_at(table->records, at, &early), late->name)) {
			at += suffix_record_bytes(&early);
			continue;
		}
		bool late_wins = late->record.rank < early.rank;
		early.hidden = late_wins;
		late->record.hidden = !late_wins;
		memcpy(table->records + at, &early, sizeof early);
		if (hidden)
			hidden(context, &(struct suffix){ late->name, early.below },
			       late_wins ? late->record.rule : early.rule, late_wins ? early.rule : late->record.rule);
		return;
	}
}

/* Sets what lets a search end early. */
static void note(struct suffix_table *table, const struct addition *addition)
{
	table->filter[suffix_filter_word(table, addition->hash)] |= suffix_filter_bits(addition->hash);
	if (!addition->record.below) {
		table->has_single = true;
		return;
	}
	table->labels[addition->labels] = true;
	if (addition->labels > table->labels_most)
		table->labels_most = (unsigned)addition->labels;
}

/* Tells where each bucket begins, by what will be in it. */
static void lay_out_buckets(struct suffix_table *table, const struct suffix_builder *builder)
{
	for (size_t at = 0; at < builder->size;) {
		struct addition addition = addition_at(table, builder, at);
		table->buckets[addition.bucket + 1] += (uint32_t)(addition.bytes / RECORD_ALIGNMENT);
		at += addition.bytes;
	}
	for (uint32_t i = 1; i <= table->bucket_count; i++)
		table->buckets[i] += table->buckets[i - 1];
}

/* `filled`: where in each bucket the next record comes. */
static void move_records(struct suffix_table *table, const struct suffix_builder *builder, uint32_t *filled,
			 suffix_hidden *hidden, void *context)
{
	memcpy(filled, table->buckets, table->bucket_count * sizeof *filled);
	for (size_t at = 0; at < builder->size;) {
		struct addition addition = addition_at(table, builder, at);
		size_t from = (size_t)table->buckets[addition.bucket] * RECORD_ALIGNMENT;
		size_t to = (size_t)filled[addition.bucket] * RECORD_ALIGNMENT;
		settle(table, from, to, &addition, hidden, context);
		note(table, &addition);
		memcpy(table->records + to, builder->records + at, addition.bytes);
		memcpy(table->records + to, &addition.record, sizeof addition.record);
		filled[addition.bucket] += (uint32_t)(addition.bytes / RECORD_ALIGNMENT);
		at += addition.bytes;
	}
}

static bool make_table(struct suffix_table *table, const struct suffix_builder *builder, suffix_hidden *hidden,
		       void *context)
{
	table->bucket_count = (uint32_t)(builder->count / BUCKET_RECORDS + 1);
	table->filter_count = (uint32_t)(builder->count * FILTER_BITS / 64 + 1);
	table->size = builder->size;
	table->records = malloc(builder->size + 1);
	table->buckets = calloc(table->bucket_count + 1, sizeof *table->buckets);
	table->filter = calloc(table->filter_count, sizeof *table->filter);
	uint32_t *filled = malloc(table->bucket_count * sizeof *filled);
	bool ok = table->records && table->buckets && table->filter && filled;
	if (ok) {
		lay_out_buckets(table, builder);
		move_records(table, builder, filled, hidden, context);
	}
	free(filled);
	return ok;
}

struct suffix_table *suffix_build(struct suffix_builder *builder, suffix_hidden *hidden, void *context)
{
	struct suffix_table *table = calloc(1, sizeof *table);
	if (table && !make_table(table, builder, hidden, context)) {
		suffix_destroy(table);
		table = NULL;
	}
	suffix_builder_finish(builder);
	return table;
}
