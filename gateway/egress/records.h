/* Pulled records as the JSON of the API (egress.h says the shape). */
#ifndef HOLDFAST_EGRESS_RECORDS_H
#define HOLDFAST_EGRESS_RECORDS_H

#include "base/buffer.h"

/*
 * `rows` as in shard_answer: repeated {varint cursor, string raw TypedValue}. `after` is told again
 * as "next" when there are none. ERROR_MALFORMED: not such rows. ERROR_MEMORY.
 */
int egress_records_json(struct buffer *out, struct span rows, uint64_t after) MUST_USE;

#endif
