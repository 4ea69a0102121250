#include "os/lock.h"

#include "base/check.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct lock {
    struct lock *next;
    struct file file;
    dev_t device;
    ino_t inode;
    unsigned roles;
};

/* All locks of this process: a second open of the same file must meet the first, not the kernel. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lock *locks;

static struct lock *find(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) return NULL;
    for (struct lock *lock = locks; lock != NULL; lock = lock->next)
        if (lock->device == status.st_dev && lock->inode == status.st_ino) return lock;
    return NULL;
}

static int open_file(struct file *file, const char *path, struct errmsg *errmsg)
{
    int error = file_open(file, path, FILE_WRITE, errmsg);
    if (error != ERROR_NOT_FOUND) return error;
    error = file_open(file, path, FILE_WRITE | FILE_CREATE, errmsg);
    return error == ERROR_EXISTS ? file_open(file, path, FILE_WRITE, errmsg) : error;
}

static int in_use(struct file *file, struct errmsg *errmsg)
{
    char text[32] = "";
    size_t got = 0;
    long holder = 0;
    if (file_read(file, 0, text, sizeof text - 1, &got, NULL) == 0 && got > 0) {
        text[got] = '\0';
        holder = strtol(text, NULL, 10);
    }
    if (holder > 0)
        return errmsg_set(
            errmsg, ERROR_IN_USE,
            "%.200s is locked by process %ld: stop it or choose another data directory", file->path,
            holder);
    return errmsg_set(
        errmsg, ERROR_IN_USE,
        "%.200s is locked by another process: stop it or choose another data directory",
        file->path);
}

static int take(struct file *file, struct errmsg *errmsg)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int number = file_fault_now(FILE_CALL_LOCK, file->path, NULL);
    errno = number;
    if (number != 0 || fcntl(file->fd, F_OFD_SETLK, &range) != 0) {
        if (errno == EAGAIN || errno == EACCES) return in_use(file, errmsg);
        return file_error(errno, "lock", file->path, errmsg);
    }
    char text[32];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    int error = file_truncate(file, 0, errmsg);
    if (error == 0) error = file_write(file, 0, span_of(text, (size_t)size), errmsg);
    return error;
}

static int add(struct lock **added, const char *path, struct errmsg *errmsg)
{
    struct stat status;
    struct lock *lock = calloc(1, sizeof *lock);
    if (lock == NULL) return ERROR_MEMORY;
    int error = open_file(&lock->file, path, errmsg);
    if (error != 0) goto free_lock;
    if ((error = take(&lock->file, errmsg)) != 0) goto close_file;
    if (fstat(lock->file.fd, &status) != 0) {
        error = file_error(errno, "look at", path, errmsg);
        goto close_file;
    }
    lock->device = status.st_dev;
    lock->inode = status.st_ino;
    lock->next = locks;
    *added = locks = lock;
    return 0;

close_file:
    file_close(&lock->file);
free_lock:
    free(lock);
    return error;
}

int lock_hold(struct lock **lock, const char *path, enum lock_role role, struct errmsg *errmsg)
{
    int error = 0;
    pthread_mutex_lock(&mutex);
    struct lock *found = find(path);
    unsigned taken = found == NULL ? 0 : found->roles;
    bool alone = role == LOCK_TOOL || (taken & LOCK_TOOL) != 0;
    if ((taken & role) != 0 || (alone && taken != 0))
        error = errmsg_set(errmsg, ERROR_IN_USE, "%.200s is locked by this process", path);
    else if (found == NULL)
        error = add(&found, path, errmsg);
    if (error == 0) {
        found->roles |= role;
        *lock = found;
    }
    pthread_mutex_unlock(&mutex);
    return error;
}

void lock_release(struct lock *lock, enum lock_role role)
{
    pthread_mutex_lock(&mutex);
    CHECK((lock->roles & role) != 0);
    lock->roles &= ~(unsigned)role;
    if (lock->roles == 0) {
        struct lock **link = &locks;
        while (*link != lock) link = &(*link)->next;
        *link = lock->next;
        file_close(&lock->file);
        free(lock);
    }
    pthread_mutex_unlock(&mutex);
}
