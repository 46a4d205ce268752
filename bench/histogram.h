/* Latencies in fixed memory: a log-linear histogram with percentiles.
 *
 * Values are nanoseconds. Each power of two is cut into 128 equal parts, so a percentile is at most 0.8 % above the
 * true one; the largest value is exact. Recording is a few instructions and allocates nothing; histograms of several
 * workers are added up bucket by bucket, which loses nothing. Zeroed memory is an empty histogram. */
#ifndef POSTERN_BENCH_HISTOGRAM_H
#define POSTERN_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_PART_BITS = 7,   /* 128 parts: two digits are right, the third nearly */
	HISTOGRAM_VALUE_BITS = 42, /* 73 minutes; what is longer counts as that */
	HISTOGRAM_PARTS = 1 << HISTOGRAM_PART_BITS,
	HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_PART_BITS + 1) * HISTOGRAM_PARTS,
};

struct histogram {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t max_ns;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, uint64_t value_ns);

/* Adds everything in `from` to `to`. */
void histogram_merge(struct histogram *to, const struct histogram *from);

/* The least value that `per_mille` of 1000 recorded ones do not exceed (500: the median, 999: p99.9), rounded up to
 * its bucket's end but never over the maximum; 0 for an empty histogram. */
uint64_t histogram_percentile(const struct histogram *histogram, unsigned per_mille);

/* 0 for an empty histogram. */
uint64_t histogram_mean(const struct histogram *histogram);

#endif
