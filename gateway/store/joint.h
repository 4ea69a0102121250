/*
 * Where the two halves of a state meet. The journal has to go on where the snapshot ends, and be of
 * the same gateway. Whoever reads both asks here: the open, the replay of somebody who only looks,
 * and `check`.
 */
#ifndef HOLDFAST_STORE_JOINT_H
#define HOLDFAST_STORE_JOINT_H

#include "store/journal.h"
#include "store/repaired.h"
#include "store/scan.h"

struct joint {
    struct journal_position from; /* the snapshot; seq 0: there is none */
    struct repaired note;         /* the journal's */
    const char *journal;          /* its directory; borrowed */
    bool alone;                   /* a savepoint: there must be no journal */
    bool begun;                   /* the journal's first record has been judged */
};

/* After each scan_next that gave a run or a SEAL; a SEAL is a run without records. ERROR_DAMAGED
   names file and offset. */
int joint_take(struct joint *joint, const struct scan *scan, const struct scan_run *run,
               struct errmsg *errmsg) MUST_USE;
/* After SCAN_END. */
int joint_end(struct joint *joint, const struct scan *scan, struct errmsg *errmsg) MUST_USE;

/* Reads the whole journal and gives what lies behind the snapshot (NULL: to nobody). ERROR_DAMAGED
   also by scan_verdict. A callback that gives back nonzero ends it. */
int joint_read(struct joint *joint, struct scan *scan, journal_replay *replay, void *context,
               struct errmsg *errmsg) MUST_USE;

#endif
