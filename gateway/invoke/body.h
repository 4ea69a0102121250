/*
 * Collects the body of one answer: bounded as sent and as decompressed. A body that arrives in one
 * piece is not copied. A compressed one is kept as it was sent until it is whole, and then unpacked
 * bit by bit: a few bytes may stand for megabytes, and others wait meanwhile.
 */
#ifndef HOLDFAST_INVOKE_BODY_H
#define HOLDFAST_INVOKE_BODY_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/span.h"

enum body_coding { BODY_PLAIN, BODY_GZIP, BODY_DEFLATE };

struct inflater;

struct body {
    struct span bytes; /* what has come so far; after body_end all of it */
    enum body_coding coding;
    size_t bytes_max; /* as sent, and again as decompressed */
    bool flows;       /* is read and dropped while it comes: whoever does so watches bytes_max */
    bool excerpt;     /* keep only the first excerpt_max bytes, for people; more is no error */
    size_t excerpt_max;
    size_t sent; /* bytes as sent so far */
    struct buffer copy;
    struct buffer packed;      /* compressed, as sent */
    struct inflater *inflater; /* made for the first compressed body, then kept */
    bool inflating;            /* has seen its first byte */
    bool complete;             /* the compressed stream has ended */
};

void body_init(struct body *body);
void body_close(struct body *body);
void body_begin(struct body *body, size_t bytes_max);

/* Bytes of memory that it may take. */
size_t body_held(const struct body *body);
/* Gives back about `most` bytes of what it holds, from the end: the system takes its time for each
   page. False: that was all worth the name, and the content is gone. */
bool body_shrink(struct body *body, size_t most);

/*
 * The next piece; `last` when it is known to be all: then `bytes` may point into it, and the piece
 * must stay valid until the body has been used, unless it flows. ERROR_TOO_LARGE, ERROR_MEMORY.
 */
int body_add(struct body *body, struct span piece, bool last) MUST_USE;

/* The first `size` bytes have been used, of a body that flows. */
void body_drop(struct body *body, size_t size);

/*
 * No more will come: unpacks about `most` bytes of what is compressed; `*done` when that was all,
 * or there is none. ERROR_TOO_LARGE, ERROR_MALFORMED (or its end is missing), ERROR_MEMORY.
 */
int body_unpack(struct body *body, size_t most, bool *done) MUST_USE;
/* All of it at once. */
int body_end(struct body *body) MUST_USE;

#endif
