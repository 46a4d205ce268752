/* Rules of a stage in memory that processes share; see rules_image.h. */
#include "core/policy/rules_image.h"

#include <stdlib.h>
#include <string.h>

/* The sources follow, then the tables. */
struct head {
	uint64_t source_count;
	uint64_t prefixes_bytes; /* 0: there are none; likewise the next */
	uint64_t names_bytes;
	bool default_allow;
	bool unknown_allow;
	bool names_matter;
};

struct layout {
	size_t sources;
	size_t prefixes;
	size_t names;
	size_t end;
};

static size_t round_up(size_t bytes)
{
	return (bytes + 7) / 8 * 8;
}

static struct layout layout_of(const struct head *head)
{
	struct layout layout = { .sources = round_up(sizeof *head) };
	layout.prefixes = round_up(layout.sources + head->source_count * sizeof(struct policy_source));
	layout.names = round_up(layout.prefixes + head->prefixes_bytes);
	layout.end = layout.names + head->names_bytes;
	return layout;
}

static struct head head_of(const struct policy_rules *rules)
{
	return (struct head){
		.source_count = rules->source_count,
		.prefixes_bytes = rules->prefixes ? radix_image_bytes(rules->prefixes) : 0,
		.names_bytes = rules->names ? suffix_image_bytes(rules->names) : 0,
		.default_allow = rules->default_allow,
		.unknown_allow = rules->unknown_allow,
		.names_matter = rules->names_matter,
	};
}

size_t policy_rules_image_bytes(const struct policy_rules *rules)
{
	struct head head = head_of(rules);
	return layout_of(&head).end;
}

void policy_rules_image_write(const struct policy_rules *rules, void *memory)
{
	struct head head = head_of(rules);
	struct layout layout = layout_of(&head);
	uint8_t *bytes = memory;
	memcpy(bytes, &head, sizeof head);
	if (rules->source_count)
		memcpy(bytes + layout.sources, rules->sources, rules->source_count * sizeof *rules->sources);
	if (rules->prefixes)
		radix_image_write(rules->prefixes, bytes + layout.prefixes);
	if (rules->names)
		suffix_image_write(rules->names, bytes + layout.names);
}

static bool open_parts(struct slice image, const struct head *head, struct policy_rules *rules)
{
	struct layout layout = layout_of(head);
	if (layout.end != image.size)
		return false;
	rules->sources = malloc((head->source_count + 1) * sizeof *rules->sources);
	if (!rules->sources)
		return false;
	memcpy(rules->sources, image.data + layout.sources, head->source_count * sizeof *rules->sources);
	rules->source_count = head->source_count;
	if (head->prefixes_bytes)
		rules->prefixes = radix_image_open(slice_of(image.data + layout.prefixes, head->prefixes_bytes));
	if (head->names_bytes)
		rules->names = suffix_image_open(slice_of(image.data + layout.names, head->names_bytes));
	return (!head->prefixes_bytes || rules->prefixes) && (!head->names_bytes || rules->names);
}

bool policy_rules_image_open(struct slice image, struct policy_rules *rules)
{
	struct head head;
	if (image.size < sizeof head)
		return false;
	memcpy(&head, image.data, sizeof head);
	struct policy_rules opened = {
		.default_allow = head.default_allow,
		.unknown_allow = head.unknown_allow,
		.names_matter = head.names_matter,
	};
	if (!open_parts(image, &head, &opened)) {
		policy_rules_finish(&opened);
		return false;
	}
	*rules = opened;
	return true;
}
