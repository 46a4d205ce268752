/* The suffix table as bytes that hold wherever they lie; see suffix.h. Filter, buckets and records follow the table's own
 * struct, whose pointers mean nothing in there. */
#include <stdlib.h>

#include "core/net/suffix_parts.h"

/* Where the parts are, in bytes from the image's start; each is aligned if the one before is. */
struct layout {
	size_t filter;
	size_t buckets;
	size_t records;
	size_t end;
};

static struct layout layout_of(const struct suffix_table *table)
{
	struct layout layout = { .filter = (sizeof *table + 7) / 8 * 8 };
	layout.buckets = layout.filter + table->filter_count * sizeof *table->filter;
	layout.records = layout.buckets + (table->bucket_count + 1) * sizeof *table->buckets;
	layout.end = layout.records + table->size;
	return layout;
}

size_t suffix_image_bytes(const struct suffix_table *table)
{
	return layout_of(table).end;
}

void suffix_image_write(const struct suffix_table *table, void *memory)
{
	struct layout layout = layout_of(table);
	struct suffix_table head = *table;
	uint8_t *bytes = memory;
	head.records = NULL;
	head.buckets = NULL;
	head.filter = NULL;
	head.borrowed = true;
	memcpy(bytes, &head, sizeof head);
	memcpy(bytes + layout.filter, table->filter, layout.buckets - layout.filter);
	memcpy(bytes + layout.buckets, table->buckets, layout.records - layout.buckets);
	memcpy(bytes + layout.records, table->records, table->size);
}

struct suffix_table *suffix_image_open(struct slice image)
{
	struct suffix_table *table = malloc(sizeof *table);
	if (!table || image.size < sizeof *table) {
		free(table);
		return NULL;
	}
	memcpy(table, image.data, sizeof *table);
	struct layout layout = layout_of(table);
	if (layout.end != image.size) {
		free(table);
		return NULL;
	}
	uint8_t *bytes = (uint8_t *)image.data; /* only read from now on */
	table->filter = (uint64_t *)(bytes + layout.filter);
	table->buckets = (uint32_t *)(bytes + layout.buckets);
	table->records = bytes + layout.records;
	return table;
}
