/* What a repair would keep: the newest state that is whole. */
#ifndef HOLDFAST_STORE_PLAN_H
#define HOLDFAST_STORE_PLAN_H

#include "store/survey.h"

struct plan {
    uint64_t manifest;     /* number of the snapshot to start from; 0: none */
    uint64_t snapshot_seq; /* 0: none */
    bool journal;          /* some of the journal is kept: */
    uint64_t first_number; /* from this segment on */
    uint64_t cut_number;   /* up to this segment and offset; 0: to its end */
    uint64_t cut_offset;
    uint64_t last_seq; /* the state reaches up to here */
    bool whole;        /* nothing is missing behind last_seq */
    uint64_t seq_max;  /* the largest that is known to have been */
    uint32_t epoch_max;
    uint64_t number_max; /* of all segments */
    uint64_t stream_end;
    bool nothing_wrong;
    struct errmsg reason; /* of the first damage that was met */
};

/* Reads everything. ERROR_MEMORY and what survey_open gives. */
int plan_make(struct plan *plan, struct survey *survey, const struct store_tool *tool,
              struct errmsg *errmsg) MUST_USE;

#endif
