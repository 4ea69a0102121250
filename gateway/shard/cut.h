/* A running cut: which slots are still to be read, and the blocks that had to be saved before they
 * changed. */
#ifndef HOLDFAST_SHARD_CUT_H
#define HOLDFAST_SHARD_CUT_H

#include "base/buffer.h"
#include "base/list.h"
#include "shard/limits.h"

/* Counts against the budget: when all slots change at once there is a second image. */
struct saved {
    struct list link;
    uint32_t slot;
    size_t size;
    uint8_t bytes[];
};

struct cut {
    uint64_t seq;
    uint64_t since_seq;
    bool failed;
    bool globals_given;
    uint32_t next_slot;
    struct buffer globals;
    struct list saved;
    struct saved *shown; /* the block that the caller is looking at */
    struct buffer block;
    struct buffer saving;
};

#endif
