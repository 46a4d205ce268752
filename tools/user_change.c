/* `postern user add`, `passwd`, `remove`, `enable`, `disable`: changes of one user, and what is said when there is none. */
#include <stdio.h>
#include <string.h>

#include "core/base/near_miss.h"
#include "crypto/password.h"
#include "crypto/secret.h"
#include "tools/command_user.h"
#include "tools/password_input.h"

/* --- no such user --- */

enum { NEAR_BYTES = LIMIT_LOGIN_NAME_BYTES + 1 };

struct near_user {
	struct slice wanted;
	size_t distance;
	char name[NEAR_BYTES];
};

/* What both have in front and behind does not count, so that long addresses are compared by where they differ. */
static bool consider(void *context, struct slice name, const struct user_record *record, struct slice grants)
{
	(void)record, (void)grants;
	struct near_user *near = context;
	struct slice a = near->wanted, b = name;
	while (a.size > 0 && b.size > 0 && ascii_lower(a.data[0]) == ascii_lower(b.data[0])) {
		a = slice_skip(a, 1);
		b = slice_skip(b, 1);
	}
	while (a.size > 0 && b.size > 0 && ascii_lower(a.data[a.size - 1]) == ascii_lower(b.data[b.size - 1])) {
		a.size--;
		b.size--;
	}
	char word[NEAR_BYTES], candidate[NEAR_BYTES];
	if (!slice_to_text(a, word, sizeof word) || !slice_to_text(b, candidate, sizeof candidate))
		return true;
	struct near_miss miss = near_miss_of(word);
	near_miss_consider(&miss, candidate);
	if (miss.best && miss.best_distance < near->distance && slice_to_text(name, near->name, sizeof near->name))
		near->distance = miss.best_distance;
	return true;
}

int user_say_unknown(struct users *users, const char *name)
{
	struct near_user near = { .wanted = slice_from_text(name), .distance = SIZE_MAX };
	if (users_walk(users, consider, &near, NULL) && near.name[0])
		user_complain("there is no user %s; did you mean %s?", name, near.name);
	else
		user_complain("there is no user %s", name);
	return EXIT_NOT_DONE;
}

int user_say_bad_name(const char *name)
{
	user_complain("\"%s\" can't be a name: 1 to %d bytes of UTF-8, no blank, no colon, no control character", name,
		      LIMIT_LOGIN_NAME_BYTES);
	return EXIT_NOT_DONE;
}

/* --- one change --- */

/* What the database said to a change, in words; the exit status. */
static int report(struct users *users, const char *name, enum users_status status, const char *done,
		  const struct error *error)
{
	switch (status) {
	case USERS_OK:
		printf("%s %s\n", done, name);
		return EXIT_DONE;
	case USERS_UNKNOWN:
		return user_say_unknown(users, name);
	case USERS_EXISTS:
		user_complain("%s is there already; `postern user passwd %s` sets a new password", name, name);
		return EXIT_NOT_DONE;
	case USERS_BAD_NAME:
		return user_say_bad_name(name);
	case USERS_TOO_MANY_GRANTS:
		user_complain("%s may send as %d others already; grant a domain, or revoke some", name,
			      LIMIT_USER_GRANTS);
		return EXIT_NOT_DONE;
	case USERS_NOT_GRANTED:
		user_complain("that is not granted to %s; `postern user show %s` tells what is", name, name);
		return EXIT_NOT_DONE;
	case USERS_TOO_MANY_COSTS: /* not for a password that was hashed here */
	case USERS_FAILED:
		break;
	}
	user_complain("%s", error->text);
	return EXIT_NOT_DONE;
}

/* What is kept of a password, and where. */
struct kept {
	char hash[LIMIT_HASH_TEXT_BYTES];
	struct scram_keys scram;
	uint8_t nt_sealed[USERS_NT_SEALED_BYTES];
	struct user_credentials credentials;
};

static bool keep(const struct user_request *request, struct slice password, bool for_ntlm, struct kept *kept,
		 struct error *error)
{
	kept->credentials = (struct user_credentials){ .hash = kept->hash, .scram = &kept->scram };
	if (!password_hash(kept->hash, password) || !scram_keys_make(&kept->scram, password))
		return error_set(error, "no memory to hash a password (64 MiB are needed)");
	if (!for_ntlm)
		return true;
	kept->credentials.nt_sealed = kept->nt_sealed;
	return user_seal_nt_hash(request, password, kept->nt_sealed, error);
}

/* Asks or reads, and keeps what is wanted of it. */
static bool get_password(const struct user_request *request, bool for_ntlm, struct kept *kept, struct error *error)
{
	kept->credentials = (struct user_credentials){ 0 };
	if (request->no_password)
		return true;
	struct password_input password;
	bool got = request->password_stdin ? password_read(&password, error)
					   : password_ask(request->operand, &password, error);
	got = got && keep(request, slice_of(password.bytes, password.size), for_ntlm, kept, error);
	secret_wipe(&password, sizeof password);
	return got;
}

/* Nobody is asked for a password that can't be stored: `expected` is what finding the name must answer. Who can use NTLM goes on to,
 * unless it is to end. */
static int set_password(const struct user_request *request, enum users_status expected, const char *done)
{
	struct slice name = slice_from_text(request->operand);
	struct users *users = user_open(request, true);
	if (!users)
		return EXIT_ENVIRONMENT;
	struct error error = { "the user database can't be read" };
	struct user_record record;
	enum users_status status = users_find(users, name, &record);
	bool for_ntlm = request->ntlm || (status == USERS_OK && record.has_nt && !request->no_ntlm);
	struct kept kept;
	if (status != expected)
		status = status == USERS_OK ? USERS_EXISTS : status;
	else if (get_password(request, for_ntlm, &kept, &error))
		status = users_put(users, name, &kept.credentials, expected == USERS_OK, &error);
	else
		status = USERS_FAILED;
	secret_wipe(&kept, sizeof kept);
	int exit_status = report(users, request->operand, status, done, &error);
	users_close(users);
	return exit_status;
}

int user_add(void *request)
{
	return set_password(request, USERS_UNKNOWN, "added");
}

int user_passwd(void *request)
{
	bool takes_it_away = ((const struct user_request *)request)->no_password;
	return set_password(request, USERS_OK, takes_it_away ? "took away the password of" : "changed the password of");
}

static enum users_status enable(struct users *users, struct slice name, struct error *error)
{
	return users_set_disabled(users, name, false, error);
}

static enum users_status disable(struct users *users, struct slice name, struct error *error)
{
	return users_set_disabled(users, name, true, error);
}

static int change(const struct user_request *request,
		  enum users_status (*step)(struct users *users, struct slice name, struct error *error),
		  const char *done)
{
	struct users *users = user_open(request, true);
	if (!users)
		return EXIT_ENVIRONMENT;
	struct error error = { "" };
	enum users_status status = step(users, slice_from_text(request->operand), &error);
	int exit_status = report(users, request->operand, status, done, &error);
	users_close(users);
	return exit_status;
}

typedef enum users_status change_grant(struct users *users, struct slice name, struct slice grant, struct error *error);

static int change_grants(const struct user_request *request, change_grant *step, const char *done)
{
	struct error error = { "" };
	struct slice grant = slice_from_text(request->second);
	if (!users_grant_is_valid(grant, &error)) {
		user_complain("%s", error.text);
		return EXIT_NOT_DONE;
	}
	struct users *users = user_open(request, true);
	if (!users)
		return EXIT_ENVIRONMENT;
	enum users_status status = step(users, slice_from_text(request->operand), grant, &error);
	int exit_status = report(users, request->operand, status, done, &error);
	users_close(users);
	return exit_status;
}

int user_grant(void *request)
{
	return change_grants(request, users_grant, "granted to");
}

int user_revoke(void *request)
{
	return change_grants(request, users_revoke, "revoked from");
}

int user_remove(void *request)
{
	return change(request, users_remove, "removed");
}

int user_enable(void *request)
{
	return change(request, enable, "enabled");
}

int user_disable(void *request)
{
	return change(request, disable, "disabled");
}
