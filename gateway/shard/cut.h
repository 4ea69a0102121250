/* A running cut: which slots are still to be read, and the blocks that had to be saved before they
 * changed. */
#ifndef HOLDFAST_SHARD_CUT_H
#define HOLDFAST_SHARD_CUT_H

#include "base/buffer.h"
#include "base/list.h"
#include "shard/limits.h"

struct cell;

/* A slot as it was: its cells, which nobody changes, by reference, and the bytes of the rest. Both
 * count against the budget: a cell that is replaced meanwhile stays until it is written. */
struct saved {
    struct list link;
    uint32_t slot;
    uint32_t cell_count;
    size_t rest_size;
    struct cell *cells[]; /* then the rest's bytes */
};

struct cut {
    uint64_t seq;
    uint64_t since_seq;
    bool failed;
    bool globals_given;
    uint32_t next_slot;
    struct buffer globals;
    struct list saved;
    struct buffer block; /* that the caller is looking at */
    struct buffer saving;
};

#endif
