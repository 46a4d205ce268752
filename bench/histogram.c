/* Log-linear histogram: see histogram.h.
 *
 * Values below 128 have a bucket each. Above, the highest set bit chooses a row of 128 buckets and the next seven
 * bits the bucket in it, so rows follow each other without a gap. */
#include "bench/histogram.h"

#include "core/base/error.h"

static unsigned bucket_of(uint64_t value)
{
	if (value < HISTOGRAM_PARTS)
		return (unsigned)value;
	if (value >> HISTOGRAM_VALUE_BITS)
		return HISTOGRAM_BUCKETS - 1;
	unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_PART_BITS;
	return (shift << HISTOGRAM_PART_BITS) + (unsigned)(value >> shift);
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
	if (bucket < HISTOGRAM_PARTS)
		return bucket;
	unsigned shift = (bucket >> HISTOGRAM_PART_BITS) - 1;
	uint64_t part = bucket - (shift << HISTOGRAM_PART_BITS);
	return ((part + 1) << shift) - 1;
}

void histogram_record(struct histogram *histogram, uint64_t value_ns)
{
	histogram->buckets[bucket_of(value_ns)]++;
	histogram->count++;
	histogram->sum_ns += value_ns;
	if (value_ns > histogram->max_ns)
		histogram->max_ns = value_ns;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
	to->count += from->count;
	to->sum_ns += from->sum_ns;
	if (from->max_ns > to->max_ns)
		to->max_ns = from->max_ns;
}

uint64_t histogram_percentile(const struct histogram *histogram, unsigned per_mille)
{
	ASSERT(per_mille <= 1000);
	uint64_t rank = (histogram->count * per_mille + 999) / 1000;
	uint64_t seen = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += histogram->buckets[i];
		if (seen >= rank && seen > 0)
			return bucket_end(i) < histogram->max_ns ? bucket_end(i) : histogram->max_ns;
	}
	return histogram->max_ns;
}

uint64_t histogram_mean(const struct histogram *histogram)
{
	return histogram->count ? histogram->sum_ns / histogram->count : 0;
}
