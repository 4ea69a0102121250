/*
 * Frames of the journal. The first byte says whether the checksum is made right before: most inputs
 * should get behind it. What decodes must encode to the same bytes.
 */
#include "fuzz.h"

#include "base/crc.h"
#include "wire/frame.h"

#include <stdlib.h>

enum { CRC_AT = 60 };

static void repair(uint8_t *bytes, size_t size)
{
    struct frame frame;
    size_t whole;
    if (frame_peek(span_of(bytes, size), &frame, &whole) != 0 || whole > size) return;
    uint32_t crc = crc_more(crc_of(span_of(bytes, CRC_AT)),
                            span_of(bytes + FRAME_HEAD_SIZE, whole - FRAME_HEAD_SIZE));
    for (int i = 0; i < 4; i++) bytes[CRC_AT + i] = (uint8_t)(crc >> 8 * i);
}

static void check_again(struct frame *frame, struct span body, struct span bytes)
{
    uint8_t head[FRAME_HEAD_SIZE];
    uint32_t crc = frame->crc;
    frame_encode(frame, body, head);
    bool zeros = true;
    for (size_t i = FRAME_HEAD_SIZE + body.size; i < frame_size(frame->body_size); i++)
        if (bytes.at[i] != 0) zeros = false;
    if (bytes.at[7] != 0 || !zeros) return; /* bytes that a reader passes over */
    FUZZ_CHECK(frame->crc == crc);
    FUZZ_CHECK(memcmp(head, bytes.at, sizeof head) == 0);
}

void fuzz_one(struct span input)
{
    bool right = fuzz_byte(&input) & 1;
    uint8_t *bytes = malloc(input.size == 0 ? 1 : input.size);
    struct frame frame;
    struct span body;
    FUZZ_CHECK(bytes != NULL);
    if (input.size > 0) memcpy(bytes, input.at, input.size);
    if (right) repair(bytes, input.size);
    struct span whole = span_of(bytes, input.size);
    if (frame_decode(whole, &frame, &body) == 0) {
        FUZZ_CHECK(fuzz_inside(body, whole) && body.size == frame.body_size);
        FUZZ_CHECK(frame.group_start <= frame.position);
        fuzz_touch(body);
        check_again(&frame, body, whole);
    }
    free(bytes);
}
