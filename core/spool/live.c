/* What changes make of a live message; see live.h. The index itself is in live_index.c. */
#include "core/spool/live.h"

#include <stdlib.h>

bool live_reserve(struct live *live, size_t detail_size)
{
	struct live_state *state = live->state;
	if (state && state->detail_capacity >= detail_size)
		return true;
	size_t bits_size = ((size_t)live->recipients + 7) / 8;
	struct live_state *larger = realloc(state, sizeof *larger + bits_size + detail_size);
	if (!larger)
		return false;
	if (!state) {
		*larger = (struct live_state){ .bits_size = (uint16_t)bits_size };
		memset(larger->bytes, 0, bits_size);
	}
	larger->detail_capacity = (uint16_t)detail_size;
	live->state = larger;
	return true;
}

static void set_done(struct live *live, uint32_t recipient)
{
	if (recipient >= live->recipients)
		return;
	uint8_t *byte = &live->state->bytes[recipient / 8];
	uint8_t bit = (uint8_t)(1u << recipient % 8);
	live->state->done_count += (*byte & bit) == 0;
	*byte |= bit;
}

static void set_detail(struct live_state *state, struct slice detail)
{
	if (detail.size == 0)
		return;
	ASSERT(detail.size <= state->detail_capacity);
	memcpy(state->bytes + state->bits_size, detail.data, detail.size);
	state->detail_size = (uint16_t)detail.size;
}

void live_apply(struct live *live, const struct record_header *header, struct slice payload)
{
	switch (header->type) {
	case RECORD_RECIPIENT_DONE:
		set_done(live, header->recipient);
		break;
	case RECORD_MESSAGE_DONE:
		live->ended = true;
		break;
	case RECORD_HOLD:
	case RECORD_RELEASE:
		live->held = header->type == RECORD_HOLD;
		set_detail(live->state, payload);
		break;
	case RECORD_ATTEMPT:
		set_detail(live->state, payload);
		break;
	default:
		break; /* RECORD_STATE says what is known already, or is restored */
	}
}

bool live_restore(struct live *live, const struct record_header *header, const struct record_state *state)
{
	live->held = (header->flags & RECORD_HELD) != 0;
	if (state->detail.size == 0 && state->done_bits.size == 0)
		return true;
	if (!live_reserve(live, state->detail.size))
		return false;
	set_detail(live->state, state->detail);
	for (uint32_t i = 0; i < live->recipients && i / 8 < state->done_bits.size; i++)
		if (state->done_bits.data[i / 8] >> i % 8 & 1)
			set_done(live, i);
	return true;
}

const uint8_t *live_done_bits(const struct live *live)
{
	return live->state && live->state->done_count ? live->state->bytes : NULL;
}

struct slice live_detail(const struct live *live)
{
	if (!live->state)
		return (struct slice){ NULL, 0 };
	return slice_of(live->state->bytes + live->state->bits_size, live->state->detail_size);
}

static struct slice bits_of(const struct live *live)
{
	const uint8_t *bits = live_done_bits(live);
	return slice_of(bits, bits ? live->state->bits_size : 0);
}

size_t live_state_size(const struct live *live)
{
	size_t detail = live_detail(live).size, bits = bits_of(live).size;
	return detail || bits ? record_state_size(detail, bits) : 0;
}

void live_state_write(const struct live *live, uint8_t *to)
{
	record_state_write(to, live_detail(live), bits_of(live));
}
