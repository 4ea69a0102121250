/*
 * The journal's insides, for the files that make it up: journal.c (calls), journal_open.c
 * (recovery), commit.c (the thread that writes), prepare.c (the thread that makes room ahead of
 * it).
 */
#ifndef HOLDFAST_STORE_JOURNAL_STATE_H
#define HOLDFAST_STORE_JOURNAL_STATE_H

#include "os/lock.h"
#include "store/group.h"
#include "store/journal.h"
#include "store/scan.h"
#include "store/segment.h"
#include "store/stream.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    JOURNAL_FILL_AHEAD =
        512 << 10, /* bytes of a new segment that are written with zeros ahead of the stream */
    JOURNAL_FILL_STEP = 64 << 10,
    JOURNAL_RETRY_FULL_MS =
        200, /* a full file system is asked again so often, while somebody waits */
    JOURNAL_SEGMENT_SLACK =
        SEGMENT_HEAD_SIZE + 2 * SEGMENT_ROOM_MIN, /* bytes of a segment that hold no body */
    JOURNAL_THREAD_STACK = 256 << 10,
};

struct journal {
    /* Set at open. */
    struct journal_options options; /* nothing left out */
    char directory[FILE_PATH_MAX];  /* DATA/journal */
    struct lock *lock;
    uint32_t epoch;
    uint64_t lineage;
    uint64_t start_number; /* of the first segment when there is none */
    uint64_t start_base;

    /* Where the stream goes on: of whoever has set `committing`. */
    struct stream stream;
    uint32_t previous_crc;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t commit_work;
    pthread_cond_t prepare_work;
    pthread_cond_t moved; /* room came, a fill ended, a commit ended */
    pthread_t commit_thread;
    pthread_t prepare_thread;
    struct group groups[2];
    struct group *open;
    struct group *writing;
    uint64_t next_seq;
    bool wanted;     /* somebody waits for the open group */
    bool committing; /* a thread is at it */
    bool sealed;     /* nothing since the last SEAL */
    bool stop;       /* the commit thread ends when nothing is left to write */
    bool abandoned;  /* … and leaves at once */
    bool prepare_stop;

    struct list segments; /* struct segment, oldest first */
    struct segment *current;
    struct segment *syncing; /* while committing: the first that will be synced stays */
    uint64_t room;           /* bytes of bodies and heads that surely fit into what is prepared */
    uint64_t room_wanted;    /* the preparer makes segments until there is that much */
    uint64_t reserved;       /* offset in current: below it only the committer writes */
    uint64_t fill_start; /* offset in current that is being filled with zeros, up to fill_end; both
                            0: none */
    uint64_t fill_end;
    bool full;
    struct list forgotten; /* segments that were trimmed: their files are to be put aside */
    uint64_t spares[JOURNAL_SPARES_MAX]; /* numbers of spare files */
    size_t spare_count;

    _Atomic uint64_t durable;
    _Atomic int failed;
    struct errmsg failure;

    uint64_t bytes_appended;
    uint64_t bytes_since_trim;
    uint64_t commits;
    uint64_t records;
    uint64_t sync_us_total;
    uint64_t sync_us_max;
    int64_t sync_began_us; /* 0: no sync is running */
};

/* journal.c: without a lock, segments and threads. */
int journal_create(struct journal **created, const struct journal_options *options) MUST_USE;
void journal_free(struct journal *journal);

/* commit.c */
void *commit_run(void *journal);
/* Writes the FRAME_OPEN of a new epoch as a group of its own and syncs it. Mutex free, no other
 * committer. */
int commit_open(struct journal *journal, struct span body, uint32_t count,
                struct errmsg *errmsg) MUST_USE;
/* Writes and syncs the open group, which is not empty and for which there is room; nobody else is
   committing. Mutex held on entry and exit, free in between. */
void commit_group(struct journal *journal);
/* Latches. Mutex held. */
void commit_fail(struct journal *journal, int error, const struct errmsg *errmsg);

/* prepare.c */
void *prepare_run(void *journal);
/* Adds a segment at the end of the stream. Mutex free. */
int prepare_segment(struct journal *journal, struct errmsg *errmsg) MUST_USE;
/* Room of all that is prepared, counted anew. Mutex held. */
void prepare_count_room(struct journal *journal);
/* What is left of current is short, or of it is not filled: there is work for the preparer. Mutex
 * held. */
bool prepare_wanted(const struct journal *journal);

#endif
