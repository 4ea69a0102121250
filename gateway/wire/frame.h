/*
 * The frame: one commit group of the journal, or a piece of one. A fixed head of 64 bytes, the
 * body, zeros up to a multiple of 8. Little endian on every machine. docs/formats.md shows each
 * byte. A frame says where it is (position), what came before (previous CRC) and how far the
 * journal was durable when it was issued (group_start): that is what tells a torn end from damage.
 */
#ifndef HOLDFAST_WIRE_FRAME_H
#define HOLDFAST_WIRE_FRAME_H

#include "base/error.h"
#include "base/span.h"

enum {
    FRAME_HEAD_SIZE = 64,
    FRAME_ALIGN = 8,          /* a frame starts at a multiple of this */
    FRAME_FORMAT = 1,         /* what we write, and the newest that we read */
    FRAME_BODY_MAX = 1 << 20, /* bytes; a longer run of records is cut into pieces */
    FRAME_MAGIC = 0x31724648, /* "HFr1" */
};

enum frame_kind {
    FRAME_RECORDS = 1, /* a run of records, or a piece of one */
    FRAME_OPEN = 2,    /* the same, and the first of a new epoch */
    FRAME_SEAL = 3,    /* no records: all before it is durable */
};

/* A run of records that fits into one frame has both. */
enum { FRAME_FIRST = 1, FRAME_LAST = 2 };

struct frame {
    enum frame_kind kind;
    uint8_t pieces; /* FRAME_FIRST | FRAME_LAST */
    uint32_t shard;
    uint32_t body_size;
    uint32_t epoch;
    uint32_t count; /* records of the whole run, the same in each piece */
    uint64_t lineage;
    uint64_t first_seq;   /* of the whole run */
    uint64_t position;    /* of this frame in the journal's stream */
    uint64_t group_start; /* all before this position was durable when the frame was issued */
    uint32_t previous_crc;
    uint32_t crc; /* of head and body; set by encode and decode */
};

/* Bytes that a frame takes, padding included. */
size_t frame_size(uint32_t body_size);

/* Fills frame->crc and the head. body.size must be frame->body_size. The zeros after the body are
 * the caller's. */
void frame_encode(struct frame *frame, struct span body, uint8_t head[FRAME_HEAD_SIZE]);

/*
 * Reads a head without verifying it. ERROR_MALFORMED: no frame starts here. *size: the bytes that
 * frame_decode needs.
 */
int frame_peek(struct span bytes, struct frame *frame, size_t *size) MUST_USE;

/*
 * A whole frame, verified: `bytes` starts with it. *body points into bytes. ERROR_TRUNCATED,
 * ERROR_MALFORMED, ERROR_NEWER_FORMAT (its CRC is right, so it is no accident).
 */
int frame_decode(struct span bytes, struct frame *frame, struct span *body) MUST_USE;

#endif
