/*
 * What functions write to the playground's egress: a TypedValue io.statefun.playground/EgressRecord
 * whose value is the JSON text {"topic":"…","payload":"…"}, in any order, with any white space.
 * Nothing else is let through: a record that we would have to guess about fails its address with a
 * reason, and not silently.
 */
#ifndef HOLDFAST_WIRE_PLAYGROUND_H
#define HOLDFAST_WIRE_PLAYGROUND_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/span.h"

#define PLAYGROUND_INGRESS SPAN_LITERAL("io.statefun.playground/ingress")
#define PLAYGROUND_EGRESS SPAN_LITERAL("io.statefun.playground/egress")
#define PLAYGROUND_RECORD SPAN_LITERAL("io.statefun.playground/EgressRecord")

enum { PLAYGROUND_TOPIC_SIZE_MAX = 256 };

/* Both are valid UTF-8 with the escapes decoded; the payload may be empty, the topic not. */
struct playground_record {
    struct span topic;
    struct span payload;
};

/*
 * The spans of `record` point into `bytes`, which is cleared first and lent until the next change
 * of it: a scratch buffer that the caller reuses needs no allocation in steady state. The decoded
 * text is never longer than the input. The reason of a refusal, for people, is in errmsg.
 * ERROR_MALFORMED: another type, no value, not that object, a name that is unknown or given twice
 * or missing, something else than a string, bad escapes, bad UTF-8. ERROR_TOO_LARGE: the topic.
 * ERROR_MEMORY.
 */
int playground_record_parse(struct span typed_value, struct buffer *bytes,
                            struct playground_record *record, struct errmsg *errmsg) MUST_USE;

#endif
