/*
 * The frames of an HTTP/2 connection as they come in, looked at to know what h2o does not tell: how
 * many bytes of unfinished bodies it holds, and how much comes that is of no use to anybody.
 */
#ifndef HOLDFAST_NET_FRAMES_H
#define HOLDFAST_NET_FRAMES_H

#include "net/hpack.h"

#include <stdbool.h>

/* h2o lets a client have 100 streams open; the rest is for those that it has refused. */
enum { FRAMES_UPLOADS_MAX = 256 };

struct frames_upload {
    uint32_t stream;
    bool refused; /* holds nothing; what was on its way still comes */
    size_t size;
};

/* All zero at the connection's first byte. */
struct frames {
    uint8_t preface_read;
    uint8_t head[10]; /* of the frame that is coming, with the pad length if it has one */
    uint8_t head_read;
    uint32_t payload_left;
    bool in_headers; /* in the middle of a header block */
    uint8_t pad;     /* bytes behind the block in this frame */
    struct hpack hpack;
    uint32_t fields_max; /* of the largest block so far */
    size_t foreign_size; /* see frames_next */
    size_t oversize;     /* the same */
    uint64_t overhead;   /* frames so far that bring next to nothing of a body */
    uint32_t last_stream;
    uint64_t begun;  /* requests so far */
    uint64_t resets; /* RST_STREAM so far */
    size_t held;     /* bytes of all uploads */
    uint32_t upload_count;
    struct frames_upload uploads[FRAMES_UPLOADS_MAX];
};

/* An upload that grows over `upload_max` is refused, as h2o does with the same limit. */
void frames_read(struct frames *frames, struct span bytes, size_t upload_max);
/*
 * The same, but ends behind a frame of a type that nobody knows, which h2o would log: then
 * `foreign_size` is its size, head and all, else 0. And behind one that takes its upload over
 * `body_max`, whatever `upload_max` is: then `oversize` is its size. Gives back how many bytes were
 * read.
 */
size_t frames_next(struct frames *frames, struct span bytes, size_t upload_max, size_t body_max);

#endif
