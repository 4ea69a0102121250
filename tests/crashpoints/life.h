/*
 * A process that uses a data directory: the real journal and snapshots, held against a book. It
 * opens as the gateway does (snapshot first, then the journal after it) and checks all that comes
 * back.
 */
#ifndef TESTS_CRASHPOINTS_LIFE_H
#define TESTS_CRASHPOINTS_LIFE_H

#include "crashpoints/book.h"
#include "lib/fake_disk.h"
#include "store/journal.h"

#define LIFE_DIRECTORY "/data"

enum { LIFE_SEGMENT_SIZE = 8192 };

struct life {
    struct fake_disk *disk;
    struct book *book;
    struct prng prng; /* sizes and tags */
    uint32_t process;
    struct journal *journal;
    struct snapshots *snapshots;
    uint64_t replayed; /* last seq that came back */
    uint64_t cut;      /* of the snapshot that is begun and not finished; 0: none */
    struct errmsg errmsg;
    bool lax;          /* damage was done: see book->damaged */
    const char *wrong; /* what came back then and should not have; NULL: nothing */
};

/* Says what is wrong, and how to see it again, and ends the program. */
_Noreturn void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern void (*violation_hook)(void);

/* 0, or the error of the store: then nothing is open. What comes back and is wrong is a violation.
 */
int life_open(struct life *life);
/* ERROR_IO and so on: the journal has failed. */
int life_append(struct life *life, unsigned count, uint32_t size_max);
/* Waits until all is durable. An error: it has failed; ERROR_TIMEOUT: not within a minute. */
int life_commit(struct life *life);
/* Takes note of what is durable now. */
void life_note(struct life *life);
/* To be told of each call that has changed something. */
void life_watch(struct life *life, const struct fake_call *call);
/* Gives the changed blocks of the state that is durable now; not yet the end. ERROR_IN_USE … */
int life_snapshot_begin(struct life *life, bool all);
void life_snapshot_finish(struct life *life);
/* Waits for the end of the one being written. 0: published. */
int life_snapshot_wait(struct life *life);
int life_trim(struct life *life);
void life_close(struct life *life);
/* As kill -9: nothing that it does from now on counts. */
void life_kill(struct life *life);
/* store_check says that all is well, or it is a violation. */
void life_check(struct life *life, const char *when);
int life_repair(struct life *life, bool accept_loss);

#endif
