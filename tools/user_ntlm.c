/* What is kept of a password for NTLM: see command_user.h and crypto/ntlm.h. */
#include <stdlib.h>

#include "core/users/sign_in_ntlm.h"
#include "crypto/secret.h"
#include "tools/command_user.h"

bool user_seal_nt_hash(const struct user_request *request, struct slice password, uint8_t sealed[USERS_NT_SEALED_BYTES],
		       struct error *error)
{
	char *path = command_data_path(request->config, NTLM_SEAL_KEY_NAME);
	uint8_t *key = path ? ntlm_seal_key_load(path, true, error) : NULL;
	if (!path)
		error_set(error, "no memory for the path of %s", NTLM_SEAL_KEY_NAME);
	free(path);
	if (!key)
		return false;
	bool done = sign_in_ntlm_seal(sealed, key, slice_from_text(request->operand), password) ||
		    error_set(error, "with NTLM a password must be UTF-8");
	secret_free(key);
	return done;
}
