#include "store/stream.h"

#include "base/check.h"

#include <stdlib.h>

int stream_init(struct stream *stream)
{
    *stream = (struct stream){.stage = aligned_alloc(FILE_BLOCK, STREAM_STAGE_SIZE)};
    return stream->stage == NULL ? ERROR_MEMORY : 0;
}

void stream_end(struct stream *stream)
{
    free(stream->stage);
    *stream = (struct stream){0};
}

int stream_start(struct stream *stream, struct file *file, uint64_t offset, struct errmsg *errmsg)
{
    size_t got = 0;
    stream->file = file;
    stream->used = (size_t)(offset % file->align);
    stream->offset = offset - stream->used;
    if (stream->used == 0) return 0;
    /* A whole block is read, since direct reads are aligned too. */
    int error = file_read(file, stream->offset, stream->stage, file->align, &got, errmsg);
    if (error != 0) return error;
    if (got < stream->used)
        return errmsg_set(errmsg, ERROR_IO, "%.200s became shorter while it was open", file->path);
    return 0;
}

static int write_stage(struct stream *stream, size_t size, struct errmsg *errmsg)
{
    return file_write(stream->file, stream->offset, span_of(stream->stage, size), errmsg);
}

int stream_put(struct stream *stream, struct span bytes, struct errmsg *errmsg)
{
    while (bytes.size > 0) {
        size_t part = STREAM_STAGE_SIZE - stream->used;
        if (part > bytes.size) part = bytes.size;
        memcpy(stream->stage + stream->used, bytes.at, part);
        stream->used += part;
        bytes = span_from(bytes, part);
        if (stream->used < STREAM_STAGE_SIZE) break;
        int error = write_stage(stream, STREAM_STAGE_SIZE, errmsg);
        if (error != 0) return error;
        stream->offset += STREAM_STAGE_SIZE;
        stream->used = 0;
    }
    return 0;
}

int stream_flush(struct stream *stream, struct errmsg *errmsg)
{
    size_t align = stream->file->align;
    size_t whole = stream->used / align * align;
    size_t end = whole == stream->used ? whole : whole + align;
    CHECK(end <= STREAM_STAGE_SIZE);
    if (end == 0) return 0;
    memset(stream->stage + stream->used, 0, end - stream->used);
    int error = write_stage(stream, end, errmsg);
    if (error != 0) return error;
    memmove(stream->stage, stream->stage + whole, stream->used - whole);
    stream->offset += whole;
    stream->used -= whole;
    return 0;
}
