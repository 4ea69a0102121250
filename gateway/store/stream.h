/*
 * Sequential writing to one file in whole blocks: what is put is staged, written when the stage is
 * full, and the last part-filled block is kept and written again with what follows. The device
 * never has to read before it writes, and a file opened for direct access works as well.
 */
#ifndef HOLDFAST_STORE_STREAM_H
#define HOLDFAST_STORE_STREAM_H

#include "os/file.h"

enum { STREAM_STAGE_SIZE = 256 << 10 };

struct stream {
    struct file *file; /* borrowed */
    uint8_t *stage;    /* aligned to FILE_BLOCK */
    size_t used;       /* bytes staged */
    uint64_t offset;   /* in the file, of stage[0]; a multiple of file->align */
};

int stream_init(struct stream *stream) MUST_USE;
void stream_end(struct stream *stream);
/* Goes on at `offset` of a file; what stands before it in its block is read and kept. */
int stream_start(struct stream *stream, struct file *file, uint64_t offset,
                 struct errmsg *errmsg) MUST_USE;
int stream_put(struct stream *stream, struct span bytes, struct errmsg *errmsg) MUST_USE;
/* Everything put so far is handed to the system, with zeros up to the end of its block. */
int stream_flush(struct stream *stream, struct errmsg *errmsg) MUST_USE;

/* Where the next byte goes. */
static inline uint64_t stream_at(const struct stream *stream)
{
    return stream->offset + stream->used;
}

#endif
