/*
 * Many addresses per request (proto/holdfast/bundle.proto): the invocations of a bundle and the
 * outcomes that come back, one at a time, so that an outcome is taken as soon as it is whole.
 */
#ifndef HOLDFAST_WIRE_BUNDLE_H
#define HOLDFAST_WIRE_BUNDLE_H

#include "wire/function.h"

#define BUNDLE_CONTENT_TYPE "application/vnd.holdfast.bundle"

/* One invocation on its way out. */
struct bundle_part {
    const struct function_request *request;
    struct span id;
    struct span traceparent; /* empty: none */
    uint32_t attempt;
};

/* Bytes that bundle_part_encode would append. */
size_t bundle_part_size(const struct bundle_part *part);
/* Appends one element of Bundle.invocations. Sticky failure as in buffer.h. */
void bundle_part_encode(struct buffer *out, const struct bundle_part *part);

enum bundle_outcome_kind {
    BUNDLE_UNDONE, /* handed back */
    BUNDLE_RESULT,
    BUNDLE_FAILURE,
};

/* Its spans point into the bytes that it was taken from. */
struct bundle_outcome {
    uint32_t index;
    enum bundle_outcome_kind kind;
    struct span result;     /* a FromFunction, not looked at */
    uint32_t status;        /* of a failure: 300..599 */
    struct span text;       /* of a failure */
    int64_t retry_after_ms; /* of a failure; -1: not said */
};

/* What has come of an Outcomes: takes the first outcome off the front of `bytes`. 1 = one, 0 = its
 * end has not come (nothing is taken), ERROR_MALFORMED with the reason. */
int bundle_outcome_take(struct span *bytes, struct bundle_outcome *outcome,
                        struct errmsg *errmsg) MUST_USE;

/* ---- The function's side, for embedded functions, tools and tests. ---- */

/* One invocation that has come in. Spans point into the request. */
struct bundle_invocation {
    struct span to_function; /* for function_request_parse */
    struct span id;
    struct span traceparent;
    uint32_t attempt;
};

/* Takes the first invocation off a whole Bundle. 1, 0 = that was all, ERROR_MALFORMED. */
int bundle_invocation_take(struct span *bytes, struct bundle_invocation *invocation,
                           struct errmsg *errmsg) MUST_USE;
/* Appends one element of Outcomes.outcomes. Sticky failure as in buffer.h. */
void bundle_outcome_encode(struct buffer *out, const struct bundle_outcome *outcome);

#endif
