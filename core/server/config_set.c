/* Values into fields, by kind; see config_set.h. */
#include "core/server/config_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/near_miss.h"
#include "core/server/config_value.h"

/* --- storing --- */

void *config_field(const struct config_given *given)
{
	return (char *)given->target + given->key->offset;
}

void config_given_problem(struct config_reading *reading, const struct config_given *given, const char *what)
{
	config_problem_add(reading->problems, reading->file, given->value->line, "%s = \"%s\": %s", given->key->name,
			   given->value->text, what);
}

void config_store_number(const struct config_given *given, uint64_t number)
{
	switch (given->key->width) {
	case 1:
		*(uint8_t *)config_field(given) = (uint8_t)number;
		break;
	case 2:
		*(uint16_t *)config_field(given) = (uint16_t)number;
		break;
	case 4:
		*(uint32_t *)config_field(given) = (uint32_t)number;
		break;
	default:
		ASSERT(given->key->width == 8);
		*(uint64_t *)config_field(given) = number;
	}
}

static void store_text(struct config_reading *reading, const struct config_given *given, char *text)
{
	if (!text)
		config_given_problem(reading, given, "out of memory");
	free(*(char **)config_field(given));
	*(char **)config_field(given) = text;
}

/* "/" stays, everything else starts at the configuration's folder. */
char *config_absolute_path(const struct config_reading *reading, const char *path)
{
	char *absolute = NULL;
	if (path[0] == '/')
		return strdup(path);
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	const char *between = strcmp(reading->folder, "/") == 0 ? "" : "/";
	return asprintf(&absolute, "%s%s%s", reading->folder, between, path) < 0 ? NULL : absolute;
}

/* --- values --- */

void config_set_text(struct config_reading *reading, const struct config_given *given)
{
	if (given->value->text[0] == 0)
		config_given_problem(reading, given, "must not be empty");
	store_text(reading, given, strdup(given->value->text));
}

void config_set_path(struct config_reading *reading, const struct config_given *given)
{
	if (given->value->text[0] == 0)
		config_given_problem(reading, given, "must not be empty");
	store_text(reading, given, config_absolute_path(reading, given->value->text));
}

/* Stores what is within the key's bounds; `format` writes a bound as one writes it in a configuration. */
static void store_in_bounds(struct config_reading *reading, const struct config_given *given, uint64_t number,
			    void (*format)(uint64_t number, char text[CONFIG_UNIT_TEXT_BYTES]))
{
	char what[128], least[CONFIG_UNIT_TEXT_BYTES], most[CONFIG_UNIT_TEXT_BYTES];
	if (number >= given->key->least && number <= given->key->most) {
		config_store_number(given, number);
		return;
	}
	format(given->key->least, least);
	format(given->key->most, most);
	snprintf(what, sizeof what, "must be from %s to %s", least, most);
	config_given_problem(reading, given, what);
}

void config_set_size(struct config_reading *reading, const struct config_given *given)
{
	uint64_t bytes;
	if (config_size_parse(given->value->text, &bytes))
		store_in_bounds(reading, given, bytes, config_size_format);
	else
		config_given_problem(reading, given, "not a size; write bytes, or a number with K, M or G, like 36M");
}

void config_set_duration(struct config_reading *reading, const struct config_given *given)
{
	uint64_t ms = 0;
	char what[128];
	switch (config_duration_parse(given->value->text, &ms)) {
	case CONFIG_DURATION_WRONG:
		config_given_problem(reading, given, "not a time; write a number with ms, s, min, h or d, like 5min");
		return;
	case CONFIG_DURATION_NO_UNIT:
		snprintf(what, sizeof what, "a time needs a unit: ms, s, min, h or d, like %.20ss", given->value->text);
		config_given_problem(reading, given, what);
		return;
	case CONFIG_DURATION_OK:
		store_in_bounds(reading, given, ms, config_duration_format);
		return;
	}
}

void config_set_number(struct config_reading *reading, const struct config_given *given)
{
	uint64_t number;
	char what[128];
	bool is_number = slice_parse_number(slice_from_text(given->value->text), given->key->most, &number);
	if (is_number && number >= given->key->least) {
		config_store_number(given, number);
		return;
	}
	snprintf(what, sizeof what, "must be a whole number from %llu to %llu", (unsigned long long)given->key->least,
		 (unsigned long long)given->key->most);
	config_given_problem(reading, given, what);
}

/* "a, b or c" */
static void list_choices(char *text, size_t capacity, const struct config_choice *choices)
{
	size_t used = 0;
	text[0] = 0;
	for (const struct config_choice *choice = choices; choice->name && used < capacity; choice++) {
		const char *before = choice == choices ? "" : choice[1].name ? ", " : " or ";
		int size = snprintf(text + used, capacity - used, "%s%s", before, choice->name);
		used += size < 0 ? 0 : (size_t)size;
	}
}

const struct config_choice *config_find_choice(struct config_reading *reading, const struct config_given *given,
					       const char *text, const struct config_choice *choices)
{
	struct near_miss near = near_miss_of(text);
	for (const struct config_choice *choice = choices; choice->name; choice++) {
		if (slice_equal_nocase(slice_from_text(choice->name), slice_from_text(text)))
			return choice;
		near_miss_consider(&near, choice->name);
	}
	char all[192], what[320];
	list_choices(all, sizeof all, choices);
	if (near.best)
		snprintf(what, sizeof what, "'%.40s' is none of %s; did you mean '%s'?", text, all, near.best);
	else
		snprintf(what, sizeof what, "'%.40s' is none of %s", text, all);
	config_given_problem(reading, given, what);
	return NULL;
}

void config_set_choice(struct config_reading *reading, const struct config_given *given)
{
	const struct config_choice *choice =
		config_find_choice(reading, given, given->value->text, given->key->choices);
	if (choice)
		config_store_number(given, choice->value);
}

/* A list of choices, each a bit. */
void config_add_choice_bit(struct config_reading *reading, const struct config_given *given)
{
	const struct config_choice *choice =
		config_find_choice(reading, given, given->value->text, given->key->choices);
	if (choice)
		*(unsigned *)config_field(given) |= (unsigned)choice->value;
}
