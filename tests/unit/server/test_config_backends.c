/* auth { mechanisms backend } of a configuration: who verifies what, and what is wrong, each with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/server/config.h"
#include "proto/sasl.h"

#define ALL_LOCAL "\"PLAIN\", \"LOGIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-256-PLUS\", \"NTLM\""
#define TEN       "aaaaaaaaaa"
#define HUNDRED   TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define DOVECOT   "\"dovecot:/run/dovecot/auth-client\""

static struct config_problems problems;

/* `auth` begins on line 4. */
static struct config *parse(const char *auth)
{
	char text[2048];
	int size = snprintf(text, sizeof text,
			    "data = d\n"
			    "server s { hostname = localhost listen = \"127.0.0.1:25 starttls\" tls { certificate = c "
			    "key = k client_ca = ca }\n"
			    "auth { plaintext = yes\n%s }\n"
			    "}\n"
			    "delivery { route \"*\" { hold = yes } }\n",
			    auth);
	assert_true(size > 0 && (size_t)size < sizeof text);
	memset(&problems, 0, sizeof problems);
	return config_parse(text, "f", &problems);
}

static void assert_place(const struct config *config, unsigned mechanism, const char *place)
{
	const char *found = config_backend_of(&config->servers[0].backends, mechanism);
	assert_true((found == NULL) == (place == NULL));
	if (place)
		assert_string_equal(found, place);
}

static struct config *parse_right(const char *auth)
{
	struct config *config = parse(auth);
	for (size_t i = 0; i < problems.count; i++)
		print_message("unexpected: %s\n", problems.list[i].text);
	assert_non_null(config);
	return config;
}

static void our_own_users_are_the_default(void **state)
{
	(void)state;
	static const char *const same[] = { "", "backend = { }", "backend = local", "backend = \" local\tPLAIN \"" };
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		struct config *config = parse_right(same[i]);
		assert_place(config, SASL_PLAIN, NULL);
		assert_place(config, SASL_XOAUTH2, NULL);
		config_free(config);
	}
}

/* What only we know stays here. */
static void one_takes_the_rest(void **state)
{
	(void)state;
	struct config *config = parse_right("backend = " DOVECOT " mechanisms = { \"PLAIN\", \"XOAUTH2\", \"NTLM\",\n"
					    "\"EXTERNAL\" }");
	assert_place(config, SASL_PLAIN, "/run/dovecot/auth-client");
	assert_place(config, SASL_XOAUTH2, "/run/dovecot/auth-client");
	assert_place(config, SASL_NTLM, NULL);
	assert_place(config, SASL_EXTERNAL, NULL);
	config_free(config);
	config_free(parse_right("backend = " DOVECOT));
}

static void several_share(void **state)
{
	(void)state;
	struct config *config = parse_right(
		"mechanisms = { " ALL_LOCAL ", \"XOAUTH2\", \"GSSAPI\", \"CRAM-MD5\", \"EXTERNAL\" }\n"
		"backend = { \"dovecot:/a  xoauth2\tGSSAPI EXTERNAL\", \"local\", \"dovecot:[::1]:12345 CRAM-MD5\" }");
	assert_place(config, SASL_XOAUTH2, "/a");
	assert_place(config, SASL_GSSAPI, "/a");
	assert_place(config, SASL_EXTERNAL, "/a");
	assert_place(config, SASL_CRAM_MD5, "[::1]:12345");
	assert_place(config, SASL_PLAIN, NULL);
	assert_place(config, SASL_SCRAM_SHA_256_PLUS, NULL);
	assert_int_equal(config->servers[0].backends.count, 3);
	assert_int_equal(config->servers[0].backends.list[2].line, 5);
	config_free(config);
}

static void what_is_wrong_is_told(void **state)
{
	(void)state;
	static const char how[] = "is written \"local\" or \"dovecot:/run/dovecot/auth-client\"";
	static const struct {
		const char *auth, *told, *how;
	} cases[] = {
		{ "backend = \"\"", "f:4: backend = \"\": ", how },
		{ "\nbackend = dovecot", "f:5: backend = \"dovecot\": ", how },
		{ "backend = \"dovecot:\"", "f:4: backend = \"dovecot:\": ", how },
		{ "backend = \"dovecot: /a\"", "f:4: backend = \"dovecot: /a\": ", how },
		{ "backend = \"dovecot:auth-client\"", "f:4: ", how },
		{ "backend = \"ldap:/a\"", "f:4: ", how },
		{ "backend = \"PLAIN\"", "f:4: ", how },
		{ "backend = { local,\n \"dovecot/a PLAIN\" }", "f:5: ", how },
		{ "backend = \"dovecot:[::1]\"", "f:4: backend = \"dovecot:[::1]\": ", "has no port" },
		{ "backend = \"dovecot:192.0.2.1:0\"", "f:4: ", "port" },
		{ "backend = \"dovecot:mail.example:12345\"", "f:4: ", "mail.example" },
		{ "backend = \"dovecot:/" HUNDRED TEN "\"", "f:4: ", "a socket's path has at most 107 bytes" },
		{ "backend = \"dovecot:/a PLAIM\"", "f:4: backend = \"dovecot:/a PLAIM\": ", "did you mean 'PLAIN'?" },
		{ "backend = \"dovecot:/a PLAIN,LOGIN\"", "f:4: ", "'PLAIN,LOGIN' is none of" },
		{ "backend = { local,\n local }",
		  "f:5: backend = \"local\": ", "takes all that the one on line 4 takes" },
		{ "backend = { \"dovecot:/a PLAIN\",\n\n \"dovecot:/b LOGIN PLAIN\" }", "f:6: backend = \"dovecot:/b ",
		  "takes a mechanism that the one on line 4 takes" },
		{ "backend = { \"local PLAIN\", \"local LOGIN\", \"local NTLM\", \"local SCRAM-SHA-256\",\n"
		  "\"local SCRAM-SHA-256-PLUS\", \"local EXTERNAL\", \"dovecot:/a XOAUTH2\", \"dovecot:/a GSSAPI\",\n"
		  "\"dovecot:/a CRAM-MD5\" } mechanisms = { " ALL_LOCAL ", \"EXTERNAL\", \"XOAUTH2\", \"GSSAPI\" }",
		  "f:6: backend = \"dovecot:/a CRAM-MD5\": ", "is one too many" },
		{ "backend = \"dovecot:/a\"\nbackend = local", "f:5: 'backend' is given twice", "first on line 4" },
		{ "\nbackend = { local, \"dovecot:/a XOAUTH2\" }",
		  "f:5: ", "backend names XOAUTH2, which mechanisms does not" },
		{ "\nmechanisms = { PLAIN, XOAUTH2 }", "f:5: our own users can't sign in with XOAUTH2",
		  "backend = " DOVECOT },
		{ "mechanisms = { PLAIN, GSSAPI }\nbackend = { \"local GSSAPI\", \"dovecot:/a\" }",
		  "f:4: our own users can't sign in with GSSAPI", "" },
		{ "backend = \"dovecot:/a\"\nmechanisms = { PLAIN, SCRAM-SHA-256-PLUS }",
		  "f:5: Dovecot can't verify SCRAM-SHA-256-PLUS", "\"local SCRAM-SHA-256-PLUS\"" },
		{ "mechanisms = { PLAIN, NTLM }\nbackend = { local, \"dovecot:/a NTLM\" }",
		  "f:5: Dovecot can't verify NTLM", "\"local NTLM\"" },
		{ "\nbackend = { local, \"dovecot:/a SCRAM-SHA-256-PLUS\" }",
		  "f:5: Dovecot can't verify SCRAM-SHA-256-PLUS", "\"local SCRAM-SHA-256-PLUS\"" },
		{ "\nmechanisms = { PLAIN, XOAUTH }", "f:5: mechanisms = \"XOAUTH\": ", "did you mean 'XOAUTH2'?" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct config *config = parse(cases[i].auth);
		const char *told = problems.count ? problems.list[0].text : "nothing";
		if (config || problems.count != 1 || strncmp(told, cases[i].told, strlen(cases[i].told)) != 0 ||
		    !strstr(told, cases[i].how))
			fail_msg("%s\n%zu told, first %s", cases[i].auth, problems.count, told);
		config_problems_free(&problems);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_users_are_the_default),
		cmocka_unit_test(one_takes_the_rest),
		cmocka_unit_test(several_share),
		cmocka_unit_test(what_is_wrong_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
