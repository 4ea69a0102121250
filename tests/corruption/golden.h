/*
 * Small data directories with everything in them, made by the real journal and snapshots on the
 * fake disk, and what is known of them: the book, and where each frame of the journal stands.
 * Frames are read here by a reader of our own.
 */
#ifndef TESTS_CORRUPTION_GOLDEN_H
#define TESTS_CORRUPTION_GOLDEN_H

#include "crashpoints/life.h"

enum { GOLDEN_FILES_MAX = 32, GOLDEN_FRAMES_MAX = 512 };

struct golden_frame {
    const char *file;
    uint64_t offset; /* in the file */
    uint64_t size;
    uint64_t position; /* in the stream */
    uint64_t group_start;
    uint64_t last_seq; /* that is whole when this frame is there; 0: none more */
    uint32_t epoch;
};

struct golden {
    const char *name;
    struct fake_disk *disk;
    struct fake_disk *older; /* the same directory, earlier */
    struct fake_disk
        *foreign; /* another directory that was made in the same way: another lineage */
    struct book book;
    const char *files[GOLDEN_FILES_MAX];
    uint64_t sizes[GOLDEN_FILES_MAX];
    size_t file_count;
    struct golden_frame frames[GOLDEN_FRAMES_MAX];
    size_t frame_count;
};

enum { GOLDENS = 4 };

void golden_make(struct golden *golden, size_t index);
void golden_free(struct golden *golden);
/* The last record that the files of a damaged copy can prove to have been durable: a frame or a
 * manifest that is as it was says so. */
uint64_t golden_proven(const struct golden *golden, const struct fake_disk *damaged);
/* The largest epoch of a frame that is as it was. */
uint32_t golden_epoch(const struct golden *golden, const struct fake_disk *damaged);

#endif
