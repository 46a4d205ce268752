/* Message ids: numbers that grow, and their text. See spool.h. */
#include "core/spool/internal.h"

enum {
	LANE_SHIFT = 56,
	DIGITS = SPOOL_ID_TEXT_BYTES - 1,
	DIGIT_BITS = 5,
	FIRST_DIGIT_MOST = 15, /* 13 digits hold 65 bits */
};

/* Crockford's base 32: no I, L, O, U. In the order of ASCII, so that texts sort like the numbers. */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

uint64_t spool_new_id(struct spool *spool)
{
	uint64_t mask = (UINT64_C(1) << LANE_SHIFT) - 1;
	uint64_t now = (uint64_t)spool->lane << LANE_SHIFT | ((uint64_t)loop_now(spool->loop)->unix_us & mask);
	spool->last_id = now > spool->last_id ? now : spool->last_id + 1;
	return spool->last_id;
}

int64_t spool_id_time(uint64_t id)
{
	return (int64_t)(id & ((UINT64_C(1) << LANE_SHIFT) - 1));
}

void spool_id_format(uint64_t id, char text[SPOOL_ID_TEXT_BYTES])
{
#pragma GCC unroll 13
	for (int i = DIGITS; i-- > 0; id >>= DIGIT_BITS)
		text[i] = digits[id & ((1 << DIGIT_BITS) - 1)];
	text[DIGITS] = 0;
}

/* People type ids: small letters, and what is easily mistaken for a digit, are taken. */
static int digit_value(uint8_t c)
{
	c = ascii_lower(c);
	if (c == 'o')
		return 0;
	if (c == 'i' || c == 'l')
		return 1;
	for (int i = 0; digits[i]; i++)
		if (ascii_lower((uint8_t)digits[i]) == c)
			return i;
	return -1;
}

bool spool_id_parse(struct slice text, uint64_t *id)
{
	uint64_t value = 0;
	if (text.size != DIGITS)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		int digit = digit_value(text.data[i]);
		if (digit < 0 || (i == 0 && digit > FIRST_DIGIT_MOST))
			return false;
		value = value << DIGIT_BITS | (uint64_t)digit;
	}
	*id = value;
	return true;
}
