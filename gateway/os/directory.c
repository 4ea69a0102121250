/* Names: what happens in directories. Contract in os/file.h. */
#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int file_rename(const char *from, const char *to, struct errmsg *errmsg)
{
    int number = file_fault_now(FILE_CALL_RENAME, to, NULL);
    errno = number;
    if (number != 0 || rename(from, to) != 0)
        return file_error(errno, "rename a file to", to, errmsg);
    return 0;
}

int file_remove(const char *path, struct errmsg *errmsg)
{
    int number = file_fault_now(FILE_CALL_REMOVE, path, NULL);
    errno = number;
    if (number != 0 || unlink(path) != 0) return file_error(errno, "remove", path, errmsg);
    return 0;
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* A directory whose own name is lost in a power cut takes all that is in it along. */
static int sync_parent(const char *path, struct errmsg *errmsg)
{
    char parent[FILE_PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL) return directory_sync(".", errmsg);
    *(slash == parent ? slash + 1 : slash) = '\0';
    return directory_sync(parent, errmsg);
}

static int make_one(const char *path, struct errmsg *errmsg)
{
    struct stat status;
    int number = file_fault_now(FILE_CALL_MAKE, path, NULL);
    errno = number;
    if (number == 0 && mkdir(path, 0700) == 0) return sync_parent(path, errmsg);
    int reason = errno;
    if (number == 0 && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return 0;
    return file_error(reason == EEXIST ? ENOTDIR : reason, "create directory", path, errmsg);
}

int directory_make(const char *path, struct errmsg *errmsg)
{
    char part[FILE_PATH_MAX];
    int size = snprintf(part, sizeof part, "%s", path);
    if (size <= 0 || size >= FILE_PATH_MAX)
        return file_error(size <= 0 ? ENOENT : ENAMETOOLONG, "create directory", path, errmsg);
    while (size > 1 && part[size - 1] == '/') part[--size] = '\0';
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int error = make_one(part, errmsg);
        *slash = '/';
        if (error != 0) return error;
    }
    return make_one(part, errmsg);
}

static int open_directory(const char *path)
{
    int fd;
    do {
        int number = file_fault_now(FILE_CALL_SYNC_DIRECTORY, path, NULL);
        errno = number;
        fd = number != 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int directory_sync(const char *path, struct errmsg *errmsg)
{
    int error = 0;
    int fd = open_directory(path);
    if (fd < 0) return file_error(errno, "sync directory", path, errmsg);
    /* EINVAL: a file system that has no such thing keeps names by itself. */
    if (fsync(fd) != 0 && errno != EINVAL)
        error = file_error(errno, "sync directory", path, errmsg);
    close(fd);
    return error;
}

int directory_list(const char *path, directory_entry *entry, void *context, struct errmsg *errmsg)
{
    int error = 0;
    int number = file_fault_now(FILE_CALL_LIST, path, NULL);
    errno = number;
    DIR *directory = number != 0 ? NULL : opendir(path);
    if (directory == NULL) return file_error(errno, "list", path, errmsg);
    for (;;) {
        errno = 0;
        struct dirent *found = readdir(directory);
        if (found == NULL && errno != 0) error = file_error(errno, "list", path, errmsg);
        if (found == NULL) break;
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0) continue;
        if ((error = entry(context, found->d_name)) != 0) break;
    }
    closedir(directory);
    return error;
}

int directory_room(const char *path, uint64_t *bytes, struct errmsg *errmsg)
{
    struct statvfs status;
    int failed;
    do {
        int number = file_fault_now(FILE_CALL_ROOM, path, NULL);
        errno = number;
        failed = number != 0 || statvfs(path, &status) != 0;
    } while (failed && errno == EINTR);
    if (failed) return file_error(errno, "ask for the free room of", path, errmsg);
    *bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}
