/* `postern user list`, `show`, `export`: reading the user database, as text or as one JSON object a line. */
#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/secret.h"
#include "tools/command_user.h"
#include "tools/credentials_text.h"
#include "tools/user_mechanisms.h"

enum { TIME_TEXT_BYTES = 32 };

/* "2026-11-24T10:11:12Z" */
static void format_time(int64_t unix_us, char text[TIME_TEXT_BYTES])
{
	time_t second = (time_t)(unix_us / 1000000);
	struct tm utc;
	gmtime_r(&second, &utc);
	strftime(text, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* What a hash costs, from its text: "$argon2id$v=19$m=65536,t=2,p=1$…". */
struct hash_cost {
	char kind[16];
	unsigned memory_kib, passes, lanes;
};

static bool read_cost(const char *hash, struct hash_cost *cost)
{
	return sscanf(hash, "$%15[a-z0-9]$v=%*u$m=%u,t=%u,p=%u", cost->kind, &cost->memory_kib, &cost->passes,
		      &cost->lanes) == 4;
}

static bool print_json(json_t *object)
{
	bool printed = object && json_dumpf(object, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
	json_decref(object);
	return printed;
}

static json_t *record_to_json(struct slice name, const struct user_record *record)
{
	char changed[TIME_TEXT_BYTES];
	format_time(record->changed_unix_us, changed);
	return json_pack("{s:s%, s:b, s:s, s:I}", "name", (const char *)name.data, name.size, "enabled",
			 !record->disabled, "changed", changed, "version", (json_int_t)record->version);
}

/* --- all --- */

struct listing {
	const struct user_request *request;
	bool printed; /* all so far */
};

static bool is_wanted(const struct user_request *request, struct slice name)
{
	char text[LIMIT_LOGIN_NAME_BYTES + 1];
	return !request->operand ||
	       (slice_to_text(name, text, sizeof text) && fnmatch(request->operand, text, FNM_CASEFOLD) == 0);
}

static bool print_name(void *context, struct slice name, const struct user_record *record, struct slice grants)
{
	(void)grants;
	struct listing *listing = context;
	if (!is_wanted(listing->request, name))
		return true;
	listing->printed = listing->request->json ? print_json(record_to_json(name, record))
						  : printf("%.*s\n", SLICE_ARGS(name)) > 0;
	return listing->printed;
}

static bool print_line(void *context, struct slice name, const struct user_record *record, struct slice grants)
{
	struct listing *listing = context;
	uint8_t storage[CREDENTIALS_TEXT_BYTES];
	struct buffer text;
	buffer_init(&text, storage, sizeof storage);
	bool fits = credentials_text_append(&text, record, grants);
	ASSERT(fits);
	listing->printed = printf("%.*s:%s%.*s\n", SLICE_ARGS(name), record->disabled ? "!" : "",
				  SLICE_ARGS(buffer_slice(&text))) > 0;
	secret_wipe(storage, text.size);
	return listing->printed;
}

static int walk(const struct user_request *request, users_each *each)
{
	struct users *users = user_open(request, false);
	if (!users)
		return EXIT_ENVIRONMENT;
	struct listing listing = { request, true };
	struct error error = { "" };
	bool walked = users_walk(users, each, &listing, &error);
	users_close(users);
	if (!walked)
		user_complain("%s", error.text);
	return walked && listing.printed ? EXIT_DONE : EXIT_NOT_DONE;
}

int user_list(void *request)
{
	return walk(request, print_name);
}

int user_export(void *request)
{
	return walk(request, print_line);
}

/* --- one --- */

struct wanted_user {
	struct buffer written; /* the name as it was given */
	struct buffer grants;
	struct user_record record;
};

static bool print_text(const struct user_request *request, const struct wanted_user *wanted)
{
	char changed[TIME_TEXT_BYTES];
	struct hash_cost cost;
	format_time(wanted->record.changed_unix_us, changed);
	printf("name      %.*s\nstate     %s\nchanged   %s\n", SLICE_ARGS(buffer_slice(&wanted->written)),
	       wanted->record.disabled ? "disabled" : "enabled", changed);
	if (read_cost(wanted->record.hash, &cost))
		printf("password  %s, %u MiB, %u passes, %u lanes\n", cost.kind, cost.memory_kib / 1024, cost.passes,
		       cost.lanes);
	else if (wanted->record.scram.iterations == 0 && !wanted->record.has_nt)
		puts("password  none");
	if (wanted->record.scram.iterations > 0)
		printf("keys      SCRAM-SHA-256, %u iterations\n", wanted->record.scram.iterations);
	if (wanted->record.has_nt)
		puts("ntlm      an NT hash is kept, sealed");
	user_mechanisms_print(request->config, &wanted->record);
	struct slice rest = buffer_slice(&wanted->grants), grant;
	while (users_next_grant(&rest, &grant))
		printf("grant     %.*s\n", SLICE_ARGS(grant));
	return true;
}

static bool print_object(const struct user_request *request, const struct wanted_user *wanted)
{
	json_t *object = record_to_json(buffer_slice(&wanted->written), &wanted->record);
	struct hash_cost cost;
	if (object && read_cost(wanted->record.hash, &cost))
		json_object_set_new(object, "password",
				    json_pack("{s:s, s:I, s:I, s:I}", "hash", cost.kind, "memory_kib",
					      (json_int_t)cost.memory_kib, "passes", (json_int_t)cost.passes, "lanes",
					      (json_int_t)cost.lanes));
	struct slice rest = buffer_slice(&wanted->grants), grant;
	json_t *grants = json_array();
	while (users_next_grant(&rest, &grant))
		json_array_append_new(grants, json_stringn((const char *)grant.data, grant.size));
	json_object_set_new(object, "grants", grants);
	json_object_set_new(object, "ntlm", json_boolean(wanted->record.has_nt));
	if (wanted->record.scram.iterations > 0)
		json_object_set_new(object, "scram",
				    json_pack("{s:I}", "iterations", (json_int_t)wanted->record.scram.iterations));
	json_object_set_new(object, "mechanisms", user_mechanisms_to_json(request->config, &wanted->record));
	return print_json(object);
}

int user_show(void *context)
{
	const struct user_request *request = context;
	struct users *users = user_open(request, false);
	if (!users)
		return EXIT_ENVIRONMENT;
	uint8_t storage[LIMIT_LOGIN_NAME_BYTES], grants[USERS_GRANTS_MOST_BYTES];
	struct wanted_user wanted;
	buffer_init(&wanted.grants, grants, sizeof grants);
	buffer_init(&wanted.written, storage, sizeof storage);
	int status = EXIT_NOT_DONE;
	struct slice name = slice_from_text(request->operand);
	enum users_status found = users_find_written(users, name, &wanted.record, &wanted.written);
	switch (found == USERS_OK ? users_find_grants(users, name, &wanted.grants) : found) {
	case USERS_OK:
		status = (request->json ? print_object : print_text)(request, &wanted) ? EXIT_DONE : EXIT_NOT_DONE;
		break;
	case USERS_BAD_NAME:
	case USERS_UNKNOWN:
		status = user_say_unknown(users, request->operand);
		break;
	case USERS_EXISTS:
	case USERS_TOO_MANY_COSTS:
	case USERS_TOO_MANY_GRANTS:
	case USERS_NOT_GRANTED:
	case USERS_FAILED:
		user_complain("the user database can't be read");
	}
	users_close(users);
	return status;
}
