/* Whether a response may be applied as it is, and if not, the first reason. */
#ifndef HOLDFAST_SHARD_EFFECTS_CHECK_H
#define HOLDFAST_SHARD_EFFECTS_CHECK_H

#include "shard/overlay.h"

/* 0, or ERROR_INVALID with the reason in `why`. */
int effects_check(const struct image *image, const struct overlay *overlay, const struct box *box,
                  const struct function_response *response, struct buffer *why) MUST_USE;

#endif
