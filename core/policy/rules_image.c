/* Rules of a stage in memory that processes share; see rules_image.h. */
#include "core/policy/rules_image.h"

#include <stdlib.h>
#include <string.h>

/* The sources follow, then their texts, each with its NUL, then the tables. */
struct head {
	uint64_t source_count;
	uint64_t texts_bytes;
	uint64_t prefixes_bytes; /* 0: there are none; likewise the next */
	uint64_t names_bytes;
	bool default_allow;
	bool unknown_allow;
	bool names_matter;
};

/* A policy_source: its texts lie there among the texts. */
struct source {
	uint32_t first;
	uint32_t count;
	int32_t line;
	uint32_t file;
	uint32_t text; /* NO_TEXT: it has none */
};

#define NO_TEXT UINT32_MAX

struct layout {
	size_t sources;
	size_t texts;
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
	layout.texts = layout.sources + head->source_count * sizeof(struct source);
	layout.prefixes = round_up(layout.texts + head->texts_bytes);
	layout.names = round_up(layout.prefixes + head->prefixes_bytes);
	layout.end = layout.names + head->names_bytes;
	return layout;
}

static size_t text_bytes(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

/* The sources of a block mostly have one file's name between them: it is there once for each run of them. */
static bool has_file_of_the_one_before(const struct policy_rules *rules, size_t source)
{
	return source > 0 && strcmp(rules->sources[source].file, rules->sources[source - 1].file) == 0;
}

static size_t texts_bytes(const struct policy_rules *rules)
{
	size_t bytes = 0;
	for (size_t i = 0; i < rules->source_count; i++) {
		bytes += has_file_of_the_one_before(rules, i) ? 0 : text_bytes(rules->sources[i].file);
		bytes += text_bytes(rules->sources[i].text);
	}
	return bytes;
}

static struct head head_of(const struct policy_rules *rules)
{
	return (struct head){
		.source_count = rules->source_count,
		.texts_bytes = texts_bytes(rules),
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

static uint32_t write_text(char *texts, size_t *end, const char *text)
{
	if (!text)
		return NO_TEXT;
	size_t at = *end;
	memcpy(texts + at, text, text_bytes(text));
	*end += text_bytes(text);
	return (uint32_t)at;
}

static void write_sources(const struct policy_rules *rules, uint8_t *sources, char *texts)
{
	size_t end = 0;
	uint32_t file = 0;
	for (size_t i = 0; i < rules->source_count; i++) {
		const struct policy_source *from = &rules->sources[i];
		if (!has_file_of_the_one_before(rules, i))
			file = write_text(texts, &end, from->file);
		struct source source = { from->first, from->count, from->line, file,
					 write_text(texts, &end, from->text) };
		memcpy(sources + i * sizeof source, &source, sizeof source);
	}
}

void policy_rules_image_write(const struct policy_rules *rules, void *memory)
{
	struct head head = head_of(rules);
	struct layout layout = layout_of(&head);
	uint8_t *bytes = memory;
	memcpy(bytes, &head, sizeof head);
	write_sources(rules, bytes + layout.sources, (char *)bytes + layout.texts);
	if (rules->prefixes)
		radix_image_write(rules->prefixes, bytes + layout.prefixes);
	if (rules->names)
		suffix_image_write(rules->names, bytes + layout.names);
}

static void open_sources(const uint8_t *sources, const char *texts, struct policy_rules *rules)
{
	for (size_t i = 0; i < rules->source_count; i++) {
		struct source source;
		memcpy(&source, sources + i * sizeof source, sizeof source);
		rules->sources[i] = (struct policy_source){
			.first = source.first,
			.count = source.count,
			.file = texts + source.file,
			.line = source.line,
			.text = source.text == NO_TEXT ? NULL : texts + source.text,
		};
	}
}

static bool open_parts(struct slice image, const struct head *head, struct policy_rules *rules)
{
	struct layout layout = layout_of(head);
	if (layout.end != image.size)
		return false;
	rules->sources = malloc((head->source_count + 1) * sizeof *rules->sources);
	if (!rules->sources)
		return false;
	rules->source_count = head->source_count;
	open_sources(image.data + layout.sources, (const char *)image.data + layout.texts, rules);
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
