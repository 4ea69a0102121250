#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    file_fault *fault;
    void *context;
} hook;

void file_fault_set(file_fault *fault, void *context)
{
    hook.context = context;
    hook.fault = fault;
}

int file_fault_now(enum file_call call, const char *path, size_t *size)
{
    size_t ignored = 0;
    if (__builtin_expect(hook.fault == NULL, 1)) return 0;
    return hook.fault(hook.context, call, path, size == NULL ? &ignored : size);
}

static int error_of(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT: return ERROR_FULL;
    case EACCES:
    case EPERM:
    case EROFS: return ERROR_PERMISSION;
    case ENOENT: return ERROR_NOT_FOUND;
    case EEXIST: return ERROR_EXISTS;
    case ENOMEM: return ERROR_MEMORY;
    case ENAMETOOLONG: return ERROR_TOO_LARGE;
    default: return ERROR_IO;
    }
}

static const char *advice(int number)
{
    switch (number) {
    case EACCES:
    case EPERM: return "; give the user that runs holdfast read and write access to it";
    case EROFS: return "; mount it writable or choose another data directory";
    case ENOSPC: return "; make room on that file system";
    case EDQUOT: return "; raise the quota of the user that runs holdfast";
    case EMFILE: return "; raise the limit of open files (ulimit -n)";
    default: return "";
    }
}

int file_error(int number, const char *verb, const char *path, struct errmsg *errmsg)
{
    int error = error_of(number);
    char reason[96];
    if (errmsg == NULL) return error;
    return errmsg_set(errmsg, error, "cannot %s %.180s: %s%s", verb, path,
                      strerror_r(number, reason, sizeof reason), advice(number));
}

int path_join(char path[FILE_PATH_MAX], const char *directory, const char *name)
{
    int size = snprintf(path, FILE_PATH_MAX, "%s/%s", directory, name);
    return size < 0 || size >= FILE_PATH_MAX ? ERROR_TOO_LARGE : 0;
}

/* What the device can write without reading first, and what O_DIRECT asks for. */
static void find_alignment(struct file *file)
{
    file->align = FILE_BLOCK;
#ifdef STATX_DIOALIGN
    struct statx status;
    if (!file->direct || statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0) return;
    if ((status.stx_mask & STATX_DIOALIGN) == 0 || status.stx_dio_offset_align == 0) return;
    uint32_t align = status.stx_dio_offset_align < 512 ? 512 : status.stx_dio_offset_align;
    if (align <= FILE_BLOCK && status.stx_dio_mem_align <= FILE_BLOCK) file->align = align;
#endif
}

static int open_flags(unsigned mode)
{
    int flags = O_CLOEXEC | ((mode & FILE_WRITE) != 0 ? O_RDWR : O_RDONLY);
    if ((mode & FILE_CREATE) != 0) flags |= O_CREAT;
    if ((mode & FILE_EMPTY) != 0)
        flags |= O_TRUNC;
    else if ((mode & FILE_CREATE) != 0)
        flags |= O_EXCL;
    return flags;
}

static int open_retry(const char *path, int flags)
{
    int fd;
    do {
        int number = file_fault_now(FILE_CALL_OPEN, path, NULL);
        errno = number;
        fd = number != 0 ? -1 : open(path, flags, 0600);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int file_open(struct file *file, const char *path, unsigned mode, struct errmsg *errmsg)
{
    int flags = open_flags(mode);
    if (snprintf(file->path, sizeof file->path, "%s", path) >= FILE_PATH_MAX)
        return file_error(ENAMETOOLONG, "open", path, errmsg);
    file->direct = (mode & FILE_DIRECT) != 0;
    file->fd = open_retry(path, flags | (file->direct ? O_DIRECT : 0));
    if (file->fd < 0 && errno == EINVAL && file->direct) {
        /* A file system without direct access: it may have created the file before it refused. */
        file->direct = false;
        file->fd = open_retry(path, flags & ~O_EXCL);
    }
    if (file->fd < 0)
        return file_error(errno, (mode & FILE_CREATE) != 0 ? "create" : "open", path, errmsg);
    find_alignment(file);
    return 0;
}

void file_close(struct file *file)
{
    /* Nothing is learnt from close: what matters was synced before. */
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
}

/* Some file systems take O_DIRECT at open and refuse at the first read or write. */
static bool leave_direct(struct file *file)
{
    int flags = fcntl(file->fd, F_GETFL);
    if (!file->direct || flags < 0 || fcntl(file->fd, F_SETFL, flags & ~O_DIRECT) != 0)
        return false;
    file->direct = false;
    return true;
}

int file_read(struct file *file, uint64_t offset, void *into, size_t size, size_t *got,
              struct errmsg *errmsg)
{
    *got = 0;
    while (*got < size) {
        size_t part = size - *got;
        int number = file_fault_now(FILE_CALL_READ, file->path, &part);
        errno = number;
        ssize_t n = number != 0
                        ? -1
                        : pread(file->fd, (uint8_t *)into + *got, part, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR) continue;
        /* As behind a short write, below. */
        if (n < 0 && errno == EINVAL && leave_direct(file)) continue;
        if (n < 0) return file_error(errno, "read", file->path, errmsg);
        if (n == 0) break;
        *got += (size_t)n;
    }
    return 0;
}

int file_write(struct file *file, uint64_t offset, struct span bytes, struct errmsg *errmsg)
{
    while (bytes.size > 0) {
        size_t part = bytes.size;
        int number = file_fault_now(FILE_CALL_WRITE, file->path, &part);
        errno = number;
        ssize_t n = number != 0 ? -1 : pwrite(file->fd, bytes.at, part, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        /* A short write may leave us unaligned: go on through the page cache. */
        if (n < 0 && errno == EINVAL && leave_direct(file)) continue;
        if (n < 0) return file_error(errno, "write", file->path, errmsg);
        if (n == 0) return file_error(EIO, "write", file->path, errmsg);
        offset += (uint64_t)n;
        bytes = span_from(bytes, (size_t)n);
    }
    return 0;
}

int file_sync(struct file *file, struct errmsg *errmsg)
{
    /* Never retried, not even after EINTR: a failed sync may have thrown the pages away. */
    int number = file_fault_now(FILE_CALL_SYNC, file->path, NULL);
    errno = number;
    if (number != 0 || fdatasync(file->fd) != 0)
        return file_error(errno, "sync", file->path, errmsg);
    return 0;
}

static int write_zeros(struct file *file, uint64_t size, struct errmsg *errmsg)
{
    int error = 0;
    void *zeros = aligned_alloc(FILE_BLOCK, FILE_BLOCK);
    if (zeros == NULL) return ERROR_MEMORY;
    memset(zeros, 0, FILE_BLOCK);
    for (uint64_t at = 0; at < size && error == 0; at += FILE_BLOCK)
        error = file_write(file, at, span_of(zeros, FILE_BLOCK), errmsg);
    free(zeros);
    return error;
}

int file_allocate(struct file *file, uint64_t size, struct errmsg *errmsg)
{
    for (;;) {
        int number = file_fault_now(FILE_CALL_ALLOCATE, file->path, NULL);
        errno = number;
        if (number == 0 && fallocate(file->fd, 0, 0, (off_t)size) == 0) return 0;
        if (errno == EINTR) continue;
        if (errno == EOPNOTSUPP || errno == ENOSYS) return write_zeros(file, size, errmsg);
        return file_error(errno, "reserve room for", file->path, errmsg);
    }
}

int file_truncate(struct file *file, uint64_t size, struct errmsg *errmsg)
{
    int result;
    do {
        int number = file_fault_now(FILE_CALL_TRUNCATE, file->path, NULL);
        errno = number;
        result = number != 0 ? -1 : ftruncate(file->fd, (off_t)size);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : file_error(errno, "cut", file->path, errmsg);
}

int file_size(struct file *file, uint64_t *size, struct errmsg *errmsg)
{
    struct stat status;
    int number = file_fault_now(FILE_CALL_SIZE, file->path, NULL);
    errno = number;
    if (number != 0 || fstat(file->fd, &status) != 0)
        return file_error(errno, "look at", file->path, errmsg);
    *size = (uint64_t)status.st_size;
    return 0;
}

uint64_t file_data_end(struct file *file, uint64_t offset, uint64_t size)
{
    while (offset < size) {
        off_t data = lseek(file->fd, (off_t)offset, SEEK_DATA);
        if (data < 0) return errno == ENXIO ? offset : size;
        off_t hole = lseek(file->fd, data, SEEK_HOLE);
        if (hole <= data) return size;
        offset = (uint64_t)hole;
    }
    return size;
}

void file_read_ahead(struct file *file)
{
    (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

void file_forget(struct file *file)
{
    (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
}
