/* Mapping the guard's file; see guard_file.h. */
#include "core/server/guard_file.h"

#include <errno.h>

#include "core/server/mapped_file.h"

struct opening {
	struct guard *guard;
	const struct guard_settings *settings;
};

static bool take(void *context, void *memory)
{
	const struct opening *opening = context;
	return guard_open(opening->guard, memory, opening->settings);
}

bool guard_file_open(struct guard *guard, const char *path, const struct guard_settings *settings, struct error *error)
{
	struct opening opening = { guard, settings };
	if (mapped_file_open(path, guard_bytes(), take, &opening))
		return true;
	return error_set_errno(error, errno, "the guard's file, %s, can't be used", path);
}

void guard_file_close(struct guard *guard)
{
	mapped_file_close(guard->memory, guard_bytes());
	guard->memory = NULL;
}
