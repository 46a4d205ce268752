/* What is granted to a user, as text; see grants_text.h. */
#include "tools/grants_text.h"

static const struct escape {
	uint8_t byte;
	const char *text;
} escapes[] = {
	{ ',', "%2C" },
	{ ':', "%3A" },
	{ '%', "%25" },
};

enum { ESCAPES = sizeof escapes / sizeof escapes[0], ESCAPE_BYTES = 3 };

static void append_escaped(struct buffer *out, struct slice grant)
{
	for (size_t i = 0; i < grant.size; i++) {
		const char *text = NULL;
		for (size_t k = 0; k < ESCAPES; k++)
			if (escapes[k].byte == grant.data[i])
				text = escapes[k].text;
		if (text)
			buffer_append_text(out, text);
		else
			buffer_append_byte(out, grant.data[i]);
	}
}

bool grants_text_append(struct buffer *out, struct slice grants)
{
	struct slice grant;
	for (bool first = true; users_next_grant(&grants, &grant); first = false) {
		if (!first)
			buffer_append_byte(out, ',');
		append_escaped(out, grant);
	}
	return !out->overflow;
}

/* The byte that an escape stands for; false where it is none of ours. */
static bool take_escape(struct slice *text, uint8_t *byte)
{
	for (size_t k = 0; k < ESCAPES; k++) {
		struct slice escape = slice_of(escapes[k].text, ESCAPE_BYTES);
		if (text->size < ESCAPE_BYTES || !slice_equal_nocase(slice_first(*text, ESCAPE_BYTES), escape))
			continue;
		*text = slice_skip(*text, ESCAPE_BYTES);
		*byte = escapes[k].byte;
		return true;
	}
	return false;
}

static bool parse_grant(struct slice text, struct buffer *grant, struct error *error)
{
	while (text.size > 0) {
		uint8_t byte = text.data[0];
		if (byte != '%')
			text = slice_skip(text, 1);
		else if (!take_escape(&text, &byte))
			return error_set(error, "has a grant with a %% that is none of %%2C, %%3A, %%25");
		if (!buffer_append_byte(grant, byte))
			return error_set(error, "has a grant of over %d bytes", USERS_GRANT_BYTES);
	}
	struct error reason;
	return users_grant_is_valid(buffer_slice(grant), &reason) ||
	       error_set(error, "has a grant that is none: %s", reason.text);
}

bool grants_text_parse(struct slice text, struct buffer *grants, struct error *error)
{
	while (text.size > 0) {
		uint8_t storage[USERS_GRANT_BYTES];
		struct buffer grant;
		buffer_init(&grant, storage, sizeof storage);
		size_t size = slice_find(text, ',');
		if (!parse_grant(slice_first(text, size), &grant, error))
			return false;
		if (users_add_grant(grants, buffer_slice(&grant)) != USERS_OK)
			return error_set(error, "has more than %d grants", LIMIT_USER_GRANTS);
		text = slice_skip(text, size < text.size ? size + 1 : size);
	}
	return true;
}
