/* Lists and shows published snapshots. Without the lock: files only ever come whole, and may go
 * meanwhile. */
#include "store/check.h"

#include "store/snapshot_state.h"

#include <inttypes.h>
#include <stdlib.h>

int snapshots_list(const char *directory, snapshots_entry *entry, void *context,
                   struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct snapshot_numbers numbers;
    int error = path_join(path, directory, "snapshots");
    if (error == 0) error = snapshot_numbers_list(&numbers, path, manifest_name_number, errmsg);
    if (error != 0) return error;
    struct manifest *manifest = malloc(sizeof *manifest);
    if (manifest == NULL) error = errmsg_set(errmsg, ERROR_MEMORY, "%s", error_text(ERROR_MEMORY));
    for (size_t i = 0; i < numbers.count && error == 0; i++) {
        struct errmsg reason = {{0}};
        int unreadable = manifest_load(path, numbers.at[i], manifest, &reason);
        if (unreadable == ERROR_NOT_FOUND) continue; /* replaced by a newer one since */
        error = entry(context, numbers.at[i], &manifest->info, unreadable, reason.text);
    }
    free(manifest);
    snapshot_numbers_close(&numbers);
    return error;
}

static int newest(const char *path, uint64_t *number, struct errmsg *errmsg)
{
    struct snapshot_numbers numbers;
    int error = snapshot_numbers_list(&numbers, path, manifest_name_number, errmsg);
    if (error != 0) return error;
    if (numbers.count == 0)
        error = errmsg_set(errmsg, ERROR_NOT_FOUND, "%.200s: no snapshot yet", path);
    else
        *number = numbers.at[numbers.count - 1];
    snapshot_numbers_close(&numbers);
    return error;
}

static int show(const char *path, const struct manifest *manifest, snapshot_inspect_block *block,
                void *context, struct errmsg *errmsg)
{
    uint32_t order[MANIFEST_BLOCKS];
    struct block_reader reader;
    size_t count = manifest_order(manifest, order);
    int error = 0;
    block_reader_init(&reader, path);
    for (size_t i = 0; i < count && error == 0; i++) {
        const struct block_entry *entry = &manifest->entries[order[i]];
        struct snapshot_block_info info = {entry->block, entry->size, entry->version, entry->file,
                                           entry->offset};
        struct span bytes;
        error = block_read(&reader, entry, &bytes, errmsg);
        if (error == 0) error = block(context, &info);
    }
    block_reader_close(&reader);
    return error;
}

int snapshot_inspect(const char *directory, uint64_t number, struct snapshot_info *info,
                     snapshot_inspect_block *block, void *context, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    int error = path_join(path, directory, "snapshots");
    if (error == 0 && number == 0) error = newest(path, &number, errmsg);
    if (error != 0) return error;
    struct manifest *manifest = malloc(sizeof *manifest);
    if (manifest == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "%s", error_text(ERROR_MEMORY));
    error = manifest_load(path, number, manifest, errmsg);
    if (error == 0) {
        *info = manifest->info;
        error = show(path, manifest, block, context, errmsg);
    }
    free(manifest);
    return error;
}
