/*
 * A segment: one file of the journal. Its head says which part of the stream it holds: [base, base
 * + size), counted with its own head, so that a place in the stream is base + offset in the file.
 * Segments follow each other without a gap in number or place. Files are prepared ahead, and used
 * again when the journal behind a snapshot is forgotten.
 */
#ifndef HOLDFAST_STORE_SEGMENT_H
#define HOLDFAST_STORE_SEGMENT_H

#include "base/list.h"
#include "os/file.h"
#include "store/journal.h"

enum {
    SEGMENT_MAGIC = 0x67734648, /* "HFsg" */
    SEGMENT_HEAD_SIZE = 4096,   /* frames start here; 64 bytes of it are used */
    SEGMENT_ROOM_MIN = 128, /* with less than that left, the stream goes on in the next segment */
    SEGMENT_SIZE_FIRST = 1 << 20,
    SEGMENT_SIZE_MIN = 2 * SEGMENT_HEAD_SIZE,
    SEGMENT_FILL_FIRST = 64 << 10, /* bytes written with zeros when a file is made */
};

struct segment {
    struct list link;
    uint64_t number; /* from 1 */
    uint64_t base;
    uint64_t size;     /* bytes of the file */
    uint64_t last_seq; /* of the last record that it holds a part of; 0 = none */
    uint64_t filled;   /* the device has real blocks up to here: writing them changes no metadata */
    struct file file;
};

struct segment_head {
    uint32_t shard;
    uint32_t epoch; /* of its maker: for people */
    uint64_t number;
    uint64_t base;
    uint64_t size;
    uint64_t lineage; /* of its maker: for people */
};

void segment_head_encode(const struct segment_head *head, uint8_t bytes[64]);
/* ERROR_DAMAGED, ERROR_NEWER_FORMAT; the sentence names the path. */
int segment_head_decode(struct span bytes, const char *path, struct segment_head *head,
                        struct errmsg *errmsg) MUST_USE;

int segment_path(char path[FILE_PATH_MAX], const char *directory, uint64_t number) MUST_USE;
int segment_spare_path(char path[FILE_PATH_MAX], const char *directory, uint64_t number) MUST_USE;
/* 0 when it is not the name of a segment. */
uint64_t segment_name_number(const char *name);
uint64_t segment_spare_number(const char *name);

/* Opens all segments of a directory in order into `segments` (of struct segment). Each head is
   verified and so is that none is missing: ERROR_DAMAGED otherwise. FILE_WRITE and FILE_DIRECT as
   for file_open. */
int segments_load(struct list *segments, const char *directory, uint32_t shard, unsigned mode,
                  struct errmsg *errmsg) MUST_USE;
/* The same from a number on, but after an error the segments before the bad one stay in the list:
 * *bad is its number. */
int segments_load_good(struct list *segments, const char *directory, uint32_t shard, unsigned mode,
                       uint64_t from, uint64_t *bad, struct errmsg *errmsg) MUST_USE;
void segments_free(struct list *segments);
void segment_free(struct segment *segment);

/*
 * Makes a segment ready for use, under its final name, durably. `spare` is the number of a spare
 * file of the same size to be used again, or 0. ERROR_FULL leaves nothing behind.
 */
int segment_make(struct segment **made, const char *directory, const struct segment_head *head,
                 uint64_t spare, struct errmsg *errmsg) MUST_USE;

#endif
