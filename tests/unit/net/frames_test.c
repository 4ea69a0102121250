/* The books on what HTTP/2 streams have sent. */
#include "net/frames.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, WINDOW_UPDATE = 8 };
enum { END_STREAM = 1, PADDED = 8 };

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
