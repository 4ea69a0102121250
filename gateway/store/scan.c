#include "store/scan.h"

#include "base/check.h"
#include "store/scan_window.h"

#include <inttypes.h>
#include <stdlib.h>

int scan_init(struct scan *scan, struct list *segments, uint32_t shard)
{
    *scan = (struct scan){.segments = segments, .shard = shard};
    scan->file.fd = -1;
    buffer_init(&scan->run);
    scan->window = malloc(SCAN_WINDOW_SIZE);
    if (scan->window == NULL) return ERROR_MEMORY;
    if (!list_empty(segments)) {
        scan->at.segment = LIST_FIRST(segments, struct segment, link);
        scan->at.offset = SEGMENT_HEAD_SIZE;
    }
    scan->end = scan->at;
    return 0;
}

void scan_start_at(struct scan *scan, struct segment *segment)
{
    scan->at = scan->end = (struct scan_place){.segment = segment, .offset = SEGMENT_HEAD_SIZE};
}

void scan_close(struct scan *scan)
{
    file_close(&scan->file);
    free(scan->window);
    buffer_close(&scan->run);
}

static struct segment *next_segment(const struct scan *scan, const struct segment *segment)
{
    if (segment->link.next == scan->segments) return NULL;
    return CONTAINER_OF(segment->link.next, struct segment, link);
}

/* The stream leaves a segment only when it is full: where that is follows from sizes alone. */
static void move_on(const struct scan *scan, struct scan_place *place)
{
    struct segment *next = next_segment(scan, place->segment);
    if (place->segment->size - place->offset >= SEGMENT_ROOM_MIN || next == NULL) return;
    place->segment = next;
    place->offset = SEGMENT_HEAD_SIZE;
}

static bool same_group(const struct scan *scan, const struct frame *frame)
{
    return frame->group_start == frame->position || frame->group_start == scan->at.group_start;
}

/* An intact frame may still not be the one that belongs here. */
static bool follows(const struct scan *scan, const struct frame *frame)
{
    const struct scan_place *at = &scan->at;
    if (frame->position != at->segment->base + at->offset || frame->shard != scan->shard)
        return false;
    if (at->epoch == 0)
        return true; /* the first frame of the journal: what was before is forgotten */
    bool opens = frame->kind == FRAME_OPEN;
    if (opens ? frame->epoch <= at->epoch : frame->epoch != at->epoch) return false;
    if (!opens && frame->lineage != at->lineage) return false;
    if (frame->previous_crc != at->crc || !same_group(scan, frame)) return false;
    bool inside = scan->run.size > 0 || scan->headless;
    if (inside == ((frame->pieces & FRAME_FIRST) != 0)) return false;
    return inside || at->next_seq == 0 || frame->first_seq == at->next_seq;
}

/* The good frame at scan->at, SCAN_END when there is none. */
static int read_frame(struct scan *scan, struct frame *frame, struct span *body,
                      struct errmsg *errmsg)
{
    struct span bytes;
    size_t size;
    struct scan_place *at = &scan->at;
    if (at->segment == NULL) return SCAN_END;
    move_on(scan, at);
    if (at->segment->size - at->offset < SEGMENT_ROOM_MIN) return SCAN_END;
    int error = scan_enter(scan, at->segment, errmsg);
    if (error == 0) error = scan_look(scan, at->offset, FRAME_HEAD_SIZE, &bytes, errmsg);
    if (error != 0) return error;
    if (frame_peek(bytes, frame, &size) != 0 || size > at->segment->size - at->offset)
        return SCAN_END;
    if ((error = scan_look(scan, at->offset, size, &bytes, errmsg)) != 0) return error;
    error = frame_decode(bytes, frame, body);
    if (error == ERROR_NEWER_FORMAT)
        return errmsg_set(errmsg, error,
                          "%.200s at offset %" PRIu64
                          ": written by a newer version: start that one",
                          at->segment->file.path, at->offset);
    return error == 0 && follows(scan, frame) ? SCAN_RUN : SCAN_END;
}

static void advance(struct scan *scan, const struct frame *frame)
{
    struct scan_place *at = &scan->at;
    at->offset += frame_size(frame->body_size);
    at->group_start = frame->group_start;
    at->lineage = frame->lineage;
    at->epoch = frame->epoch;
    at->crc = frame->crc;
    at->sealed = frame->kind == FRAME_SEAL;
    at->segment->last_seq = frame->first_seq + frame->count - 1;
    scan->frames++;
}

/* True when the run is complete. */
static bool add_piece(struct scan *scan, const struct frame *frame, struct span body,
                      struct scan_run *run)
{
    bool last = (frame->pieces & FRAME_LAST) != 0;
    run->records = body;
    if (!last || scan->run.size > 0) {
        buffer_append(&scan->run, body);
        run->records = buffer_span(&scan->run);
    }
    run->first_seq = frame->first_seq;
    run->count = frame->count;
    run->epoch = frame->epoch;
    run->lineage = frame->lineage;
    run->opens = frame->kind == FRAME_OPEN;
    return last;
}

/* Only the last piece of a headless run tells where the next run begins. */
static void skip_piece(struct scan *scan, const struct frame *frame)
{
    scan->headless = (frame->pieces & FRAME_LAST) == 0;
    if (!scan->headless) scan->at.next_seq = frame->first_seq + frame->count;
    scan->end = scan->at;
}

int scan_next(struct scan *scan, struct scan_run *run, struct errmsg *errmsg)
{
    struct frame frame;
    struct span body;
    if (scan->end.offset == scan->at.offset && scan->end.segment == scan->at.segment)
        buffer_clear(&scan->run);
    for (;;) {
        int found = read_frame(scan, &frame, &body, errmsg);
        if (found != SCAN_RUN) return found;
        bool skipped = scan->run.size == 0 && (frame.pieces & FRAME_FIRST) == 0;
        advance(scan, &frame);
        if (skipped) {
            skip_piece(scan, &frame);
            continue;
        }
        bool whole = add_piece(scan, &frame, body, run);
        if (scan->run.failed) return ERROR_MEMORY;
        if (!whole) continue;
        scan->at.next_seq = frame.first_seq + frame.count;
        scan->end = scan->at;
        scan->runs++;
        return frame.kind == FRAME_SEAL ? SCAN_SEAL : SCAN_RUN;
    }
}
