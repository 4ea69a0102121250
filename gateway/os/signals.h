/* Signals of the process as events of a loop: SIGTERM, SIGINT, SIGHUP. */
#ifndef HOLDFAST_OS_SIGNALS_H
#define HOLDFAST_OS_SIGNALS_H

#include "os/loop.h"

struct signals {
    struct loop_watch watch;
    struct loop *loop;
    void (*came)(struct signals *signals, int number);
};

/* Call before any thread starts: threads inherit that these signals are blocked. SIGPIPE is
 * ignored. ERROR_IO. */
int signals_open(struct signals *signals, struct loop *loop,
                 void (*came)(struct signals *signals, int number)) MUST_USE;
void signals_close(struct signals *signals);

#endif
