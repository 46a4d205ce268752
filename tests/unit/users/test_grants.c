/* core/users: whom a user may send as, and the records that tell it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/buffer.h"
#include "core/users/users_record.h"
#include "tests/unit/users/users_fixture.h"

static void damaged_records_are_told_from_whole_ones(void **state)
{
	(void)state;
	uint8_t storage[USERS_VALUE_BYTES];
	struct buffer value;
	buffer_init(&value, storage, sizeof storage);
	struct user_record record = { .hash = HASH_A, .version = 7, .changed_unix_us = -3, .disabled = true };
	struct users_entry got;
	struct users_entry entry = { SLICE_LITERAL("Al"), record, { NULL, 0 } };
	assert_true(users_record_encode(&value, &entry));
	assert_true(users_record_decode(buffer_slice(&value), &got));
	assert_true(slice_equal(got.name, SLICE_LITERAL("Al")) && got.grants.size == 0);
	assert_string_equal(got.record.hash, HASH_A);
	assert_true(got.record.version == 7 && got.record.changed_unix_us == -3 && got.record.disabled);
	for (size_t size = 0; size < value.size; size++)
		assert_false(users_record_decode(slice_of(storage, size), &got));
	storage[0] = USERS_LAYOUT_GRANTS;
	assert_false(users_record_decode(buffer_slice(&value), &got));
	size_t without_grants = value.size;
	buffer_clear(&value);
	entry.grants = SLICE_LITERAL("\3a@b\2@c");
	assert_true(users_record_encode(&value, &entry));
	assert_true(users_record_decode(buffer_slice(&value), &got));
	assert_true(slice_equal(got.grants, entry.grants));
	for (size_t size = 0; size < value.size; size++)
		if (size != without_grants + 4) /* where a grant ends */
			assert_false(users_record_decode(slice_of(storage, size), &got));
	storage[0] = USERS_LAYOUT_GRANTS + 1;
	assert_false(users_record_decode(buffer_slice(&value), &got));
}

static enum users_status grant(struct users *users, const char *name, const char *what)
{
	struct error error = { "" };
	if (!users_grant_is_valid(slice_from_text(what), &error))
		fail_msg("%s", error.text);
	return users_grant(users, slice_from_text(name), slice_from_text(what), &error);
}

static enum users_status take_back(struct users *users, const char *name, const char *what)
{
	struct error error = { "" };
	return users_revoke(users, slice_from_text(name), slice_from_text(what), &error);
}

static bool owns(struct users *users, const char *name, const char *address)
{
	bool yes;
	assert_int_equal(users_owns(users, slice_from_text(name), slice_from_text(address), &yes), USERS_OK);
	return yes;
}

static void a_user_sends_as_himself_and_as_he_was_granted(void **state)
{
	struct users *users = ((struct fixture *)*state)->users;
	struct user_record before, after;
	bool yes;
	assert_int_equal(put(users, "Alice@example.org", HASH_A, false), USERS_OK);
	assert_int_equal(put(users, "bob", HASH_A, false), USERS_OK);
	assert_true(owns(users, "alice@example.org", "ALICE@Example.ORG"));
	assert_false(owns(users, "alice@example.org", "bob@example.org"));
	assert_false(owns(users, "bob", "bob@example.org"));
	assert_int_equal(users_owns(users, SLICE_LITERAL("carol"), SLICE_LITERAL("a@b.example"), &yes), USERS_UNKNOWN);
	assert_false(yes);
	assert_int_equal(find(users, "bob", &before), USERS_OK);
	assert_int_equal(grant(users, "BOB", "bob@example.org"), USERS_OK);
	assert_int_equal(grant(users, "bob", "sales@example.org"), USERS_OK);
	assert_int_equal(grant(users, "bob", "@Example.net"), USERS_OK);
	assert_int_equal(find(users, "bob", &after), USERS_OK);
	assert_true(after.version > before.version);
	assert_int_equal(grant(users, "bob", "SALES@example.org"), USERS_OK);
	assert_int_equal(find(users, "bob", &before), USERS_OK);
	assert_true(after.version == before.version);
	assert_true(owns(users, "bob", "bob@example.org") && owns(users, "bob", "any.thing@example.NET"));
	assert_false(owns(users, "bob", "x@sub.example.net") || owns(users, "bob", "@example.net@evil.example"));
	assert_false(owns(users, "bob", "alice@example.org") || owns(users, "alice@example.org", "a@example.net"));
	/* Grants stay over all other changes. */
	struct error error;
	assert_int_equal(put(users, "bob", HASH_B, true), USERS_OK);
	assert_int_equal(users_set_disabled(users, SLICE_LITERAL("bob"), true, &error), USERS_OK);
	assert_true(owns(users, "bob", "sales@example.org"));
	assert_int_equal(take_back(users, "bob", "Sales@example.org"), USERS_OK);
	assert_int_equal(take_back(users, "bob", "sales@example.org"), USERS_NOT_GRANTED);
	assert_int_equal(take_back(users, "carol", "sales@example.org"), USERS_UNKNOWN);
	assert_false(owns(users, "bob", "sales@example.org"));
	assert_true(owns(users, "bob", "bob@example.org") && owns(users, "bob", "a@example.net"));
	assert_int_equal(take_back(users, "bob", "bob@example.org"), USERS_OK);
	assert_int_equal(take_back(users, "bob", "@example.net"), USERS_OK);
	assert_false(owns(users, "bob", "bob@example.org"));
}

static void grants_are_addresses_and_domains_and_bounded(void **state)
{
	struct users *users = ((struct fixture *)*state)->users;
	static const char *const wrong[] = { "", "@", "a", "a@", "@@b", "a b@c", "<a@b>", "@a..b", "a@b,c@d" };
	struct error error;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (users_grant_is_valid(slice_from_text(wrong[i]), &error))
			fail_msg("\"%s\" is taken", wrong[i]);
	assert_int_equal(put(users, "bob", HASH_A, false), USERS_OK);
	char text[300];
	for (int i = 0; i <= LIMIT_USER_GRANTS; i++) {
		/* As long as may be. */
		snprintf(text, sizeof text, "%060d@%063d.%063d.%058d.xy", i, i, i, i);
		assert_int_equal(grant(users, "bob", text), i < LIMIT_USER_GRANTS ? USERS_OK : USERS_TOO_MANY_GRANTS);
	}
	uint8_t storage[USERS_GRANTS_MOST_BYTES];
	struct buffer grants;
	buffer_init(&grants, storage, sizeof storage);
	assert_int_equal(users_find_grants(users, SLICE_LITERAL("bob"), &grants), USERS_OK);
	struct slice rest = buffer_slice(&grants), each;
	int count = 0;
	while (users_next_grant(&rest, &each))
		count++;
	assert_int_equal(count, LIMIT_USER_GRANTS);
	assert_int_equal(rest.size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_records_are_told_from_whole_ones),
		cmocka_unit_test_setup_teardown(a_user_sends_as_himself_and_as_he_was_granted, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(grants_are_addresses_and_domains_and_bounded, set_up_open, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
