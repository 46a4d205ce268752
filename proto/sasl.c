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
	bool server_begins; /* of those without `respond`: there is no initial response */
	/* The challenge before response number `step`, not encoded; and what that response means. NULL: the shell knows. */
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

#define TEXT(text)                                                                                                     \
	{                                                                                                              \
		(const uint8_t *)(text), sizeof(text) - 1                                                              \
	}

/* The strongest first: some clients take the first that they know. */
static const struct mechanism mechanisms[SASL_MECHANISMS] = {
	{ TEXT("EXTERNAL"), SASL_EXTERNAL, .respond = NULL },
	{ TEXT("SCRAM-SHA-256-PLUS"), SASL_SCRAM_SHA_256_PLUS, .respond = NULL },
	{ TEXT("SCRAM-SHA-256"), SASL_SCRAM_SHA_256, .respond = NULL },
	{ TEXT("SCRAM-SHA-1-PLUS"), SASL_SCRAM_SHA_1_PLUS, .respond = NULL },
	{ TEXT("SCRAM-SHA-1"), SASL_SCRAM_SHA_1, .respond = NULL },
	{ TEXT("GSSAPI"), SASL_GSSAPI, .respond = NULL },
	{ TEXT("GSS-SPNEGO"), SASL_GSS_SPNEGO, .respond = NULL },
	{ TEXT("OAUTHBEARER"), SASL_OAUTHBEARER, .respond = NULL },
	{ TEXT("XOAUTH2"), SASL_XOAUTH2, .respond = NULL },
	{ TEXT("PLAIN"), SASL_PLAIN, .respond = respond_plain },
	{ TEXT("LOGIN"), SASL_LOGIN, .challenges = { TEXT("Username:"), TEXT("Password:") }, .respond = respond_login },
	{ TEXT("NTLM"), SASL_NTLM, .respond = NULL },
	{ TEXT("DIGEST-MD5"), SASL_DIGEST_MD5, .server_begins = true, .respond = NULL },
	{ TEXT("CRAM-MD5"), SASL_CRAM_MD5, .server_begins = true, .respond = NULL },
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

static const struct mechanism *mechanism_of(unsigned bit)
{
	for (size_t i = 0; i < MECHANISMS; i++)
		if (mechanisms[i].bit == bit)
			return &mechanisms[i];
	ASSERT(!"a mechanism that sasl_mechanism_find() gave");
	return NULL;
}

const char *sasl_mechanism_name(unsigned mechanism)
{
	return (const char *)mechanism_of(mechanism)->name.data;
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

static enum sasl_status challenge(const struct sasl_exchange *exchange, struct buffer *out)
{
	const struct mechanism *mechanism = mechanism_of(exchange->mechanism);
	bool fits = base64_encode(out, mechanism->challenges[exchange->step]);
	ASSERT(fits);
	return SASL_CHALLENGE;
}

/* What the shell is to understand. */
static enum sasl_status pass_on(struct sasl_exchange *exchange, struct slice encoded)
{
	buffer_clear(&exchange->response);
	switch (base64_decode(&exchange->response, encoded)) {
	case BASE64_OK:
		return SASL_RESPONSE;
	case BASE64_TOO_LONG:
		return SASL_TOO_LONG;
	default:
		return SASL_BAD_ENCODING;
	}
}

static enum sasl_status respond(struct sasl_exchange *exchange, struct slice encoded, struct buffer *out)
{
	uint8_t scratch[RESPONSE_BYTES];
	struct buffer response;
	if (!mechanism_of(exchange->mechanism)->respond)
		return pass_on(exchange, encoded);
	buffer_init(&response, scratch, sizeof scratch);

	enum sasl_status status = SASL_BAD_ENCODING;
	enum base64_status decoded = base64_decode(&response, encoded);
	if (decoded == BASE64_TOO_LONG)
		status = SASL_TOO_LONG;
	else if (decoded == BASE64_OK)
		status = mechanism_of(exchange->mechanism)->respond(exchange, buffer_slice(&response));
	explicit_bzero(scratch, response.size);

	if (status != SASL_CHALLENGE)
		return status;
	exchange->step++;
	return challenge(exchange, out);
}

enum sasl_status sasl_start(struct sasl_exchange *exchange, unsigned mechanism, const struct slice *initial,
			    struct buffer *out)
{
	exchange->mechanism = mechanism;
	exchange->step = 0;
	exchange->has_response = true;
	if (mechanism_of(mechanism)->server_begins) {
		exchange->has_response = false;
		return initial ? SASL_MALFORMED : SASL_RESPONSE;
	}
	if (!initial)
		return challenge(exchange, out);
	if (slice_equal(*initial, SLICE_LITERAL("=")))
		return respond(exchange, SLICE_LITERAL(""), out);
	return respond(exchange, *initial, out);
}

void sasl_wipe(struct sasl_exchange *exchange)
{
	explicit_bzero(exchange->name, exchange->name_size);
	explicit_bzero(exchange->password, exchange->password_size);
	exchange->name_size = exchange->password_size = 0;
}

enum sasl_status sasl_step(struct sasl_exchange *exchange, struct slice line, struct buffer *out)
{
	if (slice_equal(line, SLICE_LITERAL("*")))
		return SASL_CANCELLED;
	exchange->has_response = true;
	return respond(exchange, line, out);
}
