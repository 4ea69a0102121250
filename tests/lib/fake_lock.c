/* os/lock.h on the fake disk: a lock belongs to one process, whose holders share it in roles. */
#include "lib/fake_disk_state.h"

#include "base/check.h"
#include "lib/fake_threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct lock {
    struct list link; /* in the disk's list; alone when its process has died */
    char path[FAKE_NAME_MAX];
    uint32_t process;
    unsigned roles;
};

static struct lock *find(const struct fake_disk *disk, const char *path)
{
    LIST_EACH (&disk->locks, link) {
        struct lock *lock = CONTAINER_OF(link, struct lock, link);
        if (strcmp(lock->path, path) == 0) return lock;
    }
    return NULL;
}

/* The file of a lock is there, and says whose it is. */
static int write_file(const char *path, struct errmsg *errmsg)
{
    struct file file;
    char text[32];
    int size = snprintf(text, sizeof text, "%u\n", fake_threads_process());
    int error = file_open(&file, path, FILE_WRITE, errmsg);
    if (error == ERROR_NOT_FOUND) error = file_open(&file, path, FILE_WRITE | FILE_CREATE, errmsg);
    if (error != 0) return error;
    error = file_truncate(&file, 0, errmsg);
    if (error == 0) error = file_write(&file, 0, span_of(text, (size_t)size), errmsg);
    file_close(&file);
    return error;
}

static int add(struct fake_disk *disk, struct lock **added, const char *path, const char *plain,
               struct errmsg *errmsg)
{
    struct fake_turn turn;
    struct lock *lock = calloc(1, sizeof *lock);
    if (lock == NULL) return ERROR_MEMORY;
    snprintf(lock->path, sizeof lock->path, "%s", plain);
    lock->process = fake_threads_process();
    /* Ours from now on: others may run before its file is written. */
    list_append(&disk->locks, &lock->link);
    int number = fake_turn_begin(&turn, disk, FILE_CALL_LOCK, path, 0, 0);
    int error = number != 0 ? file_error(number, "lock", path, errmsg) : write_file(path, errmsg);
    if (error != 0) {
        list_remove(&lock->link);
        free(lock);
        return error;
    }
    *added = lock;
    return 0;
}

int lock_hold(struct lock **lock, const char *path, enum lock_role role, struct errmsg *errmsg)
{
    struct fake_disk *disk = fake_disk_now();
    char plain[FAKE_NAME_MAX];
    if (!fake_path(plain, path)) return file_error(ENAMETOOLONG, "lock", path, errmsg);
    struct lock *found = find(disk, plain);
    if (found != NULL && found->process != fake_threads_process())
        return errmsg_set(
            errmsg, ERROR_IN_USE,
            "%.200s is locked by process %u: stop it or choose another data directory", path,
            found->process);
    unsigned taken = found == NULL ? 0 : found->roles;
    bool alone = role == LOCK_TOOL || (taken & LOCK_TOOL) != 0;
    if ((taken & role) != 0 || (alone && taken != 0))
        return errmsg_set(errmsg, ERROR_IN_USE, "%.200s is locked by this process", path);
    int error = found == NULL ? add(disk, &found, path, plain, errmsg) : 0;
    if (error != 0) return error;
    found->roles |= role;
    *lock = found;
    return 0;
}

void lock_release(struct lock *lock, enum lock_role role)
{
    CHECK((lock->roles & role) != 0);
    lock->roles &= ~(unsigned)role;
    if (lock->roles != 0) return;
    list_remove(&lock->link);
    free(lock);
}

/* The holders still have them, and release them to nobody's good. */
void fake_locks_drop(struct fake_disk *disk, uint32_t process, bool all)
{
    LIST_EACH (&disk->locks, link) {
        if (all || CONTAINER_OF(link, struct lock, link)->process == process) list_remove(link);
    }
}
