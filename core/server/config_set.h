/* Putting a configuration's values into fields, by kind: what the tables of config_keys.c refer to.
 *
 * Each adds a problem where the value is wrong. A wrong number leaves the field alone; a wrong text is stored all the
 * same, so that it isn't reported missing too. */
#ifndef POSTERN_SERVER_CONFIG_SET_H
#define POSTERN_SERVER_CONFIG_SET_H

#include "core/server/config_keys.h"

/* char *, malloc'ed; a path becomes absolute. */
config_set config_set_text;
config_set config_set_path;

/* Unsigned fields of any width, from key->least to key->most; times become ms. */
config_set config_set_size;
config_set config_set_duration;
config_set config_set_number;

/* Numbers, enums and bools by name; the second ORs into an unsigned. */
config_set config_set_choice;
config_set config_add_choice_bit;

/* For setters of one use. */
void *config_field(const struct config_given *given);
void config_given_problem(struct config_reading *reading, const struct config_given *given, const char *what);
/* malloc'ed; NULL: no memory. */
char *config_absolute_path(const struct config_reading *reading, const char *path);
void config_store_number(const struct config_given *given, uint64_t number);

/* NULL after adding a problem that names the choices and the one that was probably meant. */
const struct config_choice *config_find_choice(struct config_reading *reading, const struct config_given *given,
					       const char *text, const struct config_choice *choices);

#endif
