/* A configuration as a tree of statements, whatever their names: the form alone, no meaning.
 *
 * libConfuse reads the text. It must be told all names before and stops at the first that it does not know, so names are
 * learnt from its errors and the text is read again, until the whole of it is a tree. Which names and values are right
 * is for the reader of the tree (config_read.c) to say, for all of them at once. */
#ifndef POSTERN_SERVER_CONFIG_SYNTAX_H
#define POSTERN_SERVER_CONFIG_SYNTAX_H

#include "core/base/list.h"
#include "core/server/config.h"

enum config_shape {
	CONFIG_VALUES, /* name = value, name = { value, … } */
	CONFIG_BLOCK,  /* name { … } */
	CONFIG_TITLED, /* name title { … } */
};

struct config_value {
	struct list link;
	char *text;
	int line;
};

struct config_statement {
	struct list link;
	char *name;
	char *title; /* CONFIG_TITLED */
	int line;    /* of the first value, or of the opening brace */
	enum config_shape shape;
	struct list values;     /* struct config_value: CONFIG_VALUES; an empty list has none */
	struct list statements; /* struct config_statement: blocks; in the order of the text */
};

/* Fills `root` (a block, to be finished by the caller whatever the answer). False, with the problem added, on a syntax error;
 * the tree then holds what came before it. `text` was prepared by config_source_prepare(). */
MUST_USE bool config_syntax_parse(const char *text, const char *file, struct config_statement *root,
				  struct config_problems *problems);

void config_statement_finish(struct config_statement *statement);

#endif
