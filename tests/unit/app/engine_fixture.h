/*
 * An engine on a real directory, with a scripted invoke room, clients at its port, and files that
 * can be made to fail, wait or go slowly.
 */
#ifndef TESTS_UNIT_APP_ENGINE_FIXTURE_H
#define TESTS_UNIT_APP_ENGINE_FIXTURE_H

#include "app/state.h"
#include "os/clock.h"
#include "os/file.h"

enum { DIRECTORY_SIZE = 64, WAIT_US_MAX = 10000000 };

/* ---- Files ---- */

/* Calls of a kind on paths with a certain part. Set while the engine runs: all are atomic. */
struct faults {
    atomic_int call;   /* enum file_call, or -1: none */
    atomic_int number; /* errno to fail with; 0: only wait */
    atomic_bool hold;  /* they wait until it is false again */
    atomic_int hits;   /* calls that were met */
    atomic_int skip;   /* so many pass first */
    const char *part;  /* of the path; set before `call` */
};

extern struct faults faults;
void faults_set(enum file_call call, const char *part, int number);
void faults_hold(enum file_call call, const char *part);
void faults_clear(void);

/* ---- The engine ---- */

struct world {
    char directory[DIRECTORY_SIZE];
    struct gateway *gateway; /* of which only the engine and its loop are open */
    struct loop *loop;
    struct engine *engine;
    bool open;
    uint64_t snapshot_bytes;
    int64_t snapshot_every_ms;
    unsigned failures;
    char why[320];
};

extern struct world world;

/* Suite set-up and tear-down: a new directory, no engine yet; everything is removed. */
void world_begin(void);
void world_end(void);
void world_open(void);
/* Two endpoints "a/..." and "b/...", `window_max` calls each, and the pull egress "t/out". */
void world_configure(uint32_t window_max, bool dispatch_durable);
void world_start(void); /* the two above: many calls at once, and not durable */
void world_close(void);
/* As if the process had been killed. */
void world_kill(void);
void turn(void);
/* Turns until `condition`; the test fails after ten seconds. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t until_us_ = clock_mono_us() + WAIT_US_MAX;                                         \
        while (!(condition)) {                                                                     \
            cr_assert_lt(clock_mono_us(), until_us_, "never: " #condition);                        \
            turn();                                                                                \
        }                                                                                          \
    } while (0)
/* Turns for so long. */
void turn_for_ms(int64_t ms);
uint64_t durable(void);
uint64_t live_seq(void);

/* What the directory stands for, read offline; no engine may run on it. */
struct offline {
    uint64_t seq, digest, snapshot_seq, keys;
};
struct offline offline_image(void);

/* ---- Snapshots ---- */

struct asked {
    struct snapshot_waiter waiter; /* first */
    unsigned told;
    int error;
    struct snapshot_info info;
    char why[320];
};

void ask_for_snapshot(struct asked *asked);
/* Takes one, which has to work. */
void take_snapshot(void);

/* ---- Clients ---- */

struct client {
    struct port_waiter waiter; /* first */
    unsigned answers;
    enum answer_kind kind;
    uint64_t number;
    uint64_t sent_seq; /* the shard's after the submit */
    bool was_durable;  /* at the answer: all up to sent_seq */
    void (*then)(struct client *client);
    void *context;
};

void client_init(struct client *client);
/* To "a/f" or "b/f"; client NULL: nobody waits. */
void send_to(struct client *client, const char *type, const char *id);
void call_to(struct client *client, const char *type, const char *id, const char *token);
void leave(struct client *client);
/* Messages to 17 addresses that nobody waits for. */
void send_some(unsigned count);
/* Lets the functions answer until nothing is open and all is durable. */
void settle(void);

#endif
