#include "wire/parcel.h"

enum { KIND_MASK = 3, HAS_CALLER = 4, HAS_TRACEPARENT = 8, KNOWN_FLAGS = 15 };

/* Kinds as they are on the wire. */
enum { WIRE_MESSAGE, WIRE_REPLY, WIRE_EGRESS };

static uint8_t wire_kind(enum item_kind kind)
{
    return kind == ITEM_REPLY ? WIRE_REPLY : kind == ITEM_EGRESS ? WIRE_EGRESS : WIRE_MESSAGE;
}

static size_t string_size(struct span string)
{
    return varint_size(string.size) + string.size;
}

size_t parcel_size(const struct parcel *parcel)
{
    size_t size =
        1 + string_size(parcel->type) + string_size(parcel->id) + string_size(parcel->argument);
    if (parcel->caller_type.size > 0)
        size += string_size(parcel->caller_type) + string_size(parcel->caller_id);
    if (parcel->traceparent.size > 0) size += string_size(parcel->traceparent);
    return size;
}

void parcel_write(struct buffer *out, const struct parcel *parcel)
{
    unsigned flags = wire_kind(parcel->kind);
    if (parcel->caller_type.size > 0) flags |= HAS_CALLER;
    if (parcel->traceparent.size > 0) flags |= HAS_TRACEPARENT;
    buffer_byte(out, (uint8_t)flags);
    buffer_string(out, parcel->type);
    buffer_string(out, parcel->id);
    buffer_string(out, parcel->argument);
    if (parcel->caller_type.size > 0) {
        buffer_string(out, parcel->caller_type);
        buffer_string(out, parcel->caller_id);
    }
    if (parcel->traceparent.size > 0) buffer_string(out, parcel->traceparent);
}

void parcel_read(struct reader *in, struct parcel *parcel)
{
    static const enum item_kind kinds[] = {
        [WIRE_MESSAGE] = ITEM_MESSAGE, [WIRE_REPLY] = ITEM_REPLY, [WIRE_EGRESS] = ITEM_EGRESS};
    *parcel = (struct parcel){0};
    uint8_t flags = reader_byte(in);
    if (flags > KNOWN_FLAGS || (flags & KIND_MASK) > WIRE_EGRESS) {
        in->failed = true;
        return;
    }
    parcel->kind = kinds[flags & KIND_MASK];
    parcel->type = reader_string(in);
    parcel->id = reader_string(in);
    parcel->argument = reader_string(in);
    if (flags & HAS_CALLER) {
        parcel->caller_type = reader_string(in);
        parcel->caller_id = reader_string(in);
    }
    if (flags & HAS_TRACEPARENT) parcel->traceparent = reader_string(in);
    bool has_type = parcel->type.size > 0, has_id = parcel->id.size > 0;
    if (has_type != (parcel->kind != ITEM_REPLY) || has_id != (parcel->kind != ITEM_EGRESS) ||
        ((flags & HAS_CALLER) && (parcel->caller_type.size == 0 || parcel->caller_id.size == 0)))
        in->failed = true;
}
