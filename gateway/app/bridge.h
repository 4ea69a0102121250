/*
 * Between an I/O thread and the engine's: events go one way, answers the other, each copied into
 * one block and handed over by a lock-free stack and a wake-up per loop turn. The edges in the I/O
 * thread see an ordinary port.
 */
#ifndef HOLDFAST_APP_BRIDGE_H
#define HOLDFAST_APP_BRIDGE_H

#include "base/memory.h"
#include "base/table.h"
#include "os/loop.h"
#include "shard/port.h"

#include <stdatomic.h>

struct parcel;

/* Many may push; one takes all. */
struct parcels {
    _Atomic(struct parcel *) newest;
    struct loop_signal arrived;
    struct loop *loop; /* of the one who takes */
    bool unsent;       /* pushed since the last wake-up; of the one who pushes */
};

struct bridge {
    /* in the I/O thread */
    struct port port; /* first */
    struct parcels answers;
    struct table waiting; /* seats, by ticket */
    struct memory io_memory;
    uint64_t next_ticket;
    struct loop_turn_end io_turn_end;
    /* in the engine's thread */
    struct port *engine; /* borrowed */
    struct parcels events;
    struct table proxies; /* by ticket */
    struct memory engine_memory;
    struct loop_turn_end engine_turn_end;
};

/* Both loops must exist; neither may be running yet. ERROR_MEMORY, ERROR_IO. */
int bridge_open(struct bridge *bridge, struct loop *io_loop, struct loop *engine_loop,
                struct port *engine) MUST_USE;
/* When both threads have stopped using it. The engine still lives, and hears of those who waited
   that they have gone. */
void bridge_close(struct bridge *bridge);

#endif
