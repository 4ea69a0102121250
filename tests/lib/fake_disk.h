/*
 * A disk in memory, behind all of os/file.h and os/lock.h: it knows what was synced and what was
 * not, sector by sector, so that a power cut can leave any state that a real one may leave. Names
 * (created, renamed, removed) are kept apart from content: only a sync of their directory makes
 * them last, and a sync of a file does not. Every call is a point where another of the fake threads
 * may go on, and one that can be made to fail. To be linked by CMake's `fake_world`; paths are
 * absolute.
 */
#ifndef TESTS_LIB_FAKE_DISK_H
#define TESTS_LIB_FAKE_DISK_H

#include "base/prng.h"
#include "base/span.h"
#include "os/file.h"

enum { FAKE_SECTOR = 512, FAKE_PAGE = 4096 };

struct fake_disk;

struct fake_disk_options {
    uint64_t capacity; /* bytes; 0: no end */
    uint32_t align;    /* for direct writes: 512 or 4096; 0: 4096 */
    bool no_direct;    /* the file system does not know direct access */
    int64_t sync_us;   /* a sync takes so long; 0: no time, but others may run */
};

/* Empty but for the directory "/". */
struct fake_disk *fake_disk_new(const struct fake_disk_options *options);
/* Handles that are still open on it are dead from now on. */
void fake_disk_free(struct fake_disk *disk);
/* Everything but open files, locks, processes and hooks. Costs little: content is shared. */
struct fake_disk *fake_disk_clone(const struct fake_disk *disk);
/* The disk that paths mean from now on; those of a process mean the disk it was started on. */
void fake_disk_use(struct fake_disk *disk);
void fake_disk_set_capacity(struct fake_disk *disk, uint64_t capacity);

/* ---- Processes ---- */

/*
 * A new process, that of the calling thread from now on (and of threads that it makes). Process 0,
 * which everybody is of at first, may use any disk: for what a test does itself.
 */
uint32_t fake_disk_start_process(struct fake_disk *disk);
/*
 * As kill -9: what it had written stays as it is, synced or not; its locks are free. Its threads
 * may run on, to their end: every call of theirs fails and changes nothing, and a sync that hangs
 * ends.
 */
void fake_disk_kill(struct fake_disk *disk, uint32_t process);

/* ---- Power cuts ---- */

enum fake_crash {
    FAKE_CRASH_LOST,   /* nothing that was not synced is there */
    FAKE_CRASH_PREFIX, /* the oldest so many operations that were not synced are, over all files */
    FAKE_CRASH_SUBSET, /* any of the sectors, sizes and names that were not synced */
    FAKE_CRASH_TORN,   /* as PREFIX, and a part of the next write, which may end within a sector */
    FAKE_CRASHES,
    FAKE_CRASH_KEPT = FAKE_CRASHES /* everything happens to be there */
};

/* All processes die, and of what was not synced so much is left as the model and `prng` say. */
void fake_disk_crash(struct fake_disk *disk, enum fake_crash model, struct prng *prng);
/* A clone, crashed: many states of one moment. */
struct fake_disk *fake_disk_crashed(const struct fake_disk *disk, enum fake_crash model,
                                    struct prng *prng);
/* Operations (writes, sizes, names) that are not synced: 0 means that each model gives the same. */
size_t fake_disk_unsynced(const struct fake_disk *disk);

/* ---- Faults ---- */

/* A call about to be made, or just made. */
struct fake_call {
    enum file_call call;
    const char *path;
    uint64_t number; /* of calls on this disk, from 1 */
    uint64_t offset; /* of a read or write */
    uint64_t size;
    uint32_t process;
};

/* What happens to it; zeros at first: nothing. */
struct fake_fault {
    int number;         /* fails with this errno … */
    uint64_t size_done; /* … a write after so many bytes of it */
    bool loses;     /* … a sync, and what was to be synced never gets to the disk, though it can
                       still be read and the next sync succeeds: as Linux does */
    bool unwritten; /* a write is said to be done and is not (stale sectors); so is a sync */
    bool elsewhere; /* a write goes to `offset` of the file `path` instead (misdirected); NULL:
                       of the same file */
    const char *path;
    uint64_t offset;
    int64_t delay_us; /* it takes so long before it happens or fails */
};

typedef void fake_disk_before(void *context, const struct fake_call *call,
                              struct fake_fault *fault);
typedef void fake_disk_after(void *context, const struct fake_call *call);
/* Either may be NULL. `after` is called when a call has changed something, or has made something
   last: a moment for a crash. Not for calls of dead processes. */
void fake_disk_hooks(struct fake_disk *disk, fake_disk_before *before, fake_disk_after *after,
                     void *context);

struct fake_disk_counts {
    uint64_t calls;
    uint64_t syncs; /* of files and directories */
    uint64_t faults;
    uint64_t crashes;
    uint64_t bytes_written;
};
struct fake_disk_counts fake_disk_counts(const struct fake_disk *disk);

/* ---- What is on it, for tests; no hooks, no switch ---- */

/* Size in bytes of allocated room. */
uint64_t fake_disk_used_bytes(const struct fake_disk *disk);
/* UINT64_MAX: no such file. */
uint64_t fake_disk_file_size(const struct fake_disk *disk, const char *path);
size_t fake_disk_peek(const struct fake_disk *disk, const char *path, uint64_t offset, void *into,
                      size_t size);
/* Changes content as damage does: at once on the disk and in every cache. */
void fake_disk_poke(struct fake_disk *disk, const char *path, uint64_t offset, struct span bytes);
void fake_disk_cut(struct fake_disk *disk, const char *path, uint64_t size);
/* Removes, or creates with content, durably. */
void fake_disk_take_away(struct fake_disk *disk, const char *path);
void fake_disk_put(struct fake_disk *disk, const char *path, struct span bytes);
/* Files in alphabetical order; NULL when there are no more. Valid until the disk changes. */
const char *fake_disk_file(const struct fake_disk *disk, size_t index);
/* Of all names and contents: equal for equal disks. */
uint64_t fake_disk_digest(const struct fake_disk *disk);

#endif
