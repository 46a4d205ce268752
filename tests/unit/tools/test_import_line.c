/* tools/import_line: the fields behind a name, and what is told of wrong ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/import_line.h"

#define HASH "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
#define NONE "{POSTERN-NO-PASSWORD}"

static uint8_t storage[USERS_GRANTS_MOST_BYTES];
static struct import_line line;

/* NULL: it is right. What is told is valid until the next call. */
static const char *problem(const char *text, bool clear)
{
	static struct error error;
	struct buffer grants;
	buffer_init(&grants, storage, sizeof storage);
	return import_line_parse(slice_from_text(text), clear, &grants, &line, &error) ? NULL : error.text;
}

static void fields_that_are_wrong_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "a:{POSTERN-FROB}x", "a has a field {POSTERN-FROB}, which is not known here; a newer Postern" },
		{ "a:{POSTERN-", "a has something of unknown kind" },
		{ "a:" NONE ":{OTHER}x", "a has a field {OTHER}, which is not known" },
		{ "a:" NONE ":secret", "a has something of unknown kind behind a colon" },
		{ "a:" NONE ":", "a has something of unknown kind behind a colon" },
		{ "a:" NONE "x", "a has something behind {POSTERN-NO-PASSWORD}" },
		{ "a:" HASH ":" NONE, "a has {POSTERN-NO-PASSWORD} beside what is kept of a password" },
		{ "a:{POSTERN-GRANTS}@b.example", "a has nothing of a password, and no {POSTERN-NO-PASSWORD} either" },
		{ "a:" HASH ":{POSTERN-GRANTS}:{POSTERN-GRANTS}", "a has grants twice" },
		{ "a:" HASH ":{POSTERN-GRANTS}bob", "a has a grant that is none: \"bob\" is neither" },
		{ "a:" HASH ":{POSTERN-GRANTS}a%41@b", "a has a grant with a % that is none of %2C, %3A, %25" },
		{ "a:" HASH ":{POSTERN-GRANTS}a@b%2", "a has a grant with a % that is none of" },
		{ "a:" HASH ":{POSTERN-GRANTS}a@b.example,,c@d.example", "a has a grant that is none: \"\" is" },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *said = problem(rows[i].text, false);
		if (!said || !strstr(said, rows[i].said))
			fail_msg("%s: %s", rows[i].text, said ? said : "is taken");
		assert_null(strstr(said, "secret"));
	}
}

static void a_grant_too_long_is_told(void **state)
{
	(void)state;
	char text[USERS_GRANT_BYTES + 64] = "a:" NONE ":{POSTERN-GRANTS}@";
	size_t size = strlen(text);
	memset(text + size, 'd', USERS_GRANT_BYTES);
	text[size + USERS_GRANT_BYTES] = 0;
	assert_string_equal(problem(text, false), "a has a grant of over 254 bytes");
}

static void fields_are_read(void **state)
{
	(void)state;
	assert_null(problem("a:!" HASH ":{POSTERN-GRANTS}\"x%3ay%2C\"@b.example,@c.example", false));
	assert_true(line.kind == IMPORT_KEPT && line.disabled && line.kept.has_grants && !line.kept.no_password);
	assert_string_equal(line.kept.hash, HASH);
	assert_true(slice_equal(line.kept.grants, SLICE_LITERAL("\x10\"x:y,\"@b.example\x0a@c.example")));
	assert_null(problem("a:" NONE ":{POSTERN-GRANTS}", false));
	assert_true(line.kept.no_password && line.kept.has_grants && line.kept.grants.size == 0 && !line.disabled);
	assert_null(problem("a:" HASH, false));
	assert_false(line.kept.has_grants);
	assert_null(problem("a:" NONE, true));
	assert_true(line.kind == IMPORT_PASSWORD && slice_equal(line.password, SLICE_LITERAL(NONE)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_that_are_wrong_are_told),
		cmocka_unit_test(a_grant_too_long_is_told),
		cmocka_unit_test(fields_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
