/* The strict second look at request heads, and the books of HTTP/2 uploads: in one piece and in
 * pieces of any size they must come to the same. */
#include "fuzz.h"

#include "net/frames.h"
#include "net/head.h"

#include <stdlib.h>

enum { UPLOAD_MAX = 2000 };

static void check_frames(const struct frames *frames)
{
    size_t held = 0;
    FUZZ_CHECK(frames->upload_count <= FRAMES_UPLOADS_MAX);
    for (uint32_t i = 0; i < frames->upload_count; i++) held += frames->uploads[i].size;
    FUZZ_CHECK(held == frames->held);
}

static void pieces(struct span input)
{
    struct frames *whole = calloc(2, sizeof *whole);
    FUZZ_CHECK(whole != NULL);
    struct frames *cut = whole + 1;
    size_t step = 1 + fuzz_byte(&input);
    frames_read(whole, input, UPLOAD_MAX);
    check_frames(whole);
    for (struct span rest = input; rest.size > 0; rest = span_from(rest, step))
        frames_read(cut, span_of(rest.at, rest.size < step ? rest.size : step), UPLOAD_MAX);
    check_frames(cut);
    FUZZ_CHECK(whole->held == cut->held && whole->upload_count == cut->upload_count);
    FUZZ_CHECK(whole->payload_left == cut->payload_left);
    free(whole);
}

void fuzz_one(struct span input)
{
    struct head_verdict verdict = head_check(input);
    FUZZ_CHECK(verdict.status == 0 || verdict.status == 400 || verdict.status == 431);
    FUZZ_CHECK(verdict.status == 0 || verdict.detail != NULL);
    pieces(input);
}
