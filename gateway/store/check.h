/*
 * Offline work on a data directory: look at everything, say what is damaged, and cut off what
 * cannot be kept. For the command line; no gateway may run on the directory, which is made sure of
 * by its lock.
 */
#ifndef HOLDFAST_STORE_CHECK_H
#define HOLDFAST_STORE_CHECK_H

#include "base/error.h"
#include "store/journal.h"
#include "store/snapshot.h"

#include <stdbool.h>

enum store_finding {
    STORE_FINE,    /* a file, and what is in it */
    STORE_NOTE,    /* worth knowing, no damage: a torn end, a file nobody needs */
    STORE_DAMAGED, /* text names file and offset */
    STORE_LOST,    /* repair: what is gone */
    STORE_DONE,    /* repair: what was done */
};

/* One finding, a sentence for people. */
typedef void store_report(void *context, enum store_finding finding, const char *text);

struct store_tool {
    const char *directory;
    uint32_t shard;
    store_report *report;
    void *context;
    bool savepoint; /* a shard of one: a snapshot, and no journal */
};

/* Reads every byte that counts and verifies every checksum. 0: all is well. ERROR_DAMAGED:
   something was reported as damaged. ERROR_IN_USE (says by whom), ERROR_NOT_FOUND (no data
   directory), ERROR_NEWER_FORMAT, ERROR_IO. Changes nothing. */
int store_check(const struct store_tool *tool, struct errmsg *errmsg) MUST_USE;

/*
 * Finds the newest state that is whole: a snapshot and the journal after it up to the first damage.
 * Moves what is not part of it to DATA/damaged-<time>/ and cuts the journal. 0: done, or nothing
 * was wrong. ERROR_REFUSED: records would be lost and accept_loss is false; they were reported as
 * STORE_LOST and nothing was changed. After a loss the next open starts a new lineage, so that
 * outside systems do not take new records for old ones.
 */
int store_repair(const struct store_tool *tool, bool accept_loss, struct errmsg *errmsg) MUST_USE;

/*
 * Gives what recovery would load and fold, and changes nothing: every block of the newest snapshot,
 * globals first, then each run of records that holds some after it, in order. The first run may
 * begin at or before newest->seq, as in journal_replay. *newest is set before the first call; its
 * seq is 0 when there is no snapshot. records NULL: nobody wants them. A callback that gives back
 * nonzero stops, and has set errmsg. Errors as store_check, but the first one ends it.
 */
int store_replay(const struct store_tool *tool, snapshot_block *block, journal_replay *records,
                 void *context, struct snapshot_info *newest, struct errmsg *errmsg) MUST_USE;

/* ---- Snapshots: readable while a gateway runs ---- */

/* Oldest first. error: 0, or why it cannot be read (text). Nonzero stops. */
typedef int snapshots_entry(void *context, uint64_t number, const struct snapshot_info *info,
                            int error, const char *text);
int snapshots_list(const char *directory, snapshots_entry *entry, void *context,
                   struct errmsg *errmsg) MUST_USE;

struct snapshot_block_info {
    uint32_t block;
    uint64_t size;
    uint64_t version; /* seq of the snapshot that wrote it */
    uint64_t file;    /* blocks-N */
    uint64_t offset;
};
typedef int snapshot_inspect_block(void *context, const struct snapshot_block_info *info);
/* number 0: the newest. Verifies every block; calls for each, globals first. ERROR_NOT_FOUND,
 * ERROR_DAMAGED. */
int snapshot_inspect(const char *directory, uint64_t number, struct snapshot_info *info,
                     snapshot_inspect_block *block, void *context, struct errmsg *errmsg) MUST_USE;

#endif
