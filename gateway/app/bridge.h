/*
 * Between an I/O thread and the engine's: events go one way, answers the other, each copied into
 * one block and put into the other thread's inbox, which is woken once per loop turn. The edges in
 * the I/O thread see an ordinary port.
 */
#ifndef HOLDFAST_APP_BRIDGE_H
#define HOLDFAST_APP_BRIDGE_H

#include "app/inbox.h"
#include "base/memory.h"
#include "base/table.h"
#include "shard/port.h"

struct bridge {
    /* in the I/O thread */
    struct port port;     /* first */
    struct inbox *io;     /* borrowed: where answers arrive */
    struct table waiting; /* seats, by ticket */
    struct memory io_memory;
    uint64_t next_ticket;
    bool asked; /* events were put since the engine was last woken */
    struct loop_turn_end io_turn_end;
    /* in the engine's thread */
    struct port *engine;        /* borrowed */
    struct inbox *engine_inbox; /* borrowed: where events arrive */
    struct table proxies;       /* by ticket */
    struct memory engine_memory;
    bool answered; /* answers were put since the I/O thread was last woken */
    struct loop_turn_end engine_turn_end;
};

/* Neither loop may be running yet. */
void bridge_open(struct bridge *bridge, struct inbox *io, struct inbox *engine_inbox,
                 struct port *engine);
/* When no thread puts anything into either inbox any more: what lies there is dropped. The engine
   still lives, and hears of those who waited that they have gone. */
void bridge_close(struct bridge *bridge);

#endif
