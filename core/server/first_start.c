/* The embedded default's first start; see first_start.h. */
#include "core/server/first_start.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/server/data_folder.h"
#include "core/users/users.h"
#include "crypto/certificate.h"
#include "crypto/password.h"
#include "crypto/secret.h"

enum { CERTIFICATE_DAYS = 825 }; /* the longest that Apple's clients accept */

static bool make_certificate(const struct config *config, struct first_start *first, struct error *error)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "::1", NULL };
	char *ca_key = data_folder_path(config, "tls/ca.key");
	first->ca = data_folder_path(config, "tls/ca.pem");
	const struct config_certificate *served = &config->servers[0].certificates[0];
	struct certificate_files files = {
		.ca_certificate = first->ca,
		.ca_key = ca_key,
		.certificate = served->certificate,
		.key = served->key,
	};
	bool made = true;
	if (access(served->certificate, F_OK) != 0)
		made = ca_key && first->ca ? certificate_make_private(&files, names, CERTIFICATE_DAYS, error)
					   : error_set(error, "no memory");
	free(ca_key);
	return made;
}

static bool make_user(const struct config *config, struct first_start *first, struct error *error)
{
	char *path = data_folder_path(config, "users");
	struct users *users = path ? users_open(path, true, error) : NULL;
	free(path);
	if (!users)
		return false;
	struct slice name = slice_from_text(first->user);
	struct user_record record;
	bool good = true;
	if (users_find(users, name, &record) == USERS_UNKNOWN) {
		char hash[LIMIT_HASH_TEXT_BYTES];
		struct scram_keys scram;
		secret_random_text(first->password, sizeof first->password - 1);
		struct slice password = slice_from_text(first->password);
		good = (password_hash(hash, password) && scram_keys_make(&scram, password)) ||
		       error_set(error, "no memory to hash a password (64 MiB are needed)");
		good = good && users_put(users, name, &(struct user_credentials){ .hash = hash, .scram = &scram },
					 false, error) == USERS_OK;
		first->made_user = good;
	}
	users_close(users);
	return good;
}

bool first_start_prepare(const struct config *config, struct first_start *first, struct error *error)
{
	*first = (struct first_start){ .user = "demo" };
	struct run_as run_as;
	return run_as_find(config, &run_as, error) && data_folder_prepare(config, &run_as, error) &&
	       make_certificate(config, first, error) && make_user(config, first, error);
}
