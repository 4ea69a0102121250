#include "admin/histogram.h"

const struct admin_bounds admin_bounds_micros = {
    19,
    {100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
     5000000, 10000000, 30000000, 60000000, 120000000}};

const struct admin_bounds admin_bounds_millis = {15,
                                                 {1000, 2000, 4000, 8000, 16000, 32000, 64000,
                                                  128000, 256000, 512000, 1024000, 2048000, 4096000,
                                                  8192000, 16384000}};

const struct admin_bounds admin_bounds_batch = {10, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512}};

const struct admin_bounds admin_bounds_counts = {
    15, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384}};

void admin_histogram_add(struct admin_histogram *histogram, const struct admin_bounds *bounds,
                         uint64_t value)
{
    size_t bucket = 0;
    while (bucket < bounds->count && value > bounds->at[bucket]) bucket++;
    histogram->buckets[bucket]++;
    histogram->sum += value;
}

void admin_histogram_join(struct admin_histogram *histogram, const struct admin_histogram *other)
{
    for (size_t i = 0; i <= ADMIN_BOUNDS_MAX; i++) histogram->buckets[i] += other->buckets[i];
    histogram->sum += other->sum;
}
