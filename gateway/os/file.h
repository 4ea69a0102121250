/*
 * Files and directories: the only place with raw file system calls. Each wrapper is one call site,
 * can be made to fail by a hook, and turns errno into an error of base/error.h with a sentence that
 * names the path. Calls that were interrupted or moved only a part are continued here.
 */
#ifndef HOLDFAST_OS_FILE_H
#define HOLDFAST_OS_FILE_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/span.h"

enum {
    FILE_PATH_MAX = 1024,
    FILE_BLOCK = 4096 /* bytes: a direct write starts and ends at least so aligned */
};

struct file {
    int fd;
    bool direct;    /* past the page cache: memory, offset and size are multiples of align */
    uint32_t align; /* bytes; of writes that should not make the device read first */
    char path[FILE_PATH_MAX];
};

enum {
    FILE_WRITE = 1,  /* for reading and writing; otherwise reading only */
    FILE_CREATE = 2, /* 0600, and it must not exist */
    FILE_DIRECT = 4, /* past the page cache where the file system can; look at file->direct */
    FILE_EMPTY = 8,  /* with CREATE: an existing one is emptied instead of refused */
};

/* "directory/name" into path. ERROR_TOO_LARGE. */
int path_join(char path[FILE_PATH_MAX], const char *directory, const char *name) MUST_USE;

/* ERROR_NOT_FOUND, ERROR_EXISTS, ERROR_PERMISSION, ERROR_FULL, ERROR_IO. errmsg may be NULL in all
 * calls below. */
int file_open(struct file *file, const char *path, unsigned mode, struct errmsg *errmsg) MUST_USE;
void file_close(struct file *file);

/* Until size bytes are there or the file ends: *got. */
int file_read(struct file *file, uint64_t offset, void *into, size_t size, size_t *got,
              struct errmsg *errmsg) MUST_USE;
int file_write(struct file *file, uint64_t offset, struct span bytes,
               struct errmsg *errmsg) MUST_USE;
/* The content, and what is needed to find it, is on the device. After a failure nothing is known
 * any more. */
int file_sync(struct file *file, struct errmsg *errmsg) MUST_USE;
/* Room on the device for [0, size): later writes there cannot fail for want of room. Reads as
 * zeros. */
int file_allocate(struct file *file, uint64_t size, struct errmsg *errmsg) MUST_USE;
int file_truncate(struct file *file, uint64_t size, struct errmsg *errmsg) MUST_USE;
int file_size(struct file *file, uint64_t *size, struct errmsg *errmsg) MUST_USE;
/* Where the data that was ever written from `offset` on ends; the file's size when the system
 * cannot say. */
uint64_t file_data_end(struct file *file, uint64_t offset, uint64_t size);
/* Advice: it will be read from start to end. */
void file_read_ahead(struct file *file);
/* Advice: drop it from the page cache. */
void file_forget(struct file *file);

int file_rename(const char *from, const char *to, struct errmsg *errmsg) MUST_USE;
int file_remove(const char *path, struct errmsg *errmsg) MUST_USE;
/* False only when it is known not to be there. */
bool file_exists(const char *path);
/* The whole content of a small file. ERROR_TOO_LARGE over size_max. */
int file_load(const char *path, struct buffer *into, size_t size_max,
              struct errmsg *errmsg) MUST_USE;
/* Replaces or creates a small file so that a crash leaves the old or the new content: temporary
   file, sync, rename, sync of the directory. */
int file_replace(const char *directory, const char *name, struct span bytes,
                 struct errmsg *errmsg) MUST_USE;

/* 0700, with its parents; one that exists is fine. */
int directory_make(const char *path, struct errmsg *errmsg) MUST_USE;
/* What was created, renamed or removed in it stays so. */
int directory_sync(const char *path, struct errmsg *errmsg) MUST_USE;
/* Called for each entry but . and .. in no order; nonzero stops and is returned. */
typedef int directory_entry(void *context, const char *name);
int directory_list(const char *path, directory_entry *entry, void *context,
                   struct errmsg *errmsg) MUST_USE;
/* Bytes that may still be written to its file system. */
int directory_room(const char *path, uint64_t *bytes, struct errmsg *errmsg) MUST_USE;

/* ---- Faults, for tests ---- */

enum file_call {
    FILE_CALL_OPEN,
    FILE_CALL_READ,
    FILE_CALL_WRITE,
    FILE_CALL_SYNC,
    FILE_CALL_ALLOCATE,
    FILE_CALL_TRUNCATE,
    FILE_CALL_SIZE,
    FILE_CALL_RENAME,
    FILE_CALL_REMOVE,
    FILE_CALL_MAKE,
    FILE_CALL_SYNC_DIRECTORY,
    FILE_CALL_LIST,
    FILE_CALL_LOCK,
    FILE_CALL_ROOM,
    FILE_CALLS
};

/* Asked before each call, by any thread: an errno to fail with, or 0; it may lower *size of a read
 * or write. */
typedef int file_fault(void *context, enum file_call call, const char *path, size_t *size);
/* NULL: none. Not while files are in use by other threads. */
void file_fault_set(file_fault *fault, void *context);
/* For the wrappers of this room in other files. */
int file_fault_now(enum file_call call, const char *path, size_t *size);
/* An error for errno, with a sentence in errmsg: "cannot <verb> <path>: <reason>". */
int file_error(int number, const char *verb, const char *path, struct errmsg *errmsg);

#endif
