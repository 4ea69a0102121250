/* buffer.h and reader.h: what one writes the other reads, and nothing else. */
#include <criterion/criterion.h>

#include "base/buffer.h"
#include "base/prng.h"
#include "base/reader.h"

#include <stdlib.h>

TestSuite(encoding, .timeout = 20);

static const uint64_t edges[] = {0,          1,          127,        128,
                                 16383,      16384,      1 << 21,    UINT32_MAX,
                                 1ull << 32, 1ull << 56, 1ull << 63, UINT64_MAX};

Test(encoding, varints_come_back_and_have_their_size)
{
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        struct buffer buffer;
        buffer_init(&buffer);
        buffer_varint(&buffer, edges[i]);
        cr_assert_eq(buffer.size, varint_size(edges[i]));
        struct reader reader = reader_of(buffer_span(&buffer));
        cr_assert_eq(reader_varint(&reader), edges[i]);
        cr_assert(reader_done(&reader));
        buffer_close(&buffer);
    }
}

Test(encoding, varint_bytes_are_leb128)
{
    struct buffer buffer;
    buffer_init(&buffer);
    buffer_varint(&buffer, 624485);
    cr_assert(span_equal(buffer_span(&buffer), SPAN_LITERAL("\xe5\x8e\x26")));
    buffer_close(&buffer);
}

static bool varint_fails(struct span bytes)
{
    struct reader reader = reader_of(bytes);
    uint64_t value = reader_varint(&reader);
    cr_assert(!reader.failed || value == 0);
    return reader.failed;
}

Test(encoding, broken_varints_fail)
{
    cr_assert(varint_fails(SPAN_EMPTY));
    cr_assert(varint_fails(SPAN_LITERAL("\x80")));
    cr_assert(varint_fails(SPAN_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00")));
    cr_assert(varint_fails(SPAN_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")),
              "over 64 bits");
    cr_assert_not(varint_fails(SPAN_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")));
}

Test(encoding, a_varint_above_its_limit_fails)
{
    struct reader reader = reader_of(SPAN_LITERAL("\x05\x05"));
    cr_assert_eq(reader_varint_max(&reader, 5), 5);
    cr_assert_eq(reader_varint_max(&reader, 4), 0);
    cr_assert(reader.failed);
}

Test(encoding, integers_are_little_endian)
{
    struct buffer buffer;
    buffer_init(&buffer);
    buffer_u32(&buffer, 0x01020304);
    buffer_u64(&buffer, 0x0102030405060708);
    cr_assert(span_equal(buffer_span(&buffer), SPAN_LITERAL("\4\3\2\1\10\7\6\5\4\3\2\1")));
    struct reader reader = reader_of(buffer_span(&buffer));
    cr_assert_eq(reader_u32(&reader), 0x01020304);
    cr_assert_eq(reader_u64(&reader), 0x0102030405060708);
    cr_assert(reader_done(&reader));
    buffer_close(&buffer);
}

Test(encoding, a_string_longer_than_the_rest_fails)
{
    struct reader reader = reader_of(SPAN_LITERAL("\x04"
                                                  "abc"));
    cr_assert_eq(reader_string(&reader).size, 0);
    cr_assert(reader.failed);
    cr_assert_eq(reader_left(&reader), 0);
    cr_assert_not(reader_done(&reader));
}

Test(encoding, failure_sticks)
{
    struct reader reader = reader_of(SPAN_LITERAL("abcd"));
    reader_bytes(&reader, 5);
    cr_assert(reader.failed);
    cr_assert_eq(reader_byte(&reader), 0);
    cr_assert_eq(reader_u32(&reader), 0);
    cr_assert_eq(reader_u64(&reader), 0);
    cr_assert_eq(reader_bytes(&reader, 1).size, 0);
    cr_assert_eq(reader_varint(&reader), 0);
    cr_assert(reader.failed);
}

Test(encoding, a_short_integer_gives_nothing)
{
    struct reader reader = reader_of(SPAN_LITERAL("abcdefg"));
    cr_assert_eq(reader_u64(&reader), 0);
    cr_assert(reader.failed);
}

Test(encoding, an_empty_span_reads_as_empty)
{
    struct reader reader = reader_of(SPAN_EMPTY);
    cr_assert(reader_done(&reader));
    cr_assert_eq(reader_bytes(&reader, 0).size, 0);
    cr_assert(reader_done(&reader));
}

/* Every cut of an encoding fails; the whole of it does not. Each prefix in memory of its own, for
 * ASan. */
Test(encoding, every_cut_is_noticed)
{
    struct buffer buffer;
    buffer_init(&buffer);
    buffer_byte(&buffer, 7);
    buffer_varint(&buffer, 1 << 20);
    buffer_string(&buffer, SPAN_LITERAL("holdfast"));
    buffer_u32(&buffer, 1);
    buffer_u64(&buffer, 2);
    for (size_t size = 0; size <= buffer.size; size++) {
        uint8_t *copy = malloc(size == 0 ? 1 : size);
        memcpy(copy, buffer.at, size);
        struct reader reader = reader_of(span_of(copy, size));
        reader_byte(&reader);
        reader_varint(&reader);
        reader_string(&reader);
        reader_u32(&reader);
        reader_u64(&reader);
        cr_assert_eq(reader.failed, size < buffer.size);
        free(copy);
    }
    buffer_close(&buffer);
}

Test(encoding, random_bytes_never_read_beyond_the_end)
{
    struct prng prng = {1};
    for (int round = 0; round < 20000; round++) {
        size_t size = prng_below(&prng, 24);
        uint8_t *bytes = malloc(size == 0 ? 1 : size);
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)prng_next(&prng);
        struct reader reader = reader_of(span_of(bytes, size));
        for (int i = 0; i < 4 && !reader.failed; i++) {
            struct span string = reader_string(&reader);
            cr_assert_leq(string.size, size);
            reader_varint(&reader);
        }
        free(bytes);
    }
}

Test(encoding, truncating_takes_an_unfinished_encoding_back)
{
    struct buffer buffer;
    buffer_init(&buffer);
    buffer_append(&buffer, SPAN_LITERAL("kept"));
    size_t size = buffer.size;
    for (int i = 0; i < 1000; i++) buffer_u64(&buffer, 1);
    buffer_truncate(&buffer, size);
    buffer_append(&buffer, SPAN_LITERAL("!"));
    cr_assert(span_equal(buffer_span(&buffer), SPAN_LITERAL("kept!")));
    size_t capacity = buffer.capacity;
    buffer_clear(&buffer);
    cr_assert_eq(buffer.size, 0);
    cr_assert_eq(buffer.capacity, capacity);
    buffer_close(&buffer);
}

Test(encoding, a_buffer_without_memory_fails_and_stays_failed)
{
    struct buffer buffer;
    buffer_init(&buffer);
    buffer_append(&buffer, SPAN_LITERAL("abc"));
    cr_assert_eq(buffer_reserve(&buffer, SIZE_MAX / 2 + 2), ERROR_MEMORY);
    cr_assert(buffer.failed);
    buffer_append(&buffer, SPAN_LITERAL("d"));
    cr_assert_eq(buffer_reserve(&buffer, 1), ERROR_MEMORY);
    cr_assert(span_equal(buffer_span(&buffer), SPAN_LITERAL("abc")), "what was in stays");
    buffer_clear(&buffer);
    cr_assert_eq(buffer_reserve(&buffer, 1), 0);
    buffer_close(&buffer);
}
