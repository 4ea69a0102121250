/* The books on what HTTP/2 streams have sent. */
#include "net/frames.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, WINDOW_UPDATE = 8, CONTINUATION = 9 };
enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8, PRIORITY = 32 };

static struct frames frames;
static size_t step; /* bytes that come at once */

static void setup(void)
{
    frames = (struct frames){0};
    step = SIZE_MAX;
}

TestSuite(frames, .init = setup, .timeout = 10);

static void feed(const void *bytes, size_t size, size_t upload_max)
{
    struct span rest = span_of(bytes, size);
    while (rest.size > 0) {
        size_t taken = rest.size < step ? rest.size : step;
        frames_read(&frames, span_of(rest.at, taken), upload_max);
        rest = span_from(rest, taken);
    }
}

static void frame(int type, int flags, uint32_t stream, uint8_t first, size_t size,
                  size_t upload_max)
{
    static uint8_t bytes[20000];
    uint8_t head[9] = {(uint8_t)(size >> 16),   (uint8_t)(size >> 8),   (uint8_t)size,
                       (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
                       (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    memcpy(bytes, head, 9);
    bytes[9] = first;
    feed(bytes, 9 + size, upload_max);
}

static void preface(void)
{
    feed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, 1000);
}

static void counts(void)
{
    preface();
    frame(HEADERS, 0, 1, 0, 50, 10000);
    frame(DATA, 0, 1, 0, 600, 10000);
    frame(DATA, PADDED, 3, 99, 500, 10000); /* 1 + 99 of padding */
    frame(WINDOW_UPDATE, 0, 0, 0, 4, 10000);
    cr_assert_eq(frames.held, 1000);
    frame(DATA, 0, 1, 0, 0, 10000);
    frame(DATA, END_STREAM, 1, 0, 300, 10000);
    cr_assert_eq(frames.held, 400);
    frame(RST_STREAM, 0, 3, 0, 4, 10000);
    cr_assert_eq(frames.held, 0);
    cr_assert_eq(frames.upload_count, 0);
}

Test(frames, counts_unfinished_uploads)
{
    counts();
}

Test(frames, counts_however_they_are_cut)
{
    step = 1;
    counts();
}

Test(frames, ends_an_upload_with_trailers)
{
    preface();
    frame(DATA, 0, 1, 0, 600, 10000);
    frame(HEADERS, END_STREAM, 1, 0, 20, 10000);
    cr_assert_eq(frames.held, 0);
}

Test(frames, counts_only_what_is_whole)
{
    uint8_t half[9 + 50] = {0, 0, 100, DATA, 0, 0, 0, 0, 1};
    preface();
    feed(half, sizeof half, 10000);
    cr_assert_eq(frames.held, 0);
    feed(half + 9, 50, 10000);
    cr_assert_eq(frames.held, 100);
}

Test(frames, forgets_the_refused)
{
    preface();
    frame(DATA, 0, 1, 0, 600, 1000);
    frame(DATA, 0, 1, 0, 400, 1000);
    cr_assert_eq(frames.held, 1000);
    frame(DATA, 0, 1, 0, 1, 1000);
    cr_assert_eq(frames.held, 0);
    frame(DATA, 0, 1, 0, 500, 1000);
    cr_assert_eq(frames.held, 0, "what was on its way is counted");
}

Test(frames, bears_any_number_of_streams)
{
    preface();
    for (uint32_t i = 0; i < 1000; i++) frame(DATA, 0, 1 + 2 * i, 0, 2, 1);
    cr_assert_eq(frames.held, 0);
    for (uint32_t i = 0; i < 1000; i++) frame(DATA, 0, 3001 + 2 * i, 0, 2, 10);
    cr_assert_eq(frames.held, 2000);
    cr_assert_eq(frames.upload_count, FRAMES_UPLOADS_MAX);
}

/* -- Header blocks -- */

/* One field in each way of writing one, and a change of the table's size, which is none. */
static const uint8_t block[] = {
    0x82,                                         /* indexed */
    0xff, 0x80, 0x01,                             /* indexed, the index in three bytes */
    0x40, 3,    'x',  '-',  'a',  2,    '1', '2', /* literal, kept, a new name */
    0x41, 1,    't',                              /* literal, kept, a known name */
    0x7f, 0x01, 0x00,                             /* the same with a long index and no value */
    0x3f, 0xe1, 0x1f,                             /* a table of 4096 */
    0x20,                                         /* a table of nothing */
    0x00, 0,    0,                                /* literal, not kept, all empty */
    0x1f, 0x00, 0x83, 0xff, 0xff, 0xff,           /* never kept, a Huffman value */
    0x04, 0x7f, 0x01, 0x82, /* a value of 128 bytes begins, which is all 0x82 */
};
enum { BLOCK_FIELDS = 8 };

static void begin_block(int flags, const uint8_t *lead, size_t lead_size, size_t pad)
{
    uint8_t bytes[600] = {0};
    size_t size = lead_size + sizeof block + 127 + pad;
    uint8_t head[9] = {0, (uint8_t)(size >> 8), (uint8_t)size, HEADERS, (uint8_t)flags, 0, 0, 0, 1};
    memcpy(bytes, head, 9);
    if (lead_size > 0) memcpy(bytes + 9, lead, lead_size);
    memcpy(bytes + 9 + lead_size, block, sizeof block);
    memset(bytes + 9 + lead_size + sizeof block, 0x82, 127);
    feed(bytes, 9 + size, 1000);
}

Test(frames, counts_the_fields_of_a_block_in_any_pieces)
{
    const uint8_t lead[] = {40, 0, 0, 0, 0, 7};
    for (step = 1; step < 80; step++) {
        frames = (struct frames){0};
        preface();
        begin_block(END_HEADERS, NULL, 0, 0);
        cr_assert_eq(frames.fields_max, BLOCK_FIELDS, "%u in pieces of %zu", frames.fields_max,
                     step);
        frames.fields_max = 0;
        begin_block(END_HEADERS | PADDED | PRIORITY, lead, 6, 40);
        cr_assert_eq(frames.fields_max, BLOCK_FIELDS, "%u, padded, in pieces of %zu",
                     frames.fields_max, step);
    }
}

Test(frames, counts_the_fields_of_a_continued_block)
{
    preface();
    frame(HEADERS, 0, 1, 0x82, 1, 1000);
    frame(CONTINUATION, 0, 1, 0x40, 1, 1000); /* breaks off within a field */
    frame(CONTINUATION, END_HEADERS, 1, 0, 2, 1000);
    cr_assert_eq(frames.fields_max, 2);
    frame(HEADERS, END_HEADERS, 3, 0x82, 1, 1000);
    cr_assert_eq(frames.fields_max, 2, "each block for itself");
}

Test(frames, a_block_that_begins_with_nothing_is_for_itself_too)
{
    preface();
    for (uint32_t stream = 1; stream < 201; stream += 2) {
        frame(HEADERS, 0, stream, 0, 0, 1000);
        frame(CONTINUATION, END_HEADERS, stream, 0x82, 10, 1000);
    }
    cr_assert_eq(frames.fields_max, 4); /* 0x82, and three of a name and a value without a byte */
}
