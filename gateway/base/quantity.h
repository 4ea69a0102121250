/*
 * Durations and sizes as people write them.
 * Duration: integer, optional space, unit (Flink TimeUtils): d|day(s), h|hour(s), min|m|minute(s),
 * s|sec|second(s), ms|milli|millisecond(s), us|µs|micro…, ns|nano…; no unit = ms. Below 1 ms rounds up to 1 ms.
 * Size: integer, optional space, B|K|KB|KiB|M|MB|MiB|G|GB|GiB (K, M, G and KiB… are powers of 1024, KB… of 1000); no unit = bytes.
 */
#ifndef HOLDFAST_BASE_QUANTITY_H
#define HOLDFAST_BASE_QUANTITY_H

#include "base/error.h"
#include "base/span.h"

/* ERROR_MALFORMED; ERROR_TOO_LARGE when it does not fit. */
int duration_parse(struct span text, int64_t *milliseconds) MUST_USE;
int size_parse(struct span text, uint64_t *bytes) MUST_USE;

#endif
