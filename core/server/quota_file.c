/* Mapping the file of quotas; see quota_file.h. */
#include "core/server/quota_file.h"

#include <errno.h>

#include "core/server/mapped_file.h"
#include "crypto/secret.h"

struct opening {
	uint32_t logins;
	struct quotas *quotas;
	bool again;
};

static bool take(void *context, void *memory)
{
	struct opening *opening = context;
	opening->quotas = quotas_open(memory, opening->logins);
	if (opening->quotas || !opening->again) {
		opening->again = true;
		return opening->quotas != NULL;
	}
	uint64_t secret[2];
	secret_random(secret, sizeof secret);
	opening->quotas = quotas_init(memory, opening->logins, secret);
	return true;
}

struct quotas *quota_file_open(const char *path, uint32_t logins, struct error *error)
{
	struct opening opening = { .logins = logins };
	if (mapped_file_open(path, quotas_bytes(logins), take, &opening))
		return opening.quotas;
	error_set_errno(error, errno, "the file of quotas, %s, can't be used", path);
	return NULL;
}

struct quotas *quota_file_join(const char *path, uint32_t logins, struct error *error)
{
	void *memory = mapped_file_join(path, quotas_bytes(logins));
	struct quotas *quotas = memory ? quotas_join(memory, logins) : NULL;
	if (quotas)
		return quotas;
	error_set_errno(error, memory ? EINVAL : errno, "the file of quotas, %s, can't be used", path);
	mapped_file_close(memory, quotas_bytes(logins));
	return NULL;
}

void quota_file_close(struct quotas *quotas, uint32_t logins)
{
	mapped_file_close(quotas, quotas_bytes(logins));
}
