/* The thread that writes one snapshot. */
#include "store/snapshot_state.h"

#include "base/check.h"

#include <stdlib.h>

/* What one run of the thread has in hand. */
struct writing {
    struct snapshots *snapshots;
    struct stream stream;
    struct file file; /* the new block file; made with the first block */
    uint64_t file_number;
    struct errmsg errmsg;
};

static int start_file(struct writing *writing)
{
    struct snapshots *snapshots = writing->snapshots;
    uint8_t head[BLOCK_FILE_HEAD_SIZE];
    char path[FILE_PATH_MAX];
    if (writing->file_number != 0) return 0;
    uint64_t number = snapshots->file_number + 1;
    int error = block_path(path, snapshots->directory, number);
    if (error == 0)
        error = file_open(&writing->file, path, FILE_WRITE | FILE_CREATE | FILE_EMPTY | FILE_DIRECT,
                          &writing->errmsg);
    if (error != 0) return error;
    writing->file_number = snapshots->file_number = number;
    block_file_head(number, snapshots->next->info.lineage, head);
    error = stream_start(&writing->stream, &writing->file, 0, &writing->errmsg);
    return error != 0 ? error
                      : stream_put(&writing->stream, span_of(head, sizeof head), &writing->errmsg);
}

static int put_block(struct writing *writing, uint32_t block, uint64_t version, struct span bytes)
{
    struct snapshots *snapshots = writing->snapshots;
    struct block_entry entry = {.block = block, .version = version};
    uint8_t head[BLOCK_HEAD_SIZE];
    int error = start_file(writing);
    if (error != 0) return error;
    entry.file = writing->file_number;
    entry.offset = stream_at(&writing->stream);
    block_head(&entry, bytes, head);
    error = stream_put(&writing->stream, span_of(head, sizeof head), &writing->errmsg);
    if (error == 0) error = stream_put(&writing->stream, bytes, &writing->errmsg);
    snapshots->changed[block] = entry;
    return error;
}

/* Waits for a block. NULL: all are in, or the snapshot was given up. */
static struct snapshot_job *take_job(struct snapshots *snapshots)
{
    pthread_mutex_lock(&snapshots->mutex);
    while (snapshots->first == NULL && !snapshots->finish && !snapshots->abort)
        pthread_cond_wait(&snapshots->work, &snapshots->mutex);
    struct snapshot_job *job = snapshots->abort ? NULL : snapshots->first;
    if (job != NULL) snapshots->first = job->next;
    if (snapshots->first == NULL) snapshots->last = NULL;
    pthread_mutex_unlock(&snapshots->mutex);
    return job;
}

static int write_jobs(struct writing *writing)
{
    struct snapshots *snapshots = writing->snapshots;
    struct snapshot_job *job;
    while ((job = take_job(snapshots)) != NULL) {
        struct span bytes = span_of(job->bytes, job->size);
        int error = put_block(writing, job->block, snapshots->next->info.seq, bytes);
        pthread_mutex_lock(&snapshots->mutex);
        snapshots->backlog -= job->size;
        pthread_mutex_unlock(&snapshots->mutex);
        free(job);
        if (error != 0) return error;
    }
    return 0;
}

/* Live bytes of one block file among the blocks that are kept. */
static uint64_t live_bytes(const struct manifest *manifest, uint64_t file)
{
    uint64_t live = 0;
    for (uint32_t i = 0; i < MANIFEST_BLOCKS; i++)
        if (manifest->entries[i].file == file) live += BLOCK_HEAD_SIZE + manifest->entries[i].size;
    return live;
}

static int half_empty(struct writing *writing, uint64_t number, bool *half)
{
    struct snapshots *snapshots = writing->snapshots;
    char path[FILE_PATH_MAX];
    struct file file;
    uint64_t size = 0;
    int error = block_path(path, snapshots->directory, number);
    if (error == 0) error = file_open(&file, path, 0, &writing->errmsg);
    if (error != 0) return error;
    error = file_size(&file, &size, &writing->errmsg);
    file_close(&file);
    *half = live_bytes(snapshots->next, number) < size / 2;
    return error;
}

/* Kept blocks move out of files that are less than half alive, so that those can go. Blocks are
 * visited file by file. */
static int rewrite_sparse_files(struct writing *writing)
{
    struct snapshots *snapshots = writing->snapshots;
    struct manifest *next = snapshots->next;
    struct block_reader reader;
    uint32_t order[MANIFEST_BLOCKS];
    size_t count = manifest_order(next, order);
    uint64_t known = 0;
    bool move = false;
    int error = 0;
    block_reader_init(&reader, snapshots->directory);
    for (size_t i = 0; i < count && error == 0; i++) {
        const struct block_entry *entry = &next->entries[order[i]];
        struct span bytes;
        if (entry->file != known) {
            known = entry->file;
            error = half_empty(writing, known, &move);
        }
        if (error != 0 || !move) continue;
        error = block_read(&reader, entry, &bytes, &writing->errmsg);
        if (error == 0) error = put_block(writing, entry->block, entry->version, bytes);
    }
    block_reader_close(&reader);
    return error;
}

static void adopt_changed(struct snapshots *snapshots)
{
    for (uint32_t i = 0; i < MANIFEST_BLOCKS; i++)
        if (snapshots->changed[i].file != 0) snapshots->next->entries[i] = snapshots->changed[i];
    manifest_count(snapshots->next);
}

static int close_file(struct writing *writing)
{
    if (writing->file_number == 0) return 0;
    uint64_t size = stream_at(&writing->stream);
    int error = stream_flush(&writing->stream, &writing->errmsg);
    if (error == 0) error = file_truncate(&writing->file, size, &writing->errmsg);
    if (error == 0) error = file_sync(&writing->file, &writing->errmsg);
    if (error == 0) error = directory_sync(writing->snapshots->directory, &writing->errmsg);
    return error;
}

static int write_all(struct writing *writing)
{
    struct snapshots *snapshots = writing->snapshots;
    int error = write_jobs(writing);
    if (error != 0) return error;
    pthread_mutex_lock(&snapshots->mutex);
    bool given_up = snapshots->abort;
    pthread_mutex_unlock(&snapshots->mutex);
    if (given_up) return ERROR_CLOSED;
    error = rewrite_sparse_files(writing);
    if (error == 0) error = close_file(writing);
    if (error != 0) return error;
    adopt_changed(snapshots);
    return manifest_publish(snapshots->directory, snapshots->next, &writing->errmsg);
}

/* A snapshot that did not come to be leaves no file; what cannot be removed now goes at the next
 * clean. */
static void remove_file(struct writing *writing)
{
    if (writing->file_number != 0) (void)!file_remove(writing->file.path, NULL);
}

void *snapshot_run(void *context)
{
    struct snapshots *snapshots = context;
    struct writing writing = {.snapshots = snapshots, .file.fd = -1};
    int error = stream_init(&writing.stream);
    if (error == 0) error = write_all(&writing);
    /* A failure after the rename may have published it: then the files are needed, and its number
     * is used up: of the next one it could not be told. */
    char path[FILE_PATH_MAX];
    bool there = manifest_path(path, snapshots->directory, snapshots->next->number) == 0 &&
                 file_exists(path);
    if (there)
        snapshots->number = snapshots->next->number;
    else if (error != 0)
        remove_file(&writing);
    file_close(&writing.file);
    stream_end(&writing.stream);
    /* The snapshot is real even when the old files resist. */
    if (error == 0) (void)!snapshot_files_clean(snapshots->directory, snapshots->retain, NULL);
    pthread_mutex_lock(&snapshots->mutex);
    snapshots->error = error;
    snapshots->errmsg = writing.errmsg;
    snapshots->ended = true;
    pthread_mutex_unlock(&snapshots->mutex);
    return NULL;
}
