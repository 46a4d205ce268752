/* libFuzzer: a message of NTLM, read as each of the three; its response; its names to UTF-8 and back. What is taken from a message
 * lies in it, and a challenge that was read is written to be read the same. */
#include "proto/ntlm_message.h"
#include "proto/utf16.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct slice part, struct slice whole)
{
	if (part.size == 0)
		return;
	ASSERT(part.data >= whole.data && part.size <= whole.size);
	ASSERT((size_t)(part.data - whole.data) <= whole.size - part.size);
}

static void check_name(struct slice utf16)
{
	static uint8_t text_storage[131072], back_storage[131072];
	struct buffer text, back;
	buffer_init(&text, text_storage, sizeof text_storage);
	buffer_init(&back, back_storage, sizeof back_storage);
	if (!utf16_append_utf8(&text, utf16))
		return;
	ASSERT(utf8_is_valid(buffer_slice(&text)));
	ASSERT(utf16_append(&back, buffer_slice(&text), UTF16_AS_IS));
	ASSERT(slice_equal(buffer_slice(&back), utf16));
	buffer_clear(&back);
	ASSERT(utf16_append(&back, buffer_slice(&text), UTF16_UPPER) && back.size == utf16.size);
}

static void check_authenticate(struct slice message)
{
	struct ntlm_authenticate read;
	struct ntlm_response response;
	if (!ntlm_read_authenticate(message, &read))
		return;
	check_inside(read.lm_response, message);
	check_inside(read.session_key, message);
	check_inside(read.workstation, message);
	check_inside(read.mic, message);
	ASSERT(read.mic.size == 0 || read.mic.size == NTLM_MIC_BYTES);
	check_inside(read.user, message);
	check_name(read.user);
	check_inside(read.domain, message);
	check_name(read.domain);
	check_inside(read.nt_response, message);
	if (ntlm_read_response(read.nt_response, &response) != NTLM_RESPONSE_2)
		return;
	check_inside(response.blob, read.nt_response);
	check_inside(response.binding, response.blob);
	ASSERT(response.binding.size == 0 || response.binding.size == NTLM_BINDING_BYTES);
	check_inside(response.target, response.blob);
}

static void check_challenge(struct slice message)
{
	struct ntlm_challenge read, again;
	if (!ntlm_read_challenge(message, &read))
		return;
	check_inside(read.target_name, message);
	check_inside(read.target_info, message);
	static uint8_t storage[NTLM_CHALLENGE_HEADER_BYTES + 2 * 65536];
	struct buffer out;
	buffer_init(&out, storage, sizeof storage);
	ASSERT(ntlm_write_challenge(&out, &read) && ntlm_read_challenge(buffer_slice(&out), &again));
	ASSERT(again.flags == read.flags && slice_equal(again.target_name, read.target_name));
	ASSERT(slice_equal(again.target_info, read.target_info));
	ASSERT(memcmp(again.challenge, read.challenge, sizeof read.challenge) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice message = slice_of(data, size);
	struct ntlm_negotiate negotiate;
	if (ntlm_read_negotiate(message, &negotiate))
		ASSERT(size >= 16);
	check_challenge(message);
	check_authenticate(message);
	return 0;
}
