/*
 * Some shards in a hostile world, all of it from one seed: clients that retry, functions that fail
 * in every way, operators, reloads, tiny budgets, a network between the shards, stores that lose
 * what is not durable, savepoints and the way back to them under another number of shards. The
 * world keeps its books in a history; oracle.c holds them against what is left at the end.
 */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "base/prng.h"
#include "history.h"
#include "lib/shard_ledger.h"
#include "store.h"
#include "swarm.h"
#include "verdict.h"

enum {
    TMP_TTL_MS = 1500,
    SEEN_TTL_MS = 2500,
    CALLS_MAX = 64,
    ENDPOINTS_MAX = 2,
    SETTLE_MS = 180000, /* the stated time of I11, by the clock of the simulation */
    TRIES_POWERS = 8,
    JUMP_MAX_MS = 3600000,
    ACCEPT_OVERHEAD = 4096, /* memory that an accepted message takes beyond its argument */
};

/* What a shard's configuration promises for an endpoint, and what its calls say of it. */
struct promise {
    uint32_t window_max, batch_count_max, attempts_max;
    size_t batch_bytes_max;
    bool is_durable;         /* called for what is durable only */
    int64_t closed_until_ms; /* it was asked not to call before */
    uint32_t killer;         /* the address + 1 whose lone call was lost; 0: it answers */
    bool is_down;            /* … and another one's since */
};

/* Failures of the first message of an address, as many as there have been at least. */
struct tries {
    uint32_t count;
    bool must_park, is_edited;
    uint64_t written[TRIES_POWERS]; /* seq at which there were 1, 2, 4 … */
};

/* In the final phase, at the operator's last look: messages that were applied, and results that had
 * outgrown their memory. */
struct standing {
    uint64_t applied, outgrown;
    int64_t since_ms;
};

/* One shard with its store: a process, or a thread with others. */
struct host {
    uint32_t number;
    struct shard *shard; /* NULL: it is down */
    struct store store;
    struct shard_update update;
    int64_t wall_skew_ms, mono_skew_ms;
    int64_t up_at_ms; /* when it comes back */
    bool may_be_killed;
    uint64_t told;            /* to the shard: what is durable */
    uint64_t life;            /* which of the world's */
    uint64_t since;           /* order of the event that it began after */
    int64_t mono_ms;          /* of its last step; 0: none in this life */
    int64_t stopped_until_ms; /* its process stands still; 0: it runs */
    struct promise promises[ENDPOINTS_MAX];
    uint32_t endpoint_count, configs;
    size_t memory_max, outbox_max;
    struct standing standing;
};

struct call {
    const struct shard_invocation *invocation;
    uint32_t host;
    uint32_t address;
    int64_t sent_ms;
    int64_t answer_at_ms;    /* in the final phase: it stays out until then, by the world's time */
    uint32_t scribble_floor; /* the newest acknowledged write when it was sent */
    uint32_t endpoint, config; /* of its host when it was sent */
    uint32_t message_count;
    uint64_t order;
    bool alone; /* no other one was out to this endpoint */
};

/* What has its own power. */
struct machine {
    struct world *world;
    struct fake_disk *disk; /* NULL: all is in ledgers */
    bool lied_to;           /* it did not do what it said: it may show at a recovery */
};

enum waiting_for {
    WAIT_NOTHING,
    WAIT_NOTE,
    WAIT_ATTACH,
    WAIT_FETCH,
    WAIT_SCRIBBLE,
    WAIT_LOG,
    WAIT_SCRIBBLED,
    WAIT_EGRESS,
    WAIT_TOPIC,
    WAIT_PARTITION,
    WAIT_OTHER
};

struct waiter {
    enum waiting_for what;
    uint32_t subject;
    uint32_t host;
};

/* A signal on its way. */
struct packet {
    uint32_t from, to;
    int64_t at_ms;
    struct shard_signal signal; /* its parcels are our own copy */
};

struct savepoint_part {
    bool joined, read_out, complete, failed;
    struct ledger_snapshot image;
    uint64_t seq;
};

struct savepoint {
    uint64_t number; /* 0: none */
    bool complete;
    struct cut_times times;
    uint32_t egress_acked;
    struct savepoint_part parts[SHARDS_SIMULATED_MAX];
};

/* A log outside, and what its reader believes. Positions count its records. */
struct partition {
    GROWING(uint32_t, notes);
    uint32_t known; /* where the reader goes on */
    uint32_t shown; /* what the shard has said, at most */
    uint32_t asked; /* the last waiter */
    bool refused;   /* there was no room, or no function, the last time */
};

struct world {
    uint64_t seed;
    struct swarm swarm;
    struct prng prng;
    struct history history;
    struct host hosts[SHARDS_SIMULATED_MAX];
    uint32_t host_count;
    int64_t now_ms;
    bool calm; /* the final phase */
    bool late; /* … and nobody is killed any more: what is sent now is owed */
    char ids[ADDRESSES_MAX][1025];
    uint32_t id_count;
    struct call calls[CALLS_MAX];
    uint32_t call_count;
    GROWING(struct waiter, waiters);
    GROWING(struct packet, packets);
    struct savepoint *savepoints[2]; /* the last complete one, and the one being taken */
    uint64_t cut_number;
    uint32_t source[64]; /* notes of a source, in order */
    uint32_t source_count;
    struct partition partitions[PARTITIONS];
    uint64_t egress_acked;
    bool pulling, popping;
    struct tries tries[ADDRESSES_MAX];
    int64_t outage_until_ms[ENDPOINTS_MAX];
    bool cured;                   /* poison is none any more */
    const struct call *answering; /* whose answer the step is about; NULL: none */
    bool misusing;                /* … and it asks for what is not allowed */
    size_t empty_bytes;           /* memory of a shard that holds nothing */
    struct standing standing;     /* of all shards */
    /* what was done */
    uint64_t steps, crashes, recoveries, faults, digests, savepoints_taken, restores;
    uint64_t life_count, stops, intrusions;
    uint64_t signals, lives; /* lives: changes whenever all that is under way may have gone */
    uint64_t trace;
    struct machine machines[SHARDS_SIMULATED_MAX]; /* of each shard, or the first of all */
    bool disk_fails;                               /* it may, just now */
    /* what the final phase took, by the world's time, and what it did */
    struct {
        int64_t ms;
        uint64_t calls, messages;
    } settling;
    int64_t out_ms; /* for so long calls stay out in the final phase, one after the other */
    bool over;      /* what a disk had not done was found out: nothing is owed any more */
};

static inline bool host_runs(const struct host *host)
{
    return host->shard != NULL && host->stopped_until_ms == 0;
}

static inline uint32_t pick(struct world *world, uint32_t bound)
{
    return (uint32_t)prng_below(&world->prng, bound);
}

static inline bool chance(struct world *world, uint32_t percent)
{
    return pick(world, 100) < percent;
}

static inline bool has(const struct world *world, enum fault fault)
{
    return !world->calm && world->swarm.has[fault];
}

/* Called around every step when set: where a test makes memory run out. */
extern void (*world_guard)(bool inside);

/* world.c */
void world_open(struct world *world, uint64_t seed, const struct swarm *swarm);
void world_close(struct world *world);
void world_step(struct world *world, struct host *host, struct shard_event *event);
/* False: the shard is down, nobody was asked. */
bool world_ask(struct world *world, struct host *host, struct shard_event *event,
               enum waiting_for what, uint32_t subject);
void world_configure(struct world *world, struct host *host);
void world_pass(struct world *world, int64_t ms);
struct address address_of(const struct world *world, uint32_t address);
uint32_t address_find(const struct world *world, const struct address *address);
struct host *host_of_id(struct world *world, struct span id);
struct host *host_of(struct world *world, uint32_t address);
/* Shards and all that was recorded agree. */
void world_check(struct world *world);
/* When the next of the shards wants to be woken; INT64_MAX: none does. */
int64_t world_wake_at(struct world *world);

/* life.c: how shards begin and end. */
void host_open(struct world *world, struct host *host, uint32_t number);
void host_start(struct world *world, struct host *host);
void host_revive(struct world *world, struct host *host);
void host_crash(struct world *world, struct host *host);
void host_commit(struct world *world, struct host *host);
/* Its process is stopped, as SIGSTOP and the pause of a virtual machine do, until it goes on. */
void host_stop(struct world *world, struct host *host);
void host_go_on(struct world *world, struct host *host);
/* What its store has done meanwhile. */
void host_look(struct world *world, struct host *host);
void world_raise(struct world *world); /* those that are down come back now */
void world_crash(struct world *world); /* all of them */

/* faults.c: the disks, when there are some */
void disk_open(struct world *world);
void disk_close(struct world *world);
struct machine *machine_of(struct world *world, uint32_t shard);
void disk_cut_power(struct world *world, struct machine *machine);
void disk_pass(struct world *world, int64_t ms);
void disk_turn(struct world *world);

/* network.c */
void network_post(struct world *world, uint32_t from, const struct shard_signal *signal);
/* One arrives; false: none was on its way. */
bool network_deliver(struct world *world);
void network_clear(struct world *world);

/* savepoint.c */
void savepoint_acts(struct world *world);
void savepoint_joined(struct world *world, struct host *host, uint64_t number);
void savepoint_crashed(struct world *world, struct host *host);
void savepoint_restore(struct world *world);
void savepoint_close(struct world *world);

/* step.c: after a step, with what the metrics were before it. */
void world_check_step(struct world *world, const struct host *host, const struct shard_event *event,
                      const struct shard_metrics *before);

/* blame.c. An answer that may be a misuse (is_misuse) and was applied was none. */
void blame_called(struct world *world, struct call *call);
void blame_answered(struct world *world, const struct call *call, enum outcome outcome,
                    bool is_misuse, bool applied, bool parked);
void blame_recovered(struct world *world, const struct host *host, uint64_t survived);
/* Somebody has put it back to the beginning. */
void blame_forget(struct world *world, uint32_t address);

/* clients.c */
/* So many new messages at once. */
void clients_rush(struct world *world, uint32_t count);
void client_acts(struct world *world);
void client_sends(struct world *world, uint32_t note);
void client_reads(struct world *world, uint32_t address, const char *name);
void client_fetches(struct world *world, uint32_t note);
void source_acts(struct world *world);
void reply_token_of(const struct world *world, uint32_t note, uint32_t try, char token[33]);

/* One more try of it, at this shard. */
void note_try(struct world *world, struct note *note, const struct host *host);

/* partitions.c */
void partition_acts(struct world *world);
void take_partition(struct world *world, const struct host *host, uint32_t number,
                    const struct shard_answer *answer);
/* In the final phase: to their ends, as far as there is room. */
void partitions_settle(struct world *world);
bool partitions_are_read(const struct world *world);
/* The world has gone back to a savepoint. */
void partitions_go_back(struct world *world);
void partitions_close(struct world *world);

/* answers.c */
void take_answer(struct world *world, struct host *host, const struct shard_answer *answer);

/* operators.c: those and the consumers of the egresses. */
void operator_acts(struct world *world);
void scribbler_acts(struct world *world);
void consumer_pulls(struct world *world);
void consumer_pops(struct world *world);
/* All that was pulled. */
void consumer_acks(struct world *world);
void operator_reads_letters(struct world *world);
#define EGRESS_NAME SPAN_LITERAL("t/out")
#define TOPIC_LANE SPAN_LITERAL("io.statefun.playground/egress/p")

/* functions.c */
void function_called(struct world *world, struct host *host,
                     const struct shard_invocation *invocation);
/* One call is answered, somehow. */
void function_answers(struct world *world, uint32_t call);
struct span pair_value(const struct world *world, struct buffer *buffer, uint32_t first,
                       uint32_t second);
bool pair_of(struct span typed_value, struct pair *pair);

/* act.c */
void world_act(struct world *world);

/* settle.c */
/* Faults stop: what was accepted settles within SETTLE_MS, and everything is read. */
void world_settle(struct world *world);
void world_judge(struct world *world);

#endif
