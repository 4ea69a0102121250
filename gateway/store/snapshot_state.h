/*
 * The insides of snapshots, for the files that make them up: snapshot.c (calls), snapshot_write.c
 * (the thread that writes one), snapshot_files.c (what is in the directory, and what may go).
 */
#ifndef HOLDFAST_STORE_SNAPSHOT_STATE_H
#define HOLDFAST_STORE_SNAPSHOT_STATE_H

#include "os/lock.h"
#include "store/manifest.h"
#include "store/stream.h"

#include <pthread.h>

/* A block on its way to the disk. */
struct snapshot_job {
    struct snapshot_job *next;
    uint32_t block;
    size_t size;
    uint8_t bytes[];
};

struct snapshots {
    char directory[FILE_PATH_MAX]; /* DATA/snapshots */
    struct lock *lock;
    uint32_t retain;
    struct manifest *newest; /* number 0: none. Read by the writer, replaced after it has ended */
    uint64_t number;         /* of the last manifest that may have got its name */
    uint64_t file_number;    /* of the last block file that was ever named */

    /* Of the snapshot being written. */
    pthread_t thread;
    struct manifest *next;
    struct block_entry
        *changed; /* as the writer put them; MANIFEST_BLOCKS of them, file 0: not written */

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t work;
    struct snapshot_job *first;
    struct snapshot_job *last;
    uint64_t backlog; /* bytes of jobs that are not on disk yet */
    bool running;     /* the thread exists: to be joined */
    bool finish;
    bool abort;
    bool ended; /* the thread has nothing more to say than this: */
    int error;
    struct errmsg errmsg;
};

/* snapshot_write.c */
void *snapshot_run(void *snapshots);

/* snapshot_files.c */
struct snapshot_numbers {
    uint64_t *at; /* ascending */
    size_t count;
    size_t capacity;
};
void snapshot_numbers_close(struct snapshot_numbers *numbers);
/* The numbers in the names of a directory, for which name_number gives them. */
int snapshot_numbers_list(struct snapshot_numbers *numbers, const char *directory,
                          uint64_t (*name_number)(const char *), struct errmsg *errmsg) MUST_USE;
/* Called with the name of each block file and temporary file that no manifest needs. A manifest
   that cannot be read is an error: what it needs is not known. */
typedef int snapshot_unneeded(void *context, const char *name);
int snapshot_files_unneeded(const char *directory, snapshot_unneeded *unneeded, void *context,
                            struct errmsg *errmsg) MUST_USE;
/* Removes manifests beyond the newest `retain` (0: none is removed), and then the files that no
 * manifest needs. */
int snapshot_files_clean(const char *directory, uint32_t retain, struct errmsg *errmsg) MUST_USE;

#endif
