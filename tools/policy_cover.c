/* Covering sets of situations; see policy_cover.h. With four bits taking the largest cube first is good enough. */
#include "tools/policy_cover.h"

static uint16_t situations_of(struct policy_cube cube)
{
	uint16_t set = 0;
	for (unsigned i = 0; i < POLICY_COVER_SITUATIONS; i++)
		if ((i & cube.fixed) == cube.value)
			set |= (uint16_t)(1u << i);
	return set;
}

/* Adds the cubes that fix just these bits, while they hold something that is missing. */
static size_t add_cubes(uint8_t fixed, uint16_t *missing, uint16_t allowed, struct policy_cube *cubes)
{
	size_t count = 0;
	for (unsigned value = 0; value < POLICY_COVER_SITUATIONS; value++) {
		struct policy_cube cube = { fixed, (uint8_t)value };
		uint16_t set = (value & ~(unsigned)fixed) ? 0 : situations_of(cube);
		if (!(set & *missing) || (set & ~(unsigned)allowed))
			continue;
		*missing &= (uint16_t)~set;
		cubes[count++] = cube;
	}
	return count;
}

size_t policy_cover(uint16_t wanted, uint16_t free, struct policy_cube cubes[POLICY_COVER_MOST])
{
	uint16_t missing = wanted;
	size_t count = 0;
	for (int bits = 0; bits <= POLICY_COVER_BITS; bits++)
		for (unsigned fixed = 0; fixed < POLICY_COVER_SITUATIONS; fixed++)
			if (__builtin_popcount(fixed) == bits)
				count += add_cubes((uint8_t)fixed, &missing, wanted | free, cubes + count);
	return count;
}
