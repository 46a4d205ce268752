/* SASL exchanges of a server; see sasl.h.
 *
 * A mechanism is a row: its name and what it does with each response. Responses are decoded into a scratch of fixed
 * size that is wiped before the function returns. */
#include "proto/sasl.h"

#include "proto/base64.h"
#include "proto/utf8.h"

/* The longest response: PLAIN's, with an authorization identity (RFC 4616 §2). */
enum { RESPONSE_BYTES = LIMIT_LOGIN_NAME_BYTES + 1 + LIMIT_LOGIN_NAME_BYTES + 1 + LIMIT_PASSWORD_BYTES };

struct mechanism {
	struct slice name;
	unsigned bit;
	/* The challenge before response number `step`, not encoded; and what that response means. */
	struct slice challenges[2];
	enum sasl_status (*respond)(struct sasl_exchange *exchange, struct slice response);
};

/* --- what is in the responses --- */

static enum sasl_status set_name(struct sasl_exchange *exchange, struct slice name)
{
	if (name.size > sizeof exchange->name)
		return SASL_TOO_LONG;
	if (name.size == 0 || slice_find(name, 0) != name.size || !utf8_is_valid(name))
		return SASL_MALFORMED;
	memcpy(exchange->name, name.data, name.size);
	exchange->name_size = (uint16_t)name.size;
	return SASL_COMPLETE;
}

static enum sasl_status set_password(struct sasl_exchange *exchange, struct slice password)
{
	if (password.size > sizeof exchange->password)
		return SASL_TOO_LONG;
	if (password.size == 0 || slice_find(password, 0) != password.size)
		return SASL_MALFORMED;
	memcpy(exchange->password, password.data, password.size);
	exchange->password_size = (uint16_t)password.size;
	return SASL_COMPLETE;
}

/* [authzid] NUL authcid NUL passwd. Acting for somebody else is nobody's right here. */
static enum sasl_status respond_plain(struct sasl_exchange *exchange, struct slice response)
{
	size_t at = slice_find(response, 0);
	if (at == response.size)
		return SASL_MALFORMED;
	struct slice acting_for = slice_first(response, at);
	struct slice rest = slice_skip(response, at + 1);
	at = slice_find(rest, 0);
	if (at == rest.size)
		return SASL_MALFORMED;
	struct slice name = slice_first(rest, at);

	enum sasl_status status = set_name(exchange, name);
	if (status == SASL_COMPLETE)
		status = set_password(exchange, slice_skip(rest, at + 1));
	if (status == SASL_COMPLETE && acting_for.size && !slice_equal(acting_for, name))
		status = SASL_DENIED;
	return status;
}

/* The name, then the password (draft-murchison-sasl-login). */
static enum sasl_status respond_login(struct sasl_exchange *exchange, struct slice response)
{
	if (exchange->step == 1)
		return set_password(exchange, response);
	enum sasl_status status = set_name(exchange, response);
	return status == SASL_COMPLETE ? SASL_CHALLENGE : status;
}

static const struct mechanism mechanisms[] = {
	{ { (const uint8_t *)"PLAIN", 5 }, SASL_PLAIN, { { NULL, 0 } }, respond_plain },
	{ { (const uint8_t *)"LOGIN", 5 },
	  SASL_LOGIN,
	  { { (const uint8_t *)"Username:", 9 }, { (const uint8_t *)"Password:", 9 } },
	  respond_login },
};

enum { MECHANISMS = sizeof mechanisms / sizeof mechanisms[0] };

/* --- the exchange --- */

unsigned sasl_mechanism_find(struct slice name)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (slice_equal_nocase(name, mechanisms[i].name))
			return mechanisms[i].bit;
	return 0;
}

bool sasl_mechanisms_write(struct buffer *out, unsigned offered)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (offered & mechanisms[i].bit) {
			buffer_append_byte(out, ' ');
			buffer_append(out, mechanisms[i].name);
		}
	return !out->overflow;
}

static const struct mechanism *mechanism_of(unsigned bit)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (mechanisms[i].bit == bit)
			return &mechanisms[i];
	ASSERT(!"a mechanism that sasl_mechanism_find() gave");
	return NULL;
}

static enum sasl_status challenge(const struct sasl_exchange *exchange, struct buffer *out)
{
	const struct mechanism *mechanism = mechanism_of(exchange->mechanism);
	bool fits = base64_encode(out, mechanism->challenges[exchange->step]);
	ASSERT(fits);
	return SASL_CHALLENGE;
}

static enum sasl_status respond(struct sasl_exchange *exchange, struct slice encoded, struct buffer *out)
{
	uint8_t scratch[RESPONSE_BYTES];
	struct buffer response;
	buffer_init(&response, scratch, sizeof scratch);

	enum sasl_status status = SASL_BAD_ENCODING;
	enum base64_status decoded = base64_decode(&response, encoded);
	if (decoded == BASE64_TOO_LONG)
		status = SASL_TOO_LONG;
	else if (decoded == BASE64_OK)
		status = mechanism_of(exchange->mechanism)->respond(exchange, buffer_slice(&response));
	explicit_bzero(scratch, sizeof scratch);

	if (status != SASL_CHALLENGE)
		return status;
	exchange->step++;
	return challenge(exchange, out);
}

enum sasl_status sasl_start(struct sasl_exchange *exchange, unsigned mechanism, const struct slice *initial,
			    struct buffer *out)
{
	exchange->mechanism = (uint8_t)mechanism;
	exchange->step = 0;
	if (!initial)
		return challenge(exchange, out);
	if (slice_equal(*initial, SLICE_LITERAL("=")))
		return respond(exchange, SLICE_LITERAL(""), out);
	return respond(exchange, *initial, out);
}

enum sasl_status sasl_step(struct sasl_exchange *exchange, struct slice line, struct buffer *out)
{
	if (slice_equal(line, SLICE_LITERAL("*")))
		return SASL_CANCELLED;
	return respond(exchange, line, out);
}
