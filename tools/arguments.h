/* The call of a subcommand, read by tables: one row an action, one row an option. Usage and help are printed from the same
 * rows, so that there is nothing that one of them forgets. */
#ifndef POSTERN_TOOLS_ARGUMENTS_H
#define POSTERN_TOOLS_ARGUMENTS_H

#include <stdint.h>
#include <stdio.h>

#include "core/base/error.h"

enum { ARGUMENT_LIST_MOST = 1024 }; /* ids of messages, from another command */

/* NULL-ended. */
struct argument_list {
	const char *items[ARGUMENT_LIST_MOST + 1];
	size_t count;
};

enum argument_kind {
	ARGUMENT_FLAG,    /* bool */
	ARGUMENT_INSTEAD, /* bool; a flag that stands in the place of the operands: "--all" */
	ARGUMENT_TEXT,    /* const char *; the last one counts */
	ARGUMENT_NUMBER,  /* unsigned, from least to most */
	ARGUMENT_LIST,    /* struct argument_list; may be given again and again */
};

struct argument_option {
	const char *name;  /* "json" is --json, "c" is -c */
	const char *value; /* what stands behind it, "FILE"; NULL for a flag */
	enum argument_kind kind;
	size_t offset;     /* of the field in the request */
	uint32_t actions;  /* bits: 1 << number of the action */
	uint32_t required; /* likewise: without it the call is wrong */
	unsigned least, most;
	const char
		*help; /* flows in lines that fit; LF LF: an empty line; a line with a blank in front stays as it is */
};

enum argument_operands {
	OPERANDS_NONE,
	OPERANDS_ONE,
	OPERANDS_TWO,
	OPERANDS_MAYBE, /* one or none */
	OPERANDS_SOME,  /* one or more */
	OPERANDS_ANY,
};

/* Where the names are "" the command has no actions, and the rows are its calls: the first one takes no operands, and is
 * meant where there are none; the other one is meant where there are. */
struct argument_action {
	const char *name; /* one word or two: "show", "ca create" */
	enum argument_operands operands;
	const char *operand; /* "FILE"; of two: "OLD NEW"; NULL: none */
	int (*run)(void *request);
	const char *help;
};

struct argument_table {
	const char *command; /* "cert" */
	const struct argument_action *actions;
	size_t action_count;
	const struct argument_option *options;
	size_t option_count;
	size_t operands;            /* offset of a struct argument_list in the request, where an action takes some */
	const char *before, *after; /* of the help: what it is for; exit status and the like */
	/* NULL, or runs the action with what all of them need; answers the exit status. */
	int (*around)(void *request, int (*run)(void *request));
};

/* Reads the call into the request, says what is wrong or prints the help where that is asked for, or runs the action. `argv`
 * begins with the command's name. Answers the exit status: the action's, or 2, and tells it, where standard output could not
 * be written.
 *
 * Options may stand anywhere, and their values behind a blank, "=" or, if they have one letter, nothing: --key FILE,
 * --key=FILE, -cFILE. Behind "--" all words are operands, and "-" always is one. Names are never cut short. */
int arguments_run(const struct argument_table *table, int argc, char **argv, void *request);

#endif
