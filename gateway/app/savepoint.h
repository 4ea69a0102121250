/*
 * Takes a savepoint: the cuts of all shards, such that no message is in two of them or in none. All
 * is steered from the gateway's thread; work on the disk is done in a thread of its own, and by the
 * engines as for a snapshot. In order:
 *     prepare   the directory, and a store of snapshots for each shard
 *     ask       which savepoint each shard has joined last: the new one is newer than all
 *     expect    each shard is told what to do when it joins, which a signal may make it do at any
 *               time from the next step on
 *     cut       they join, and write what they held
 *     commit    savepoint.json: from here on it is one
 * Whatever fails leaves a directory that is no savepoint, and the gateway as it was.
 */
#ifndef HOLDFAST_APP_SAVEPOINT_H
#define HOLDFAST_APP_SAVEPOINT_H

#include "app/crew.h"
#include "app/savepoint_file.h"

enum savepoint_phase {
    SAVEPOINT_IDLE,
    SAVEPOINT_PREPARE,
    SAVEPOINT_ASK,
    SAVEPOINT_EXPECT,
    SAVEPOINT_CUT,
    SAVEPOINT_COMMIT,
    SAVEPOINT_ABORT
};

/* Somebody who wants to know. */
struct savepoint_waiter {
    /* Once, never from within savepoint_begin. error 0: `text` is the content of savepoint.json;
       else why there is none. */
    void (*done)(struct savepoint_waiter *waiter, int error, struct span text);
};

struct savepoint_part;

struct savepoint {
    struct crew *crew;
    struct inbox *inbox; /* of the gateway's thread */
    int64_t time_max_us;
    enum savepoint_phase phase;
    char directory[FILE_PATH_MAX];
    struct savepoint_waiter *waiter; /* NULL: it has left */
    struct savepoint_info info;
    struct savepoint_part *parts;
    uint32_t out; /* parts that have not reported */
    bool cancelled;
    uint64_t bytes_wanted;
    int error; /* the first */
    struct errmsg why;
    int job_error;
    struct errmsg job_why;
    pthread_t thread;
    struct errand job_done;
    struct loop_timer timer;
    int64_t begun_us;
};

void savepoint_init(struct savepoint *savepoint, struct crew *crew, struct inbox *inbox);
/* ERROR_IN_USE: another one is being taken. ERROR_INVALID: no absolute path. ERROR_MEMORY. errmsg
   says so; the waiter is not called then. */
int savepoint_begin(struct savepoint *savepoint, struct span directory,
                    struct savepoint_waiter *waiter, struct errmsg *errmsg) MUST_USE;
/* It goes on all the same. */
void savepoint_leave(struct savepoint *savepoint, struct savepoint_waiter *waiter);
/* When the engines have stopped and before they are closed: one that is under way is given up. */
void savepoint_close(struct savepoint *savepoint);

#endif
