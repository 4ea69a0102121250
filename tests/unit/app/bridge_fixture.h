/*
 * Two loops and a bridge between them, in one thread: a test says which side turns when. At the far
 * end stands a port that keeps what arrives.
 */
#ifndef TESTS_UNIT_APP_BRIDGE_FIXTURE_H
#define TESTS_UNIT_APP_BRIDGE_FIXTURE_H

#include "app/bridge.h"

enum { ARRIVALS_MAX = 64 };

/* An event that came over. Its spans are checked during the call: they do not live longer. */
struct far_port {
    struct port port; /* first */
    void (*check)(const struct shard_event *event);
    enum shard_event_kind kinds[ARRIVALS_MAX];
    struct port_waiter *waiters[ARRIVALS_MAX];
    uint32_t limits[ARRIVALS_MAX]; /* of queries: a number to tell them apart */
    size_t count;
};

/* Somebody at the near end. */
struct guest {
    struct port_waiter waiter; /* first */
    unsigned answers;
    enum answer_kind kind;
    uint64_t number;
    void (*then)(struct guest *guest);
    void *context;
};

struct two_sides {
    struct loop io, engine;
    struct inbox io_inbox, engine_inbox;
    struct far_port far;
    struct bridge bridge;
};

void two_sides_open(struct two_sides *sides);
void two_sides_close(struct two_sides *sides);
void io_turn(struct two_sides *sides);
void engine_turn(struct two_sides *sides);

/* A query with this number; guest NULL: nobody waits. */
void ask(struct two_sides *sides, struct guest *guest, uint32_t number);
void detach(struct two_sides *sides, struct guest *guest);
/* From within the engine's side. */
void answer_arrival(struct two_sides *sides, size_t index, uint64_t number);
struct guest guest_new(void);

#endif
