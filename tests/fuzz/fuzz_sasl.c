/* libFuzzer: SASL exchanges, a response a line. What is complete is within the limits; and base64 that decodes is canonical:
 * encoding gives it back. */
#include "proto/base64.h"
#include "proto/sasl.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take_line(struct slice *rest)
{
	struct slice line = slice_first(*rest, slice_find(*rest, '\n'));
	*rest = slice_skip(*rest, line.size < rest->size ? line.size + 1 : line.size);
	return line;
}

static void check_base64(struct slice text)
{
	static uint8_t bytes[8192], back[8192];
	struct buffer decoded, encoded;
	buffer_init(&decoded, bytes, sizeof bytes);
	buffer_init(&encoded, back, sizeof back);
	if (base64_decode(&decoded, text) != BASE64_OK)
		return;
	ASSERT(base64_encode(&encoded, buffer_slice(&decoded)));
	ASSERT(slice_equal(buffer_slice(&encoded), text));
}

static void check_complete(const struct sasl_exchange *exchange)
{
	struct slice name = sasl_name(exchange), password = sasl_password(exchange);
	ASSERT(name.size > 0 && name.size <= LIMIT_LOGIN_NAME_BYTES && utf8_is_valid(name));
	ASSERT(password.size > 0 && password.size <= LIMIT_PASSWORD_BYTES);
	ASSERT(slice_find(name, 0) == name.size && slice_find(password, 0) == password.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 8192)
		return 0;
	struct slice rest = slice_skip(slice_of(data, size), 1);
	static const unsigned mechanisms[] = { SASL_PLAIN, SASL_LOGIN, SASL_NTLM, SASL_CRAM_MD5 };
	static uint8_t response[LIMIT_SASL_RESPONSE_BYTES];
	struct sasl_exchange exchange = { 0 };
	buffer_init(&exchange.response, response, sizeof response);
	uint8_t storage[LIMIT_REPLY_BYTES];
	struct buffer challenge;
	buffer_init(&challenge, storage, sizeof storage);

	struct slice line = take_line(&rest);
	bool initial = data[0] & 2;
	enum sasl_status status =
		sasl_start(&exchange, mechanisms[data[0] >> 2 & 3], initial ? &line : NULL, &challenge);
	check_base64(line);
	for (int steps = 0; (status == SASL_CHALLENGE || status == SASL_RESPONSE) && steps < 4; steps++) {
		line = take_line(&rest);
		check_base64(line);
		status = sasl_step(&exchange, line, &challenge);
	}
	ASSERT(status != SASL_CHALLENGE || !(exchange.mechanism & SASL_WITH_PASSWORD));
	if (status == SASL_COMPLETE)
		check_complete(&exchange);
	return 0;
}
