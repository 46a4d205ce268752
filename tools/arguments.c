/* Reading calls by tables; see arguments.h. */
#include "tools/arguments.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/slice.h"
#include "tools/command.h"

enum { COLUMNS = 80, INDENT = 16, HEAD_BYTES = 64 }; /* of a terminal as most are */

struct reading {
	const struct argument_table *table;
	void *request;
	const struct argument_action *action;
	uint32_t bit;   /* of the action */
	uint64_t given; /* bits of the options that were there */
	bool help;
};

/* --- printing --- */

static void option_text(const struct argument_option *option, char text[HEAD_BYTES])
{
	snprintf(text, HEAD_BYTES, "%s%s%s%s", option->name[1] ? "--" : "-", option->name, option->value ? " " : "",
		 option->value ? option->value : "");
}

/* A piece of a usage line, on a new line where this one is full. */
static size_t put(FILE *to, size_t column, const char *piece)
{
	if (column + 1 + strlen(piece) > COLUMNS) {
		fprintf(to, "\n%*s", INDENT, "");
		column = INDENT;
	} else {
		fputc(' ', to);
		column++;
	}
	fputs(piece, to);
	return column + strlen(piece);
}

static void print_call(const struct argument_table *table, size_t number, const char *before, FILE *to)
{
	const struct argument_action *action = &table->actions[number];
	uint32_t bit = UINT32_C(1) << number;
	size_t column = (size_t)fprintf(to, "%s postern %s%s%s", before, table->command, action->name[0] ? " " : "",
					action->name);
	char text[HEAD_BYTES], last[2 * HEAD_BYTES] = "", piece[HEAD_BYTES + 8];
	for (size_t i = 0; i < table->option_count; i++) {
		const struct argument_option *option = &table->options[i];
		if (!(option->actions & bit) || (option->required & bit))
			continue;
		option_text(option, text);
		snprintf(piece, sizeof piece, "[%s%s]", text, option->kind == ARGUMENT_LIST ? " ..." : "");
		column = put(to, column, piece);
	}
	for (size_t i = 0; i < table->option_count; i++)
		if (table->options[i].required & bit) {
			option_text(&table->options[i], last);
			column = put(to, column, last);
		}
	if (action->operands == OPERANDS_ONE)
		put(to, column, action->operand);
	if (action->operands == OPERANDS_ANY) {
		snprintf(piece, sizeof piece, "[%s ...]", action->operand);
		put(to, column, piece);
	}
	fputc('\n', to);
}

static void print_usage(const struct argument_table *table, FILE *to)
{
	for (size_t i = 0; i < table->action_count; i++)
		print_call(table, i, i ? "      " : "usage:", to);
}

/* Words in lines that fit; all but the first line are indented. A line feed is a blank, two are an empty line. */
static void print_flowing(const char *text, size_t indent)
{
	size_t column = indent;
	bool begins = true;
	while (*text) {
		size_t size = strcspn(text, " \n");
		if (!begins && column + 1 + size > COLUMNS) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (!begins) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)size, text);
		column += size;
		text += size;
		begins = strncmp(text, "\n\n", 2) == 0;
		if (begins) {
			printf("\n\n%*s", (int)indent, "");
			column = indent;
		}
		text += strspn(text, " \n");
	}
	putchar('\n');
}

/* The head, and the help beside it. */
static void print_row(const char *head, size_t width, const char *help)
{
	printf("%-*s  ", (int)width, head);
	print_flowing(help, width + 2);
}

static void print_actions(const struct argument_table *table)
{
	size_t width = 0;
	for (size_t i = 0; i < table->action_count; i++)
		if (strlen(table->actions[i].name) > width)
			width = strlen(table->actions[i].name);
	for (size_t i = 0; width && i < table->action_count; i++)
		print_row(table->actions[i].name, width, table->actions[i].help);
	if (width)
		putchar('\n');
}

static void print_options(const struct argument_table *table)
{
	char text[HEAD_BYTES];
	size_t width = 0;
	for (size_t i = 0; i < table->option_count; i++) {
		option_text(&table->options[i], text);
		if (strlen(text) > width)
			width = strlen(text);
	}
	for (size_t i = 0; i < table->option_count; i++) {
		option_text(&table->options[i], text);
		print_row(text, width, table->options[i].help);
	}
}

static void print_help(const struct argument_table *table)
{
	print_usage(table, stdout);
	putchar('\n');
	print_flowing(table->before, 0);
	putchar('\n');
	print_actions(table);
	print_options(table);
	putchar('\n');
	print_flowing(table->after, 0);
}

/* --- reading --- */

static const char *name_of(const struct reading *reading)
{
	return reading->action->name[0] ? reading->action->name : reading->table->command;
}

/* How many words of argv the action's name takes; 0: it is another one. */
static int matches(const struct argument_action *action, int argc, char **argv)
{
	const char *second = strchr(action->name, ' ');
	size_t size = second ? (size_t)(second - action->name) : strlen(action->name);
	if (argc < 1 || strlen(argv[0]) != size || memcmp(argv[0], action->name, size) != 0)
		return 0;
	if (!second)
		return 1;
	return argc > 1 && strcmp(argv[1], second + 1) == 0 ? 2 : 0;
}

/* Answers how many words it took, or -1. */
static int read_action(struct reading *reading, int argc, char **argv, struct error *error)
{
	const struct argument_table *table = reading->table;
	for (size_t i = 0; i < table->action_count; i++) {
		bool only = !table->actions[i].name[0];
		int words = only ? 0 : matches(&table->actions[i], argc, argv);
		if (!only && words == 0)
			continue;
		reading->action = &table->actions[i];
		reading->bit = UINT32_C(1) << i;
		return words;
	}
	if (argc < 1)
		error_set(error, "what is to be done?");
	else
		error_set(error, "there is no action \"%s\"", argv[0]);
	return -1;
}

static const struct argument_option *find_option(const struct argument_table *table, const char *word)
{
	const char *name = word + 1 + (word[1] == '-');
	size_t size = strcspn(name, "=");
	for (size_t i = 0; i < table->option_count; i++) {
		const char *known = table->options[i].name;
		bool is_long = known[1] != 0;
		if (is_long == (word[1] == '-') && strlen(known) == size && memcmp(known, name, size) == 0)
			return &table->options[i];
	}
	return NULL;
}

static bool store(void *request, const struct argument_option *option, const char *value, struct error *error)
{
	void *field = (char *)request + option->offset;
	struct argument_list *list = field;
	uint64_t number;
	switch (option->kind) {
	case ARGUMENT_FLAG:
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

/* One option; *at goes on to its value where that is a word of its own. */
static bool read_option(struct reading *reading, int *at, int argc, char **argv, struct error *error)
{
	const char *word = argv[*at];
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		reading->help = true;
		return true;
	}
	const struct argument_option *option = find_option(reading->table, word);
	if (!option)
		return error_set(error, "%s: there is no such option", word);
	if (reading->action && !(option->actions & reading->bit))
		return error_set(error, "%s has no %s", name_of(reading), word);
	const char *value = strchr(word, '=');
	if (!option->value && value)
		return error_set(error, "--%s takes no value", option->name);
	if (option->value && value)
		value++;
	else if (option->value && ++*at < argc)
		value = argv[*at];
	if (option->value && !value)
		return error_set(error, "behind %s comes %s", word, option->value);
	reading->given |= UINT64_C(1) << (option - reading->table->options);
	return store(reading->request, option, value, error);
}

static bool read_operand(struct reading *reading, const char *word, struct error *error)
{
	struct argument_list *list = (struct argument_list *)((char *)reading->request + reading->table->operands);
	const struct argument_action *action = reading->action;
	if (action->operands == OPERANDS_NONE)
		return error_set(error, "%s takes nothing more", name_of(reading));
	if (list->count == ARGUMENT_LIST_MOST)
		return error_set(error, "%s takes %d of %s at most", name_of(reading), ARGUMENT_LIST_MOST,
				 action->operand);
	if (list->count == 1 && action->operands == OPERANDS_ONE)
		return error_set(error, "%s takes one %s", name_of(reading), action->operand);
	list->items[list->count++] = word;
	return true;
}

static bool is_complete(const struct reading *reading, struct error *error)
{
	const struct argument_table *table = reading->table;
	const struct argument_list *list =
		(const struct argument_list *)((const char *)reading->request + table->operands);
	for (size_t i = 0; i < table->option_count; i++)
		if ((table->options[i].required & reading->bit) && !(reading->given & (UINT64_C(1) << i)))
			return error_set(error, "%s needs --%s %s", name_of(reading), table->options[i].name,
					 table->options[i].value);
	return reading->action->operands != OPERANDS_ONE || list->count == 1 ||
	       error_set(error, "%s needs a %s", name_of(reading), reading->action->operand);
}

/* Options may stand anywhere behind the action; behind "--" all words are operands. */
static bool read_all(struct reading *reading, int argc, char **argv, struct error *error)
{
	bool only_operands = false;
	int at = 1;
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		reading->help = true;
		return true;
	}
	int taken = read_action(reading, argc - 1, argv + 1, error);
	if (taken < 0)
		return false;
	for (at += taken; at < argc && !reading->help; at++) {
		bool is_option = !only_operands && argv[at][0] == '-' && argv[at][1];
		bool good = true;
		if (is_option && strcmp(argv[at], "--") == 0)
			only_operands = true;
		else if (is_option)
			good = read_option(reading, &at, argc, argv, error);
		else
			good = read_operand(reading, argv[at], error);
		if (!good)
			return false;
	}
	return reading->help || is_complete(reading, error);
}

int arguments_run(const struct argument_table *table, int argc, char **argv, void *request)
{
	struct reading reading = { .table = table, .request = request };
	struct error error = { "" };
	if (!read_all(&reading, argc, argv, &error)) {
		fprintf(stderr, "postern %s: %s\n", table->command, error.text);
		if (reading.action)
			print_call(table, (size_t)(reading.action - table->actions), "usage:", stderr);
		else
			print_usage(table, stderr);
		return EXIT_USAGE;
	}
	if (reading.help) {
		print_help(table);
		return EXIT_DONE;
	}
	return reading.action->run(request);
}
