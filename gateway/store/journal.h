/*
 * The durable, ordered log of one shard: local disk. Records are appended to an open group; one commit thread
 * writes the group as one frame and syncs it; `durable` moves. A failed write or sync is final: it latches,
 * nothing after it is ever called durable.
 */
#ifndef HOLDFAST_STORE_JOURNAL_H
#define HOLDFAST_STORE_JOURNAL_H

#include "base/error.h"
#include "base/span.h"

struct journal;

struct journal_options {
    const char *directory;       /* the data directory; created when missing, 0700 */
    uint32_t shard;              /* 0 */
    size_t segment_size;         /* bytes; 64 MiB. The first segments are smaller: 1, 4, 16 MiB … */
    void (*changed)(void *);     /* called from the commit thread when durable or failed moved; may be NULL */
    void *changed_context;
};

/* What the newest published snapshot covers; {0} when there is none. Frames after it are replayed. */
struct journal_position {
    uint64_t seq; /* last one covered */
};

/* Called for each run of records in order: count records, the first of them is first_seq. Nonzero stops the open. */
typedef int journal_replay(void *context, struct span records, uint64_t first_seq, uint32_t count,
                           uint32_t epoch, uint64_t lineage);

/*
 * Takes the lock, finds the end (torn tail cut, corruption refused), replays everything after `from`, and
 * durably starts a new epoch before it returns. *epoch, *lineage and *next_seq are those to use from now on; lineage is
 * kept, or `new_lineage` for a new directory.
 * ERROR_IN_USE (says who), ERROR_DAMAGED (file and offset), ERROR_NEWER_FORMAT, ERROR_IO, ERROR_PERMISSION, ERROR_FULL.
 */
int journal_open(struct journal **journal, const struct journal_options *options, struct journal_position from,
                 uint64_t new_lineage, journal_replay *replay, void *context, uint32_t *epoch,
                 uint64_t *lineage, uint64_t *next_seq, struct errmsg *errmsg) MUST_USE;

/* Adds encoded records to the open group (copied). ERROR_MEMORY, ERROR_IO after a failure. */
int journal_append(struct journal *journal, struct span records, uint64_t first_seq, uint32_t count) MUST_USE;
/* Closes the open group and syncs it as soon as the running sync, if any, is done. Cheap to call often. */
void journal_commit(struct journal *journal);
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
};
void journal_metrics(struct journal *journal, struct journal_metrics *metrics);

/* Commits what is open, waits for it, writes SEAL, releases the lock. */
void journal_close(struct journal *journal);

#endif
