/* See frames.h. RFC 9113, sections 4 and 6. */
#include "net/frames.h"

enum { PREFACE_SIZE = 24, HEAD_SIZE = 9 };
enum {
    TYPE_DATA = 0,
    TYPE_HEADERS = 1,
    TYPE_RST_STREAM = 3,
    TYPE_CONTINUATION = 9,
};
enum { FLAG_END_STREAM = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8, FLAG_PRIORITY = 32 };
enum { PRIORITY_SIZE = 5 };
enum { DATA_WORTH = 64 }; /* bytes of a body that make a frame of it no overhead */

/* -- Uploads -- */

static struct frames_upload *find(struct frames *frames, uint32_t stream)
{
    for (uint32_t i = 0; i < frames->upload_count; i++)
        if (frames->uploads[i].stream == stream) return &frames->uploads[i];
    return NULL;
}

static void forget(struct frames *frames, struct frames_upload *upload)
{
    frames->held -= upload->size;
    *upload = frames->uploads[--frames->upload_count];
}

/* The place of a refused one when there is no other. */
static struct frames_upload *add(struct frames *frames, uint32_t stream)
{
    for (uint32_t i = 0; frames->upload_count == FRAMES_UPLOADS_MAX; i++) {
        if (i == FRAMES_UPLOADS_MAX) return NULL;
        if (frames->uploads[i].refused) forget(frames, &frames->uploads[i]);
    }
    struct frames_upload *upload = &frames->uploads[frames->upload_count++];
    *upload = (struct frames_upload){.stream = stream};
    return upload;
}

static uint32_t payload_size(const struct frames *frames)
{
    return (uint32_t)frames->head[0] << 16 | (uint32_t)frames->head[1] << 8 | frames->head[2];
}

static void grow(struct frames *frames, uint32_t stream, size_t size, size_t upload_max,
                 size_t body_max)
{
    struct frames_upload *upload = find(frames, stream);
    if (upload == NULL) upload = add(frames, stream);
    /* Only a client that breaks the rules gets here without a place: what it sent stays counted. */
    if (upload == NULL) frames->held += size;
    if (upload == NULL || upload->refused) return;
    upload->refused = upload->size + size > upload_max;
    if (upload->size + size > body_max) frames->oversize = HEAD_SIZE + (size_t)payload_size(frames);
    frames->held -= upload->size;
    upload->size = upload->refused ? 0 : upload->size + size;
    frames->held += upload->size;
}

/* -- Frames -- */

static bool is_padded_data(const struct frames *frames)
{
    return frames->head[3] == TYPE_DATA && (frames->head[4] & FLAG_PADDED) != 0 &&
           payload_size(frames) > 0;
}

static uint32_t stream_of(const struct frames *frames)
{
    const uint8_t *at = frames->head + 5;
    return (uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static size_t data_size(const struct frames *frames)
{
    size_t padding = is_padded_data(frames) ? 1 + (size_t)frames->head[HEAD_SIZE] : 0;
    return payload_size(frames) > padding ? payload_size(frames) - padding : 0;
}

/* Types that h2o knows; it has to be told of others within a header block, which they break. */
static bool is_foreign(const struct frames *frames)
{
    return frames->head[3] > TYPE_CONTINUATION && !frames->in_headers;
}

static void count(struct frames *frames)
{
    uint8_t type = frames->head[3];
    if (type != TYPE_DATA || data_size(frames) < DATA_WORTH) frames->overhead++;
    if (type == TYPE_RST_STREAM) frames->resets++;
    if (type == TYPE_HEADERS && stream_of(frames) > frames->last_stream) {
        frames->last_stream = stream_of(frames);
        frames->begun++;
    }
    if (type != TYPE_HEADERS && type != TYPE_CONTINUATION) return;
    frames->in_headers = (frames->head[4] & FLAG_END_HEADERS) == 0;
    if (!frames->in_headers) frames->hpack = (struct hpack){0}; /* for the next block */
}

/* The next bytes of the payload; what of them belongs to a header block is between the pad length
   and priority in front and the padding behind. */
static void read_payload(struct frames *frames, struct span bytes)
{
    uint8_t type = frames->head[3], flags = frames->head[4];
    if (type != TYPE_HEADERS && type != TYPE_CONTINUATION) return;
    bool is_first = type == TYPE_HEADERS;
    bool padded = is_first && (flags & FLAG_PADDED) != 0;
    size_t lead = (size_t)padded + (is_first && (flags & FLAG_PRIORITY) != 0 ? PRIORITY_SIZE : 0);
    size_t from = payload_size(frames) - frames->payload_left;
    if (from == 0) frames->pad = padded ? bytes.at[0] : 0;
    size_t end = payload_size(frames) > frames->pad ? payload_size(frames) - frames->pad : 0;
    size_t skip = from < lead ? lead - from : 0;
    size_t size = from + bytes.size < end ? bytes.size : end > from ? end - from : 0;
    if (skip < size) hpack_read(&frames->hpack, span_of(bytes.at + skip, size - skip));
    if (frames->hpack.count > frames->fields_max) frames->fields_max = frames->hpack.count;
}

/* Whole now: this is when h2o acts on it. */
static void frame_complete(struct frames *frames, size_t upload_max, size_t body_max)
{
    uint8_t type = frames->head[3];
    bool ends = (frames->head[4] & FLAG_END_STREAM) != 0;
    frames->foreign_size = is_foreign(frames) ? HEAD_SIZE + (size_t)payload_size(frames) : 0;
    count(frames);
    frames->head_read = 0;
    if (type == TYPE_RST_STREAM || (ends && (type == TYPE_DATA || type == TYPE_HEADERS))) {
        struct frames_upload *upload = find(frames, stream_of(frames));
        if (upload != NULL) forget(frames, upload);
    } else if (type == TYPE_DATA) {
        grow(frames, stream_of(frames), data_size(frames), upload_max, body_max);
    }
}

/* Takes what belongs to the head; the pad length counts as payload. */
static size_t read_head(struct frames *frames, struct span bytes)
{
    size_t wanted = frames->head_read < HEAD_SIZE ? (size_t)(HEAD_SIZE - frames->head_read) : 1;
    size_t taken = bytes.size < wanted ? bytes.size : wanted;
    memcpy(frames->head + frames->head_read, bytes.at, taken);
    frames->head_read = (uint8_t)(frames->head_read + taken);
    if (frames->head_read == HEAD_SIZE) frames->payload_left = payload_size(frames);
    if (frames->head_read > HEAD_SIZE) frames->payload_left--;
    return taken;
}

static bool head_whole(const struct frames *frames)
{
    return frames->head_read > HEAD_SIZE ||
           (frames->head_read == HEAD_SIZE && !is_padded_data(frames));
}

size_t frames_next(struct frames *frames, struct span bytes, size_t upload_max, size_t body_max)
{
    size_t all = bytes.size;
    frames->foreign_size = 0;
    frames->oversize = 0;
    while (bytes.size > 0 && frames->foreign_size == 0 && frames->oversize == 0) {
        size_t taken = 1;
        if (frames->preface_read < PREFACE_SIZE) {
            frames->preface_read++;
        } else if (!head_whole(frames)) {
            taken = read_head(frames, bytes);
        } else {
            taken = bytes.size < frames->payload_left ? bytes.size : frames->payload_left;
            read_payload(frames, span_of(bytes.at, taken));
            frames->payload_left -= (uint32_t)taken;
        }
        bytes = span_from(bytes, taken);
        if (head_whole(frames) && frames->payload_left == 0)
            frame_complete(frames, upload_max, body_max);
    }
    return all - bytes.size;
}

void frames_read(struct frames *frames, struct span bytes, size_t upload_max)
{
    while (bytes.size > 0)
        bytes = span_from(bytes, frames_next(frames, bytes, upload_max, SIZE_MAX));
}
