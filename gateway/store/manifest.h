/*
 * A manifest makes a snapshot real: it says where each block is. Written to a temporary file,
 * synced, renamed to manifest-N, its directory synced. The one with the largest N is the newest.
 */
#ifndef HOLDFAST_STORE_MANIFEST_H
#define HOLDFAST_STORE_MANIFEST_H

#include "store/block.h"
#include "store/snapshot.h"

enum {
    MANIFEST_MAGIC = 0x666d4648, /* "HFmf" */
    MANIFEST_HEAD_SIZE = 64,
    MANIFEST_ENTRY_SIZE = 40,
    MANIFEST_BLOCKS = SNAPSHOT_SLOTS + 1,
    MANIFEST_SIZE_MAX = MANIFEST_HEAD_SIZE + MANIFEST_BLOCKS * MANIFEST_ENTRY_SIZE + 4,
};

struct manifest {
    struct snapshot_info info;
    uint64_t number; /* 0: no snapshot */
    struct block_entry entries[MANIFEST_BLOCKS];
};

/* block_bytes and block_count of info from the entries. */
void manifest_count(struct manifest *manifest);
void manifest_encode(const struct manifest *manifest, struct buffer *out);
/* ERROR_DAMAGED, ERROR_NEWER_FORMAT; `path` is for the sentence. */
int manifest_decode(struct span bytes, const char *path, struct manifest *manifest,
                    struct errmsg *errmsg) MUST_USE;

int manifest_path(char path[FILE_PATH_MAX], const char *directory, uint64_t number) MUST_USE;
/* 0 when it is not the name of a manifest. */
uint64_t manifest_name_number(const char *name);
int manifest_load(const char *directory, uint64_t number, struct manifest *manifest,
                  struct errmsg *errmsg) MUST_USE;
int manifest_publish(const char *directory, const struct manifest *manifest,
                     struct errmsg *errmsg) MUST_USE;

/* Indices of the blocks that there are: the globals first, then in the order in which they lie on
 * disk. */
size_t manifest_order(const struct manifest *manifest, uint32_t order[MANIFEST_BLOCKS]);

#endif
