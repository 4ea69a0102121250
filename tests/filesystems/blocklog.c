/*
 * A disk that writes down what it is told. A file system of its own (FUSE, spoken to the kernel
 * directly) with one file, `disk`, which a loop device makes a block device of; every write and
 * every flush that reaches it is appended to a log, with the number of acknowledgements that had
 * been given when it came. blocklog FOLDER IMAGE LOG COUNTER      serves until the folder is
 * unmounted IMAGE is what the disk holds at first and is not changed. COUNTER is a file with eight
 * bytes that somebody else counts in. An entry of the log: kind (1 write, 2 flush), acknowledged,
 * offset, size, eight bytes each, and what was written.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    ROOT = 1,
    DISK = 2,
    WRITE_MAX = 1 << 20,
    REQUEST_MAX = WRITE_MAX + 8192,
    ENTRY_WRITE = 1,
    ENTRY_FLUSH = 2
};

static struct {
    int device;
    uint8_t *bytes;
    uint64_t size;
    FILE *log;
    const _Atomic uint64_t *counter;
} disk;

static _Noreturn void stop(const char *what)
{
    perror(what);
    exit(1);
}

static void note(uint64_t kind, uint64_t offset, const void *bytes, uint64_t size)
{
    uint64_t head[4] = {kind, *disk.counter, offset, size};
    if (fwrite(head, sizeof head, 1, disk.log) != 1) stop("log");
    if (bytes != NULL && fwrite(bytes, size, 1, disk.log) != 1) stop("log");
}

/* -- Answers -- */

static void answer(uint64_t unique, int error, const void *body, size_t size)
{
    struct fuse_out_header head = {
        .len = (uint32_t)(sizeof head + size), .error = -error, .unique = unique};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)body, size}};
    /* ENOENT: whoever asked has been interrupted. */
    if (writev(disk.device, parts, size == 0 ? 1 : 2) < 0 && errno != ENOENT) stop("answer");
}

static struct fuse_attr attributes(uint64_t node)
{
    bool root = node == ROOT;
    return (struct fuse_attr){.ino = node,
                              .size = root ? 0 : disk.size,
                              .blocks = root ? 0 : disk.size / 512,
                              .mode = root ? S_IFDIR | 0700 : S_IFREG | 0600,
                              .nlink = 1,
                              .blksize = 4096};
}

static void look_up(const struct fuse_in_header *head, const char *name)
{
    struct fuse_entry_out out = {
        .nodeid = DISK, .entry_valid = 3600, .attr_valid = 3600, .attr = attributes(DISK)};
    if (strcmp(name, "disk") != 0)
        answer(head->unique, ENOENT, NULL, 0);
    else
        answer(head->unique, 0, &out, sizeof out);
}

static void begin(const struct fuse_in_header *head, const struct fuse_init_in *in)
{
    struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                                .minor = FUSE_KERNEL_MINOR_VERSION,
                                .max_readahead = in->max_readahead,
                                .flags = in->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES),
                                .max_background = 16,
                                .congestion_threshold = 12,
                                .max_write = WRITE_MAX,
                                .time_gran = 1,
                                .max_pages = WRITE_MAX / 4096};
    answer(head->unique, 0, &out, sizeof out);
}

static void take_write(const struct fuse_in_header *head, const struct fuse_write_in *in)
{
    struct fuse_write_out out = {.size = in->size};
    if (in->offset > disk.size || in->size > disk.size - in->offset) {
        answer(head->unique, ENOSPC, NULL, 0);
        return;
    }
    note(ENTRY_WRITE, in->offset, in + 1, in->size);
    memcpy(disk.bytes + in->offset, in + 1, in->size);
    answer(head->unique, 0, &out, sizeof out);
}

static void give(const struct fuse_in_header *head, const struct fuse_read_in *in)
{
    uint64_t offset = in->offset < disk.size ? in->offset : disk.size;
    uint64_t size = in->size < disk.size - offset ? in->size : disk.size - offset;
    answer(head->unique, 0, disk.bytes + offset, size);
}

/* -- Requests -- */

static void obey(const struct fuse_in_header *head)
{
    const void *body = head + 1;
    struct fuse_attr_out attribute = {.attr_valid = 3600, .attr = attributes(head->nodeid)};
    struct fuse_open_out opened = {0};
    struct fuse_statfs_out room = {.st = {.bsize = 4096, .namelen = 255}};
    switch (head->opcode) {
    case FUSE_INIT: begin(head, body); return;
    case FUSE_LOOKUP: look_up(head, body); return;
    case FUSE_GETATTR:
    case FUSE_SETATTR: answer(head->unique, 0, &attribute, sizeof attribute); return;
    case FUSE_OPEN:
    case FUSE_OPENDIR: answer(head->unique, 0, &opened, sizeof opened); return;
    case FUSE_READ: give(head, body); return;
    case FUSE_WRITE: take_write(head, body); return;
    case FUSE_FSYNC:
        note(ENTRY_FLUSH, 0, NULL, 0);
        answer(head->unique, 0, NULL, 0);
        return;
    case FUSE_STATFS: answer(head->unique, 0, &room, sizeof room); return;
    case FUSE_FLUSH:
    case FUSE_RELEASE:
    case FUSE_RELEASEDIR:
    case FUSE_ACCESS:
    case FUSE_READDIR: answer(head->unique, 0, NULL, 0); return;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET: return; /* expects no answer */
    default: answer(head->unique, ENOSYS, NULL, 0); return;
    }
}

static void serve(void)
{
    char *request = aligned_alloc(4096, REQUEST_MAX);
    if (request == NULL) stop("memory");
    for (;;) {
        ssize_t size = read(disk.device, request, REQUEST_MAX);
        if (size >= (ssize_t)sizeof(struct fuse_in_header)) {
            obey((const struct fuse_in_header *)(const void *)request);
        } else if (errno == ENODEV) {
            break; /* unmounted */
        } else if (errno != EINTR && errno != ENOENT && errno != EAGAIN) {
            stop("request");
        }
    }
    free(request);
}

/* The file system above must not wait for us while we wait for memory that it has to write out
 * first. */
static void serve_writeback(void)
{
    if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0) perror("PR_SET_IO_FLUSHER"); /* Linux 5.6 */
}

static void *map(const char *path, int protection, int flags, uint64_t *size)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) stop(path);
    *size = (uint64_t)status.st_size;
    void *at = mmap(NULL, (size_t)*size, protection, flags, fd, 0);
    if (at == MAP_FAILED) stop(path);
    close(fd);
    return at;
}

int main(int argc, char **argv)
{
    char options[100];
    uint64_t counter_size;
    if (argc != 5) return 2;
    disk.bytes = map(argv[2], PROT_READ | PROT_WRITE, MAP_PRIVATE, &disk.size);
    disk.counter = map(argv[4], PROT_READ, MAP_SHARED, &counter_size);
    disk.log = fopen(argv[3], "we");
    disk.device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (disk.log == NULL || disk.device < 0) stop("/dev/fuse");
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=%d",
             disk.device, WRITE_MAX);
    serve_writeback();
    if (mount("blocklog", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) != 0) stop("mount");
    serve();
    return fclose(disk.log) == 0 ? 0 : 1;
}
