/* Counts of observations by size, as Prometheus wants them. Filled in place: no allocation, no
 * floating point. */
#ifndef HOLDFAST_ADMIN_HISTOGRAM_H
#define HOLDFAST_ADMIN_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { ADMIN_BOUNDS_MAX = 20 };

/* Upper bounds, inclusive and ascending. */
struct admin_bounds {
    size_t count;
    uint64_t at[ADMIN_BOUNDS_MAX];
};

extern const struct admin_bounds admin_bounds_micros; /* microseconds: 100 us to 2 min */
extern const struct admin_bounds
    admin_bounds_millis; /* microseconds: 1, 2, 4 … 16384 ms, as the shard counts */
extern const struct admin_bounds admin_bounds_batch;  /* 1, 2, 4 … 512, as the shard counts */
extern const struct admin_bounds admin_bounds_counts; /* 1, 2, 4 … 16384 */

struct admin_histogram {
    uint64_t
        buckets[ADMIN_BOUNDS_MAX + 1]; /* not cumulative; [bounds.count] holds what is larger */
    uint64_t sum;
};

void admin_histogram_add(struct admin_histogram *histogram, const struct admin_bounds *bounds,
                         uint64_t value);
/* Both over the same bounds. */
void admin_histogram_join(struct admin_histogram *histogram, const struct admin_histogram *other);

#endif
