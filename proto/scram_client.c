/* The client's side of SCRAM; see scram.h. */
#include "proto/base64.h"
#include "proto/scram_text.h"

void scram_append_name(struct buffer *out, struct slice name)
{
	for (size_t i = 0; i < name.size; i++) {
		if (name.data[i] == ',')
			buffer_append_text(out, "=2C");
		else if (name.data[i] == '=')
			buffer_append_text(out, "=3D");
		else
			buffer_append_byte(out, name.data[i]);
	}
}

bool scram_client_first(struct scram_exchange *exchange, enum scram_flag flag, const char *binding, struct slice name,
			struct slice nonce, struct buffer *out)
{
	scram_begin(exchange);
	struct buffer *said = &exchange->said;
	exchange->flag = flag;
	if (flag == SCRAM_FLAG_BOUND) {
		buffer_append_text(said, "p=");
		buffer_append_text(said, binding);
	} else {
		buffer_append_byte(said, flag == SCRAM_FLAG_NOT_OFFERED ? 'y' : 'n');
	}
	buffer_append_text(said, ",,");
	exchange->header_bytes = (uint16_t)said->size;
	buffer_append_text(said, "n=");
	scram_append_name(said, name);
	buffer_append_text(said, ",r=");
	size_t at = said->size;
	buffer_append(said, nonce);
	exchange->nonce = slice_of(said->data + at, said->size - at);
	return !said->overflow && buffer_append(out, buffer_slice(said));
}

enum scram_status scram_client_challenge(struct scram_exchange *exchange, struct slice message,
					 struct scram_challenge *challenge)
{
	struct buffer *said = &exchange->said, salt;
	buffer_append_byte(said, ',');
	size_t at = said->size;
	if (message.size > LIMIT_SCRAM_MESSAGE_BYTES || !buffer_append(said, message))
		return SCRAM_MALFORMED;
	struct slice rest = slice_skip(buffer_slice(said), at), nonce, salt_text, iterations;
	uint64_t number;
	buffer_init(&salt, challenge->salt, sizeof challenge->salt);
	if (!scram_take(&rest, 'r', &nonce) || !scram_nonce_is_valid(nonce) || !scram_take_comma(&rest) ||
	    !scram_take(&rest, 's', &salt_text) || base64_decode(&salt, salt_text) != BASE64_OK ||
	    !scram_take_comma(&rest) || !scram_take(&rest, 'i', &iterations) || iterations.data[0] == '0' ||
	    !slice_parse_number(iterations, LIMIT_SCRAM_ITERATIONS, &number) || !scram_are_extensions(rest))
		return SCRAM_MALFORMED;
	challenge->iterations = (uint32_t)number;
	challenge->salt_size = (uint8_t)salt.size;
	bool ours = nonce.size > exchange->nonce.size && slice_starts_with(nonce, exchange->nonce);
	exchange->nonce = nonce;
	return ours ? SCRAM_OK : SCRAM_NONCE;
}

bool scram_client_final(struct scram_exchange *exchange, struct slice binding, struct buffer *out)
{
	struct buffer *said = &exchange->said;
	buffer_append_byte(said, ',');
	size_t at = said->size;
	buffer_append_text(said, "c=");
	bool fits = scram_append_binding(exchange, binding, said);
	buffer_append_text(said, ",r=");
	buffer_append(said, exchange->nonce);
	return fits && !said->overflow && buffer_append(out, slice_skip(buffer_slice(said), at));
}

bool scram_client_proof(const uint8_t proof[SCRAM_PROOF_BYTES], struct buffer *out)
{
	buffer_append_text(out, ",p=");
	return base64_encode(out, slice_of(proof, SCRAM_PROOF_BYTES)) && !out->overflow;
}
