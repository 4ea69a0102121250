/*
 * The durable, ordered log of one shard: local disk. Records are appended to an open group; one
 * commit thread writes the group as one frame and syncs it; `durable` moves. A failed write or sync
 * is final: it latches, nothing after it is ever called durable.
 */
#ifndef HOLDFAST_STORE_JOURNAL_H
#define HOLDFAST_STORE_JOURNAL_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/span.h"

enum {
    SEGMENT_FORMAT = 1, /* of its files */
    JOURNAL_SPARES = 2,
    JOURNAL_SPARES_MAX = 64,
};

struct journal;

struct journal_options {
    const char *directory; /* the data directory; created when missing, 0700 */
    uint32_t shard;        /* 0 */
    size_t segment_size;   /* bytes; 64 MiB. The first segments are smaller: 1, 4, 16 MiB … */
    /* Files of forgotten segments that are kept to be used again: those need not be filled, which
       otherwise doubles what goes to the device. At most JOURNAL_SPARES_MAX; 0: JOURNAL_SPARES. */
    size_t spares;
    void (*changed)(
        void *); /* called from the commit thread when durable or failed moved; may be NULL */
    void *changed_context;
    /* Encodes the one OPEN record of the new epoch, which takes one seq. Given to `replay` as well.
       NULL: an epoch starts without a record. */
    int (*encode_open)(void *context, uint32_t epoch, uint64_t lineage, struct buffer *out);
    void *open_context;
    /* Milliseconds without a commit after which a SEAL is written and synced, once: from then on
       damage to the last group can be told from a torn write. 0: only at journal_close. */
    uint32_t seal_idle_ms;
};

/* What the newest published snapshot covers; {0} when there is none. Frames after it are replayed.
 */
struct journal_position {
    uint64_t seq;     /* last one covered */
    uint64_t lineage; /* 0: not checked. A journal of another lineage is refused */
    uint32_t epoch;   /* the new one is larger in any case */
};

/*
 * Called for each run of records in order: count records, the first of them is first_seq. Nonzero
 * stops the open. Runs are what was appended and committed together: the first one may begin at or
 * before position.seq, and its records up to position.seq are the caller's to skip.
 */
typedef int journal_replay(void *context, struct span records, uint64_t first_seq, uint32_t count,
                           uint32_t epoch, uint64_t lineage);

/*
 * Takes the lock, finds the end (torn tail cut, corruption refused), replays everything after
 * `from`, and durably starts a new epoch before it returns. *epoch, *lineage and *next_seq are
 * those to use from now on; lineage is kept, or `new_lineage` for a new directory. `journal` may be
 * used from one thread at a time but for the calls that say so. ERROR_IN_USE (says who),
 * ERROR_DAMAGED (file and offset), ERROR_NEWER_FORMAT, ERROR_IO, ERROR_PERMISSION, ERROR_FULL.
 */
int journal_open(struct journal **journal, const struct journal_options *options,
                 struct journal_position from, uint64_t new_lineage, journal_replay *replay,
                 void *context, uint32_t *epoch, uint64_t *lineage, uint64_t *next_seq,
                 struct errmsg *errmsg) MUST_USE;

/* Adds encoded records to the open group (copied). ERROR_MEMORY, ERROR_IO after a failure. */
int journal_append(struct journal *journal, struct span records, uint64_t first_seq,
                   uint32_t count) MUST_USE;
/* Closes the open group and syncs it as soon as the running sync, if any, is done. Cheap to call
 * often. */
void journal_commit(struct journal *journal);
/* Commits in the calling thread when no commit is running and there is room, else as
   journal_commit: for an engine that would only wait. True: all that was appended is durable now.
 */
bool journal_commit_here(struct journal *journal);
/* The last seq that is durable. Any thread. */
uint64_t journal_durable(const struct journal *journal);
/* 0, or the error that latched. Any thread. */
int journal_failed(const struct journal *journal, struct errmsg *errmsg);
/* Forgets segments that hold only records up to seq (a published snapshot covers them). */
int journal_trim(struct journal *journal, uint64_t through_seq) MUST_USE;

struct journal_metrics {
    uint64_t bytes;          /* on disk, live segments */
    uint64_t bytes_appended; /* frames, with heads */
    uint64_t commits;
    uint64_t records;
    uint64_t sync_us_total;
    uint64_t sync_us_max;    /* since the last call */
    int64_t sync_running_us; /* how long the running sync has been hanging, 0 = none */
    uint64_t bytes_since_trim;
    uint64_t spare_bytes; /* of files that are kept for the next segments */
    uint64_t room;        /* bytes that can be appended before another segment has to be made */
    bool full; /* the file system has no room for the next segment: refuse new work. It is tried
                  again     by itself, and `changed` is called when it has worked */
};
void journal_metrics(struct journal *journal, struct journal_metrics *metrics);

/* Commits what is open, waits for it, writes SEAL, releases the lock. What cannot be committed for
   lack of room is dropped: it was never durable. */
void journal_close(struct journal *journal);
/* Drops what is not durable and leaves the files as a killed process would. */
void journal_abandon(struct journal *journal);

#endif
