#include "store/layout.h"

#include <stdio.h>
#include <stdlib.h>

#define FORMAT_PREFIX "holdfast format "

enum { FORMAT_SIZE_MAX = 4096 };

int layout_make(char path[FILE_PATH_MAX], const char *directory, const char *name,
                struct errmsg *errmsg)
{
    if (path_join(path, directory, name) != 0)
        return errmsg_set(errmsg, ERROR_TOO_LARGE,
                          "the path of the data directory is too long: %.200s", directory);
    int error = directory_make(path, errmsg);
    /* A process that was killed may have left names that were never synced. From now on they are
     * relied on. */
    return error != 0 ? error : directory_sync(path, errmsg);
}

/* The same for the name of the data directory itself. A parent that we may not even read is not
 * ours to sync. */
static int sync_parent(const char *directory, struct errmsg *errmsg)
{
    char parent[FILE_PATH_MAX];
    if (path_join(parent, directory, "..") != 0) return ERROR_TOO_LARGE;
    int error = directory_sync(parent, errmsg);
    return error == ERROR_PERMISSION ? 0 : error;
}

int layout_check_format(const char *directory, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct buffer text;
    buffer_init(&text);
    int error = path_join(path, directory, "format");
    if (error == 0) error = file_load(path, &text, FORMAT_SIZE_MAX, errmsg);
    if (error == 0) buffer_byte(&text, '\0');
    if (error == 0 && text.failed) error = ERROR_MEMORY;
    if (error == 0) {
        const char *content = (const char *)text.at;
        size_t size = strlen(FORMAT_PREFIX);
        unsigned long format =
            strncmp(content, FORMAT_PREFIX, size) == 0 ? strtoul(content + size, NULL, 10) : 0;
        if (format == 0)
            error = errmsg_set(errmsg, ERROR_DAMAGED,
                               "%.200s at offset 0: it should say \"" FORMAT_PREFIX "%d\"", path,
                               LAYOUT_FORMAT);
        else if (format > LAYOUT_FORMAT)
            error = errmsg_set(
                errmsg, ERROR_NEWER_FORMAT,
                "%.200s at offset %zu: the data directory has format %lu, this version reads up to "
                "%d: start the newer version",
                path, size, format, LAYOUT_FORMAT);
        else if (format < LAYOUT_FORMAT)
            error = errmsg_set(
                errmsg, ERROR_UNSUPPORTED,
                "%.200s at offset %zu: the data directory has format %lu, this version reads only "
                "%d: use the version that made it, or start with an empty directory",
                path, size, format, LAYOUT_FORMAT);
    }
    buffer_close(&text);
    return error;
}

int layout_write_format(const char *directory, struct errmsg *errmsg)
{
    char text[64];
    int size = snprintf(text, sizeof text, FORMAT_PREFIX "%d\n", LAYOUT_FORMAT);
    return file_replace(directory, "format", span_of(text, (size_t)size), errmsg);
}

int layout_make_root(const char *directory, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    int error = layout_make(path, directory, "", errmsg);
    return error == 0 ? sync_parent(directory, errmsg) : error;
}

int layout_open(struct lock **lock, const char *directory, enum lock_role role,
                struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct lock *held;
    int error = layout_make_root(directory, errmsg);
    if (error == 0) error = path_join(path, directory, "LOCK");
    if (error == 0) error = lock_hold(&held, path, role, errmsg);
    if (error != 0) return error;
    error = layout_check_format(directory, errmsg);
    if (error == ERROR_NOT_FOUND) error = layout_write_format(directory, errmsg);
    if (error != 0)
        lock_release(held, role);
    else
        *lock = held;
    return error;
}
