/* Telling what a line of an import says; see import_line.h. */
#include "tools/import_line.h"

#include <stddef.h>

#include "core/users/users.h"
#include "tools/password_input.h"

/* How hashes of other programs begin. Taken as passwords they would lock their users out, and nobody would know why. */
static const char *const foreign_hashes[] = {
	"$1$",     "$2$",    "$2a$",    "$2b$",       "$2x$",        "$2y$",     "$5$",     "$6$",
	"$7$",     "$sha1$", "$y$",     "$gy$",       "$apr1$",      "$scrypt$", "$pbkdf2", "$argon2d$",
	"$bcrypt", "{SHA",   "{SSHA",   "{CRYPT}",    "{BLF-CRYPT}", "{PBKDF2",  "{ARGON2", "{MD5",
	"{SMD5",   "{PLAIN", "{SCRAM-", "SCRAM-SHA-", "{NT",
};

static const char *find_foreign_hash(struct slice value)
{
	for (size_t i = 0; i < sizeof foreign_hashes / sizeof *foreign_hashes; i++) {
		struct slice prefix = slice_from_text(foreign_hashes[i]);
		if (value.size >= prefix.size && slice_equal_nocase(slice_first(value, prefix.size), prefix))
			return foreign_hashes[i];
	}
	return NULL;
}

static bool parse_value(struct slice value, bool clear, struct buffer *grants, struct import_line *line,
			struct error *error)
{
	struct error reason;
	struct slice rest = slice_starts_with(value, SLICE_LITERAL("!")) ? slice_skip(value, 1) : value;
	if (!clear && credentials_text_begins(rest)) {
		line->disabled = rest.size < value.size;
		line->kind = IMPORT_KEPT;
		return credentials_text_parse(rest, grants, &line->kept, &reason) ||
		       error_set(error, "%.*s %s", SLICE_ARGS(line->name), reason.text);
	}
	const char *foreign = clear ? NULL : find_foreign_hash(value);
	if (foreign)
		return error_set(error,
				 "what %.*s has looks like a hash of another kind (%s...), and only argon2id and "
				 "{SCRAM-SHA-256} are known; if these are passwords, use --clear",
				 SLICE_ARGS(line->name), foreign);
	line->kind = IMPORT_PASSWORD;
	line->password = value;
	return password_is_usable(value, &reason) || error_set(error, "%.*s: %s", SLICE_ARGS(line->name), reason.text);
}

bool import_line_parse(struct slice text, bool clear, struct buffer *grants, struct import_line *line,
		       struct error *error)
{
	*line = (struct import_line){ .kind = IMPORT_BLANK };
	if (text.size == 0)
		return true;
	size_t colon = slice_find(text, ':');
	if (colon == text.size)
		return error_set(error, "there is no colon between name and password");
	line->name = slice_first(text, colon);
	if (!users_name_is_valid(line->name))
		return error_set(error,
				 "what stands before the colon can't be a name: 1 to %d bytes of UTF-8, "
				 "no blank, no control character",
				 LIMIT_LOGIN_NAME_BYTES);
	return parse_value(slice_skip(text, colon + 1), clear, grants, line, error);
}
