/* Small files as a whole, by the calls of os/file.h alone: a world of tests that stands in for
 * those runs this code. */
#include "os/file.h"

#include <errno.h>
#include <stdio.h>

int file_load(const char *path, struct buffer *into, size_t size_max, struct errmsg *errmsg)
{
    struct file file;
    uint64_t size = 0;
    size_t got;
    int error = file_open(&file, path, 0, errmsg);
    if (error != 0) return error;
    error = file_size(&file, &size, errmsg);
    if (error == 0 && size > size_max)
        error = errmsg == NULL ? ERROR_TOO_LARGE
                               : errmsg_set(errmsg, ERROR_TOO_LARGE,
                                            "%.200s is larger than it should be", path);
    if (error == 0) error = buffer_reserve(into, (size_t)size);
    if (error == 0 && size > 0) {
        error = file_read(&file, 0, into->at + into->size, (size_t)size, &got, errmsg);
        if (error == 0) into->size += got;
    }
    file_close(&file);
    return error;
}

static int write_new(const char *path, struct span bytes, struct errmsg *errmsg)
{
    struct file file;
    int error = file_open(&file, path, FILE_WRITE | FILE_CREATE | FILE_EMPTY, errmsg);
    if (error != 0) return error;
    error = file_write(&file, 0, bytes, errmsg);
    if (error == 0) error = file_sync(&file, errmsg);
    file_close(&file);
    return error;
}

int file_replace(const char *directory, const char *name, struct span bytes, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    char temporary[FILE_PATH_MAX];
    char temporary_name[256];
    snprintf(temporary_name, sizeof temporary_name, "%s.tmp", name);
    if (path_join(path, directory, name) != 0 ||
        path_join(temporary, directory, temporary_name) != 0)
        return file_error(ENAMETOOLONG, "write", directory, errmsg);
    int error = write_new(temporary, bytes, errmsg);
    if (error == 0) error = file_rename(temporary, path, errmsg);
    if (error == 0) error = directory_sync(directory, errmsg);
    return error;
}
