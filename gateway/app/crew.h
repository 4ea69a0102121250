/*
 * The engines. One is a guest of the gateway's own loop; several have a thread and a loop each, and
 * hand each other their signals. They can be made to stand still, so that the gateway's thread may
 * look at them and change them as if they were its own.
 */
#ifndef HOLDFAST_APP_CREW_H
#define HOLDFAST_APP_CREW_H

#include "app/engine.h"
#include "app/inbox.h"
#include "os/file.h"

#include <pthread.h>

struct crew;

struct station {
    struct crew *crew;
    uint32_t number;
    struct engine engine;
    char directory[FILE_PATH_MAX];
    struct loop *loop; /* own_loop, or the gateway's */
    struct inbox *inbox;
    struct loop own_loop;
    struct inbox own_inbox;
    pthread_t thread;
    atomic_bool stop;
    struct loop_turn_end turn_end;
    /* what the others may know of a running engine; of its last turn */
    atomic_ullong seq, memory_bytes, waiters, sent;
    struct errand pause;
    bool pause_out; /* under the crew's mutex: it is on its way */
    /* while opening */
    int error;
    struct errmsg errmsg;
};

struct crew_options {
    uint32_t count;
    const char *data;
    struct loop *loop;   /* of the gateway's thread */
    struct inbox *inbox; /* the same */
    uint64_t snapshot_bytes;
    int64_t snapshot_every_ms;
    void (*failed)(void *context, const char *why); /* in any thread */
    void *failed_context;
};

struct crew {
    uint32_t count;
    bool threaded; /* more than one */
    bool running;
    struct station *stations;
    struct loop_signal stirred; /* something is to be looked at by the gateway's thread */
    atomic_bool watched;        /* the gateway looks after what is not durable yet */
    struct loop *loop;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    bool pausing;
    uint32_t paused;
};

/* What the gateway's own turns want to know of a shard, at any time. */
struct station_sight {
    uint64_t seq, durable, memory_bytes, waiters, sent;
};

/* Recovers all shards at once. Errors as engine_open; then nothing is open. */
int crew_open(struct crew *crew, const struct crew_options *options,
              struct errmsg *errmsg) MUST_USE;
/* The engines' threads begin. Before, all is the caller's. ERROR_MEMORY. */
int crew_start(struct crew *crew) MUST_USE;
/* They have ended. What they were given and did not take is dropped. */
void crew_stop(struct crew *crew);
void crew_close(struct crew *crew);

/* True: all engines stand still until crew_resume, and are the caller's meanwhile. False: one does
   not come to it in time; all go on. */
bool crew_pause(struct crew *crew) MUST_USE;
void crew_resume(struct crew *crew);

/* Whether something is not durable yet, or `more` is true: then the caller looks again by itself;
   else its loop is woken when there is something. */
bool crew_watch(struct crew *crew, bool more);
/* How long a sync of any shard has been hanging; 0: none. */
int64_t crew_sync_hangs_us(struct crew *crew);
void station_look(struct station *station, struct station_sight *sight);

#endif
