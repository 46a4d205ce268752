/* Sizes and durations; see config_value.h. */
#include "core/server/config_value.h"

#include <stdio.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{ "", 1 }, { "K", 1u << 10 }, { "M", 1u << 20 }, { "G", 1u << 30 }, { "T", UINT64_C(1) << 40 }, { NULL, 0 },
};

static const struct unit duration_units[] = {
	{ "ms", 1 }, { "s", 1000 }, { "min", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 24 * 3600 * 1000 }, { NULL, 0 },
};

static size_t count_digits(struct slice text)
{
	size_t count = 0;
	while (count < text.size && text.data[count] >= '0' && text.data[count] <= '9')
		count++;
	return count;
}

static const struct unit *find_unit(const struct unit *units, struct slice name)
{
	for (; units->name; units++)
		if (slice_equal_nocase(name, slice_from_text(units->name)))
			return units;
	return NULL;
}

bool config_size_parse(const char *text, uint64_t *bytes)
{
	struct slice all = slice_from_text(text);
	size_t digits = count_digits(all);
	const struct unit *unit = find_unit(size_units, slice_skip(all, digits));
	uint64_t number;
	if (!unit || !slice_parse_number(slice_first(all, digits), UINT64_MAX / unit->factor, &number))
		return false;
	*bytes = number * unit->factor;
	return true;
}

enum config_duration_status config_duration_parse(const char *text, uint64_t *ms)
{
	struct slice all = slice_from_text(text);
	size_t digits = count_digits(all);
	struct slice name = slice_skip(all, digits);
	uint64_t number;
	if (name.size == 0 && digits > 0) {
		*ms = 0;
		bool is_zero = slice_parse_number(all, 0, &number);
		return is_zero ? CONFIG_DURATION_OK : CONFIG_DURATION_NO_UNIT;
	}
	const struct unit *unit = find_unit(duration_units, name);
	if (!unit || !slice_parse_number(slice_first(all, digits), UINT64_MAX / unit->factor, &number))
		return CONFIG_DURATION_WRONG;
	*ms = number * unit->factor;
	return CONFIG_DURATION_OK;
}

/* "min" is one of it; "10min" is ten. */
static bool parse_period(struct slice text, uint64_t *ms)
{
	const struct unit *unit = find_unit(duration_units, text);
	char copy[CONFIG_UNIT_TEXT_BYTES];
	*ms = unit ? unit->factor : 0;
	return unit ||
	       (slice_to_text(text, copy, sizeof copy) && config_duration_parse(copy, ms) == CONFIG_DURATION_OK);
}

bool config_rate_parse(const char *text, uint64_t most, uint64_t *count, uint64_t *period_ms)
{
	struct slice all = slice_from_text(text);
	size_t slash = slice_find(all, '/');
	return slash < all.size && slice_parse_number(slice_first(all, slash), most, count) && *count > 0 &&
	       parse_period(slice_skip(all, slash + 1), period_ms) && *period_ms > 0;
}

static void format_with_unit(uint64_t number, const struct unit *units, char text[CONFIG_UNIT_TEXT_BYTES])
{
	const struct unit *unit = units;
	while (unit[1].name && number >= unit[1].factor && number % unit[1].factor == 0)
		unit++;
	snprintf(text, CONFIG_UNIT_TEXT_BYTES, "%llu%s", (unsigned long long)(number / unit->factor), unit->name);
}

void config_size_format(uint64_t bytes, char text[CONFIG_UNIT_TEXT_BYTES])
{
	format_with_unit(bytes, size_units, text);
}

void config_duration_format(uint64_t ms, char text[CONFIG_UNIT_TEXT_BYTES])
{
	format_with_unit(ms, duration_units, text);
}
