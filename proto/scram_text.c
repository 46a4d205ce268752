/* The grammar that both sides of SCRAM share; see scram_text.h and RFC 5802 §7. */
#include "proto/scram_text.h"

#include "proto/base64.h"
#include "proto/utf8.h"

void scram_begin(struct scram_exchange *exchange)
{
	exchange->flag = SCRAM_FLAG_NONE;
	exchange->header_bytes = 0;
	exchange->name_size = 0;
	exchange->binding = exchange->nonce = slice_of(NULL, 0);
	buffer_init(&exchange->said, exchange->storage, sizeof exchange->storage);
}

bool scram_take(struct slice *rest, char letter, struct slice *value)
{
	if (rest->size < 3 || rest->data[0] != (uint8_t)letter || rest->data[1] != '=')
		return false;
	*rest = slice_skip(*rest, 2);
	*value = slice_first(*rest, slice_find(*rest, ','));
	*rest = slice_skip(*rest, value->size);
	return value->size > 0;
}

bool scram_take_comma(struct slice *rest)
{
	if (rest->size == 0 || rest->data[0] != ',')
		return false;
	*rest = slice_skip(*rest, 1);
	return true;
}

static bool is_letter(uint8_t c)
{
	return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

/* "m=" stands for an extension that must be understood (§5.1). */
bool scram_are_extensions(struct slice rest)
{
	while (rest.size > 0) {
		struct slice value;
		if (!scram_take_comma(&rest) || rest.size == 0 || !is_letter(rest.data[0]) || rest.data[0] == 'm' ||
		    !scram_take(&rest, (char)rest.data[0], &value) || !utf8_is_valid(value) ||
		    slice_find(value, 0) != value.size)
			return false;
	}
	return true;
}

bool scram_nonce_is_valid(struct slice nonce)
{
	for (size_t i = 0; i < nonce.size; i++)
		if (nonce.data[i] <= ' ' || nonce.data[i] > '~' || nonce.data[i] == ',')
			return false;
	return nonce.size > 0 && nonce.size <= LIMIT_SCRAM_NONCE_BYTES;
}

bool scram_decode_exactly(struct slice text, uint8_t *bytes, size_t size)
{
	struct buffer out;
	buffer_init(&out, bytes, size);
	return base64_decode(&out, text) == BASE64_OK && out.size == size;
}

bool scram_append_binding(const struct scram_exchange *exchange, struct slice binding, struct buffer *out)
{
	uint8_t storage[LIMIT_SCRAM_EXCHANGE_BYTES];
	struct buffer whole;
	buffer_init(&whole, storage, sizeof storage);
	buffer_append(&whole, slice_of(exchange->storage, exchange->header_bytes));
	buffer_append(&whole, binding);
	return !whole.overflow && base64_encode(out, buffer_slice(&whole));
}

bool scram_verdict_write(const uint8_t signature[SCRAM_PROOF_BYTES], struct buffer *out)
{
	buffer_append_text(out, "v=");
	return base64_encode(out, slice_of(signature, SCRAM_PROOF_BYTES)) && !out->overflow;
}

bool scram_verdict_read(struct slice message, uint8_t signature[SCRAM_PROOF_BYTES])
{
	struct slice value;
	return scram_take(&message, 'v', &value) && scram_decode_exactly(value, signature, SCRAM_PROOF_BYTES) &&
	       scram_are_extensions(message);
}
