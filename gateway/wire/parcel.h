/*
 * What one shard hands to another: a message, a reply, or a record for an egress whose lane lives
 * there. Names are spelled out, since each shard has its own numbers for them. One parcel is
 *     byte kind and flags, strings: type, id, argument, then those that the flags name
 */
#ifndef HOLDFAST_WIRE_PARCEL_H
#define HOLDFAST_WIRE_PARCEL_H

#include "base/buffer.h"
#include "base/reader.h"
#include "base/span.h"
#include "wire/record.h"

struct parcel {
    enum item_kind kind; /* MESSAGE, REPLY or EGRESS */
    struct span type;    /* function type, or the lane; empty for a reply */
    struct span id;      /* of the target, or the reply token; empty for an egress record */
    struct span argument;
    struct span caller_type; /* may be empty, and caller_id with it */
    struct span caller_id;
    struct span traceparent;
};

/* Bytes that parcel_write appends. */
size_t parcel_size(const struct parcel *parcel);
void parcel_write(struct buffer *out, const struct parcel *parcel);
/* The reader fails on a broken one, or one that makes no sense. */
void parcel_read(struct reader *in, struct parcel *parcel);

#endif
