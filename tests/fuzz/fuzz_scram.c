/* libFuzzer: an exchange of SCRAM, a message a line: the client's first, the server's, the client's last. Each is read by whom it
 * is for. What a client writes for the name that was read is read the same, and ends in one AuthMessage for both. */
#include "proto/scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take_line(struct slice *rest)
{
	struct slice line = slice_first(*rest, slice_find(*rest, '\n'));
	*rest = slice_skip(*rest, line.size + (line.size < rest->size ? 1 : 0));
	return line;
}

/* Both sides, with this name. */
static void speak(struct slice name, struct slice binding)
{
	static struct scram_exchange client, server;
	uint8_t storage[LIMIT_SCRAM_EXCHANGE_BYTES], proof[SCRAM_PROOF_BYTES] = { 0 };
	struct scram_challenge challenge;
	struct buffer said;
	buffer_init(&said, storage, sizeof storage);
	ASSERT(scram_client_first(&client, SCRAM_FLAG_BOUND, "tls-exporter", name, SLICE_LITERAL("mine"), &said));
	ASSERT(scram_server_first(&server, buffer_slice(&said)) == SCRAM_OK);
	ASSERT(slice_equal(scram_name(&server), name));
	buffer_clear(&said);
	ASSERT(scram_server_challenge(&server, SLICE_LITERAL("yours"), SLICE_LITERAL("salt"), 4096, &said));
	ASSERT(scram_client_challenge(&client, buffer_slice(&said), &challenge) == SCRAM_OK);
	buffer_clear(&said);
	ASSERT(scram_client_final(&client, binding, &said) && scram_client_proof(proof, &said));
	ASSERT(scram_server_final(&server, buffer_slice(&said), binding, proof) == SCRAM_OK);
	ASSERT(slice_equal(scram_auth_message(&client), scram_auth_message(&server)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scram_exchange client, server;
	uint8_t storage[LIMIT_SCRAM_EXCHANGE_BYTES], proof[SCRAM_PROOF_BYTES];
	struct slice rest = slice_of(data, size);
	struct slice first = take_line(&rest), challenge = take_line(&rest), final = take_line(&rest);
	struct scram_challenge read;
	struct buffer said;
	buffer_init(&said, storage, sizeof storage);
	ASSERT(scram_client_first(&client, SCRAM_FLAG_NONE, NULL, SLICE_LITERAL("a"), SLICE_LITERAL("abc"), &said));
	if (scram_client_challenge(&client, challenge, &read) == SCRAM_OK)
		ASSERT(read.iterations > 0 && read.salt_size <= LIMIT_SCRAM_SALT_BYTES);
	(void)!scram_verdict_read(final, proof);
	if (scram_server_first(&server, first) != SCRAM_OK)
		return 0;
	buffer_clear(&said);
	ASSERT(scram_server_challenge(&server, SLICE_LITERAL("xyz"), SLICE_LITERAL("salt"), 4096, &said));
	if (scram_server_final(&server, final, SLICE_LITERAL(""), proof) == SCRAM_OK)
		ASSERT(scram_auth_message(&server).size < LIMIT_SCRAM_EXCHANGE_BYTES);
	speak(scram_name(&server), slice_first(final, final.size < 64 ? final.size : 64));
	return 0;
}
