/*
 * One shard in a hostile world, all of it from one seed: clients that retry, functions that fail in
 * every way, operators, reloads, tiny budgets, a journal that loses what is not durable. The world
 * keeps its own books of what it was promised and of what its functions did; oracle.c holds them
 * against what is left at the end.
 *
 * The witness is the state "log" of each address: a function appends (message, response) for each
 * message of a batch, so the final logs say which responses were applied, in which order.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "base/prng.h"
#include "lib/shard_ledger.h"

enum { TYPES = 3, IDS = 5, ADDRESSES = TYPES * IDS, TMP_TTL_MS = 1500, CALLS_MAX = 64 };

/* A message, by number from 1. Its argument is the number. */
struct note {
    uint32_t origin; /* the response that sent it; 0: a client */
    uint32_t index;  /* among what that response sent */
    uint32_t target; /* address */
    uint32_t hops;   /* how far its consequences may go */
    bool delayed;
    int64_t delay_ms;
    int64_t due_ms; /* not before; INT64_MIN: not known */
    uint32_t token; /* cancel token, 0 = none */
    bool is_poison;
    /* of a client */
    bool is_call, is_keyed;
    bool sent_late; /* in the final phase, where nothing is lost */
    bool acked;     /* the promise */
    bool refused;   /* told that it was not taken, and not tried again */
    uint32_t tries; /* events */
    uint64_t order; /* of its only try */
};

/* What a function answered, by number from 1; it may never have been applied. */
struct deed {
    uint32_t address;
    uint32_t first_child, child_count;   /* notes */
    uint32_t first_cancel, cancel_count; /* tokens, in world.cancels */
    uint32_t first_reply, reply_count;   /* notes answered, in world.replies */
    uint32_t egress_count;
    bool writes_tmp, deletes_tmp;
    int64_t at_ms; /* shard time of the step that applied it */
};

/* A state write from outside, by number from 1; its value is the number. */
struct scribble {
    uint32_t address;
    bool is_delete;
    bool acked;
};

struct call {
    const struct shard_invocation *invocation;
    uint32_t address;
    int64_t sent_ms;
    uint32_t scribble_floor; /* the newest acknowledged write when it was sent */
};

enum waiting_for {
    WAIT_NOTHING,
    WAIT_NOTE,
    WAIT_ATTACH,
    WAIT_SCRIBBLE,
    WAIT_LOG,
    WAIT_SCRIBBLED,
    WAIT_EGRESS,
    WAIT_OTHER
};

struct waiter {
    enum waiting_for what;
    uint32_t subject;
};

struct seen_log { /* a read that was answered */
    uint32_t address;
    uint32_t first, count; /* entries in world.read_entries */
};

struct entry_pair {
    uint32_t note, deed;
};

#define GROWING(type, name)                                                                        \
    type *name;                                                                                    \
    uint32_t name##_count, name##_capacity

struct world {
    uint64_t seed;
    struct prng prng;
    struct shard *shard;
    struct ledger ledger;
    struct shard_update update;
    struct shard_clock clock;
    bool calm; /* the final phase */
    /* the character of this seed */
    uint32_t crash_per_mille, fail_percent;
    bool has_operators, has_purges, has_reloads, has_budgets, has_clock_jumps, lazy_disk;
    bool may_forget; /* idempotency entries are evicted: keys are used once only */
    struct call calls[CALLS_MAX];
    uint32_t call_count;
    uint32_t window_max, batch_count_max;
    size_t batch_bytes_max;
    GROWING(struct note, notes);
    GROWING(struct deed, deeds);
    GROWING(struct scribble, scribbles);
    GROWING(struct waiter, waiters);
    GROWING(uint32_t, cancels);
    GROWING(uint32_t, replies);
    GROWING(struct entry_pair, reply_seen);
    GROWING(struct seen_log, reads);
    GROWING(struct entry_pair, read_entries);
    GROWING(struct entry_pair, egress); /* by cursor: deed, index (in `note`) */
    uint32_t scribble_floor[ADDRESSES];
    uint32_t skips[ADDRESSES];
    uint32_t scribbled[ADDRESSES]; /* as read at the end; 0: absent */
    bool purged[ADDRESSES];
    uint64_t egress_acked;
    bool pulling;
    uint64_t next_order;
    /* what was done */
    uint64_t steps, crashes, checks;
    uint64_t trace;
};

void *world_grow(void *array, uint32_t *count, uint32_t *capacity, size_t size);
/* A new element, zeroed. */
#define ADD(world, name)                                                                           \
    (((world)->name = world_grow((world)->name, &(world)->name##_count, &(world)->name##_capacity, \
                                 sizeof *(world)->name)),                                          \
     &(world)->name[(world)->name##_count++])

static inline uint32_t pick(struct world *world, uint32_t bound)
{
    return (uint32_t)prng_below(&world->prng, bound);
}

static inline bool chance(struct world *world, uint32_t percent)
{
    return pick(world, 100) < percent;
}

/* Called around every step when set: where a test makes memory run out. */
extern void (*world_guard)(bool inside);

/* world.c */
void world_open(struct world *world, uint64_t seed);
void world_close(struct world *world);
void world_step(struct world *world, struct shard_event *event);
waiter_t world_ask(struct world *world, struct shard_event *event, enum waiting_for what,
                   uint32_t subject);
void world_configure(struct world *world);
void world_durable(struct world *world, uint64_t seq);
void world_pass(struct world *world, int64_t ms);
void world_crash(struct world *world);
struct address address_of(uint32_t address, char id[8]);
uint32_t address_find(const struct address *address);
/* The shard and all that was recorded agree. */
void world_check(struct world *world);

/* clients.c */
void client_acts(struct world *world);
void client_sends(struct world *world, uint32_t note);
void client_reads(struct world *world, uint32_t address, const char *name);
void consumer_pulls(struct world *world);
void operator_acts(struct world *world);
void take_answer(struct world *world, const struct shard_answer *answer);

/* functions.c */
void function_called(struct world *world, const struct shard_invocation *invocation);
/* One call is answered, somehow. */
void function_answers(struct world *world, uint32_t call);
uint32_t note_of(struct span typed_value);
struct span pair_value(struct buffer *buffer, uint32_t first, uint32_t second);
bool pair_of(struct span typed_value, struct entry_pair *pair);

/* oracle.c */
void world_settle(struct world *world);
void world_judge(struct world *world);

#endif
