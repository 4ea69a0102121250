/*
 * How one thread gives another something to do: blocks on a lock-free stack, and a wake-up of the
 * receiver's loop. Each thread with a loop has one.
 */
#ifndef HOLDFAST_APP_INBOX_H
#define HOLDFAST_APP_INBOX_H

#include "os/loop.h"

#include <stdatomic.h>

/* First in whatever is handed over. Exactly one of the two is called, and owns it then. */
struct errand {
    struct errand *next;
    void (*arrive)(struct errand *errand); /* in the receiver's thread */
    void (*drop)(struct errand *errand);   /* the receiver has ended */
};

/* Many may put; the thread of the loop takes all. */
struct inbox {
    _Atomic(struct errand *) newest;
    struct loop *loop;
    struct loop_signal arrived;
};

/* ERROR_MEMORY, ERROR_IO. */
int inbox_open(struct inbox *inbox, struct loop *loop) MUST_USE;
/* Any thread. What one thread puts arrives in that order, at the latest after inbox_wake. */
void inbox_put(struct inbox *inbox, struct errand *errand);
/* Any thread. */
void inbox_wake(struct inbox *inbox);
/* What has come and was not taken is dropped. No other thread may put any more. */
void inbox_empty(struct inbox *inbox);
/* The same, and the end. */
void inbox_close(struct inbox *inbox);

#endif
