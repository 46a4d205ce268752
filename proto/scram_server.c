/* The server's side of SCRAM; see scram.h. */
#include "proto/base64.h"
#include "proto/scram_text.h"
#include "proto/utf8.h"

/* saslname: a comma is written "=2C" and an equals sign "=3D", and nothing else may follow an equals sign. */
static bool unescape_name(struct slice text, uint8_t name[LIMIT_LOGIN_NAME_BYTES], uint16_t *size)
{
	struct buffer out;
	buffer_init(&out, name, LIMIT_LOGIN_NAME_BYTES);
	while (text.size > 0) {
		bool comma = slice_starts_with(text, SLICE_LITERAL("=2C"));
		if (comma || slice_starts_with(text, SLICE_LITERAL("=3D"))) {
			buffer_append_byte(&out, comma ? ',' : '=');
			text = slice_skip(text, 3);
		} else if (text.data[0] == '=' || text.data[0] == 0) {
			return false;
		} else {
			buffer_append_byte(&out, text.data[0]);
			text = slice_skip(text, 1);
		}
	}
	*size = (uint16_t)out.size;
	return !out.overflow && out.size > 0 && utf8_is_valid(buffer_slice(&out));
}

static bool is_binding_name(struct slice name)
{
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = ascii_lower(name.data[i]);
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '-')
			return false;
	}
	return name.size > 0;
}

/* gs2-cbind-flag */
static bool take_flag(struct slice *rest, struct scram_exchange *exchange)
{
	if (scram_take(rest, 'p', &exchange->binding)) {
		exchange->flag = SCRAM_FLAG_BOUND;
		return is_binding_name(exchange->binding);
	}
	if (rest->size == 0 || (rest->data[0] != 'n' && rest->data[0] != 'y'))
		return false;
	exchange->flag = rest->data[0] == 'y' ? SCRAM_FLAG_NOT_OFFERED : SCRAM_FLAG_NONE;
	*rest = slice_skip(*rest, 1);
	return true;
}

/* Whom the client wants to act for; GNU SASL writes "a=" where that is nobody. */
static bool take_acting_for(struct slice *rest, struct slice *acting_for)
{
	*acting_for = slice_of(NULL, 0);
	if (slice_starts_with(*rest, SLICE_LITERAL("a=,")))
		*rest = slice_skip(*rest, 2);
	return slice_starts_with(*rest, SLICE_LITERAL(",")) || scram_take(rest, 'a', acting_for);
}

static bool take_header(struct slice *rest, struct scram_exchange *exchange, struct slice *acting_for)
{
	return take_flag(rest, exchange) && scram_take_comma(rest) && take_acting_for(rest, acting_for) &&
	       scram_take_comma(rest);
}

enum scram_status scram_server_first(struct scram_exchange *exchange, struct slice message)
{
	scram_begin(exchange);
	if (message.size > LIMIT_SCRAM_MESSAGE_BYTES || !buffer_append(&exchange->said, message))
		return SCRAM_MALFORMED;
	struct slice rest = buffer_slice(&exchange->said), acting_for, name;
	if (!take_header(&rest, exchange, &acting_for))
		return SCRAM_MALFORMED;
	exchange->header_bytes = (uint16_t)(message.size - rest.size);
	if (!scram_take(&rest, 'n', &name) || !unescape_name(name, exchange->name, &exchange->name_size) ||
	    !scram_take_comma(&rest) || !scram_take(&rest, 'r', &exchange->nonce) ||
	    !scram_nonce_is_valid(exchange->nonce) || !scram_are_extensions(rest))
		return SCRAM_MALFORMED;

	uint8_t other[LIMIT_LOGIN_NAME_BYTES];
	uint16_t size = 0;
	if (acting_for.size > 0 && !unescape_name(acting_for, other, &size))
		return SCRAM_MALFORMED;
	return acting_for.size == 0 || slice_equal(slice_of(other, size), scram_name(exchange)) ? SCRAM_OK
												: SCRAM_DENIED;
}

bool scram_server_challenge(struct scram_exchange *exchange, struct slice nonce, struct slice salt, uint32_t iterations,
			    struct buffer *out)
{
	struct buffer *said = &exchange->said;
	buffer_append_byte(said, ',');
	size_t at = said->size;
	buffer_append_text(said, "r=");
	buffer_append(said, exchange->nonce);
	buffer_append(said, nonce);
	exchange->nonce = slice_of(said->data + at + 2, said->size - at - 2);
	buffer_append_text(said, ",s=");
	bool fits = base64_encode(said, salt);
	buffer_append_text(said, ",i=");
	buffer_append_number(said, iterations);
	ASSERT(fits && !said->overflow); /* there is room for three messages within their bounds */
	return buffer_append(out, slice_skip(buffer_slice(said), at));
}

/* The proof is the last attribute. */
static bool split_proof(struct slice message, struct slice *without_proof, uint8_t proof[SCRAM_PROOF_BYTES])
{
	size_t at = message.size;
	while (at > 0 && message.data[at - 1] != ',')
		at--;
	if (at == 0)
		return false;
	struct slice last = slice_skip(message, at), value;
	*without_proof = slice_first(message, at - 1);
	return scram_take(&last, 'p', &value) && scram_decode_exactly(value, proof, SCRAM_PROOF_BYTES);
}

enum scram_status scram_server_final(struct scram_exchange *exchange, struct slice message, struct slice binding,
				     uint8_t proof[SCRAM_PROOF_BYTES])
{
	struct slice without_proof, channel, nonce;
	if (message.size > LIMIT_SCRAM_MESSAGE_BYTES || !split_proof(message, &without_proof, proof))
		return SCRAM_MALFORMED;
	struct slice rest = without_proof;
	if (!scram_take(&rest, 'c', &channel) || !scram_take_comma(&rest) || !scram_take(&rest, 'r', &nonce) ||
	    !scram_are_extensions(rest))
		return SCRAM_MALFORMED;
	buffer_append_byte(&exchange->said, ',');
	if (!buffer_append(&exchange->said, without_proof))
		return SCRAM_MALFORMED;

	/* Compared as it is written: base64 has one way to write each. */
	uint8_t storage[BASE64_ENCODED_BYTES(LIMIT_SCRAM_EXCHANGE_BYTES)];
	struct buffer expected;
	buffer_init(&expected, storage, sizeof storage);
	if (!scram_append_binding(exchange, binding, &expected) || !slice_equal(channel, buffer_slice(&expected)))
		return SCRAM_BINDING;
	return slice_equal(nonce, exchange->nonce) ? SCRAM_OK : SCRAM_NONCE;
}
