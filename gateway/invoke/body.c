/* See body.h. */
#include "invoke/body.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    INFLATE_STEP = 16 * 1024, /* bytes asked for at a time */
    /* No data that a function means is packed tighter; a bomb would take the loop's time for all of
       payload_max_bytes. The first so many bytes may be anything. */
    INFLATE_RATIO_MAX = 200,
    INFLATE_FREE = 1024 * 1024,
    COPY_KEPT_MAX = 64 * 1024, /* a larger buffer is given back after its answer */
    /* A body beyond this gets a mapping of its own, with room for all that it may become. Moving it
       again and again while it grows would make turns of many milliseconds; what is not written
       costs nothing; and what is given back does not stay in the heap. */
    LARGE = 256 * 1024,
    MAPPED = (32 << 20) + 65536, /* bytes that no malloc takes from its heap */
};

struct inflater {
    z_stream stream;
    bool ready;
};

void body_init(struct body *body)
{
    *body = (struct body){0};
    buffer_init(&body->copy);
    buffer_init(&body->packed);
}

void body_close(struct body *body)
{
    if (body->inflater != NULL && body->inflater->ready) inflateEnd(&body->inflater->stream);
    free(body->inflater);
    buffer_close(&body->copy);
    buffer_close(&body->packed);
    body_init(body);
}

void body_begin(struct body *body, size_t bytes_max)
{
    if (body->copy.capacity > COPY_KEPT_MAX) buffer_close(&body->copy);
    if (body->packed.capacity > COPY_KEPT_MAX) buffer_close(&body->packed);
    buffer_clear(&body->copy);
    buffer_clear(&body->packed);
    body->bytes = SPAN_EMPTY;
    body->coding = BODY_PLAIN;
    body->bytes_max = bytes_max;
    body->excerpt = body->flows = false;
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

/* A mapping takes what has been written to it. */
static size_t held(const struct buffer *buffer)
{
    return buffer->capacity < MAPPED ? buffer->capacity : buffer->size;
}

size_t body_held(const struct body *body)
{
    return held(&body->copy) + held(&body->packed);
}

static bool resize(struct buffer *buffer, size_t capacity)
{
    uint8_t *at = realloc(buffer->at, capacity);
    if (at == NULL) return false;
    buffer->at = at;
    buffer->capacity = capacity;
    return true;
}

static bool shrink(struct buffer *buffer, size_t most)
{
    if (buffer->size <= most) return false;
    buffer->size -= most;
    return resize(buffer, buffer->size);
}

bool body_shrink(struct body *body, size_t most)
{
    body->bytes = SPAN_EMPTY;
    return shrink(&body->copy, most) || shrink(&body->packed, most);
}

static int make_room(const struct body *body, struct buffer *buffer, size_t more)
{
    bool becomes_large = buffer->size + more > LARGE && buffer->capacity < MAPPED;
    size_t place = body->bytes_max < MAPPED ? MAPPED : body->bytes_max;
    if (becomes_large && resize(buffer, place)) return 0;
    return buffer_reserve(buffer, more);
}

/* As it was sent, to be copied. */
static int keep(struct body *body, struct buffer *buffer, struct span piece)
{
    if (make_room(body, buffer, piece.size) != 0) return ERROR_MEMORY;
    buffer_append(buffer, piece);
    return 0;
}

/* One run of inflate into the copy. Asks for at most one byte more than may come. */
static int inflate_step(struct body *body)
{
    z_stream *stream = &body->inflater->stream;
    size_t max = body->excerpt ? body->excerpt_max : body->bytes_max;
    size_t room = max - body->copy.size + 1;
    if (room > INFLATE_STEP) room = INFLATE_STEP;
    if (make_room(body, &body->copy, room) != 0) return ERROR_MEMORY;
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

/* The beginning of a body that is no result, for people: never much. What comes then is nothing. */
static int inflate_excerpt(struct body *body, struct span piece)
{
    int error = body->inflating ? 0 : inflate_begin(body, piece.at[0]);
    if (error != 0) return error;
    z_stream *stream = &body->inflater->stream;
    stream->next_in = (Bytef *)(uintptr_t)piece.at;
    stream->avail_in = (uInt)piece.size;
    while (error == 0 && !body->complete && stream->avail_in > 0) error = inflate_step(body);
    body->bytes = buffer_span(&body->copy);
    return error;
}

int body_add(struct body *body, struct span piece, bool last)
{
    if (piece.size == 0) return 0;
    if (!body->flows && piece.size > body->bytes_max - body->sent) return ERROR_TOO_LARGE;
    bool first = body->sent == 0;
    body->sent += piece.size;
    if (body->coding != BODY_PLAIN)
        return body->excerpt ? inflate_excerpt(body, piece) : keep(body, &body->packed, piece);
    if (body->excerpt) {
        size_t room = body->excerpt_max - body->copy.size;
        if (piece.size > room) piece.size = room;
    } else if (first && last && !body->flows) {
        body->bytes = piece;
        return 0;
    }
    int error = keep(body, &body->copy, piece);
    body->bytes = buffer_span(&body->copy);
    return error;
}

void body_drop(struct body *body, size_t size)
{
    struct buffer *copy = &body->copy;
    if (size == 0) return;
    memmove(copy->at, copy->at + size, copy->size - size);
    copy->size -= size;
    /* A large part has made place for itself; what comes may take its time. */
    if (copy->size <= COPY_KEPT_MAX && copy->capacity > COPY_KEPT_MAX)
        (void)resize(copy, COPY_KEPT_MAX);
    body->bytes = buffer_span(copy);
}

/* What is left of the packed bytes, into the stream. */
static size_t feed(struct body *body)
{
    z_stream *stream = &body->inflater->stream;
    struct span left = span_from(buffer_span(&body->packed), stream->total_in);
    stream->next_in = (Bytef *)(uintptr_t)left.at;
    stream->avail_in = left.size > UINT_MAX ? UINT_MAX : (uInt)left.size;
    return left.size;
}

/* `*done` at the stream's end, which has to be the end of the bytes as well. */
static int unpack_step(struct body *body, bool *done)
{
    size_t left = feed(body);
    int error = inflate_step(body);
    if (error != 0) return error;
    const z_stream *stream = &body->inflater->stream;
    *done = body->complete;
    if (body->complete) return stream->total_in == body->packed.size ? 0 : ERROR_MALFORMED;
    /* It could have gone on, and there is nothing. */
    return left == 0 && stream->avail_out > 0 ? ERROR_MALFORMED : 0;
}

int body_unpack(struct body *body, size_t most, bool *done)
{
    *done = body->packed.size == 0;
    if (*done) return 0;
    int error = body->inflating ? 0 : inflate_begin(body, body->packed.at[0]);
    size_t until = body->copy.size + most;
    while (error == 0 && !*done && body->copy.size < until) error = unpack_step(body, done);
    body->bytes = buffer_span(&body->copy);
    return error;
}

int body_end(struct body *body)
{
    bool done = false;
    int error = 0;
    while (error == 0 && !done) error = body_unpack(body, INFLATE_FREE, &done);
    return error;
}
