/* Reading a file of rules; see rule_list.h. */
#include "core/net/rule_list.h"

#include "core/net/rule_text.h"

#define BYTE_ORDER_MARK SLICE_LITERAL("\xef\xbb\xbf")

void rule_list_begin(struct rule_list *list, struct radix_builder *prefixes, struct suffix_builder *names,
		     uint32_t first_rule, uint8_t rank)
{
	*list = (struct rule_list){
		.prefixes = prefixes,
		.names = names,
		.first_rule = first_rule,
		.rank = rank,
	};
}

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

/* What is left of a line without comment and blanks at either end. */
static struct slice entry_of(struct slice line)
{
	line = slice_first(line, slice_find(line, '#'));
	while (line.size > 0 && is_blank(line.data[line.size - 1]))
		line.size--;
	while (line.size > 0 && is_blank(line.data[0]))
		line = slice_skip(line, 1);
	return line;
}

/* Where the next fault's words may go; NULL: enough are told. */
static struct error *next_fault(struct rule_list *list)
{
	return list->wrong < LIMIT_LIST_FAULTS ? &list->faults[list->wrong].error : NULL;
}

static void note_fault(struct rule_list *list)
{
	if (list->wrong < LIMIT_LIST_FAULTS)
		list->faults[list->wrong].line = list->lines;
	list->wrong++;
}

static void add(struct rule_list *list, const struct rule_text *rule)
{
	uint32_t number = list->first_rule + list->lines - 1;
	if (number >= RADIX_NO_RULE)
		list->full = true;
	else if (rule->is_name)
		list->full = !suffix_builder_add(list->names, &rule->suffix, number, list->rank);
	else
		list->full = !radix_builder_add(list->prefixes, &rule->prefix, number, list->rank);
	list->rules += !list->full;
}

static void take_line(struct rule_list *list, struct slice line, bool cut)
{
	struct rule_text rule;
	list->lines++;
	if (list->lines == 1 && slice_starts_with(line, BYTE_ORDER_MARK))
		line = slice_skip(line, BYTE_ORDER_MARK.size);
	bool comment_is_cut = cut && slice_find(line, '#') < line.size;
	struct slice entry = entry_of(line);
	if (cut && !comment_is_cut) {
		error_set(next_fault(list), "the line is longer than %d bytes; an entry is a prefix or a name",
			  LIMIT_LIST_LINE_BYTES);
		note_fault(list);
	} else if (entry.size > 0) {
		if (rule_text_parse(entry, &rule, next_fault(list)))
			add(list, &rule);
		else
			note_fault(list);
	}
}

/* Keeps a line's beginning until the rest of it comes. */
static void hold(struct rule_list *list, struct slice part)
{
	size_t room = sizeof list->line - list->line_size;
	list->line_begun = true;
	list->line_cut |= part.size > room;
	size_t size = part.size < room ? part.size : room;
	if (size)
		memcpy(list->line + list->line_size, part.data, size);
	list->line_size += size;
}

static void take_held_line(struct rule_list *list)
{
	take_line(list, slice_of(list->line, list->line_size), list->line_cut);
	list->line_size = 0;
	list->line_begun = list->line_cut = false;
}

bool rule_list_take(struct rule_list *list, struct slice bytes)
{
	while (bytes.size > 0 && !list->full) {
		size_t end = slice_find(bytes, '\n');
		struct slice part = slice_first(bytes, end);
		bool whole = end < bytes.size;
		bytes = slice_skip(bytes, whole ? end + 1 : end);
		if (whole && !list->line_begun && part.size <= LIMIT_LIST_LINE_BYTES) {
			take_line(list, part, false);
			continue;
		}
		hold(list, part);
		if (whole)
			take_held_line(list);
	}
	return !list->full;
}

bool rule_list_end(struct rule_list *list)
{
	if (list->line_begun && !list->full)
		take_held_line(list);
	return !list->full;
}
