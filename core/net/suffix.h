/* Under which rule is a DNS name? Rules name single hosts, "host.example", or all names of a domain, ".bad.example".
 *
 * The leading dot stands for any labels or none: ".bad.example" holds bad.example itself and every name below it, as in
 * other software that writes domains so; a rule for "bad.example" alone is more specific and goes before it. The longest
 * rule that a name falls under decides. Case makes no difference, and a dot at the end of a name is taken off. Names are
 * written in ASCII, international ones as A-labels ("xn--…"); they have labels of 1 to 63 bytes and at most 253 bytes
 * (RFC 1035 §2.3.4, without the last dot).
 *
 * Gathered by a builder and then read-only, like the tree of prefixes (radix.h): equal rules are told, and the lowest
 * rank goes before, then what came first. The table is one of hashes: a name is looked up at each of its dots, the longest
 * suffix first, which reads far memory less often than going down a tree label by label: hardly ever for a name that is
 * under no rule, twice for one that is. It takes 34 bytes for a name of 22 (tests/unit/net/measure_net). */
#ifndef POSTERN_NET_SUFFIX_H
#define POSTERN_NET_SUFFIX_H

#include "core/base/error.h"
#include "core/base/slice.h"

/* What a name is under that no rule holds. A rule is any number below it. */
enum { SUFFIX_NO_RULE = INT32_MAX };

struct suffix {
	struct slice name; /* without a dot at either end */
	bool below;        /* the names below it, too */
};

/* Reads ".bad.example" or "host.example" with or without a dot at the end; the name is part of the text. */
MUST_USE bool suffix_parse(struct slice text, struct suffix *suffix, struct error *error);

struct suffix_builder {
	uint8_t *records;
	size_t size;
	size_t capacity;
	size_t count;
};

void suffix_builder_init(struct suffix_builder *builder);
void suffix_builder_finish(struct suffix_builder *builder);

/* Copies the suffix, which must be as suffix_parse() leaves it. False: no memory, or LIMIT_RULES are there; the builder
 * is as it was. The rank is at most 63. */
MUST_USE bool suffix_builder_add(struct suffix_builder *builder, const struct suffix *suffix, uint32_t rule,
				 uint8_t rank);

/* Called for each addition that can never decide, since an equal one goes before it. */
typedef void suffix_hidden(void *context, const struct suffix *suffix, uint32_t winner, uint32_t hidden);

/* Makes the table and empties the builder; NULL: no memory. `hidden` may be NULL. */
struct suffix_table *suffix_build(struct suffix_builder *builder, suffix_hidden *hidden, void *context);

/* NULL is allowed. */
void suffix_destroy(struct suffix_table *table);

/* The rule, or SUFFIX_NO_RULE; of what is no name (an empty label, too long) too. */
uint32_t suffix_find(const struct suffix_table *table, struct slice name);

/* Tells the rules that can decide, in no order: begin with *at = 0. False: that was all. */
MUST_USE bool suffix_next(const struct suffix_table *table, size_t *at, struct suffix *suffix, uint32_t *rule);

/* Bytes that the table holds, all in all; an image that it lies in is not counted. */
size_t suffix_memory_bytes(const struct suffix_table *table);

/* As for the tree of prefixes (radix.h): the table as bytes that hold wherever they lie, and the table in such bytes. */
size_t suffix_image_bytes(const struct suffix_table *table);
void suffix_image_write(const struct suffix_table *table, void *memory);
struct suffix_table *suffix_image_open(struct slice image);

#endif
