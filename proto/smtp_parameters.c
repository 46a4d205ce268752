/* The parameters of MAIL and RCPT; see smtp_parameters.h.
 *
 * One row a parameter. A name that no row has, and one whose extension is not offered, is 555; a name given twice, a value
 * that is missing, not wanted or wrong is 501. More than one blank between parameters is let pass. */
#include "proto/smtp_parameters.h"

#include "proto/smtp_command.h"

struct parameter {
	struct slice name;
	bool has_value;
	enum smtp_status (*set)(struct smtp_session *session, struct slice value);
};

/* RFC 1870 §4: up to twenty digits. */
static enum smtp_status set_size(struct smtp_session *session, struct slice value)
{
	uint64_t most = session->profile->message_size_bytes;
	uint64_t size;
	if (value.size > 20)
		return SMTP_BAD_PARAMETER;
	if (!slice_parse_number(value, UINT64_MAX, &size)) {
		bool digits = true;
		for (size_t i = 0; i < value.size; i++)
			digits = digits && value.data[i] >= '0' && value.data[i] <= '9';
		return digits && value.size ? SMTP_MESSAGE_TOO_LARGE : SMTP_BAD_PARAMETER;
	}
	session->transaction.declared_size = size;
	return most && size > most ? SMTP_MESSAGE_TOO_LARGE : SMTP_OK;
}

/* RFC 6152 §2. BINARYMIME is not offered. */
static enum smtp_status set_body(struct smtp_session *session, struct slice value)
{
	bool eight = slice_equal_nocase(value, SLICE_LITERAL("8BITMIME"));
	if (!eight && !slice_equal_nocase(value, SLICE_LITERAL("7BIT")))
		return SMTP_BAD_PARAMETER;
	session->transaction.body_type = eight ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT;
	return SMTP_OK;
}

static enum smtp_status set_smtputf8(struct smtp_session *session, struct slice value)
{
	(void)value;
	session->transaction.smtputf8 = true;
	return SMTP_OK;
}

static bool is_upper_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* xtext (RFC 3461 §4): printable but for "+" and "=", or "+" and two upper-case hex digits. */
static bool is_xtext(struct slice text)
{
	while (text.size) {
		uint8_t c = text.data[0];
		size_t size = c == '+' ? 3 : 1;
		if (c <= ' ' || c > '~' || c == '=' || size > text.size)
			return false;
		if (size == 3 && !(is_upper_hex(text.data[1]) && is_upper_hex(text.data[2])))
			return false;
		text = slice_skip(text, size);
	}
	return true;
}

/* RFC 4954 §5: who first submitted the message, said by a client. It must be let pass, and nobody here believes it. */
static enum smtp_status set_auth(struct smtp_session *session, struct slice value)
{
	if (!smtp_command_mechanisms(session))
		return SMTP_UNKNOWN_PARAMETER;
	return is_xtext(value) ? SMTP_OK : SMTP_BAD_PARAMETER;
}

static const struct parameter mail_parameters[] = {
	{ { (const uint8_t *)"SIZE", 4 }, true, set_size },
	{ { (const uint8_t *)"BODY", 4 }, true, set_body },
	{ { (const uint8_t *)"SMTPUTF8", 8 }, false, set_smtputf8 },
	{ { (const uint8_t *)"AUTH", 4 }, true, set_auth },
};

enum { MAIL_PARAMETERS = sizeof mail_parameters / sizeof mail_parameters[0] };

/* esmtp-keyword: letters, digits, hyphens, the first not a hyphen. */
static bool is_keyword(struct slice name)
{
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = ascii_lower(name.data[i]);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0)))
			return false;
	}
	return name.size > 0;
}

/* esmtp-value: printable, no "="; RFC 6531 adds UTF-8, but no parameter here takes it. */
static bool is_value(struct slice value)
{
	for (size_t i = 0; i < value.size; i++)
		if (value.data[i] <= ' ' || value.data[i] > '~' || value.data[i] == '=')
			return false;
	return value.size > 0;
}

static struct slice skip_blanks(struct slice text)
{
	while (text.size && text.data[0] == ' ')
		text = slice_skip(text, 1);
	return text;
}

static enum smtp_status set_mail_parameter(struct smtp_session *session, struct slice word, unsigned *seen)
{
	size_t equals = slice_find(word, '=');
	bool has_value = equals < word.size;
	struct slice name = slice_first(word, equals);
	struct slice value = has_value ? slice_skip(word, equals + 1) : SLICE_LITERAL("");
	if (!is_keyword(name) || (has_value && !is_value(value)))
		return SMTP_BAD_PARAMETER;
	for (unsigned i = 0; i < MAIL_PARAMETERS; i++) {
		const struct parameter *parameter = &mail_parameters[i];
		if (!slice_equal_nocase(name, parameter->name))
			continue;
		if (*seen & 1u << i)
			return SMTP_PARAMETER_TWICE;
		*seen |= 1u << i;
		return parameter->has_value == has_value ? parameter->set(session, value) : SMTP_BAD_PARAMETER;
	}
	return SMTP_UNKNOWN_PARAMETER;
}

enum smtp_status smtp_parameters_mail(struct smtp_session *session, struct slice text)
{
	if (text.size && text.data[0] != ' ')
		return SMTP_BAD_ARGUMENT;
	unsigned seen = 0;
	enum smtp_status status = SMTP_OK;
	for (text = skip_blanks(text); text.size && status == SMTP_OK; text = skip_blanks(text)) {
		if (!session->esmtp)
			return SMTP_UNKNOWN_PARAMETER;
		size_t size = slice_find(text, ' ');
		status = set_mail_parameter(session, slice_first(text, size), &seen);
		text = slice_skip(text, size);
	}
	return status;
}

enum smtp_status smtp_parameters_rcpt(struct slice text)
{
	if (text.size && text.data[0] != ' ')
		return SMTP_BAD_ARGUMENT;
	return skip_blanks(text).size ? SMTP_UNKNOWN_PARAMETER : SMTP_OK;
}
