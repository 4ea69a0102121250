/*
 * Reads the journal's stream from the first segment on, frame by frame, and finds where it ends.
 * Every frame must be in its place, follow its predecessor by CRC and number, and be of the epoch
 * at hand or open a newer one. At the end it answers the question of every recovery: is this a torn
 * end, or is something missing that had been durable? (docs/formats.md, "Torn or damaged")
 */
#ifndef HOLDFAST_STORE_SCAN_H
#define HOLDFAST_STORE_SCAN_H

#include "base/buffer.h"
#include "store/segment.h"
#include "wire/frame.h"

/* Where a stream stands: the frame after it goes here. */
struct scan_place {
    struct segment *segment; /* NULL: there is none */
    uint64_t offset;         /* in its file */
    uint64_t next_seq;       /* 0: not known yet */
    uint64_t group_start;    /* of the last frame */
    uint64_t lineage;
    uint32_t epoch; /* 0: not known yet */
    uint32_t crc;   /* of the last frame */
    bool sealed;    /* the last frame was a SEAL */
};

struct scan {
    struct list *segments; /* borrowed */
    uint32_t shard;
    struct scan_place at; /* after the last frame that was good */
    struct scan_place
        end; /* after the last whole run: where the stream ends if nothing more is good */
    uint64_t run_start; /* stream position of the run that is being put together */
    struct buffer run;
    bool headless;    /* inside a run whose first pieces were forgotten with their segment */
    struct file file; /* of at.segment, through the page cache */
    uint64_t file_number;
    uint64_t data_end; /* of it: what was never written behind holds no frame */
    uint8_t *window;
    uint64_t window_offset;
    size_t window_size;
    uint64_t frames;
    uint64_t runs;
};

/* A run of records, whole. */
struct scan_run {
    struct span records; /* valid until the next call */
    uint64_t first_seq;
    uint32_t count;
    uint32_t epoch;
    uint64_t lineage;
    bool opens; /* the first of its epoch */
};

enum { SCAN_END = 0, SCAN_RUN = 1, SCAN_SEAL = 2 };

int scan_init(struct scan *scan, struct list *segments, uint32_t shard) MUST_USE;
void scan_close(struct scan *scan);
/* SCAN_RUN, SCAN_SEAL, SCAN_END (nothing good follows: scan->at says where), or an error. */
int scan_next(struct scan *scan, struct scan_run *run, struct errmsg *errmsg) MUST_USE;

/* Reads from a later segment on instead. Before the first scan_next. */
void scan_start_at(struct scan *scan, struct segment *segment);

/* An intact frame in its own place, wherever the stream may be broken. */
struct scan_find {
    struct segment *segment;
    uint64_t offset;
    struct frame frame;
};
typedef bool scan_wanted(const struct scan *scan, const struct frame *frame);
/* The next one at or after find->offset in find->segment for whose head, still unverified, `wanted`
 * is true: 1. 0: none. */
int scan_find(struct scan *scan, struct scan_find *find, scan_wanted *wanted,
              struct errmsg *errmsg) MUST_USE;

/*
 * After SCAN_END: 0 when what follows scan->end is a torn group or nothing. ERROR_DAMAGED when a
 * later frame proves that what should be at scan->at had been durable; *proof says where that frame
 * is. Reads the rest of the stream.
 */
int scan_verdict(struct scan *scan, struct scan_find *proof, struct errmsg *errmsg) MUST_USE;

#endif
