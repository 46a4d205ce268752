/* Usage and help of a command, printed from its table; see arguments_print.h. */
#include "tools/arguments_print.h"

#include <string.h>

enum { COLUMNS = 80, INDENT = 16, HEAD_BYTES = 64 }; /* of a terminal as most are */

static void option_text(const struct argument_option *option, char text[HEAD_BYTES])
{
	snprintf(text, HEAD_BYTES, "%s%s%s%s", option->name[1] ? "--" : "-", option->name, option->value ? " " : "",
		 option->value ? option->value : "");
}

/* --- usage --- */

/* The option that may stand where the action's operands do; NULL: there is none. */
static const struct argument_option *find_instead(const struct argument_table *table, size_t action)
{
	for (size_t i = 0; i < table->option_count; i++)
		if (table->options[i].kind == ARGUMENT_INSTEAD && (table->options[i].actions & (UINT32_C(1) << action)))
			return &table->options[i];
	return NULL;
}

void arguments_shape(const struct argument_table *table, size_t action, char text[ARGUMENTS_SHAPE_BYTES])
{
	const struct argument_action *row = &table->actions[action];
	const struct argument_option *instead = find_instead(table, action);
	const char *name = row->operand ? row->operand : "", *before = "", *after = "";
	if (row->operands == OPERANDS_MAYBE || row->operands == OPERANDS_ANY)
		before = "[";
	if (row->operands == OPERANDS_MAYBE)
		after = "]";
	if (row->operands == OPERANDS_ANY)
		after = " ...]";
	if (row->operands == OPERANDS_SOME)
		after = " ...";
	snprintf(text, ARGUMENTS_SHAPE_BYTES, "%s%s%s%s%s", before, name, after, instead ? "|--" : "",
		 instead ? instead->name : "");
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
	char text[HEAD_BYTES], piece[HEAD_BYTES + 8], shape[ARGUMENTS_SHAPE_BYTES];
	for (size_t i = 0; i < table->option_count; i++) {
		const struct argument_option *option = &table->options[i];
		if (!(option->actions & bit) || (option->required & bit) || option->kind == ARGUMENT_INSTEAD)
			continue;
		option_text(option, text);
		snprintf(piece, sizeof piece, "[%s%s]", text, option->kind == ARGUMENT_LIST ? " ..." : "");
		column = put(to, column, piece);
	}
	for (size_t i = 0; i < table->option_count; i++)
		if (table->options[i].required & bit) {
			option_text(&table->options[i], text);
			column = put(to, column, text);
		}
	arguments_shape(table, number, shape);
	if (shape[0])
		put(to, column, shape);
	fputc('\n', to);
}

void arguments_print_usage(const struct argument_table *table, FILE *to)
{
	for (size_t i = 0; i < table->action_count; i++)
		print_call(table, i, i ? "      " : "usage:", to);
}

void arguments_print_call(const struct argument_table *table, size_t action, FILE *to)
{
	if (table->actions[action].name[0])
		print_call(table, action, "usage:", to);
	else
		arguments_print_usage(table, to);
}

/* --- help --- */

/* Words in lines that fit; all but the first line are indented. */
static void print_words(const char *text, size_t size, size_t indent)
{
	size_t column = indent;
	bool begins = true;
	for (const char *end = text + size; text < end; begins = false) {
		size_t word = strcspn(text, " \n");
		if (!begins && column + 1 + word > COLUMNS) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (!begins) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)word, text);
		column += word;
		text += word;
		text += strspn(text, " \n");
	}
}

/* How much of a text flows in one: up to an empty line, or to a line that stays as it is. */
static size_t paragraph_size(const char *text)
{
	size_t size = 0;
	while (text[size] && strncmp(text + size, "\n\n", 2) != 0 && strncmp(text + size, "\n ", 2) != 0)
		size++;
	return size;
}

static void print_flowing(const char *text, size_t indent)
{
	while (*text) {
		bool as_it_is = *text == ' ';
		size_t size = as_it_is ? strcspn(text, "\n") : paragraph_size(text);
		if (as_it_is)
			printf("%.*s", (int)size, text);
		else
			print_words(text, size, indent);
		text += size;
		size_t feeds = strspn(text, "\n");
		if (feeds > 0)
			printf("%.*s%*s", (int)feeds, text, (int)indent, "");
		text += feeds;
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

void arguments_print_help(const struct argument_table *table)
{
	arguments_print_usage(table, stdout);
	putchar('\n');
	print_flowing(table->before, 0);
	putchar('\n');
	print_actions(table);
	print_options(table);
	putchar('\n');
	print_flowing(table->after, 0);
}
