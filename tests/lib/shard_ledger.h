/*
 * A journal and a snapshot store in memory for one shard: what a disk would hold, with a knowledge
 * of what was durable. It can lose any suffix that was not, and recovers shards from what is left.
 * Every check in here stops the program with a sentence.
 */
#ifndef TESTS_LIB_SHARD_LEDGER_H
#define TESTS_LIB_SHARD_LEDGER_H

#include "base/buffer.h"
#include "shard/shard.h"

/* Stops the program, in release too: `what` is said with file and line. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) must_failed(#condition, __FILE__, __LINE__);                             \
    } while (0)
_Noreturn void must_failed(const char *what, const char *file, int line);
/* Called first when a check fails, so that a simulation can name its seed. */
extern void (*must_hook)(void);

struct ledger_snapshot {
    struct buffer blocks[SHARD_BLOCK_GLOBALS + 1];
    uint64_t seq; /* 0: none */
};

struct ledger {
    uint32_t shard, shard_count; /* its place; count 0: the only one */
    struct buffer records;
    size_t *ends;   /* of record seq base + i + 1 in `records` */
    uint64_t base;  /* seq of the snapshot that it began from; 0: from nothing */
    uint64_t count; /* seq of the last record */
    uint64_t capacity;
    uint64_t durable;
    struct ledger_snapshot published;
    /* the running cut: its blocks wait until the journal has caught up with it */
    struct buffer given; /* varint block, byte keep, string bytes */
    uint64_t cut_seq;
    bool cutting;
    bool complete;
    bool may_fail; /* cuts run out of memory: they are given up */
    uint64_t cuts_published;
    uint64_t checks;
};

void ledger_init(struct ledger *ledger);
void ledger_close(struct ledger *ledger);
void ledger_append(struct ledger *ledger, const struct shard_update *update);
/*
 * What a store gives back takes the place of what is known: from first_seq on, to the end. False:
 * something durable is missing or another. Beyond that nothing may be another either but the
 * records that open epochs, of which there may have been tries.
 */
bool ledger_adopt(struct ledger *ledger, struct span records, uint64_t first_seq);
/* Forgets the records after seq and whatever was built on them. */
void ledger_lose_after(struct ledger *ledger, uint64_t seq);
/* Records of (after, through]. */
struct span ledger_records(const struct ledger *ledger, uint64_t after, uint64_t through);

/* A shard from snapshot and suffix, or from the records alone; not started. */
struct shard *ledger_recover(struct ledger *ledger, bool by_snapshot);
/* Appends an OPEN record to shard and ledger and makes all of it durable. */
void ledger_open_epoch(struct ledger *ledger, struct shard *shard, uint64_t lineage);

/* Moves a snapshot forward by so many blocks; begins one when none runs. */
void ledger_cut(struct ledger *ledger, struct shard *shard, uint32_t blocks);
/* The shard has begun a cut of its own in place of the one that was running, if any. */
void ledger_cut_replaced(struct ledger *ledger);
/* A new ledger whose first snapshot is the image of this shard. */
void ledger_begin_from(struct ledger *ledger, struct shard *shard);
void ledger_snapshot_load(const struct ledger_snapshot *snapshot, struct shard *shard);
void ledger_snapshot_close(struct ledger_snapshot *snapshot);
/* Publishes a complete cut when it may be. */
void ledger_publish(struct ledger *ledger);
/* The shard's image equals fold(records), and snapshot + fold(suffix). */
void ledger_check(struct ledger *ledger, struct shard *shard);

#endif
