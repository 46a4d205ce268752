/* Reading calls by tables; see arguments.h. */
#include "tools/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/near_miss.h"
#include "core/base/slice.h"
#include "tools/arguments_print.h"
#include "tools/command.h"

enum { NAME_BYTES = 64 };

struct reading {
	const struct argument_table *table;
	void *request;
	char **words; /* NULL-ended: those that have not been read */
	const struct argument_action *action;
	uint32_t bit;   /* of the action */
	uint64_t given; /* bits of the options that were there */
	size_t operand_count;
	bool only_operands, help;
};

static size_t number_of(const struct reading *reading)
{
	return (size_t)(reading->action - reading->table->actions);
}

static const char *dashes(const struct argument_option *option)
{
	return option->name[1] ? "--" : "-";
}

/* How a message calls the action: "add", "ca sign"; of a command without any its own name, "explain ID". */
static const char *name_of(const struct reading *reading, char text[NAME_BYTES])
{
	const struct argument_action *action = reading->action;
	bool has_name = action->name[0], is_second = !has_name && number_of(reading) > 0;
	snprintf(text, NAME_BYTES, "%s%s%s", has_name ? action->name : reading->table->command, is_second ? " " : "",
		 is_second ? action->operand : "");
	return text;
}

/* --- actions --- */

/* How many words the action's name takes; 0: it is another one. */
static size_t match(const struct argument_action *action, char *const *words)
{
	const char *second = strchr(action->name, ' ');
	size_t size = second ? (size_t)(second - action->name) : strlen(action->name);
	if (strlen(words[0]) != size || memcmp(words[0], action->name, size) != 0)
		return 0;
	if (!second)
		return 1;
	return words[1] && strcmp(words[1], second + 1) == 0 ? 2 : 0;
}

static bool say_no_action(const struct reading *reading, struct error *error)
{
	const struct argument_table *table = reading->table;
	char both[NAME_BYTES];
	const char *first = reading->words[0], *second = reading->words[1];
	snprintf(both, sizeof both, "%s %s", first, second ? second : "");
	struct near_miss near = near_miss_of(first), near_both = near_miss_of(both);
	for (size_t i = 0; i < table->action_count; i++)
		near_miss_consider(strchr(table->actions[i].name, ' ') ? &near_both : &near, table->actions[i].name);
	const char *best = near_both.best ? near_both.best : near.best;
	return error_set(error, "there is no action \"%s\"%s%s%s", near_both.best ? both : first,
			 best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
}

/* What was read before must be its own, too. */
static bool choose(struct reading *reading, size_t number, struct error *error)
{
	const struct argument_table *table = reading->table;
	char name[NAME_BYTES];
	reading->action = &table->actions[number];
	reading->bit = UINT32_C(1) << number;
	for (size_t i = 0; i < table->option_count; i++)
		if ((reading->given & (UINT64_C(1) << i)) && !(table->options[i].actions & reading->bit))
			return error_set(error, "%s has no %s%s", name_of(reading, name), dashes(&table->options[i]),
					 table->options[i].name);
	return true;
}

static bool has_actions(const struct argument_table *table)
{
	return table->actions[0].name[0] != 0;
}

static bool read_action(struct reading *reading, struct error *error)
{
	for (size_t i = 0; i < reading->table->action_count; i++) {
		size_t taken = match(&reading->table->actions[i], reading->words);
		if (taken > 0) {
			reading->words += taken;
			return choose(reading, i, error);
		}
	}
	return say_no_action(reading, error);
}

/* --- options --- */

static bool is_named(const struct argument_option *option, const char *word)
{
	const char *name = word + 1 + (word[1] == '-');
	if (!option->name[1]) /* what follows is its value */
		return word[1] == option->name[0] && (!word[2] || option->value);
	return word[1] == '-' && strcspn(name, "=") == strlen(option->name) &&
	       memcmp(option->name, name, strlen(option->name)) == 0;
}

/* One letter is not meant by several. */
static bool may_be_meant(const struct reading *reading, const struct argument_option *option, const char *name)
{
	bool is_own = !reading->action || (option->actions & reading->bit);
	return is_own && (option->name[1] || strlen(name) == 1);
}

/* NULL, and what was meant, when there is none. */
static const struct argument_option *find_option(const struct reading *reading, const char *word, struct error *error)
{
	const struct argument_table *table = reading->table;
	const struct argument_option *best = NULL;
	char text[NAME_BYTES];
	int size = (int)strcspn(word, "=");
	snprintf(text, sizeof text, "%.*s", size, word);
	const char *name = text + strspn(text, "-");
	struct near_miss near = near_miss_of(name);
	for (size_t i = 0; i < table->option_count; i++) {
		const struct argument_option *option = &table->options[i];
		if (is_named(option, word))
			return option;
		if (may_be_meant(reading, option, name))
			near_miss_consider(&near, option->name);
		if (near.best == option->name)
			best = option;
	}
	error_set(error, "%.*s: there is no such option%s%s%s%s", size, word, best ? "; did you mean " : "",
		  best ? dashes(best) : "", best ? best->name : "", best ? "?" : "");
	return NULL;
}

static bool store(void *request, const struct argument_option *option, const char *value, struct error *error)
{
	void *field = (char *)request + option->offset;
	struct argument_list *list = field;
	uint64_t number;
	switch (option->kind) {
	case ARGUMENT_FLAG:
	case ARGUMENT_INSTEAD:
		*(bool *)field = true;
		return true;
	case ARGUMENT_TEXT:
		*(const char **)field = value;
		return true;
	case ARGUMENT_NUMBER:
		if (!slice_parse_number(slice_from_text(value), option->most, &number) || number < option->least)
			return error_set(error, "--%s takes a number from %u to %u", option->name, option->least,
					 option->most);
		*(unsigned *)field = (unsigned)number;
		return true;
	case ARGUMENT_LIST:
		break;
	}
	if (list->count == ARGUMENT_LIST_MOST)
		return error_set(error, "--%s may be given %d times at most", option->name, ARGUMENT_LIST_MOST);
	list->items[list->count++] = value;
	return true;
}

/* What stands in the option's own word, or the next one; NULL: nothing. */
static const char *take_value(struct reading *reading, const struct argument_option *option, const char *word)
{
	const char *equals = strchr(word, '=');
	if (!option->name[1] && word[2])
		return word + 2 + (word[2] == '=');
	if (option->name[1] && equals)
		return equals + 1;
	return option->value && *reading->words ? *reading->words++ : NULL;
}

static bool read_option(struct reading *reading, struct error *error)
{
	const char *word = *reading->words++;
	char name[NAME_BYTES];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		reading->help = true;
		return true;
	}
	const struct argument_option *option = find_option(reading, word, error);
	if (!option)
		return false;
	if (reading->action && !(option->actions & reading->bit))
		return error_set(error, "%s has no %s%s", name_of(reading, name), dashes(option), option->name);
	const char *value = take_value(reading, option, word);
	if (!option->value && value)
		return error_set(error, "%s%s takes no value", dashes(option), option->name);
	if (option->value && !value)
		return error_set(error, "%s%s needs %s behind it", dashes(option), option->name, option->value);
	reading->given |= UINT64_C(1) << (option - reading->table->options);
	return store(reading->request, option, value, error);
}

/* --- operands --- */

/* The call that takes operands, in a command without actions; or the only one, which tells that it takes none. */
static bool choose_by_operand(struct reading *reading, struct error *error)
{
	const struct argument_table *table = reading->table;
	size_t number = 0;
	while (number + 1 < table->action_count && table->actions[number].operands == OPERANDS_NONE)
		number++;
	return choose(reading, number, error);
}

static size_t most_operands(enum argument_operands operands)
{
	switch (operands) {
	case OPERANDS_NONE:
		return 0;
	case OPERANDS_ONE:
	case OPERANDS_MAYBE:
		return 1;
	case OPERANDS_TWO:
		return 2;
	case OPERANDS_SOME:
	case OPERANDS_ANY:
		break;
	}
	return ARGUMENT_LIST_MOST;
}

static size_t least_operands(enum argument_operands operands)
{
	return operands == OPERANDS_ONE || operands == OPERANDS_SOME ? 1 : operands == OPERANDS_TWO ? 2 : 0;
}

static bool read_operand(struct reading *reading, struct error *error)
{
	if (!reading->action && !choose_by_operand(reading, error))
		return false;
	struct argument_list *list = (struct argument_list *)((char *)reading->request + reading->table->operands);
	const char *word = *reading->words++;
	char name[NAME_BYTES], shape[ARGUMENTS_SHAPE_BYTES];
	if (reading->operand_count < most_operands(reading->action->operands)) {
		list->items[list->count++] = word;
		reading->operand_count++;
		return true;
	}
	name_of(reading, name);
	arguments_shape(reading->table, number_of(reading), shape);
	if (reading->operand_count == ARGUMENT_LIST_MOST)
		return error_set(error, "%s takes %s, but %d words at most", name, shape, ARGUMENT_LIST_MOST);
	return error_set(error, "%s takes %s; what is \"%s\"?", name, shape[0] ? shape : "nothing more", word);
}

static bool stands_instead(const struct reading *reading)
{
	for (size_t i = 0; i < reading->table->option_count; i++)
		if (reading->table->options[i].kind == ARGUMENT_INSTEAD && (reading->given & (UINT64_C(1) << i)))
			return true;
	return false;
}

/* --- the call --- */

static bool is_complete(const struct reading *reading, struct error *error)
{
	const struct argument_table *table = reading->table;
	char name[NAME_BYTES], shape[ARGUMENTS_SHAPE_BYTES];
	size_t count = reading->operand_count;
	bool instead = stands_instead(reading);
	name_of(reading, name);
	arguments_shape(table, number_of(reading), shape);
	for (size_t i = 0; i < table->option_count; i++)
		if ((table->options[i].required & reading->bit) && !(reading->given & (UINT64_C(1) << i)))
			return error_set(error, "%s needs --%s %s", name, table->options[i].name,
					 table->options[i].value);
	if (instead && count > 0)
		return error_set(error, "%s takes %s, not both", name, shape);
	return instead || count >= least_operands(reading->action->operands) ||
	       error_set(error, "%s needs %s", name, shape);
}

static bool read_word(struct reading *reading, struct error *error)
{
	const char *word = *reading->words;
	bool is_option = !reading->only_operands && word[0] == '-' && word[1];
	if (is_option && strcmp(word, "--") == 0) {
		reading->only_operands = true;
		reading->words++;
		return true;
	}
	if (is_option)
		return read_option(reading, error);
	return !reading->action && has_actions(reading->table) ? read_action(reading, error)
							       : read_operand(reading, error);
}

static bool read_all(struct reading *reading, struct error *error)
{
	while (*reading->words && !reading->help)
		if (!read_word(reading, error))
			return false;
	if (reading->help)
		return true;
	if (!reading->action && has_actions(reading->table))
		return error_set(error, "what is to be done?");
	return (reading->action || choose(reading, 0, error)) && is_complete(reading, error);
}

/* Whoever reads what was printed must not take a part for all of it, whatever the status was to be. */
static int finish(const struct argument_table *table, int status)
{
	bool lost = ferror(stdout);
	if (fflush(stdout) == 0 && !lost)
		return status;
	fprintf(stderr, "postern %s: can't write what there is to say%s%s\n", table->command, lost ? "" : ": ",
		lost ? "" : strerror(errno));
	return EXIT_ENVIRONMENT;
}

int arguments_run(const struct argument_table *table, int argc, char **argv, void *request)
{
	struct reading reading = { .table = table, .request = request, .words = argv + (argc > 0) };
	struct error error = { "" };
	ASSERT(table->action_count <= 32 && table->option_count <= 64); /* bits */
	if (!read_all(&reading, &error)) {
		fprintf(stderr, "postern %s: %s\n", table->command, error.text);
		if (reading.action)
			arguments_print_call(table, number_of(&reading), stderr);
		else
			arguments_print_usage(table, stderr);
		return EXIT_USAGE;
	}
	if (reading.help) {
		arguments_print_help(table);
		return finish(table, EXIT_DONE);
	}
	int (*run)(void *request) = reading.action->run;
	return finish(table, table->around ? table->around(request, run) : run(request));
}
