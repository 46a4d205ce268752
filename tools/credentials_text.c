/* What is kept of a password, as text; see credentials_text.h. */
#include "tools/credentials_text.h"

#include "proto/base64.h"

#define SCRAM_PREFIX "{SCRAM-SHA-256}"
#define NT_PREFIX    "{POSTERN-NT}"

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

static bool parse_scram(struct slice text, struct kept_credentials *kept, struct error *error)
{
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

static bool parse_nt(struct slice text, struct kept_credentials *kept, struct error *error)
{
	if (kept->has_nt || !decode_exactly(text, kept->nt_sealed, sizeof kept->nt_sealed))
		return error_set(error, "has a damaged NT hash");
	kept->has_nt = true;
	return true;
}

static bool parse_hash(struct slice text, struct kept_credentials *kept, struct error *error)
{
	return (!kept->hash[0] && slice_find(text, 0) == text.size &&
		slice_to_text(text, kept->hash, sizeof kept->hash) && password_hash_is_valid(kept->hash)) ||
	       error_set(error, "has a damaged hash, or one whose cost is out of bounds");
}

static const struct field {
	struct slice prefix;
	bool whole; /* the prefix is a part of the text */
	bool (*parse)(struct slice text, struct kept_credentials *kept, struct error *error);
} fields[] = {
	{ { (const uint8_t *)"$argon2id$", 10 }, true, parse_hash },
	{ { (const uint8_t *)"$argon2i$", 9 }, true, parse_hash },
	{ { (const uint8_t *)SCRAM_PREFIX, sizeof SCRAM_PREFIX - 1 }, false, parse_scram },
	{ { (const uint8_t *)NT_PREFIX, sizeof NT_PREFIX - 1 }, false, parse_nt },
};

static const struct field *find_field(struct slice text)
{
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (slice_starts_with(text, fields[i].prefix))
			return &fields[i];
	return NULL;
}

bool credentials_text_begins(struct slice text)
{
	return find_field(text) != NULL;
}

bool credentials_text_parse(struct slice text, struct kept_credentials *kept, struct error *error)
{
	*kept = (struct kept_credentials){ .has_nt = false };
	for (bool more = true; more;) {
		struct slice part = slice_first(text, slice_find(text, ':'));
		more = part.size < text.size;
		text = slice_skip(text, part.size + (more ? 1 : 0));
		const struct field *field = find_field(part);
		if (!field)
			return error_set(error, "has something of unknown kind behind a colon");
		if (!field->parse(slice_skip(part, field->whole ? 0 : field->prefix.size), kept, error))
			return false;
	}
	return true;
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

bool credentials_text_append(struct buffer *out, const struct user_record *record)
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
	return !out->overflow;
}

struct user_credentials credentials_of(const struct kept_credentials *kept)
{
	return (struct user_credentials){
		.hash = kept->hash,
		.scram = kept->scram.iterations > 0 ? &kept->scram : NULL,
		.nt_sealed = kept->has_nt ? kept->nt_sealed : NULL,
	};
}
