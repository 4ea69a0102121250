/*
 * One port before many shards: an event goes to the shard that owns what it names (base/slot.h);
 * what concerns all of them is asked of all and the answers are made one. The ports are bridges,
 * which take events at any time, also from within an answer.
 */
#ifndef HOLDFAST_APP_SWITCHBOARD_H
#define HOLDFAST_APP_SWITCHBOARD_H

#include "base/list.h"
#include "shard/port.h"

struct switchboard {
    struct port port;    /* first */
    struct port **ports; /* borrowed; of the shards, in order */
    uint32_t count;
    struct list gathers; /* questions to several shards that are not answered yet */
};

void switchboard_init(struct switchboard *board, struct port **ports, uint32_t count);
/* Nobody is answered any more. */
void switchboard_close(struct switchboard *board);

/* ---- gather.c ---- */

/* Whether the event concerns all shards, not one. */
bool gather_wanted(const struct shard_event *event);
/* Asks; its answer goes to the event's waiter. Without memory nobody is ever answered. */
void gather_begin(struct switchboard *board, const struct shard_event *event);
/* The waiter has gone. */
void gather_leave(struct switchboard *board, const struct port_waiter *client);

#endif
