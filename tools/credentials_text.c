/* What is kept of a user, as text; see credentials_text.h. */
#include "tools/credentials_text.h"

#include "proto/base64.h"

#define SCRAM_PREFIX  "{SCRAM-SHA-256}"
#define NT_PREFIX     "{POSTERN-NT}"
#define NONE_PREFIX   "{POSTERN-NO-PASSWORD}"
#define GRANTS_PREFIX "{POSTERN-GRANTS}"

enum { LEAST_ITERATIONS = 4096 }; /* RFC 7677 §4; clients may refuse fewer */

static bool decode(struct slice text, uint8_t *bytes, size_t most, size_t *size)
{
	struct buffer out;
	buffer_init(&out, bytes, most);
	bool decoded = base64_decode(&out, text) == BASE64_OK;
	*size = out.size;
	return decoded;
}

static bool decode_exactly(struct slice text, uint8_t *bytes, size_t wanted)
{
	size_t size;
	return decode(text, bytes, wanted, &size) && size == wanted;
}

/* Takes what stands before the next comma, or all of the rest. */
static struct slice take_part(struct slice *rest)
{
	struct slice part = slice_first(*rest, slice_find(*rest, ','));
	*rest = slice_skip(*rest, part.size < rest->size ? part.size + 1 : part.size);
	return part;
}

/* What the fields' parsers fill. */
struct parsed {
	struct kept_credentials *kept;
	struct buffer *grants;
};

static bool parse_scram(struct slice text, const struct parsed *parsed, struct error *error)
{
	struct kept_credentials *kept = parsed->kept;
	struct scram_keys *keys = &kept->scram;
	uint64_t iterations;
	size_t salt_size = 0;
	if (keys->iterations > 0)
		return error_set(error, "has two sets of keys for SCRAM-SHA-256");
	if (!slice_parse_number(take_part(&text), UINT32_MAX, &iterations) ||
	    !decode(take_part(&text), keys->salt, sizeof keys->salt, &salt_size) || salt_size == 0 ||
	    !decode_exactly(take_part(&text), keys->stored_key, sizeof keys->stored_key) ||
	    !decode_exactly(text, keys->server_key, sizeof keys->server_key))
		return error_set(error,
				 "has damaged keys for SCRAM-SHA-256: ITERATIONS,SALT,STOREDKEY,SERVERKEY are "
				 "needed, in base64, with a salt of at most %d bytes",
				 LIMIT_SCRAM_SALT_BYTES);
	if (iterations < LEAST_ITERATIONS || iterations > LIMIT_SCRAM_ITERATIONS)
		return error_set(error, "has keys of %llu iterations, and %d to %d are taken",
				 (unsigned long long)iterations, LEAST_ITERATIONS, LIMIT_SCRAM_ITERATIONS);
	keys->iterations = (uint32_t)iterations;
	keys->salt_size = (uint8_t)salt_size;
	return true;
}

static bool parse_nt(struct slice text, const struct parsed *parsed, struct error *error)
{
	struct kept_credentials *kept = parsed->kept;
	if (kept->has_nt || !decode_exactly(text, kept->nt_sealed, sizeof kept->nt_sealed))
		return error_set(error, "has a damaged NT hash");
	kept->has_nt = true;
	return true;
}

static bool parse_hash(struct slice text, const struct parsed *parsed, struct error *error)
{
	struct kept_credentials *kept = parsed->kept;
	return (!kept->hash[0] && slice_find(text, 0) == text.size &&
		slice_to_text(text, kept->hash, sizeof kept->hash) && password_hash_is_valid(kept->hash)) ||
	       error_set(error, "has a damaged hash, or one whose cost is out of bounds");
}

static bool parse_none(struct slice text, const struct parsed *parsed, struct error *error)
{
	parsed->kept->no_password = true;
	return text.size == 0 || error_set(error, "has something behind " NONE_PREFIX);
}

static bool parse_grants(struct slice text, const struct parsed *parsed, struct error *error)
{
	if (parsed->kept->has_grants)
		return error_set(error, "has grants twice");
	parsed->kept->has_grants = true;
	return grants_text_parse(text, parsed->grants, error);
}

static const struct field {
	struct slice prefix;
	bool whole; /* the prefix is a part of the text */
	bool (*parse)(struct slice text, const struct parsed *parsed, struct error *error);
} fields[] = {
	{ { (const uint8_t *)"$argon2id$", 10 }, true, parse_hash },
	{ { (const uint8_t *)"$argon2i$", 9 }, true, parse_hash },
	{ { (const uint8_t *)SCRAM_PREFIX, sizeof SCRAM_PREFIX - 1 }, false, parse_scram },
	{ { (const uint8_t *)NT_PREFIX, sizeof NT_PREFIX - 1 }, false, parse_nt },
	{ { (const uint8_t *)NONE_PREFIX, sizeof NONE_PREFIX - 1 }, false, parse_none },
	{ { (const uint8_t *)GRANTS_PREFIX, sizeof GRANTS_PREFIX - 1 }, false, parse_grants },
};

static const struct field *find_field(struct slice text)
{
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (slice_starts_with(text, fields[i].prefix))
			return &fields[i];
	return NULL;
}

/* One of ours that is not known is a newer Postern's field, and no password. */
bool credentials_text_begins(struct slice text)
{
	return find_field(text) || slice_starts_with(text, SLICE_LITERAL("{POSTERN-"));
}

/* A name in braces is no secret, and says whose field it is. */
static bool fail_unknown(struct slice part, struct error *error)
{
	size_t size = slice_find(part, '}');
	if (!slice_starts_with(part, SLICE_LITERAL("{")) || size == part.size || size > 32)
		return error_set(error, "has something of unknown kind behind a colon");
	return error_set(error, "has a field %.*s, which is not known here; a newer Postern may know it",
			 SLICE_ARGS(slice_first(part, size + 1)));
}

/* A line without a password by mistake must not take one away. */
static bool is_complete(const struct kept_credentials *kept, struct error *error)
{
	bool any = kept->hash[0] || kept->scram.iterations > 0 || kept->has_nt;
	if (any && kept->no_password)
		return error_set(error, "has " NONE_PREFIX " beside what is kept of a password");
	return any || kept->no_password || error_set(error, "has nothing of a password, and no " NONE_PREFIX " either");
}

bool credentials_text_parse(struct slice text, struct buffer *grants, struct kept_credentials *kept,
			    struct error *error)
{
	struct parsed parsed = { kept, grants };
	*kept = (struct kept_credentials){ .has_nt = false };
	buffer_clear(grants);
	for (bool more = true; more;) {
		struct slice part = slice_first(text, slice_find(text, ':'));
		more = part.size < text.size;
		text = slice_skip(text, part.size + (more ? 1 : 0));
		const struct field *field = find_field(part);
		if (!field)
			return fail_unknown(part, error);
		if (!field->parse(slice_skip(part, field->whole ? 0 : field->prefix.size), &parsed, error))
			return false;
	}
	kept->grants = buffer_slice(grants);
	return is_complete(kept, error);
}

static void append_scram(struct buffer *out, const struct scram_keys *keys)
{
	buffer_append_text(out, SCRAM_PREFIX);
	buffer_append_number(out, keys->iterations);
	buffer_append_byte(out, ',');
	base64_encode(out, slice_of(keys->salt, keys->salt_size));
	buffer_append_byte(out, ',');
	base64_encode(out, slice_of(keys->stored_key, sizeof keys->stored_key));
	buffer_append_byte(out, ',');
	base64_encode(out, slice_of(keys->server_key, sizeof keys->server_key));
}

bool credentials_text_append(struct buffer *out, const struct user_record *record, struct slice grants)
{
	size_t start = out->size;
	buffer_append_text(out, record->hash);
	if (record->scram.iterations > 0) {
		if (out->size > start)
			buffer_append_byte(out, ':');
		append_scram(out, &record->scram);
	}
	if (record->has_nt) {
		if (out->size > start)
			buffer_append_byte(out, ':');
		buffer_append_text(out, NT_PREFIX);
		base64_encode(out, slice_of(record->nt_sealed, sizeof record->nt_sealed));
	}
	if (out->size == start)
		buffer_append_text(out, NONE_PREFIX);
	/* Also where there is none: so that restoring takes away what was granted since. */
	buffer_append_text(out, ":" GRANTS_PREFIX);
	return grants_text_append(out, grants);
}

struct user_credentials credentials_of(const struct kept_credentials *kept)
{
	return (struct user_credentials){
		.hash = kept->hash,
		.scram = kept->scram.iterations > 0 ? &kept->scram : NULL,
		.nt_sealed = kept->has_nt ? kept->nt_sealed : NULL,
	};
}
