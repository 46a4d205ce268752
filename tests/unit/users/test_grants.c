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

static struct scram_keys some_keys(uint8_t salt_size)
{
	struct scram_keys keys = { .iterations = 4096, .salt_size = salt_size };
	memset(keys.salt, 's', salt_size);
	memset(keys.stored_key, 'k', sizeof keys.stored_key);
	memset(keys.server_key, 'v', sizeof keys.server_key);
	return keys;
}

static bool is_same(const struct user_record *a, const struct user_record *b)
{
	return strcmp(a->hash, b->hash) == 0 && a->scram.iterations == b->scram.iterations && a->has_nt == b->has_nt &&
	       (!a->has_nt || memcmp(a->nt_sealed, b->nt_sealed, sizeof a->nt_sealed) == 0) &&
	       (a->scram.iterations == 0 || (a->scram.salt_size == b->scram.salt_size &&
					     memcmp(a->scram.salt, b->scram.salt, a->scram.salt_size) == 0 &&
					     memcmp(a->scram.stored_key, b->scram.stored_key, SCRAM_KEY_BYTES) == 0 &&
					     memcmp(a->scram.server_key, b->scram.server_key, SCRAM_KEY_BYTES) == 0));
}

/* Every set of what a record may hold; each cut anywhere before its grants, and with each layout number but its own. */
static void records_with_keys_are_read_whole_or_not_at_all(void **state)
{
	(void)state;
	uint8_t storage[USERS_VALUE_BYTES];
	for (unsigned holds = 0; holds < 16; holds++) {
		struct user_record record = { .version = 9, .has_nt = holds & 1 };
		memset(record.nt_sealed, 'n', sizeof record.nt_sealed);
		if (holds & 2)
			record.scram = some_keys(holds & 1 ? LIMIT_SCRAM_SALT_BYTES : 0);
		if (holds & 4)
			memcpy(record.hash, HASH_B, sizeof HASH_B);
		struct users_entry got, entry = { SLICE_LITERAL("Al"), record, SLICE_LITERAL("") };
		if (holds & 8)
			entry.grants = SLICE_LITERAL("\3a@b");
		struct buffer value;
		buffer_init(&value, storage, sizeof storage);
		assert_true(users_record_encode(&value, &entry));
		assert_true(users_record_decode(buffer_slice(&value), &got));
		assert_true(is_same(&got.record, &record) && slice_equal(got.grants, entry.grants));
		for (size_t size = 0; size < value.size - entry.grants.size; size++)
			assert_false(users_record_decode(slice_of(storage, size), &got));
		uint8_t layout = storage[0];
		assert_int_equal(layout, holds & 3   ? USERS_LAYOUT_KEYS
					 : holds & 8 ? USERS_LAYOUT_GRANTS
						     : USERS_LAYOUT);
		for (storage[0] = 0; storage[0] < 8; storage[0]++)
			assert_true(storage[0] == layout || !users_record_decode(buffer_slice(&value), &got));
	}
}

static void salts_and_iterations_out_of_bounds_are_damage(void **state)
{
	(void)state;
	uint8_t storage[USERS_VALUE_BYTES];
	struct buffer value;
	buffer_init(&value, storage, sizeof storage);
	struct users_entry got, entry = { SLICE_LITERAL("Al"), { .scram = some_keys(1) }, SLICE_LITERAL("") };
	assert_true(users_record_encode(&value, &entry));
	uint8_t *keys = storage + value.size - 2 * SCRAM_KEY_BYTES - 2 - 4; /* iterations, size of the salt, one byte */
	memset(keys, 0, 4);
	assert_false(users_record_decode(buffer_slice(&value), &got));
	keys[0] = 1;
	assert_true(users_record_decode(buffer_slice(&value), &got));
	keys[4] = LIMIT_SCRAM_SALT_BYTES + 1;
	assert_false(users_record_decode(buffer_slice(&value), &got));
}

/* All of them are of one password: a new one must not leave the old one's keys behind. */
static void a_new_password_replaces_all_that_is_kept_of_the_old_one(void **state)
{
	struct users *users = ((struct fixture *)*state)->users;
	struct user_record record;
	struct error error;
	uint8_t sealed[USERS_NT_SEALED_BYTES] = { 1, 2, 3 };
	struct scram_keys keys = some_keys(16);
	struct user_credentials all = { .hash = HASH_A, .scram = &keys, .nt_sealed = sealed };
	assert_int_equal(users_put(users, SLICE_LITERAL("al"), &all, false, &error), USERS_OK);
	assert_int_equal(find(users, "AL", &record), USERS_OK);
	struct user_record wanted = { .hash = HASH_A, .scram = keys, .has_nt = true };
	memcpy(wanted.nt_sealed, sealed, sizeof sealed);
	assert_true(is_same(&record, &wanted));
	assert_int_equal(users_set_disabled(users, SLICE_LITERAL("al"), true, &error), USERS_OK);
	assert_int_equal(find(users, "al", &record), USERS_OK);
	assert_true(is_same(&record, &wanted));
	assert_int_equal(put(users, "al", HASH_B, true), USERS_OK);
	assert_int_equal(find(users, "al", &record), USERS_OK);
	assert_true(is_same(&record, &(struct user_record){ .hash = HASH_B }));
	all.hash = NULL;
	assert_int_equal(users_put(users, SLICE_LITERAL("al"), &all, true, &error), USERS_OK);
	assert_int_equal(find(users, "al", &record), USERS_OK);
	wanted.hash[0] = 0;
	assert_true(is_same(&record, &wanted));
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
	/* Whom others have verified. */
	assert_int_equal(users_owns(users, SLICE_LITERAL("a@b.example"), SLICE_LITERAL("A@b.example"), &yes),
			 USERS_UNKNOWN);
	assert_true(yes);
	assert_int_equal(users_owns(users, SLICE_LITERAL("a:b@c.example"), SLICE_LITERAL("b@c.example"), &yes),
			 USERS_BAD_NAME);
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
		cmocka_unit_test(records_with_keys_are_read_whole_or_not_at_all),
		cmocka_unit_test(salts_and_iterations_out_of_bounds_are_damage),
		cmocka_unit_test_setup_teardown(a_new_password_replaces_all_that_is_kept_of_the_old_one, set_up_open,
						tear_down),
		cmocka_unit_test_setup_teardown(a_user_sends_as_himself_and_as_he_was_granted, set_up_open, tear_down),
		cmocka_unit_test_setup_teardown(grants_are_addresses_and_domains_and_bounded, set_up_open, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
