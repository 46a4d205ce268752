/* A payload's checksum: XXH3-64 of the library's header, made here for processors with AVX2 as well.
 *
 * The shared library is built for vectors of 128 bits, which takes twice as long. Its own choice by processor
 * (xxh_x86dispatch.h) takes 512 bits where there are any: fewer instructions, but what comes behind them runs slower, and a message
 * of 1 KB costs a quarter of a microsecond more. */
#include "core/spool/format.h"

#if defined(__x86_64__) && !defined(POSTERN_PORTABLE)

#include <immintrin.h>

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_AVX2
#include <xxhash.h>

static uint64_t hash_by_32(struct slice payload, uint64_t salt)
{
	return XXH3_64bits_withSeed(payload.data, payload.size, salt);
}

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static bool may_hash_by_32(void)
{
	return __builtin_cpu_supports("avx2");
}

#else

static bool may_hash_by_32(void)
{
	return false;
}

static uint64_t hash_by_32(struct slice payload, uint64_t salt)
{
	return record_hash_by_16(payload, salt);
}

#endif

uint64_t record_hash(struct slice payload, uint64_t salt)
{
	if (payload.size == 0)
		return 0;
	return may_hash_by_32() ? hash_by_32(payload, salt) : record_hash_by_16(payload, salt);
}
