/* What comes from Dovecot's auth service; see dovecot_auth.h. A line is gathered whole, then read as its first word says. */
#include "proto/dovecot_auth.h"

#include "proto/base64.h"
#include "proto/sasl.h"

void dovecot_auth_reader_init(struct dovecot_auth_reader *reader, void *storage)
{
	*reader = (struct dovecot_auth_reader){ 0 };
	buffer_init(&reader->line, storage, LIMIT_DOVECOT_LINE_BYTES);
}

void dovecot_auth_reader_wipe(struct dovecot_auth_reader *reader)
{
	explicit_bzero(reader->line.data, reader->line.size);
	explicit_bzero(reader->challenge, sizeof reader->challenge);
	buffer_clear(&reader->line);
	reader->line_read = false;
}

static enum dovecot_auth_event broken(struct dovecot_auth_reader *reader, const char *problem)
{
	reader->problem = problem;
	return DOVECOT_AUTH_BROKEN;
}

/* --- fields --- */

/* Takes the next field off, without the tab behind it. */
static struct slice take_field(struct slice *line)
{
	struct slice field = slice_first(*line, slice_find(*line, '\t'));
	*line = slice_skip(*line, field.size < line->size ? field.size + 1 : field.size);
	return field;
}

static uint8_t unescaped(uint8_t byte)
{
	switch (byte) {
	case '0':
		return 0;
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	default:
		return byte == '1' ? 1 : byte;
	}
}

/* In its place: it becomes no longer. */
static struct slice unescape(struct dovecot_auth_reader *reader, struct slice value)
{
	uint8_t *text = reader->line.data + (value.data - reader->line.data);
	size_t size = 0;
	for (size_t i = 0; i < value.size; i++) {
		bool escape = value.data[i] == 1 && i + 1 < value.size;
		text[size++] = escape ? unescaped(value.data[++i]) : value.data[i];
	}
	return slice_of(text, size);
}

/* The value of "key=value", with `key` written with its "="; false for other fields. */
static bool has_key(struct slice field, const char *key, struct slice *value)
{
	struct slice wanted = slice_from_text(key);
	if (!slice_starts_with(field, wanted))
		return false;
	*value = slice_skip(field, wanted.size);
	return true;
}

/* --- lines --- */

/* The id that a reply begins with; 0 was never given to any. */
static bool take_id(struct slice *rest, struct dovecot_auth_reply *reply)
{
	uint64_t id;
	if (!slice_parse_number(take_field(rest), UINT32_MAX, &id))
		return false;
	*reply = (struct dovecot_auth_reply){ .id = (uint32_t)id };
	return id != 0;
}

static enum dovecot_auth_event read_version(struct dovecot_auth_reader *reader, struct slice rest,
					    struct dovecot_auth_reply *reply)
{
	(void)reply;
	if (!slice_equal(take_field(&rest), SLICE_LITERAL("1")))
		return broken(reader, "it speaks another version of the protocol than 1");
	reader->greeted = true;
	return DOVECOT_AUTH_NEED_MORE;
}

/* What binds to a channel is left out: the binding can't be told in version 1.2. */
static enum dovecot_auth_event read_mechanism(struct dovecot_auth_reader *reader, struct slice rest,
					      struct dovecot_auth_reply *reply)
{
	(void)reply;
	unsigned mechanism = sasl_mechanism_find(take_field(&rest));
	for (struct slice flag = take_field(&rest); flag.size; flag = take_field(&rest))
		if (slice_equal(flag, SLICE_LITERAL("private")))
			return DOVECOT_AUTH_NEED_MORE;
	reader->mechanisms |= mechanism & ~(unsigned)(SASL_SCRAM_SHA_256_PLUS | SASL_SCRAM_SHA_1_PLUS);
	return DOVECOT_AUTH_NEED_MORE;
}

static enum dovecot_auth_event read_done(struct dovecot_auth_reader *reader, struct slice rest,
					 struct dovecot_auth_reply *reply)
{
	(void)rest;
	(void)reply;
	if (!reader->greeted)
		return broken(reader, "its greeting says no version");
	if (reader->ready)
		return broken(reader, "it ends its greeting twice");
	reader->ready = true;
	return DOVECOT_AUTH_READY;
}

static enum dovecot_auth_event read_challenge(struct dovecot_auth_reader *reader, struct slice rest,
					      struct dovecot_auth_reply *reply)
{
	if (!take_id(&rest, reply))
		return broken(reader, "a reply has no id");
	struct buffer decoded;
	buffer_init(&decoded, reader->challenge, sizeof reader->challenge);
	if (base64_decode(&decoded, take_field(&rest)) != BASE64_OK) {
		reply->failure = DOVECOT_AUTH_UNREADABLE;
		return DOVECOT_AUTH_FAIL;
	}
	reply->challenge = buffer_slice(&decoded);
	return DOVECOT_AUTH_CHALLENGE;
}

/* Other fields are for mail servers that log the user in to a mailbox; `token` among them is a secret. */
static enum dovecot_auth_event read_ok(struct dovecot_auth_reader *reader, struct slice rest,
				       struct dovecot_auth_reply *reply)
{
	bool no_login = false;
	if (!take_id(&rest, reply))
		return broken(reader, "a reply has no id");
	for (struct slice value; rest.size;) {
		struct slice field = take_field(&rest);
		if (has_key(field, "user=", &value))
			reply->user = unescape(reader, value);
		no_login |= slice_equal(field, SLICE_LITERAL("nologin")) || has_key(field, "nologin=", &value);
	}
	if (!no_login)
		return DOVECOT_AUTH_OK;
	reply->failure = DOVECOT_AUTH_NO_LOGIN;
	return DOVECOT_AUTH_FAIL;
}

/* Of version 1.2 in `code`, before that as fields of their own. */
static const struct {
	const char *code;
	enum dovecot_auth_failure failure;
} failures[] = {
	{ "temp_fail", DOVECOT_AUTH_TEMPORARY },          { "temp", DOVECOT_AUTH_TEMPORARY },
	{ "authz_fail", DOVECOT_AUTH_MAY_NOT },           { "authz", DOVECOT_AUTH_MAY_NOT },
	{ "user_disabled", DOVECOT_AUTH_DISABLED },       { "login_disabled", DOVECOT_AUTH_NO_LOGIN },
	{ "pass_expired", DOVECOT_AUTH_EXPIRED },         { "mech_invalid", DOVECOT_AUTH_UNSUITABLE },
	{ "mech_ssl_required", DOVECOT_AUTH_UNSUITABLE },
};

static void read_failure(struct dovecot_auth_reply *reply, struct slice code)
{
	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
		if (slice_equal(code, slice_from_text(failures[i].code)))
			reply->failure = failures[i].failure;
}

static enum dovecot_auth_event read_fail(struct dovecot_auth_reader *reader, struct slice rest,
					 struct dovecot_auth_reply *reply)
{
	if (!take_id(&rest, reply))
		return broken(reader, "a reply has no id");
	for (struct slice value; rest.size;) {
		struct slice field = take_field(&rest);
		if (has_key(field, "user=", &value))
			reply->user = unescape(reader, value);
		else
			read_failure(reply, has_key(field, "code=", &value) ? value : field);
	}
	return DOVECOT_AUTH_FAIL;
}

/* A line says what its first word is. Others (SPID, CUID, COOKIE, and what a later minor version has) mean nothing here. */
static const struct {
	const char *word;
	bool is_reply; /* to what may only be sent after the handshake */
	enum dovecot_auth_event (*take)(struct dovecot_auth_reader *reader, struct slice rest,
					struct dovecot_auth_reply *reply);
} words[] = {
	{ "OK", true, read_ok },           { "FAIL", true, read_fail },
	{ "CONT", true, read_challenge },  { "VERSION", false, read_version },
	{ "MECH", false, read_mechanism }, { "DONE", false, read_done },
};

static enum dovecot_auth_event read_line(struct dovecot_auth_reader *reader, struct dovecot_auth_reply *reply)
{
	struct slice rest = buffer_slice(&reader->line), word = take_field(&rest);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (!slice_equal(word, slice_from_text(words[i].word)))
			continue;
		if (words[i].is_reply && !reader->ready)
			return broken(reader, "it replies before its greeting has ended");
		return words[i].take(reader, rest, reply);
	}
	return DOVECOT_AUTH_NEED_MORE;
}

enum dovecot_auth_event dovecot_auth_read(struct dovecot_auth_reader *reader, struct slice *input,
					  struct dovecot_auth_reply *reply)
{
	if (reader->problem)
		return DOVECOT_AUTH_BROKEN;
	while (input->size) {
		if (reader->line_read)
			dovecot_auth_reader_wipe(reader);
		struct slice piece = slice_first(*input, slice_find(*input, '\n'));
		if (!buffer_append(&reader->line, piece))
			return broken(reader, "a line is too long");
		reader->line_read = piece.size < input->size;
		*input = slice_skip(*input, piece.size + reader->line_read);
		enum dovecot_auth_event event = reader->line_read ? read_line(reader, reply) : DOVECOT_AUTH_NEED_MORE;
		if (event != DOVECOT_AUTH_NEED_MORE)
			return event;
	}
	if (reader->line_read)
		dovecot_auth_reader_wipe(reader);
	return DOVECOT_AUTH_NEED_MORE;
}
