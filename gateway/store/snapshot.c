#include "store/snapshot_state.h"

#include "base/check.h"
#include "store/layout.h"

#include <inttypes.h>
#include <stdlib.h>

enum { THREAD_STACK = 512 << 10 };

static int find_newest(struct snapshots *snapshots, struct errmsg *errmsg)
{
    struct snapshot_numbers numbers;
    int error = snapshot_numbers_list(&numbers, snapshots->directory, manifest_name_number, errmsg);
    if (error != 0) return error;
    /* A damaged newest is never passed over for an older one: the journal behind it has been
     * trimmed. */
    if (numbers.count > 0)
        error = manifest_load(snapshots->directory, numbers.at[numbers.count - 1],
                              snapshots->newest, errmsg);
    snapshots->number = snapshots->newest->number;
    snapshot_numbers_close(&numbers);
    return error;
}

static int find_last_file(struct snapshots *snapshots, struct errmsg *errmsg)
{
    struct snapshot_numbers numbers;
    int error = snapshot_numbers_list(&numbers, snapshots->directory, block_name_number, errmsg);
    if (error != 0) return error;
    if (numbers.count > 0) snapshots->file_number = numbers.at[numbers.count - 1];
    snapshot_numbers_close(&numbers);
    return 0;
}

/* An older manifest that cannot be read is no reason to refuse the newest: all files stay. */
static int clean(const struct snapshots *snapshots, struct errmsg *errmsg)
{
    int error = snapshot_files_clean(snapshots->directory, 0, errmsg);
    return error == ERROR_DAMAGED || error == ERROR_NEWER_FORMAT ? 0 : error;
}

static int open_all(struct snapshots *snapshots, const char *directory, struct errmsg *errmsg)
{
    int error = layout_open(&snapshots->lock, directory, LOCK_SNAPSHOTS, errmsg);
    if (error == 0) error = layout_make(snapshots->directory, directory, "snapshots", errmsg);
    if (error == 0) error = find_newest(snapshots, errmsg);
    if (error == 0) error = clean(snapshots, errmsg);
    if (error == 0) error = find_last_file(snapshots, errmsg);
    return error;
}

int snapshots_open(struct snapshots **opened, const char *directory, struct snapshot_info *newest,
                   struct errmsg *errmsg)
{
    errmsg->text[0] = '\0';
    struct snapshots *snapshots = calloc(1, sizeof *snapshots);
    struct manifest *manifest = calloc(1, sizeof *manifest);
    if (snapshots == NULL || manifest == NULL) {
        free(snapshots);
        free(manifest);
        return errmsg_set(errmsg, ERROR_MEMORY, "%s", error_text(ERROR_MEMORY));
    }
    snapshots->newest = manifest;
    snapshots->retain = 1;
    pthread_mutex_init(&snapshots->mutex, NULL);
    pthread_cond_init(&snapshots->work, NULL);
    int error = open_all(snapshots, directory, errmsg);
    if (error != 0) {
        if (errmsg->text[0] == '\0')
            errmsg_set(errmsg, error, "%.200s: %s", directory, error_text(error));
        snapshots_close(snapshots);
        return error;
    }
    *newest = manifest->info;
    *opened = snapshots;
    return 0;
}

void snapshots_retain(struct snapshots *snapshots, uint32_t count)
{
    CHECK(!snapshots->running && count > 0);
    snapshots->retain = count;
}

int snapshots_load(struct snapshots *snapshots, snapshot_block *block, void *context,
                   struct errmsg *errmsg)
{
    struct block_reader reader;
    uint32_t order[MANIFEST_BLOCKS];
    size_t count = manifest_order(snapshots->newest, order);
    int error = 0;
    errmsg->text[0] = '\0';
    block_reader_init(&reader, snapshots->directory);
    for (size_t i = 0; i < count && error == 0; i++) {
        struct span bytes;
        error = block_read(&reader, &snapshots->newest->entries[order[i]], &bytes, errmsg);
        if (error == 0) error = block(context, order[i], bytes);
    }
    block_reader_close(&reader);
    if (error != 0 && errmsg->text[0] == '\0')
        errmsg_set(errmsg, error, "%.200s: %s", snapshots->directory, error_text(error));
    return error;
}

static void drop_jobs(struct snapshots *snapshots)
{
    while (snapshots->first != NULL) {
        struct snapshot_job *job = snapshots->first;
        snapshots->first = job->next;
        free(job);
    }
    snapshots->last = NULL;
    snapshots->backlog = 0;
}

/* The thread has ended, or is about to: it is waited for. */
static void reap(struct snapshots *snapshots)
{
    pthread_join(snapshots->thread, NULL);
    snapshots->running = false;
    drop_jobs(snapshots);
    if (snapshots->error == 0) {
        struct manifest *old = snapshots->newest;
        snapshots->newest = snapshots->next;
        snapshots->next = old;
    }
    free(snapshots->next);
    free(snapshots->changed);
    snapshots->next = NULL;
    snapshots->changed = NULL;
}

static bool has_ended(struct snapshots *snapshots)
{
    pthread_mutex_lock(&snapshots->mutex);
    bool ended = snapshots->ended;
    pthread_mutex_unlock(&snapshots->mutex);
    return ended;
}

static int start_thread(struct snapshots *snapshots)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    int failed = pthread_create(&snapshots->thread, &attributes, snapshot_run, snapshots);
    pthread_attr_destroy(&attributes);
    return failed == 0 ? 0 : ERROR_MEMORY;
}

int snapshot_begin(struct snapshots *snapshots, const struct snapshot_info *info)
{
    /* One that was given up may still be at its last write. */
    if (snapshots->running && !(snapshots->abort && has_ended(snapshots))) return ERROR_IN_USE;
    if (snapshots->running) reap(snapshots);
    snapshots->next = calloc(1, sizeof *snapshots->next);
    snapshots->changed = calloc(MANIFEST_BLOCKS, sizeof *snapshots->changed);
    if (snapshots->next == NULL || snapshots->changed == NULL) goto no_memory;
    snapshots->next->info = *info;
    snapshots->next->number = snapshots->number + 1;
    snapshots->finish = snapshots->abort = snapshots->ended = false;
    snapshots->error = 0;
    if (start_thread(snapshots) != 0) goto no_memory;
    snapshots->running = true;
    return 0;

no_memory:
    free(snapshots->next);
    free(snapshots->changed);
    snapshots->next = NULL;
    snapshots->changed = NULL;
    return ERROR_MEMORY;
}

int snapshot_write(struct snapshots *snapshots, uint32_t block, struct span bytes)
{
    CHECK(snapshots->running && !snapshots->finish && block < MANIFEST_BLOCKS);
    if (bytes.size == 0) return 0; /* a block that is not in the manifest is empty */
    struct snapshot_job *job = malloc(sizeof *job + bytes.size);
    if (job == NULL) return ERROR_MEMORY;
    *job = (struct snapshot_job){.block = block, .size = bytes.size};
    memcpy(job->bytes, bytes.at, bytes.size);
    pthread_mutex_lock(&snapshots->mutex);
    if (snapshots->last == NULL)
        snapshots->first = job;
    else
        snapshots->last->next = job;
    snapshots->last = job;
    snapshots->backlog += bytes.size;
    pthread_cond_signal(&snapshots->work);
    pthread_mutex_unlock(&snapshots->mutex);
    return 0;
}

void snapshot_keep(struct snapshots *snapshots, uint32_t block)
{
    CHECK(snapshots->running && !snapshots->finish && block < MANIFEST_BLOCKS);
    /* The writer looks at `next` only after `finish`. */
    snapshots->next->entries[block] = snapshots->newest->entries[block];
}

uint64_t snapshot_backlog(struct snapshots *snapshots)
{
    pthread_mutex_lock(&snapshots->mutex);
    uint64_t backlog = snapshots->backlog;
    pthread_mutex_unlock(&snapshots->mutex);
    return backlog;
}

static void tell(struct snapshots *snapshots, bool *flag)
{
    pthread_mutex_lock(&snapshots->mutex);
    *flag = true;
    pthread_cond_signal(&snapshots->work);
    pthread_mutex_unlock(&snapshots->mutex);
}

void snapshot_finish(struct snapshots *snapshots)
{
    CHECK(snapshots->running && !snapshots->finish && !snapshots->abort);
    tell(snapshots, &snapshots->finish);
}

void snapshot_abort(struct snapshots *snapshots)
{
    if (snapshots->running && !snapshots->finish) tell(snapshots, &snapshots->abort);
}

enum snapshot_state snapshot_poll(struct snapshots *snapshots, struct snapshot_info *info,
                                  struct errmsg *errmsg)
{
    if (!snapshots->running) return SNAPSHOT_IDLE;
    if (!has_ended(snapshots)) return snapshots->finish ? SNAPSHOT_PUBLISHING : SNAPSHOT_WRITING;
    bool given_up = snapshots->abort;
    reap(snapshots);
    if (given_up) return SNAPSHOT_IDLE;
    if (snapshots->error == 0) {
        *info = snapshots->newest->info;
        return SNAPSHOT_PUBLISHED;
    }
    *errmsg = snapshots->errmsg;
    if (errmsg->text[0] == '\0')
        errmsg_set(errmsg, snapshots->error, "%.200s: %s", snapshots->directory,
                   error_text(snapshots->error));
    return SNAPSHOT_FAILED;
}

void snapshots_close(struct snapshots *snapshots)
{
    if (snapshots->running) {
        /* One that is being published is waited for. */
        snapshot_abort(snapshots);
        reap(snapshots);
    }
    pthread_cond_destroy(&snapshots->work);
    pthread_mutex_destroy(&snapshots->mutex);
    if (snapshots->lock != NULL) lock_release(snapshots->lock, LOCK_SNAPSHOTS);
    free(snapshots->newest);
    free(snapshots);
}
