/* By which mechanisms a user can sign in; see user_mechanisms.h. A group of mechanisms that need the same is a row. */
#include "tools/user_mechanisms.h"

#include <stdio.h>

#include "proto/sasl.h"

static const char *lacks_hash(const struct user_record *record)
{
	return record->hash[0] ? NULL : "no argon2id hash is kept; `postern user passwd` makes one";
}

static const char *lacks_scram(const struct user_record *record)
{
	return record->scram.iterations > 0 ? NULL : "no keys are kept; `postern user passwd` makes them";
}

static const char *lacks_nt(const struct user_record *record)
{
	return record->has_nt ? NULL : "no NT hash is kept; `postern user passwd --ntlm` makes one";
}

static const struct row {
	unsigned mechanisms;
	const char *names; /* for people */
	const char *(*lacks)(const struct user_record *record);
} rows[] = {
	{ SASL_SCRAM_SHA_256 | SASL_SCRAM_SHA_256_PLUS, "SCRAM-SHA-256, SCRAM-SHA-256-PLUS", lacks_scram },
	{ SASL_PLAIN | SASL_LOGIN, "PLAIN, LOGIN", lacks_hash },
	{ SASL_NTLM, "NTLM", lacks_nt },
};

enum { ROWS = sizeof rows / sizeof rows[0] };

const char *user_mechanisms_lack(const struct user_record *record, unsigned mechanism)
{
	if (record->disabled)
		return "the user is disabled";
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].mechanisms & mechanism)
			return rows[i].lacks(record);
	return NULL;
}

static bool is_offered(const struct config *config, unsigned mechanisms)
{
	for (size_t i = 0; i < config->server_count; i++)
		if (config->servers[i].mechanisms & mechanisms)
			return true;
	return false;
}

/* NULL: it works. */
static const char *why_not(const struct config *config, const struct user_record *record, const struct row *row,
			   unsigned mechanisms)
{
	const char *lack = user_mechanisms_lack(record, row->mechanisms);
	return lack ? lack : is_offered(config, mechanisms) ? NULL : "no server block offers it";
}

void user_mechanisms_print(const struct config *config, const struct user_record *record)
{
	for (size_t i = 0; i < ROWS; i++) {
		const char *why = why_not(config, record, &rows[i], rows[i].mechanisms);
		printf("sign-in   %s: %s%s\n", rows[i].names, why ? "no, " : "yes", why ? why : "");
	}
}

json_t *user_mechanisms_to_json(const struct config *config, const struct user_record *record)
{
	json_t *object = json_object();
	for (size_t i = 0; i < ROWS; i++)
		for (unsigned left = rows[i].mechanisms; left; left &= left - 1) {
			unsigned mechanism = left & -left;
			const char *why = why_not(config, record, &rows[i], mechanism);
			json_object_set_new(object, sasl_mechanism_name(mechanism),
					    why ? json_pack("{s:b, s:s}", "works", false, "why", why)
						: json_pack("{s:b}", "works", true));
		}
	return object;
}
