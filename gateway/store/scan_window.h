/* The part of a segment that a scan looks at: read in large pieces, handed out without a copy. */
#ifndef HOLDFAST_STORE_SCAN_WINDOW_H
#define HOLDFAST_STORE_SCAN_WINDOW_H

#include "store/scan.h"

enum { SCAN_WINDOW_SIZE = FRAME_BODY_MAX + (128 << 10) };

/* Makes `segment` the one that is read. */
int scan_enter(struct scan *scan, const struct segment *segment, struct errmsg *errmsg) MUST_USE;
/* At least `size` bytes from `offset` on, or what is left of the file; often more. */
int scan_look(struct scan *scan, uint64_t offset, size_t size, struct span *bytes,
              struct errmsg *errmsg) MUST_USE;

#endif
