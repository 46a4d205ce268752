/* The text of a configuration before it is parsed: comments blanked, and what would mislead the parser refused.
 *
 * libConfuse 3.3 counts the line of a comment more than once, takes none inside lists, and takes the end of the file for
 * the closing brace of a block. So comments become spaces here (lines stay what they were), and quotes and braces
 * that are not closed are found before it reads. */
#ifndef POSTERN_SERVER_CONFIG_SOURCE_H
#define POSTERN_SERVER_CONFIG_SOURCE_H

#include "core/server/config.h"

/* The whole file, NUL-ended; the caller frees. NULL, with the problem added. */
char *config_source_read(const char *file, struct config_problems *problems);

/* Blanks comments in place. False, with problems added, when the text can't be parsed. */
MUST_USE bool config_source_prepare(char *text, const char *file, struct config_problems *problems);

#endif
