/*
 * Durations and sizes as people write them: an integer, optional space, a unit in any case.
 *
 * Duration (as Flink's TimeUtils): d|day(s), h|hour(s), min|m|minute(s), s|sec(s)|second(s),
 * ms|milli(s)|millisecond(s), us|µs|micro(s)|microsecond(s), ns|nano(s)|nanosecond(s); without a
 * unit milliseconds. A part of a millisecond counts as a whole one.
 *
 * Size: B|K|KB|KiB|M|MB|MiB|G|GB|GiB; without a unit bytes. K, M, G and KiB… are powers of 1024,
 * KB… of 1000.
 */
#ifndef HOLDFAST_BASE_QUANTITY_H
#define HOLDFAST_BASE_QUANTITY_H

#include "base/error.h"
#include "base/span.h"

/* ERROR_MALFORMED; ERROR_TOO_LARGE when it does not fit. */
int duration_parse(struct span text, int64_t *milliseconds) MUST_USE;
int size_parse(struct span text, uint64_t *bytes) MUST_USE;

#endif
