/*
 * Torn or damaged? The frame at X is bad. A later frame F, in its own place and not of an older
 * epoch, says by its group_start how far the journal was durable when F was issued. F.group_start >
 * X: X had been durable, so it is damage. Otherwise F belongs to the same unfinished group as X, of
 * which a power cut may keep any part.
 */
#include "store/scan.h"

#include "store/scan_window.h"

#include <inttypes.h>

static uint64_t bad_position(const struct scan *scan)
{
    return scan->at.segment->base + scan->at.offset;
}

static bool plausible(const struct scan *scan, const struct segment *segment, uint64_t offset,
                      const struct frame *frame, size_t size)
{
    if (frame->position != segment->base + offset || frame->shard != scan->shard) return false;
    if (size > segment->size - offset || frame->epoch < scan->at.epoch) return false;
    if (frame->epoch == scan->at.epoch && frame->lineage != scan->at.lineage) return false;
    return frame->group_start > bad_position(scan);
}

/* A frame that proves damage stands at `offset`. Its content is only read when its head already
 * speaks for it. */
static int proves(struct scan *scan, struct segment *segment, uint64_t offset,
                  struct scan_proof *proof, struct errmsg *errmsg)
{
    struct span bytes;
    struct span body;
    size_t size;
    int error = scan_look(scan, offset, FRAME_HEAD_SIZE, &bytes, errmsg);
    if (error != 0) return error;
    if (frame_peek(bytes, &proof->frame, &size) != 0) return 0;
    if (!plausible(scan, segment, offset, &proof->frame, size)) return 0;
    if ((error = scan_look(scan, offset, size, &bytes, errmsg)) != 0) return error;
    if (frame_decode(bytes, &proof->frame, &body) != 0) return 0;
    proof->segment = segment;
    proof->offset = offset;
    return 1;
}

/* Offset within bytes of the next place that may be a frame, or bytes.size. */
static size_t next_magic(struct span bytes)
{
    static const uint8_t magic[4] = {FRAME_MAGIC & 0xff, FRAME_MAGIC >> 8 & 0xff,
                                     FRAME_MAGIC >> 16 & 0xff, FRAME_MAGIC >> 24 & 0xff};
    for (size_t at = 0; at + FRAME_ALIGN <= bytes.size; at += FRAME_ALIGN)
        if (memcmp(bytes.at + at, magic, sizeof magic) == 0) return at;
    return bytes.size;
}

static int search(struct scan *scan, struct segment *segment, uint64_t offset,
                  struct scan_proof *proof, struct errmsg *errmsg)
{
    int error = scan_enter(scan, segment, errmsg);
    if (error != 0) return error;
    /* What was never written holds no frame; most of a new segment need not be read. */
    uint64_t end = file_data_end(&scan->file, offset, segment->size);
    while (offset + FRAME_HEAD_SIZE <= end) {
        struct span bytes;
        if ((error = scan_look(scan, offset, FRAME_HEAD_SIZE, &bytes, errmsg)) != 0) return error;
        if (bytes.size < FRAME_ALIGN) return 0; /* the file is shorter than it was */
        size_t step = next_magic(bytes);
        if (step >= bytes.size) {
            offset += bytes.size / FRAME_ALIGN * FRAME_ALIGN;
            continue;
        }
        offset += step;
        if ((error = proves(scan, segment, offset, proof, errmsg)) != 0) return error;
        offset += FRAME_ALIGN;
    }
    return 0;
}

int scan_verdict(struct scan *scan, struct scan_proof *proof, struct errmsg *errmsg)
{
    struct scan_place bad = scan->at;
    if (bad.segment == NULL) return 0;
    uint64_t offset = bad.offset;
    for (struct list *link = &bad.segment->link; link != scan->segments; link = link->next) {
        struct segment *segment = CONTAINER_OF(link, struct segment, link);
        int found = search(scan, segment, offset, proof, errmsg);
        if (found < 0) return found;
        if (found == 1)
            return errmsg_set(
                errmsg, ERROR_DAMAGED,
                "%.150s at offset %" PRIu64 ": damaged, and what follows at %.150s offset %" PRIu64
                " shows that it had been durable. See `holdfast check` and `holdfast repair`",
                bad.segment->file.path, bad.offset, segment->file.path, proof->offset);
        offset = SEGMENT_HEAD_SIZE;
    }
    return 0;
}
