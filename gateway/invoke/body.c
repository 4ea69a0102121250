/* See body.h. */
#include "invoke/body.h"

#include <stdlib.h>
#include <zlib.h>

enum {
    INFLATE_STEP = 16 * 1024, /* bytes asked for at a time */
    /* No data that a function means is packed tighter; a bomb would take the loop's time for all of
       payload_max_bytes. The first so many bytes may be anything. */
    INFLATE_RATIO_MAX = 200,
    INFLATE_FREE = 1024 * 1024,
    COPY_KEPT_MAX = 64 * 1024 /* a larger buffer is given back after its answer */
};

struct inflater {
    z_stream stream;
    bool ready;
};

void body_init(struct body *body)
{
    *body = (struct body){0};
    buffer_init(&body->copy);
}

void body_close(struct body *body)
{
    if (body->inflater != NULL && body->inflater->ready) inflateEnd(&body->inflater->stream);
    free(body->inflater);
    buffer_close(&body->copy);
    body_init(body);
}

void body_begin(struct body *body, size_t bytes_max)
{
    if (body->copy.capacity > COPY_KEPT_MAX) buffer_close(&body->copy);
    buffer_clear(&body->copy);
    body->bytes = SPAN_EMPTY;
    body->coding = BODY_PLAIN;
    body->bytes_max = bytes_max;
    body->excerpt = false;
    body->sent = 0;
    body->inflating = body->complete = false;
}

/* gzip says so itself. "deflate" should be zlib's format, but some send the bare stream: zlib's
   first byte ends in 8, which in a bare stream would be a stored block with stray bits. */
static int inflate_begin(struct body *body, uint8_t first)
{
    int window = body->coding == BODY_GZIP ? 15 + 16 : (first & 0x0f) == 8 ? 15 : -15;
    if (body->inflater == NULL) body->inflater = calloc(1, sizeof *body->inflater);
    if (body->inflater == NULL) return ERROR_MEMORY;
    struct inflater *inflater = body->inflater;
    int result = inflater->ready ? inflateReset2(&inflater->stream, window)
                                 : inflateInit2(&inflater->stream, window);
    if (result != Z_OK) return ERROR_MEMORY;
    inflater->ready = true;
    body->inflating = true;
    return 0;
}

/* One run of inflate into the copy. Asks for at most one byte more than may come. */
static int inflate_step(struct body *body)
{
    z_stream *stream = &body->inflater->stream;
    size_t max = body->excerpt ? body->excerpt_max : body->bytes_max;
    size_t room = max - body->copy.size + 1;
    if (room > INFLATE_STEP) room = INFLATE_STEP;
    if (buffer_reserve(&body->copy, room) != 0) return ERROR_MEMORY;
    stream->next_out = body->copy.at + body->copy.size;
    stream->avail_out = (uInt)room;
    int result = inflate(stream, Z_NO_FLUSH);
    body->copy.size += room - stream->avail_out;
    if (body->copy.size > max) {
        body->copy.size = max;
        body->complete = body->excerpt;
        return body->excerpt ? 0 : ERROR_TOO_LARGE;
    }
    if (body->copy.size > INFLATE_FREE && body->copy.size / INFLATE_RATIO_MAX > stream->total_in)
        return ERROR_TOO_LARGE;
    if (result == Z_STREAM_END) body->complete = true;
    if (result == Z_MEM_ERROR) return ERROR_MEMORY;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return ERROR_MALFORMED;
    return 0;
}

static int inflate_add(struct body *body, struct span piece)
{
    int error = body->inflating ? 0 : inflate_begin(body, piece.at[0]);
    if (error != 0) return error;
    z_stream *stream = &body->inflater->stream;
    stream->next_in = (Bytef *)(uintptr_t)piece.at;
    stream->avail_in = (uInt)piece.size;
    do {
        if (body->complete) { /* bytes after the end */
            error = body->excerpt ? 0 : ERROR_MALFORMED;
            break;
        }
        error = inflate_step(body);
    } while (error == 0 && (stream->avail_in > 0 || (stream->avail_out == 0 && !body->complete)));
    body->bytes = buffer_span(&body->copy);
    return error;
}

int body_add(struct body *body, struct span piece, bool last)
{
    if (piece.size == 0) return 0;
    if (piece.size > body->bytes_max - body->sent) return ERROR_TOO_LARGE;
    bool first = body->sent == 0;
    body->sent += piece.size;
    if (body->coding != BODY_PLAIN) return inflate_add(body, piece);
    if (body->excerpt) {
        size_t room = body->excerpt_max - body->copy.size;
        if (piece.size > room) piece.size = room;
    } else if (first && last) {
        body->bytes = piece;
        return 0;
    }
    buffer_append(&body->copy, piece);
    body->bytes = buffer_span(&body->copy);
    return body->copy.failed ? ERROR_MEMORY : 0;
}

int body_end(struct body *body)
{
    return body->inflating && !body->complete && !body->excerpt ? ERROR_MALFORMED : 0;
}
