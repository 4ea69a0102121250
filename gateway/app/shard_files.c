#include "app/shard_files.h"

#include "shard/shard.h"
#include "store/layout.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT_PREFIX "holdfast shards "
/* What only reads data directories of one shard must not take this one for an empty one. */
#define FORMAT_OF_SEVERAL "holdfast format 2\n"
#define RESTORING "restoring"

enum { TEXT_SIZE_MAX = 4096 };

static bool has(const char *directory, const char *name)
{
    char path[FILE_PATH_MAX];
    return path_join(path, directory, name) == 0 && file_exists(path);
}

static int join(char path[FILE_PATH_MAX], const char *directory, const char *name,
                struct errmsg *errmsg)
{
    if (path_join(path, directory, name) == 0) return 0;
    return errmsg_set(errmsg, ERROR_TOO_LARGE, "the path of the data directory is too long: %.200s",
                      directory);
}

/* ---- How many ---- */

static int read_count(const char *path, uint32_t *count, struct errmsg *errmsg)
{
    struct buffer text;
    buffer_init(&text);
    int error = file_load(path, &text, TEXT_SIZE_MAX, errmsg);
    if (error == 0) buffer_byte(&text, '\0');
    if (error == 0 && text.failed) error = errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    if (error == 0) {
        const char *content = (const char *)text.at;
        size_t size = strlen(COUNT_PREFIX);
        unsigned long number =
            strncmp(content, COUNT_PREFIX, size) == 0 ? strtoul(content + size, NULL, 10) : 0;
        if (number < 2 || number > SHARDS_MAX)
            error = errmsg_set(errmsg, ERROR_DAMAGED,
                               "%.200s at offset 0: it should say \"" COUNT_PREFIX
                               "N\", N from 2 to %d",
                               path, SHARDS_MAX);
        *count = (uint32_t)number;
    }
    buffer_close(&text);
    return error;
}

int shard_files_count(const char *data, uint32_t *count, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    *count = 0;
    if (has(data, RESTORING))
        return errmsg_set(errmsg, ERROR_REFUSED,
                          "%.200s: a savepoint was being restored here and that has not ended: "
                          "start again with --restore, or remove the directory",
                          data);
    int error = join(path, data, "shards/count", errmsg);
    if (error != 0) return error;
    if (file_exists(path)) return read_count(path, count, errmsg);
    *count = has(data, "journal") || has(data, "snapshots") || has(data, "format") ? 1 : 0;
    return 0;
}

int shard_files_path(char path[FILE_PATH_MAX], const char *data, uint32_t shard, uint32_t count,
                     struct errmsg *errmsg)
{
    char name[32];
    snprintf(name, sizeof name, "shards/%u", shard);
    return join(path, data, count > 1 ? name : "", errmsg);
}

/* What is right already needs no room: a full disk does not keep a directory from its gateway. */
static int keep_or_replace(const char *directory, const char *name, struct span bytes,
                           struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct buffer there;
    buffer_init(&there);
    int error = join(path, directory, name, errmsg);
    bool same = error == 0 && file_exists(path) && file_load(path, &there, bytes.size, NULL) == 0 &&
                span_equal(buffer_span(&there), bytes);
    buffer_close(&there);
    if (error != 0) return error;
    return same ? directory_sync(directory, errmsg) : file_replace(directory, name, bytes, errmsg);
}

int shard_files_write_count(const char *data, uint32_t count, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    char text[64];
    int size = snprintf(text, sizeof text, COUNT_PREFIX "%u\n", count);
    int error = join(path, data, "shards", errmsg);
    if (error == 0) error = directory_make(path, errmsg);
    if (error == 0) error = keep_or_replace(path, "count", span_of(text, (size_t)size), errmsg);
    if (error == 0)
        error = keep_or_replace(data, "format", SPAN_LITERAL(FORMAT_OF_SEVERAL), errmsg);
    return error;
}

static int refuse_other(const char *data, uint32_t there, uint32_t wanted, struct errmsg *errmsg)
{
    return errmsg_set(errmsg, ERROR_REFUSED,
                      "%.200s has %u shard%s and --shards says %u, but the number is fixed at the "
                      "first start: leave --shards out, or, to change it, take a savepoint "
                      "(holdfast savepoint DIR) and start with --restore DIR --shards %u and a new "
                      "--data",
                      data, there, there == 1 ? "" : "s", wanted, wanted);
}

static int hold(const char *data, struct lock **lock, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    int error = layout_make_root(data, errmsg);
    if (error == 0) error = join(path, data, "LOCK", errmsg);
    return error == 0 ? lock_hold(lock, path, LOCK_JOURNAL, errmsg) : error;
}

void shard_files_release(struct lock *lock)
{
    if (lock != NULL) lock_release(lock, LOCK_JOURNAL);
}

int shard_files_settle(const char *data, uint32_t wanted, bool given, uint32_t *count,
                       struct lock **lock, struct errmsg *errmsg)
{
    *lock = NULL;
    int error = shard_files_count(data, count, errmsg);
    if (error != 0) return error;
    if (*count > 0 && given && *count != wanted) return refuse_other(data, *count, wanted, errmsg);
    if (*count == 1 || (*count == 0 && wanted == 1)) {
        *count = 1;
        return 0;
    }
    struct lock *held;
    error = hold(data, &held, errmsg);
    if (error != 0) return error;
    /* Once more: somebody may have been here in between. */
    error = shard_files_count(data, count, errmsg);
    if (error == 0 && *count > 0 && given && *count != wanted)
        error = refuse_other(data, *count, wanted, errmsg);
    if (error == 0) {
        if (*count == 0) *count = wanted;
        error = shard_files_write_count(data, *count, errmsg);
    }
    if (error != 0)
        shard_files_release(held);
    else
        *lock = held;
    return error;
}

/* ---- Restoring ---- */

static int refuse_entry(void *context, const char *name)
{
    (void)context;
    static const char *const harmless[] = {"LOCK", RESTORING ".tmp", "lost+found"};
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++)
        if (strcmp(name, harmless[i]) == 0) return 0;
    return ERROR_EXISTS;
}

static int remove_entry(void *context, const char *name)
{
    char path[FILE_PATH_MAX];
    int error = path_join(path, context, name);
    return error == 0 ? file_remove(path, NULL) : error;
}

static int clear_folder(const char *directory, const char *name, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    int error = join(path, directory, name, errmsg);
    if (error != 0 || !file_exists(path)) return error;
    return directory_list(path, remove_entry, path, errmsg);
}

/* It must not come back when the power fails: the next restore may be under another number of
 * shards and not write over it. */
static int clear_file(const char *directory, const char *name, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    int error = join(path, directory, name, errmsg);
    if (error == 0 && file_exists(path)) error = file_remove(path, errmsg);
    return error == 0 ? directory_sync(directory, errmsg) : error;
}

/* Only what a restore writes, so that nothing else can be lost by it. */
static int clear_store(const char *directory, struct errmsg *errmsg)
{
    if (!file_exists(directory)) return 0;
    int error = clear_folder(directory, "snapshots", errmsg);
    if (error == 0) error = clear_folder(directory, "journal", errmsg);
    return error == 0 ? clear_file(directory, "format", errmsg) : error;
}

static int clear(const char *data, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    int error = join(path, data, "shards", errmsg);
    if (error == 0 && file_exists(path)) error = clear_file(path, "count", errmsg);
    if (error == 0) error = clear_store(data, errmsg);
    for (uint32_t i = 0; error == 0 && i < SHARDS_MAX; i++) {
        error = shard_files_path(path, data, i, SHARDS_MAX, errmsg);
        if (error == 0) error = clear_store(path, errmsg);
    }
    return error;
}

static int take_empty(const char *data, struct errmsg *errmsg)
{
    if (has(data, RESTORING)) return clear(data, errmsg);
    int error = directory_list(data, refuse_entry, NULL, errmsg);
    if (error != ERROR_EXISTS) return error;
    return errmsg_set(
        errmsg, ERROR_REFUSED,
        "%.200s is not empty: a savepoint is restored into a new data directory only. "
        "Leave --restore out to go on with what is there, or name another --data",
        data);
}

int shard_files_begin_restore(const char *data, struct lock **lock, struct errmsg *errmsg)
{
    struct lock *held;
    int error = hold(data, &held, errmsg);
    if (error != 0) return error;
    error = take_empty(data, errmsg);
    if (error == 0)
        error = file_replace(data, RESTORING,
                             SPAN_LITERAL("A savepoint is being restored: nothing here counts "
                                          "before this file is gone.\n"),
                             errmsg);
    if (error != 0)
        shard_files_release(held);
    else
        *lock = held;
    return error;
}

int shard_files_end_restore(const char *data, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    int error = join(path, data, RESTORING, errmsg);
    if (error == 0) error = file_remove(path, errmsg);
    return error == 0 ? directory_sync(data, errmsg) : error;
}
