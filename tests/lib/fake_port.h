/*
 * A port without a shard behind it: writes down each event as a line of text, and answers at the
 * end of the turn what the test has laid ready. Lives on the thread of a server_thread's loop.
 */
#ifndef HOLDFAST_TESTS_LIB_FAKE_PORT_H
#define HOLDFAST_TESTS_LIB_FAKE_PORT_H

#include "base/buffer.h"
#include "os/loop.h"
#include "shard/port.h"

#include <pthread.h>

enum {
    FAKE_QUEUE_MAX = 4096,
    FAKE_SILENT = 1000, /* as the kind of an answer: this event gets none */
};

struct fake_port {
    struct port port; /* first */
    /* Answers every event but DETACH; NULL: nobody is answered. The waiter is set afterwards. */
    struct shard_answer (*answer)(const struct shard_event *event, uint64_t number);
    size_t queued_max; /* answers that one turn has asked for, at most */
    /* private */
    struct loop_turn_end turn_end;
    pthread_mutex_t mutex;
    char *log;
    size_t log_size;
    uint64_t events;
    size_t queued;
    struct shard_answer queue[FAKE_QUEUE_MAX];
};

void fake_port_open(struct fake_port *fake, struct loop *loop);
void fake_port_close(struct fake_port *fake);
/* Whether the log has the text by now; waits up to five seconds for it. */
bool fake_port_saw(struct fake_port *fake, const char *text);
uint64_t fake_port_events(struct fake_port *fake);
/* For messages of failed assertions. */
const char *fake_port_log(struct fake_port *fake);

#endif
