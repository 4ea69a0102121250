#ifndef HOLDFAST_SHARD_EFFECTS_CHECK_H
#define HOLDFAST_SHARD_EFFECTS_CHECK_H

#include "shard/overlay.h"

/* 0, or ERROR_INVALID with the reason in `why`. */
int effects_check(const struct image *image, const struct overlay *overlay, const struct box *box,
                  const struct function_response *response, struct buffer *why) MUST_USE;
/* "ns/name" of an egress record, in the caller's memory; empty when it is too long. */
struct span effects_egress_name(const struct effect_egress *egress,
                                uint8_t name[2 * NAME_SIZE_MAX + 1]);

#endif
