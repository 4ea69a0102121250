/*
 * Collects the body of one answer: bounded as sent and as decompressed. A body that arrives in one
 * piece is not copied.
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
    bool excerpt;     /* keep only the first excerpt_max bytes, for people; more is no error */
    size_t excerpt_max;
    size_t sent; /* bytes as sent so far */
    struct buffer copy;
    struct inflater *inflater; /* made for the first compressed body, then kept */
    bool inflating;            /* has seen its first byte */
    bool complete;             /* the compressed stream has ended */
};

void body_init(struct body *body);
void body_close(struct body *body);
void body_begin(struct body *body, size_t bytes_max);

/*
 * The next piece; `last` when it is known to be all: then `bytes` may point into it, and the piece
 * must stay valid until the body has been used. ERROR_TOO_LARGE, ERROR_MALFORMED (compression),
 * ERROR_MEMORY.
 */
int body_add(struct body *body, struct span piece, bool last) MUST_USE;

/* No more will come. ERROR_MALFORMED when the compressed stream has not ended. */
int body_end(struct body *body) MUST_USE;

#endif
