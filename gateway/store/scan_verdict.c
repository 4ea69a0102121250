/*
 * Torn or damaged? The frame at X is bad. A later frame F, in its own place and not of an older
 * epoch, says by its group_start how far the journal was durable when F was issued. F.group_start >
 * X: X had been durable, so it is damage. Otherwise F belongs to the same unfinished group as X, of
 * which a power cut may keep any part. F may stand at X: it is intact and does not follow what is
 * before it, so that was changed. Frames of another lineage prove as much as those of this one.
 */
#include "store/scan.h"

#include "store/scan_window.h"

#include <inttypes.h>

/* Offset within bytes of the next place that may be a frame, or bytes.size. */
static size_t next_magic(struct span bytes)
{
    static const uint8_t magic[4] = {FRAME_MAGIC & 0xff, FRAME_MAGIC >> 8 & 0xff,
                                     FRAME_MAGIC >> 16 & 0xff, FRAME_MAGIC >> 24 & 0xff};
    for (size_t at = 0; at + FRAME_ALIGN <= bytes.size; at += FRAME_ALIGN)
        if (memcmp(bytes.at + at, magic, sizeof magic) == 0) return at;
    return bytes.size;
}

/* Is there a wanted frame at find->offset? Its content is only read when its head already speaks
 * for it. */
static int examine(struct scan *scan, struct scan_find *find, scan_wanted *wanted,
                   struct errmsg *errmsg)
{
    const struct segment *segment = find->segment;
    struct frame *frame = &find->frame;
    struct span bytes;
    struct span body;
    size_t size;
    int error = scan_look(scan, find->offset, FRAME_HEAD_SIZE, &bytes, errmsg);
    if (error != 0) return error;
    if (frame_peek(bytes, frame, &size) != 0 || size > segment->size - find->offset) return 0;
    if (frame->position != segment->base + find->offset || frame->shard != scan->shard) return 0;
    if (!wanted(scan, frame)) return 0;
    if ((error = scan_look(scan, find->offset, size, &bytes, errmsg)) != 0) return error;
    return frame_decode(bytes, frame, &body) == 0;
}

int scan_find(struct scan *scan, struct scan_find *find, scan_wanted *wanted, struct errmsg *errmsg)
{
    int error = scan_enter(scan, find->segment, errmsg);
    if (error != 0) return error;
    /* Most of a new segment need not be read. */
    while (find->offset + FRAME_HEAD_SIZE <= scan->data_end) {
        struct span bytes;
        if ((error = scan_look(scan, find->offset, FRAME_HEAD_SIZE, &bytes, errmsg)) != 0)
            return error;
        if (bytes.size < FRAME_ALIGN) return 0; /* the file is shorter than it was */
        size_t step = next_magic(bytes);
        if (step >= bytes.size) {
            find->offset += bytes.size / FRAME_ALIGN * FRAME_ALIGN;
            continue;
        }
        find->offset += step;
        int found = examine(scan, find, wanted, errmsg);
        if (found != 0) return found;
        find->offset += FRAME_ALIGN;
    }
    return 0;
}

static uint64_t bad_position(const struct scan *scan)
{
    return scan->at.segment->base + scan->at.offset;
}

static bool proves_damage(const struct scan *scan, const struct frame *frame)
{
    if (frame->epoch < scan->at.epoch) return false; /* left over from before the last open */
    /* An intact frame at X itself was written behind something else than what is before it now. */
    return frame->group_start > bad_position(scan) || frame->position == bad_position(scan);
}

int scan_verdict(struct scan *scan, struct scan_find *proof, struct errmsg *errmsg)
{
    const struct scan_place *bad = &scan->at;
    if (bad->segment == NULL) return 0;
    proof->offset = bad->offset;
    for (struct list *link = &bad->segment->link; link != scan->segments; link = link->next) {
        proof->segment = CONTAINER_OF(link, struct segment, link);
        int found = scan_find(scan, proof, proves_damage, errmsg);
        if (found < 0) return found;
        if (found == 1)
            return errmsg_set(
                errmsg, ERROR_DAMAGED,
                "%.150s at offset %" PRIu64 ": damaged, and what follows at %.150s offset %" PRIu64
                " shows that it had been durable. See `holdfast check` and `holdfast repair`",
                bad->segment->file.path, bad->offset, proof->segment->file.path, proof->offset);
        proof->offset = SEGMENT_HEAD_SIZE;
    }
    return 0;
}
