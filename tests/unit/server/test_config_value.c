/* core/server/config_value: sizes, times and rates as they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/server/config_value.h"

static void sizes_and_durations_have_units(void **state)
{
	(void)state;
	uint64_t number;
	char text[CONFIG_UNIT_TEXT_BYTES];
	assert_true(config_size_parse("36M", &number) && number == 36 << 20);
	assert_true(config_size_parse("1k", &number) && number == 1024);
	assert_true(config_size_parse("17", &number) && number == 17);
	assert_true(config_size_parse("16777215T", &number));
	assert_false(config_size_parse("16777216T", &number));
	assert_false(config_size_parse("M", &number));
	assert_false(config_size_parse("", &number));
	assert_false(config_size_parse("-1", &number));
	assert_false(config_size_parse("1.5M", &number));
	assert_int_equal(config_duration_parse("500ms", &number), CONFIG_DURATION_OK);
	assert_int_equal(number, 500);
	assert_int_equal(config_duration_parse("7d", &number), CONFIG_DURATION_OK);
	assert_int_equal(number, 7 * 24 * 3600 * 1000);
	assert_int_equal(config_duration_parse("0", &number), CONFIG_DURATION_OK);
	assert_int_equal(config_duration_parse("5", &number), CONFIG_DURATION_NO_UNIT);
	assert_int_equal(config_duration_parse("99999999999999999999h", &number), CONFIG_DURATION_WRONG);
	assert_int_equal(config_duration_parse("min", &number), CONFIG_DURATION_WRONG);
	assert_int_equal(config_duration_parse("", &number), CONFIG_DURATION_WRONG);
	uint64_t period;
	assert_true(config_rate_parse("30/min", 100, &number, &period) && number == 30 && period == 60000);
	assert_true(config_rate_parse("100/10s", 100, &number, &period) && number == 100 && period == 10000);
	static const char *const none[] = { "101/min", "0/min", "/min",    "30/",    "30",     "30/0",
					    "30/0s",   "30/5",  "30/week", "-1/min", "30 /min" };
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_false(config_rate_parse(none[i], 100, &number, &period));
	config_size_format(36 << 20, text);
	assert_string_equal(text, "36M");
	config_size_format(1025, text);
	assert_string_equal(text, "1025");
	config_duration_format(300000, text);
	assert_string_equal(text, "5min");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_and_durations_have_units),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
