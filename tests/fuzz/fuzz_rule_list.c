/* libFuzzer: list files. What is read depends on the text alone, not on the pieces it comes in; and each rule reads back. */
#include <stdlib.h>

#include "core/net/rule_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_list(struct rule_list *list, struct slice text, size_t piece)
{
	static struct radix_builder prefixes;
	static struct suffix_builder names;
	radix_builder_init(&prefixes);
	suffix_builder_init(&names);
	rule_list_begin(list, &prefixes, &names, 0, 0);
	while (text.size > 0) {
		size_t taken = text.size < piece ? text.size : piece;
		ASSERT(rule_list_take(list, slice_first(text, taken)));
		text = slice_skip(text, taken);
	}
	ASSERT(rule_list_end(list));
	ASSERT(prefixes.count + names.count == list->rules);
	struct radix_tree *tree = radix_build(&prefixes, NULL, NULL);
	struct suffix_table *table = suffix_build(&names, NULL, NULL);
	struct suffix suffix;
	uint32_t rule;
	for (size_t at = 0; suffix_next(table, &at, &suffix, &rule);)
		ASSERT(rule < list->lines && (suffix.below || suffix_find(table, suffix.name) == rule));
	radix_destroy(tree);
	suffix_destroy(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rule_list whole, pieces;
	if (size == 0)
		return 0;
	struct slice text = slice_skip(slice_of(data, size), 1);
	read_list(&whole, text, text.size);
	read_list(&pieces, text, 1 + data[0]);
	ASSERT(whole.lines == pieces.lines && whole.rules == pieces.rules && whole.wrong == pieces.wrong);
	for (uint32_t i = 0; i < whole.wrong && i < LIMIT_LIST_FAULTS; i++)
		ASSERT(whole.faults[i].line == pieces.faults[i].line &&
		       slice_equal(slice_from_text(whole.faults[i].error.text),
				   slice_from_text(pieces.faults[i].error.text)));
	return 0;
}
