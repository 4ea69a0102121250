/* The latencies of bench: buckets whose error is below 2 %, and percentiles out of them. */
#include "cli/load.h"

#include <criterion/criterion.h>

Test(load, every_value_is_in_a_bucket_that_ends_close_above_it)
{
    size_t before = 0;
    for (uint64_t us = 0; us < 100000000; us += us / 97 + 1) {
        size_t bucket = load_bucket(us);
        cr_assert_geq(bucket, before, "%lu", (unsigned long)us);
        cr_assert_geq(load_bucket_top(bucket), us, "%lu", (unsigned long)us);
        cr_assert_leq((double)load_bucket_top(bucket), (double)us * 1.02 + 1);
        if (bucket > 0) cr_assert_lt(load_bucket_top(bucket - 1), us);
        before = bucket;
    }
    cr_assert_lt(load_bucket(UINT64_MAX), LOAD_BUCKETS);
}

Test(load, percentiles)
{
    static struct load_result result;
    for (uint64_t us = 1; us <= 1000; us++) {
        result.buckets[load_bucket(us)]++;
        result.done++;
        result.max_us = us;
    }
    cr_assert_float_eq((double)load_percentile(&result, 0.5), 500, 10);
    cr_assert_float_eq((double)load_percentile(&result, 0.99), 990, 20);
    cr_assert_eq(load_percentile(&result, 1), 1000);
    cr_assert_eq(load_percentile(&result, 0), 1);
}
