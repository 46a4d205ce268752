/* libFuzzer: what a Dovecot auth service says. What is told does not depend on the pieces that it comes in, and lies within the
 * bounds. */
#include "proto/dovecot_auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t lines[2][LIMIT_DOVECOT_LINE_BYTES];
static struct dovecot_auth_reader readers[2];

static enum dovecot_auth_event next(struct dovecot_auth_reader *reader, struct slice *text, size_t piece,
				    struct dovecot_auth_reply *reply)
{
	enum dovecot_auth_event event = DOVECOT_AUTH_NEED_MORE;
	while (event == DOVECOT_AUTH_NEED_MORE && text->size) {
		struct slice input = slice_first(*text, piece < text->size ? piece : text->size);
		size_t before = input.size;
		event = dovecot_auth_read(reader, &input, reply);
		*text = slice_skip(*text, before - input.size);
	}
	return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct slice whole = slice_skip(slice_of(data, size), 1), pieces = whole;
	for (int i = 0; i < 2; i++)
		dovecot_auth_reader_init(&readers[i], lines[i]);
	enum dovecot_auth_event event;
	do {
		struct dovecot_auth_reply reply = { 0 }, again = { 0 };
		event = next(&readers[0], &whole, SIZE_MAX, &reply);
		ASSERT(next(&readers[1], &pieces, 1 + data[0], &again) == event);
		ASSERT(readers[0].mechanisms == readers[1].mechanisms && readers[0].ready == readers[1].ready);
		ASSERT(event == DOVECOT_AUTH_BROKEN || whole.size == pieces.size);
		ASSERT(reply.id == again.id && reply.failure == again.failure);
		ASSERT(slice_equal(reply.user, again.user) && slice_equal(reply.challenge, again.challenge));
		ASSERT(reply.challenge.size <= LIMIT_CHALLENGE_BYTES && reply.user.size <= LIMIT_DOVECOT_LINE_BYTES);
		ASSERT(reply.id != 0 || event < DOVECOT_AUTH_CHALLENGE || event == DOVECOT_AUTH_BROKEN);
	} while (event != DOVECOT_AUTH_NEED_MORE && event != DOVECOT_AUTH_BROKEN);
	return 0;
}
