/* What check and repair both want to know of a data directory. */
#ifndef HOLDFAST_STORE_SURVEY_H
#define HOLDFAST_STORE_SURVEY_H

#include "store/check.h"
#include "store/joint.h"
#include "store/manifest.h"
#include "store/snapshot_state.h"

enum { SURVEY_LINEAGES_MAX = 16 };

/* A stretch of the journal that can be read from the start of one segment on. */
struct survey_chain {
    bool any;           /* it says where its records begin: */
    uint64_t first_seq; /* of its first whole run */
    uint64_t last_seq;
    uint64_t frames;
    struct scan_place end;
    struct scan_place at; /* the first frame that is not good */
    bool damaged;         /* that frame had been durable; errmsg says where */
    struct {
        uint64_t first_seq;
        uint64_t lineage;
    } lineages[SURVEY_LINEAGES_MAX]; /* oldest first; of more than that, the newest are left out */
    size_t lineage_count;
    struct errmsg errmsg;
    bool apart; /* it does not meet the snapshot that the joint is of */
    struct errmsg apart_errmsg;
};

struct survey {
    struct lock *lock;
    char journal[FILE_PATH_MAX];
    char snapshots[FILE_PATH_MAX];
    struct list segments;  /* the part of the journal that is looked at */
    bool segments_damaged; /* the list stops before a bad head or a gap: segments_errmsg */
    uint64_t segments_bad; /* … at this number */
    struct errmsg segments_errmsg;
    uint64_t seq_max; /* largest of any intact frame that was met so far, wherever */
    uint32_t epoch_max;
    uint64_t number_max; /* largest segment number, and where its part of the stream ends */
    uint64_t stream_end;
    struct snapshot_numbers manifests;
};

/* Takes the lock. ERROR_NOT_FOUND when there is no data directory. A journal that is not there is
 * an empty one. */
int survey_open(struct survey *survey, const struct store_tool *tool,
                struct errmsg *errmsg) MUST_USE;
void survey_close(struct survey *survey);
/* Looks at the part of the journal behind the bad segment instead. */
int survey_next_part(struct survey *survey, const struct store_tool *tool,
                     struct errmsg *errmsg) MUST_USE;
/* From NULL: there is no segment. A read that fails counts as damage. The joint may be NULL.
 * ERROR_MEMORY. */
int survey_chain(struct survey *survey, uint32_t shard, struct segment *from, struct joint *joint,
                 struct survey_chain *chain) MUST_USE;
/* Of the run that holds a record; 0: the chain does not hold it. */
uint64_t survey_lineage_at(const struct survey_chain *chain, uint64_t seq);
/* Reads a manifest and all its blocks. */
int survey_manifest(struct survey *survey, uint64_t number, struct manifest *manifest,
                    struct errmsg *errmsg) MUST_USE;
void survey_tell(const struct store_tool *tool, enum store_finding finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
