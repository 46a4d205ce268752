/* What the files of the suffix table share: how rules lie in memory, and how names are hashed. */
#ifndef POSTERN_NET_SUFFIX_PARTS_H
#define POSTERN_NET_SUFFIX_PARTS_H

#include "core/base/limits.h"
#include "core/net/suffix.h"

/* A rule; its name stands behind it in small letters, and the next one begins at a multiple of RECORD_ALIGNMENT. */
struct suffix_record {
	uint32_t rule;
	uint16_t tag; /* of the hash */
	uint8_t size; /* of the name */
	uint8_t rank : 6;
	bool below : 1;
	bool hidden : 1;
};

enum {
	SUFFIX_RANK_MOST = 63,
	RECORD_ALIGNMENT = 4,
	BUCKET_RECORDS = 4, /* on the average: two or three lines of the cache, which are read at once */
	FILTER_BITS =
		12, /* for each rule, in words of 64: one name of 50 that are under no rule is looked for in vain */
};

/* Records lie in the order of their buckets, so that a name is found where its hash says. Most names that are asked for are
 * under no rule: one bit tells that, and the filter is small enough to stay in the cache, as are the buckets' places. */
struct suffix_table {
	uint8_t *records;
	size_t size;
	uint32_t *buckets; /* where each begins, in units of RECORD_ALIGNMENT; the last is where all end */
	uint32_t bucket_count;
	uint32_t filter_count;
	uint64_t *filter;                  /* some bits of one word are set for each rule, by its hash */
	bool has_single;                   /* there are rules for one name alone */
	bool labels[LIMIT_DNS_LABELS + 1]; /* there is a rule with so many labels that holds the names below, too */
	unsigned labels_most;              /* of such a rule */
	bool borrowed;                     /* records, buckets and filter are an image's */
};

enum { NAME_CHUNK_BYTES = 8 };

/* A name in small letters, and the hash of each of its suffixes. */
struct suffix_names {
	size_t labels;
	uint64_t hashes[LIMIT_DNS_LABELS + 1]; /* of the last 1, 2 … labels */
	uint8_t starts[LIMIT_DNS_LABELS + 1];  /* where in the name those begin */
	size_t size;
	uint8_t before[NAME_CHUNK_BYTES]; /* any chunk that ends in the name may be read as a whole */
	uint8_t name[LIMIT_DNS_NAME_BYTES];
};

/* False: it is no name. A dot at its end is taken off. */
MUST_USE bool suffix_split(struct slice name, struct suffix_names *names);

static inline struct slice suffix_of(const struct suffix_names *names, size_t labels)
{
	return slice_of(names->name + names->starts[labels], names->size - names->starts[labels]);
}

/* A rule for one name and one for the names below it lie apart. */
static inline uint64_t suffix_hash(const struct suffix_names *names, size_t labels, bool below)
{
	uint64_t hash = (names->hashes[labels] ^ (below ? 0x5bd1e9955bd1e995u : 0)) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

static inline uint32_t suffix_bucket(const struct suffix_table *table, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * table->bucket_count >> 32);
}

/* The filter's word, and its bits, for a hash. */
static inline uint32_t suffix_filter_word(const struct suffix_table *table, uint64_t hash)
{
	return (uint32_t)((hash & UINT32_MAX) * table->filter_count >> 32);
}

static inline uint64_t suffix_filter_bits(uint64_t hash)
{
	return (uint64_t)1 << (hash & 63) | (uint64_t)1 << (hash >> 6 & 63) | (uint64_t)1 << (hash >> 32 & 63);
}

static inline uint16_t suffix_tag(uint64_t hash)
{
	return (uint16_t)hash;
}

static inline struct suffix_record suffix_record_at(const uint8_t *records, size_t at)
{
	struct suffix_record record;
	memcpy(&record, records + at, sizeof record);
	return record;
}

static inline struct slice suffix_name_at(const uint8_t *records, size_t at, const struct suffix_record *record)
{
	return slice_of(records + at + sizeof *record, record->size);
}

static inline size_t suffix_record_bytes(const struct suffix_record *record)
{
	size_t bytes = sizeof *record + record->size;
	return (bytes + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT;
}

#endif
