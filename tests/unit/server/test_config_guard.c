/* guard { … } of a configuration: defaults, values, and what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/server/config.h"

static const char around[] =
	"data = d\n"
	"server s { hostname = localhost listen = \"127.0.0.1:25 plain\" auth { plaintext = yes } }\n"
	"delivery { route \"*\" { hold = yes } }\n";

static struct config_problems problems;

static struct config *parse(const char *guard)
{
	char text[2048];
	snprintf(text, sizeof text, "%s%s\n", around, guard);
	memset(&problems, 0, sizeof problems);
	return config_parse(text, "f", &problems);
}

static struct config *parse_right(const char *guard)
{
	struct config *config = parse(guard);
	for (size_t i = 0; i < problems.count; i++)
		print_message("unexpected: %s\n", problems.list[i].text);
	assert_non_null(config);
	return config;
}

static void it_has_defaults(void **state)
{
	(void)state;
	struct config *config = parse_right("");
	const struct guard_settings *usual = &config->guard.settings;
	assert_true(config->guard.enable && config->guard.line == 0);
	assert_true(usual->per_login.count == 10 && usual->per_login.period_ms == 3600000);
	assert_true(usual->per_network.count == 100 && usual->per_network.period_ms == 3600000);
	assert_true(usual->ban_ms == 3600000 && usual->delay_ms == 30000);
	assert_true(usual->memory_ms == 30 * UINT64_C(86400000));
	assert_true(usual->exempt_count == 2 && usual->exempt[0].bytes[0] == 127 && usual->exempt[1].family == 6);
	config_free(config);
}

static void all_of_it_is_read(void **state)
{
	(void)state;
	struct config *config = parse_right("guard { enable = no  exempt = { \"10.0.0.0/8\" }  per_login = 5/30min\n"
					    "per_network = 50/2h  ban = 1d  delay = 0  remember = 7d }");
	const struct guard_settings *given = &config->guard.settings;
	assert_true(!config->guard.enable && config->guard.line == 4);
	assert_true(given->exempt_count == 1 && given->exempt[0].length == 8);
	assert_true(given->per_login.count == 5 && given->per_login.period_ms == 1800000);
	assert_true(given->per_network.count == 50 && given->per_network.period_ms == 7200000);
	assert_true(given->ban_ms == 86400000 && given->delay_ms == 0 && given->memory_ms == 7 * 86400000);
	config_free(config);
}

static void nobody_need_be_exempt(void **state)
{
	(void)state;
	struct config *config = parse_right("guard { exempt = { } }");
	assert_int_equal(config->guard.settings.exempt_count, 0);
	config_free(config);
}

static void what_is_wrong_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *guard, *told;
	} cases[] = {
		{ "guard { exempt = { \"10.0.0.1/8\" } }", "f:4: exempt = \"10.0.0.1/8\"" },
		{ "guard { per_login = 10 }", "write how many failures in which time" },
		{ "guard { per_network = 10/s }", "of a minute to 30 days" },
		{ "guard { ban = 1s }", "f:4: ban = \"1s\": must be from 1min to 365d" },
		{ "guard { delay = 5min }", "must be from 0ms to 2min" },
		{ "guard { enabled = yes }", "did you mean 'enable'?" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_null(parse(cases[i].guard));
		assert_int_equal(problems.count, 1);
		if (!strstr(problems.list[0].text, cases[i].told))
			fail_msg("%s", problems.list[0].text);
		config_problems_free(&problems);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_defaults),
		cmocka_unit_test(all_of_it_is_read),
		cmocka_unit_test(nobody_need_be_exempt),
		cmocka_unit_test(what_is_wrong_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
