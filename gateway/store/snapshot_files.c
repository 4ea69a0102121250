#include "store/snapshot_state.h"

#include <stdlib.h>

void snapshot_numbers_close(struct snapshot_numbers *numbers)
{
    free(numbers->at);
    *numbers = (struct snapshot_numbers){0};
}

static int add(struct snapshot_numbers *numbers, uint64_t number)
{
    if (numbers->count == numbers->capacity) {
        size_t capacity = numbers->capacity == 0 ? 16 : 2 * numbers->capacity;
        uint64_t *grown = realloc(numbers->at, capacity * sizeof *grown);
        if (grown == NULL) return ERROR_MEMORY;
        numbers->at = grown;
        numbers->capacity = capacity;
    }
    numbers->at[numbers->count++] = number;
    return 0;
}

struct listing {
    struct snapshot_numbers *numbers;
    uint64_t (*name_number)(const char *);
};

static int collect(void *context, const char *name)
{
    struct listing *listing = context;
    uint64_t number = listing->name_number(name);
    return number == 0 ? 0 : add(listing->numbers, number);
}

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void sort(struct snapshot_numbers *numbers)
{
    if (numbers->count > 1) qsort(numbers->at, numbers->count, sizeof *numbers->at, ascending);
}

int snapshot_numbers_list(struct snapshot_numbers *numbers, const char *directory,
                          uint64_t (*name_number)(const char *), struct errmsg *errmsg)
{
    struct listing listing = {numbers, name_number};
    *numbers = (struct snapshot_numbers){0};
    int error = directory_list(directory, collect, &listing, errmsg);
    if (error != 0)
        snapshot_numbers_close(numbers);
    else
        sort(numbers);
    return error;
}

static int remove_manifests(const char *directory, const struct snapshot_numbers *manifests,
                            uint32_t retain, struct errmsg *errmsg)
{
    size_t surplus = retain == 0 || manifests->count <= retain ? 0 : manifests->count - retain;
    for (size_t i = 0; i < surplus; i++) {
        char path[FILE_PATH_MAX];
        int error = manifest_path(path, directory, manifests->at[i]);
        if (error == 0) error = file_remove(path, errmsg);
        if (error != 0) return error;
    }
    /* Before the files go that they name. */
    return surplus == 0 ? 0 : directory_sync(directory, errmsg);
}

static int add_files(struct snapshot_numbers *needed, const struct manifest *manifest)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < MANIFEST_BLOCKS; i++) {
        uint64_t file = manifest->entries[i].file;
        if (file == 0 || file == last) continue;
        last = file;
        int error = add(needed, file);
        if (error != 0) return error;
    }
    return 0;
}

static int find_needed(const char *directory, const struct snapshot_numbers *manifests,
                       struct snapshot_numbers *needed, struct errmsg *errmsg)
{
    struct manifest *manifest = malloc(sizeof *manifest);
    int error = manifest == NULL ? ERROR_MEMORY : 0;
    for (size_t i = 0; i < manifests->count && error == 0; i++) {
        error = manifest_load(directory, manifests->at[i], manifest, errmsg);
        if (error == 0) error = add_files(needed, manifest);
    }
    free(manifest);
    sort(needed);
    return error;
}

static bool is_needed(const struct snapshot_numbers *needed, uint64_t number)
{
    if (needed->count == 0) return false;
    return bsearch(&number, needed->at, needed->count, sizeof number, ascending) != NULL;
}

struct cleaning {
    const char *directory;
    const struct snapshot_numbers *needed;
    snapshot_unneeded *unneeded;
    void *context;
};

static bool is_temporary(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".tmp") == 0;
}

static int clean_one(void *context, const char *name)
{
    struct cleaning *cleaning = context;
    uint64_t number = block_name_number(name);
    bool surplus = is_temporary(name) || (number != 0 && !is_needed(cleaning->needed, number));
    return surplus ? cleaning->unneeded(cleaning->context, name) : 0;
}

int snapshot_files_unneeded(const char *directory, snapshot_unneeded *unneeded, void *context,
                            struct errmsg *errmsg)
{
    struct snapshot_numbers manifests;
    struct snapshot_numbers needed = {0};
    int error = snapshot_numbers_list(&manifests, directory, manifest_name_number, errmsg);
    if (error != 0) return error;
    error = find_needed(directory, &manifests, &needed, errmsg);
    if (error == 0) {
        struct cleaning cleaning = {directory, &needed, unneeded, context};
        error = directory_list(directory, clean_one, &cleaning, errmsg);
    }
    snapshot_numbers_close(&needed);
    snapshot_numbers_close(&manifests);
    return error;
}

struct removal {
    const char *directory;
    struct errmsg *errmsg;
};

static int remove_one(void *context, const char *name)
{
    struct removal *removal = context;
    char path[FILE_PATH_MAX];
    int error = path_join(path, removal->directory, name);
    return error != 0 ? error : file_remove(path, removal->errmsg);
}

int snapshot_files_clean(const char *directory, uint32_t retain, struct errmsg *errmsg)
{
    struct snapshot_numbers manifests;
    struct removal removal = {directory, errmsg};
    int error = snapshot_numbers_list(&manifests, directory, manifest_name_number, errmsg);
    if (error != 0) return error;
    error = remove_manifests(directory, &manifests, retain, errmsg);
    snapshot_numbers_close(&manifests);
    return error != 0 ? error : snapshot_files_unneeded(directory, remove_one, &removal, errmsg);
}
