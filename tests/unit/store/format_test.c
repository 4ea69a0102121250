/* The stored bytes themselves: what these tests hold fixed is what docs/formats.md says. */
#include "unit/store/fixture.h"

#include "base/crc.h"
#include "store/manifest.h"
#include "store/repaired.h"
#include "store/segment.h"
#include "wire/frame.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void expect_hex(struct span bytes, const char *hex)
{
    char text[4096];
    size_t size = 0;
    cr_assert_lt(bytes.size * 2, sizeof text);
    for (size_t i = 0; i < bytes.size; i++)
        size += (size_t)sprintf(text + size, "%02x", bytes.at[i]);
    cr_assert_str_eq(text, hex);
}

static struct frame sample(void)
{
    return (struct frame){.kind = FRAME_RECORDS,
                          .pieces = FRAME_FIRST | FRAME_LAST,
                          .shard = 1,
                          .body_size = 5,
                          .epoch = 2,
                          .count = 3,
                          .lineage = 0x1122334455667788,
                          .first_seq = 1000,
                          .position = 4096,
                          .group_start = 4032,
                          .previous_crc = 0xaabbccdd};
}

TestSuite(format, .timeout = 20);

Test(format, frame)
{
    uint8_t head[FRAME_HEAD_SIZE];
    struct frame frame = sample();
    frame_encode(&frame, SPAN_LITERAL("hello"), head);
    expect_hex(span_of(head, 60),
               "484672310101030001000000050000000200000003000000"
               "8877665544332211e8030000000000000010000000000000c00f000000000000ddccbbaa");
    uint8_t covered[68] = {0};
    memcpy(covered, head, 60);
    memcpy(covered + 60, "hello", 5);
    cr_assert_eq(frame.crc, crc_of(span_of(covered, 68)), "head, body and padding");
    for (int i = 0; i < 4; i++) cr_assert_eq(head[60 + i], (uint8_t)(frame.crc >> 8 * i));
}

static size_t encode_whole(uint8_t bytes[128], struct frame frame)
{
    memset(bytes, 0, 128);
    memcpy(bytes + FRAME_HEAD_SIZE, "hello", 5);
    frame_encode(&frame, span_of(bytes + FRAME_HEAD_SIZE, frame.body_size), bytes);
    return frame_size(frame.body_size);
}

Test(format, a_frame_is_read_back_and_every_cut_is_seen)
{
    uint8_t bytes[128];
    struct frame frame;
    struct span body;
    size_t size = encode_whole(bytes, sample());
    cr_assert_eq(size, 72);
    cr_assert_eq(frame_decode(span_of(bytes, 128), &frame, &body), 0);
    cr_assert(span_equal(body, SPAN_LITERAL("hello")));
    cr_assert_eq(frame.first_seq, 1000);
    cr_assert_eq(frame.group_start, 4032);
    cr_assert_eq(frame.previous_crc, 0xaabbccdd);
    for (size_t cut = 0; cut < size; cut++)
        cr_assert_eq(frame_decode(span_of(bytes, cut), &frame, &body),
                     cut < FRAME_HEAD_SIZE ? ERROR_MALFORMED : ERROR_TRUNCATED);
}

Test(format, a_frame_of_a_newer_format_is_told_from_damage)
{
    uint8_t bytes[128];
    struct frame frame;
    struct span body;
    size_t size = encode_whole(bytes, sample());
    bytes[4] = 2;
    cr_assert_eq(frame_decode(span_of(bytes, size), &frame, &body), ERROR_MALFORMED);
    uint32_t crc = crc_more(crc_of(span_of(bytes, 60)), span_of(bytes + 64, size - 64));
    for (int i = 0; i < 4; i++) bytes[60 + i] = (uint8_t)(crc >> 8 * i);
    cr_assert_eq(frame_decode(span_of(bytes, size), &frame, &body), ERROR_NEWER_FORMAT);
}

Test(format, frames_that_make_no_sense_are_none)
{
    uint8_t bytes[128];
    struct frame frame;
    struct span body;
    struct frame wrong[5] = {sample(), sample(), sample(), sample(), sample()};
    wrong[0].group_start = 4097;
    wrong[1].pieces = 4;
    wrong[2].count = 0;
    wrong[3].kind = FRAME_SEAL;
    wrong[4].kind = (enum frame_kind)9;
    for (size_t i = 0; i < 5; i++) {
        size_t size = encode_whole(bytes, wrong[i]);
        cr_assert_eq(frame_decode(span_of(bytes, size), &frame, &body), ERROR_MALFORMED, "%zu", i);
    }
}

Test(format, segment_head)
{
    uint8_t bytes[64];
    struct segment_head head = {
        .shard = 1, .epoch = 2, .number = 3, .base = 4096, .size = 8192, .lineage = 0x99};
    struct segment_head again;
    struct errmsg errmsg;
    segment_head_encode(&head, bytes);
    expect_hex(span_of(bytes, 60),
               "484673670100010001000000020000000300000000000000"
               "001000000000000000200000000000009900000000000000000000000000000000000000");
    cr_assert_eq(segment_head_decode(span_of(bytes, 64), "x", &again, &errmsg), 0);
    cr_assert_eq(again.base, 4096);
    cr_assert_eq(again.size, 8192);
    bytes[6] = 2;
    uint32_t crc = crc_of(span_of(bytes, 60));
    for (int i = 0; i < 4; i++) bytes[60 + i] = (uint8_t)(crc >> 8 * i);
    cr_assert_eq(segment_head_decode(span_of(bytes, 64), "x", &again, &errmsg), ERROR_NEWER_FORMAT);
    cr_assert_eq(segment_head_decode(span_of(bytes, 10), "x", &again, &errmsg), ERROR_DAMAGED);
}

Test(format, block_and_block_file)
{
    uint8_t bytes[64];
    struct errmsg errmsg;
    struct block_entry entry = {.block = 17, .version = 500};
    block_file_head(3, 0x99, bytes);
    expect_hex(span_of(bytes, 24), "4846626c0100010003000000000000009900000000000000");
    cr_assert_eq(block_file_check(span_of(bytes, 64), 3, "x", &errmsg), 0);
    cr_assert_eq(block_file_check(span_of(bytes, 64), 4, "x", &errmsg), ERROR_DAMAGED);
    block_head(&entry, SPAN_LITERAL("abc"), bytes);
    expect_hex(span_of(bytes, 28), "4846626b110000000300000000000000f40100000000000000000000");
    cr_assert_eq(entry.size, 3);
    cr_assert_eq(entry.crc, crc_more(crc_of(span_of(bytes, 28)), SPAN_LITERAL("abc")));
}

static struct manifest manifest;
static struct manifest other;

Test(format, manifest)
{
    struct buffer bytes;
    struct errmsg errmsg;
    buffer_init(&bytes);
    manifest.number = 2;
    manifest.info.seq = 9; /* one by one: a whole struct brings padding that is compared below */
    manifest.info.lineage = 0x99;
    manifest.info.epoch = 4;
    manifest.info.created_ms = 1000;
    manifest.entries[17] = (struct block_entry){17, 0x01020304, 3, 64, 5, 9};
    manifest_count(&manifest);
    manifest_encode(&manifest, &bytes);
    cr_assert_eq(bytes.size, 64 + 40 + 4);
    expect_hex(span_of(bytes.at, 104),
               "48466d66010001000200000000000000090000000000000099000000000000000400000001000000"
               "e80300000000000005000000000000000000000000000000"
               "11000000040302010300000000000000400000000000000005000000000000000900000000000000");
    cr_assert_eq(manifest_decode(buffer_span(&bytes), "x", &other, &errmsg), 0, "%s", errmsg.text);
    cr_assert_eq(memcmp(&manifest, &other, sizeof other), 0);
    buffer_close(&bytes);
}

Test(format, the_note_of_a_repair)
{
    char directory[PATH_SIZE];
    char path[PATH_SIZE];
    struct errmsg errmsg;
    struct repaired note = {true, 7, true, 1001, 5, 1u << 20};
    struct repaired again;
    temporary_make(directory);
    cr_assert_eq(repaired_load(&again, directory, &errmsg), 0);
    cr_assert_not(again.there);
    cr_assert_eq(repaired_write(&note, directory, &errmsg), 0);
    cr_assert_eq(repaired_load(&again, directory, &errmsg), 0);
    cr_assert(again.there && again.new_lineage && again.epoch == 7 && again.next_seq == 1001);
    cr_assert(again.number == 5 && again.base == 1u << 20);
    snprintf(path, sizeof path, "%.500s/repaired", directory);
    file_flip(path, 18, 1);
    cr_assert_eq(repaired_load(&again, directory, &errmsg), ERROR_DAMAGED);
    cr_assert_eq(repaired_remove(directory, &errmsg), 0);
    temporary_remove(directory);
}
