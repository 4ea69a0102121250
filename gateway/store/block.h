/*
 * A block file holds blocks of a snapshot one after another: a head of 64 bytes, then for each
 * block a head of 32 bytes and its bytes. docs/formats.md shows each byte.
 */
#ifndef HOLDFAST_STORE_BLOCK_H
#define HOLDFAST_STORE_BLOCK_H

#include "base/buffer.h"
#include "os/file.h"

enum {
    BLOCK_FORMAT = 1,
    BLOCK_FILE_MAGIC = 0x6c624648, /* "HFbl" */
    BLOCK_MAGIC = 0x6b624648,      /* "HFbk" */
    BLOCK_FILE_HEAD_SIZE = 64,
    BLOCK_HEAD_SIZE = 32,
    BLOCK_READ_SIZE = 1 << 20, /* bytes read at once */
};

/* Where a block is, as the manifest says. */
struct block_entry {
    uint32_t block;
    uint32_t crc;     /* of its head and bytes */
    uint64_t file;    /* number of the block file; 0: there is no such block */
    uint64_t offset;  /* of its head */
    uint64_t size;    /* bytes without the head */
    uint64_t version; /* seq of the snapshot that wrote it */
};

int block_path(char path[FILE_PATH_MAX], const char *directory, uint64_t number) MUST_USE;
/* 0 when it is not the name of a block file. */
uint64_t block_name_number(const char *name);

void block_file_head(uint64_t number, uint64_t lineage, uint8_t head[BLOCK_FILE_HEAD_SIZE]);
/* ERROR_DAMAGED, ERROR_NEWER_FORMAT. */
int block_file_check(struct span head, uint64_t number, const char *path,
                     struct errmsg *errmsg) MUST_USE;
/* Fills entry->crc and the head from the entry's block, size and version. */
void block_head(struct block_entry *entry, struct span bytes, uint8_t head[BLOCK_HEAD_SIZE]);

/* Reads blocks, best in the order of file and offset. */
struct block_reader {
    const char *directory; /* borrowed */
    struct file file;
    uint64_t number; /* of the open file; 0 = none */
    uint64_t size;   /* bytes of it */
    struct buffer window;
    uint64_t window_offset;
};

void block_reader_init(struct block_reader *reader, const char *directory);
void block_reader_close(struct block_reader *reader);
/* The verified bytes, valid until the next call. ERROR_DAMAGED names file and offset. */
int block_read(struct block_reader *reader, const struct block_entry *entry, struct span *bytes,
               struct errmsg *errmsg) MUST_USE;

#endif
