/* Covering sets of situations; see policy_cover.h. With three bits taking the largest cube first is good enough. */
#include "tools/policy_cover.h"

static uint8_t situations_of(struct policy_cube cube)
{
	uint8_t set = 0;
	for (unsigned i = 0; i < POLICY_COVER_SITUATIONS; i++)
		if ((i & cube.fixed) == cube.value)
			set |= (uint8_t)(1u << i);
	return set;
}

/* Adds the cubes that fix just these bits, while they hold something that is missing. */
static size_t add_cubes(uint8_t fixed, uint8_t *missing, uint8_t allowed, struct policy_cube *cubes)
{
	size_t count = 0;
	for (unsigned value = 0; value < POLICY_COVER_SITUATIONS; value++) {
		struct policy_cube cube = { fixed, (uint8_t)value };
		uint8_t set = (value & ~(unsigned)fixed) ? 0 : situations_of(cube);
		if (!(set & *missing) || (set & ~(unsigned)allowed))
			continue;
		*missing &= (uint8_t)~set;
		cubes[count++] = cube;
	}
	return count;
}

size_t policy_cover(uint8_t wanted, uint8_t free, struct policy_cube cubes[POLICY_COVER_MOST])
{
	uint8_t missing = wanted;
	size_t count = 0;
	for (int bits = 0; bits <= POLICY_COVER_BITS; bits++)
		for (unsigned fixed = 0; fixed < POLICY_COVER_SITUATIONS; fixed++)
			if (__builtin_popcount(fixed) == bits)
				count += add_cubes((uint8_t)fixed, &missing, wanted | free, cubes + count);
	return count;
}
