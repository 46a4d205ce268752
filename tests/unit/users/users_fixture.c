/* A user database for tests; see users_fixture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/users/users_fixture.h"

struct users *open_or_die(const struct scratch *scratch, bool writable)
{
	struct error error = { "" };
	struct users *users = users_open(scratch->database, writable, &error);
	if (!users) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	return users;
}

int set_up(void **state)
{
	struct fixture *fixture = test_calloc(1, sizeof *fixture);
	scratch_make(&fixture->scratch);
	*state = fixture;
	return 0;
}

int set_up_open(void **state)
{
	set_up(state);
	struct fixture *fixture = *state;
	fixture->users = open_or_die(&fixture->scratch, true);
	return 0;
}

int tear_down(void **state)
{
	struct fixture *fixture = *state;
	users_close(fixture->users);
	scratch_remove(&fixture->scratch);
	test_free(fixture);
	return 0;
}

enum users_status put(struct users *users, const char *name, const char *hash, bool replace)
{
	struct error error = { "" };
	return users_put(users, slice_from_text(name), &(struct user_credentials){ .hash = hash }, replace, &error);
}

enum users_status find(struct users *users, const char *name, struct user_record *record)
{
	return users_find(users, slice_from_text(name), record);
}
