/* The way from one thread to all engines: a bridge to each, and a switchboard before several. */
#ifndef HOLDFAST_APP_WAY_H
#define HOLDFAST_APP_WAY_H

#include "app/bridge.h"
#include "app/crew.h"
#include "app/switchboard.h"

struct way {
    struct port *port; /* for the edges of the thread */
    uint32_t count;
    struct bridge *bridges;
    struct port **ports;
    struct switchboard board;
};

/* Nothing may be running yet. ERROR_MEMORY. */
int way_open(struct way *way, struct inbox *inbox, struct crew *crew) MUST_USE;
/* As bridge_close. */
void way_close(struct way *way);
/* How many wait in this thread, whose way it is, for an answer of an engine. */
uint32_t way_waiting(const struct way *way);

#endif
