/* What is printed of a command's table: usage and help. For arguments.c alone. */
#ifndef POSTERN_TOOLS_ARGUMENTS_PRINT_H
#define POSTERN_TOOLS_ARGUMENTS_PRINT_H

#include "tools/arguments.h"

/* What stands behind the options of an action: "", "FILE", "[PATTERN]", "ID ...|--all". Cut where it is longer. */
enum { ARGUMENTS_SHAPE_BYTES = 96 };
void arguments_shape(const struct argument_table *table, size_t action, char text[ARGUMENTS_SHAPE_BYTES]);

/* The usage of an action, or of all that have no name. */
void arguments_print_call(const struct argument_table *table, size_t action, FILE *to);
void arguments_print_usage(const struct argument_table *table, FILE *to);

/* To standard output. */
void arguments_print_help(const struct argument_table *table);

#endif
