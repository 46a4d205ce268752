/* core/base/near_miss: slips of the fingers find the word that was meant, other words none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/near_miss.h"

static const char *const words[] = {
	"list", "last", "hold", "release", "c", "idle_timeout", "a_name_of_thirty_two_bytes_in_all", NULL,
};

static const char *nearest(const char *word)
{
	struct near_miss near = near_miss_of(word);
	for (const char *const *each = words; *each; each++)
		near_miss_consider(&near, *each);
	return near.best;
}

static void slips_are_seen_through(void **state)
{
	(void)state;
	static const struct {
		const char *word, *meant; /* NULL: nothing */
	} rows[] = {
		{ "list", "list" },
		{ "lsit", "list" },  /* two letters exchanged */
		{ "lit", "list" },   /* one left out */
		{ "liist", "list" }, /* one too many */
		{ "lost", "list" },  /* another one; "last" is as near and comes later */
		{ "LIST", "list" },  /* case */
		{ "idle-timeout", "idle_timeout" },
		{ "idel-tiemot", "idle_timeout" }, /* three in twelve */
		{ "idel-tiemo", NULL },            /* four */
		{ "reelaes", "release" },          /* two in seven */
		{ "reelaess", NULL },              /* three */
		{ "loth", NULL },                  /* two in four */
		{ "x", "c" },
		{ "", "c" },
		{ "quite-another", NULL },
		{ "a_name_of_thirty_two_bytes_in_all", NULL }, /* too long to be compared */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *found = nearest(rows[i].word);
		if (rows[i].meant ? !found || strcmp(found, rows[i].meant) != 0 : found != NULL)
			fail_msg("\"%s\": %s", rows[i].word, found ? found : "nothing");
	}
}

static void nothing_is_found_among_nothing(void **state)
{
	(void)state;
	assert_null(near_miss_of("list").best);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slips_are_seen_through),
		cmocka_unit_test(nothing_is_found_among_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
