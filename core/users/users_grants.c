/* Whom a user may send as; see users.h. */
#include "core/users/users_entry.h"

#include "core/base/cursor.h"
#include "proto/address.h"

bool users_next_grant(struct slice *grants, struct slice *grant)
{
	struct cursor cursor = cursor_over(*grants);
	*grant = cursor_take(&cursor, cursor_take_u8(&cursor));
	if (grants->size == 0 || !cursor_ok(&cursor))
		return false;
	*grants = cursor.rest;
	return true;
}

bool users_grant_is_valid(struct slice grant, struct error *error)
{
	struct address address;
	bool is_domain = grant.size > 0 && grant.data[0] == '@';
	bool good = is_domain ? address_domain_is_strict(slice_skip(grant, 1), true)
			      : address_parse(grant, true, &address) == ADDRESS_OK;
	if (good && grant.size <= USERS_GRANT_BYTES)
		return true;
	return error_set(error,
			 "\"%.*s\" is neither an address, like alice@example.org, nor a domain, like @example.org",
			 SLICE_ARGS(grant));
}

/* The first one that is the same. `rest` is what stands behind it. */
static bool find_grant(struct slice grants, struct slice wanted, struct slice *before, struct slice *rest)
{
	struct slice all = grants, grant;
	*rest = grants;
	for (struct slice from = grants; users_next_grant(rest, &grant); from = *rest) {
		*before = slice_first(all, all.size - from.size);
		if (slice_equal_nocase(grant, wanted))
			return true;
	}
	return false;
}

static bool holds_domain_of(struct slice grants, struct slice address)
{
	struct slice before, rest;
	size_t at = address.size;
	while (at > 0 && address.data[at - 1] != '@')
		at--;
	return at > 0 && find_grant(grants, slice_skip(address, at - 1), &before, &rest);
}

/* --- reading --- */

struct question {
	struct slice address;
	bool owns;
};

static void answer(void *context, const struct users_entry *entry)
{
	struct question *question = context;
	struct slice before, rest;
	question->owns = slice_equal_nocase(entry->name, question->address) ||
			 find_grant(entry->grants, question->address, &before, &rest) ||
			 holds_domain_of(entry->grants, question->address);
}

/* Who is not in the database was verified elsewhere, and has his name all the same. */
enum users_status users_owns(struct users *users, struct slice name, struct slice address, bool *owns)
{
	struct question question = { address, false };
	enum users_status status = users_read_entry(users, name, answer, &question);
	bool is_elsewhere = status == USERS_UNKNOWN || status == USERS_BAD_NAME;
	*owns = is_elsewhere ? slice_equal_nocase(name, address) : question.owns;
	return status;
}

static void copy_grants(void *context, const struct users_entry *entry)
{
	buffer_append(context, entry->grants);
}

enum users_status users_find_grants(struct users *users, struct slice name, struct buffer *grants)
{
	return users_read_entry(users, name, copy_grants, grants);
}

/* --- changing --- */

enum users_status users_add_grant(struct buffer *grants, struct slice grant)
{
	struct slice before, rest, each;
	unsigned count = 0;
	ASSERT(grant.size > 0 && grant.size <= USERS_GRANT_BYTES);
	if (find_grant(buffer_slice(grants), grant, &before, &rest))
		return USERS_OK;
	for (rest = buffer_slice(grants); users_next_grant(&rest, &each);)
		count++;
	if (count == LIMIT_USER_GRANTS)
		return USERS_TOO_MANY_GRANTS;
	buffer_append_byte(grants, (uint8_t)grant.size);
	buffer_append(grants, grant);
	ASSERT(!grants->overflow);
	return USERS_OK;
}

/* Puts the grants with one more, or one fewer, into the buffer. */
typedef enum users_status edit_grants(struct slice grants, struct slice grant, struct buffer *edited);

static enum users_status add(struct slice grants, struct slice grant, struct buffer *edited)
{
	buffer_append(edited, grants);
	return users_add_grant(edited, grant);
}

static enum users_status take_away(struct slice grants, struct slice grant, struct buffer *edited)
{
	struct slice before, rest;
	if (!find_grant(grants, grant, &before, &rest))
		return USERS_NOT_GRANTED;
	buffer_append(edited, before);
	buffer_append(edited, rest);
	return USERS_OK;
}

static enum users_status edit_step(struct users *users, struct slice name, struct slice grant, edit_grants *edit,
				   struct error *error)
{
	uint8_t folded[LIMIT_LOGIN_NAME_BYTES], storage[USERS_GRANTS_MOST_BYTES];
	struct slice key = users_fold_name(folded, name);
	struct users_entry entry;
	struct buffer edited;
	buffer_init(&edited, storage, sizeof storage);
	enum users_status status = users_get_entry(users, users->writer, key, &entry, error);
	if (status == USERS_OK)
		status = edit(entry.grants, grant, &edited);
	if (status != USERS_OK || edited.size == entry.grants.size)
		return status;
	ASSERT(!edited.overflow);
	entry.grants = buffer_slice(&edited);
	return users_store_entry(users, key, &entry, error);
}

static enum users_status change(struct users *users, struct slice name, struct slice grant, edit_grants *edit,
				struct error *error)
{
	ASSERT(grant.size > 0 && grant.size <= USERS_GRANT_BYTES);
	if (!users_name_is_valid(name))
		return USERS_BAD_NAME;
	if (!users_change_begin(users, error))
		return USERS_FAILED;
	return users_change_end(users, edit_step(users, name, grant, edit, error), error);
}

enum users_status users_grant(struct users *users, struct slice name, struct slice grant, struct error *error)
{
	return change(users, name, grant, add, error);
}

enum users_status users_revoke(struct users *users, struct slice name, struct slice grant, struct error *error)
{
	return change(users, name, grant, take_away, error);
}
