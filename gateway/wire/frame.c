#include "wire/frame.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/reader.h"

enum {
    CRC_AT = 60
}; /* last field of the head: the CRC covers the head before it, then body and padding */

static const uint8_t zeros[FRAME_ALIGN];

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static void put_u64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static size_t padding(size_t size)
{
    return (size_t)(-(intptr_t)size & (FRAME_ALIGN - 1));
}

size_t frame_size(uint32_t body_size)
{
    return FRAME_HEAD_SIZE + body_size + padding(body_size);
}

void frame_encode(struct frame *frame, struct span body, uint8_t head[FRAME_HEAD_SIZE])
{
    CHECK(body.size == frame->body_size && body.size <= FRAME_BODY_MAX);
    put_u32(head, FRAME_MAGIC);
    head[4] = FRAME_FORMAT;
    head[5] = (uint8_t)frame->kind;
    head[6] = frame->pieces;
    head[7] = 0;
    put_u32(head + 8, frame->shard);
    put_u32(head + 12, frame->body_size);
    put_u32(head + 16, frame->epoch);
    put_u32(head + 20, frame->count);
    put_u64(head + 24, frame->lineage);
    put_u64(head + 32, frame->first_seq);
    put_u64(head + 40, frame->position);
    put_u64(head + 48, frame->group_start);
    put_u32(head + 56, frame->previous_crc);
    uint32_t crc = crc_more(crc_of(span_of(head, CRC_AT)), body);
    frame->crc = crc_more(crc, span_of(zeros, padding(body.size)));
    put_u32(head + CRC_AT, frame->crc);
}

static bool sensible(const struct frame *frame)
{
    if (frame->group_start > frame->position || frame->pieces > (FRAME_FIRST | FRAME_LAST))
        return false;
    switch (frame->kind) {
    case FRAME_RECORDS: return frame->count > 0;
    case FRAME_OPEN: return frame->pieces == (FRAME_FIRST | FRAME_LAST);
    case FRAME_SEAL: return frame->count == 0 && frame->body_size == 0;
    }
    return false;
}

static void read_fields(struct reader *reader, struct frame *frame)
{
    frame->kind = (enum frame_kind)reader_byte(reader);
    frame->pieces = reader_byte(reader);
    (void)reader_byte(reader);
    frame->shard = reader_u32(reader);
    frame->body_size = reader_u32(reader);
    frame->epoch = reader_u32(reader);
    frame->count = reader_u32(reader);
    frame->lineage = reader_u64(reader);
    frame->first_seq = reader_u64(reader);
    frame->position = reader_u64(reader);
    frame->group_start = reader_u64(reader);
    frame->previous_crc = reader_u32(reader);
    frame->crc = reader_u32(reader);
}

int frame_peek(struct span bytes, struct frame *frame, size_t *size)
{
    struct reader reader = reader_of(bytes);
    if (bytes.size < FRAME_HEAD_SIZE || reader_u32(&reader) != FRAME_MAGIC) return ERROR_MALFORMED;
    (void)reader_byte(&reader); /* the format: after the CRC */
    read_fields(&reader, frame);
    if (frame->body_size > FRAME_BODY_MAX) return ERROR_MALFORMED;
    *size = frame_size(frame->body_size);
    return 0;
}

int frame_decode(struct span bytes, struct frame *frame, struct span *body)
{
    size_t size;
    int error = frame_peek(bytes, frame, &size);
    if (error != 0) return error;
    if (bytes.size < size) return ERROR_TRUNCATED;
    uint8_t format = bytes.at[4];
    struct span rest = span_of(bytes.at + FRAME_HEAD_SIZE, size - FRAME_HEAD_SIZE);
    if (crc_more(crc_of(span_of(bytes.at, CRC_AT)), rest) != frame->crc) return ERROR_MALFORMED;
    if (format > FRAME_FORMAT) return ERROR_NEWER_FORMAT;
    if (format == 0 || !sensible(frame)) return ERROR_MALFORMED;
    *body = span_of(rest.at, frame->body_size);
    return 0;
}
