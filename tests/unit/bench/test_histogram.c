/* bench/histogram: percentiles against a sorted array, over many sizes of value; merging; the ends of the range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/histogram.h"

enum { VALUES = 20000 };

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* Spread evenly over the orders of magnitude, as latencies are. */
static uint64_t random_value(void)
{
	return ((uint64_t)random() << 31 | (uint64_t)random()) >> (20 + random() % 42);
}

static void check_percentile(const struct histogram *histogram, const uint64_t *sorted, size_t count,
			     unsigned per_mille)
{
	size_t rank = (count * per_mille + 999) / 1000;
	uint64_t exact = sorted[rank ? rank - 1 : 0];
	uint64_t told = histogram_percentile(histogram, per_mille);
	assert_true(told >= exact);
	assert_true(told - exact <= exact / 128);
}

static void percentiles_agree_with_a_sorted_array(void **state)
{
	(void)state;
	struct histogram *histogram = calloc(1, sizeof *histogram);
	uint64_t *values = calloc(VALUES, sizeof *values);
	assert_true(histogram && values);
	uint64_t sum = 0;
	srandom(1);
	for (size_t i = 0; i < VALUES; i++) {
		values[i] = random_value();
		sum += values[i];
		histogram_record(histogram, values[i]);
	}
	qsort(values, VALUES, sizeof *values, compare);
	for (unsigned per_mille = 0; per_mille <= 1000; per_mille++)
		check_percentile(histogram, values, VALUES, per_mille);
	assert_int_equal(histogram_percentile(histogram, 1000), values[VALUES - 1]);
	assert_int_equal(histogram->max_ns, values[VALUES - 1]);
	assert_int_equal(histogram_mean(histogram), sum / VALUES);
	free(values);
	free(histogram);
}

static void small_values_are_exact(void **state)
{
	(void)state;
	struct histogram *histogram = calloc(1, sizeof *histogram);
	assert_non_null(histogram);
	for (uint64_t value = 1; value <= 200; value++)
		histogram_record(histogram, value);
	assert_int_equal(histogram_percentile(histogram, 500), 100);
	assert_int_equal(histogram_percentile(histogram, 5), 1);
	free(histogram);
}

static void merging_is_recording_all(void **state)
{
	(void)state;
	struct histogram *parts = calloc(4, sizeof *parts);
	assert_non_null(parts);
	struct histogram *whole = &parts[3];
	srandom(2);
	for (size_t i = 0; i < VALUES; i++) {
		uint64_t value = random_value();
		histogram_record(whole, value);
		histogram_record(&parts[i % 2], value);
	}
	histogram_merge(&parts[2], &parts[0]);
	histogram_merge(&parts[2], &parts[1]);
	assert_memory_equal(&parts[2], whole, sizeof *whole);
	free(parts);
}

static void the_ends_of_the_range_hold(void **state)
{
	(void)state;
	struct histogram *histogram = calloc(1, sizeof *histogram);
	assert_non_null(histogram);
	assert_int_equal(histogram_percentile(histogram, 999), 0);
	assert_int_equal(histogram_mean(histogram), 0);
	histogram_record(histogram, 0);
	assert_int_equal(histogram_percentile(histogram, 1000), 0);
	histogram_record(histogram, (uint64_t)1 << HISTOGRAM_VALUE_BITS);
	histogram_record(histogram, ((uint64_t)1 << HISTOGRAM_VALUE_BITS) - 1);
	histogram_record(histogram, (uint64_t)1 << 60);
	assert_int_equal(histogram_percentile(histogram, 1000), (uint64_t)1 << 60);
	assert_int_equal(histogram->count, 4);
	free(histogram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_agree_with_a_sorted_array),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(merging_is_recording_all),
		cmocka_unit_test(the_ends_of_the_range_hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
