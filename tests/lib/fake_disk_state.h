/*
 * The insides of the fake disk: fake_disk.c (the disk, its processes, calls), fake_content.c (bytes
 * of files), fake_names.c (names, and what is not synced), fake_crash.c (power cuts), fake_files.c
 * and fake_directories.c (os/file.h), fake_lock.c (os/lock.h), fake_peek.c (for tests).
 */
#ifndef TESTS_LIB_FAKE_DISK_STATE_H
#define TESTS_LIB_FAKE_DISK_STATE_H

#include "base/list.h"
#include "lib/fake_disk.h"
#include "os/lock.h"

enum { FAKE_NAME_MAX = 160, FAKE_PROCESSES_MAX = 64, FAKE_HANDLES_MAX = 4096 };

/* Shared by all contents that hold the same bytes; written to only by its one owner. */
struct fake_page {
    struct fake_page *next; /* while it is free */
    uint32_t references;
    uint8_t bytes[FAKE_PAGE];
};

struct fake_content {
    uint64_t size;
    struct fake_page **pages; /* NULL: zeros that were never written */
    size_t page_count;
};

struct fake_node {
    struct list link;
    uint32_t number;
    uint32_t handles;
    bool directory;
    uint64_t allocated;       /* bytes of room that it holds */
    struct fake_content live; /* what is read */
    struct fake_content disk; /* what a power cut leaves in any case */
};

struct fake_name {
    char path[FAKE_NAME_MAX];
    struct fake_node *node;
};

struct fake_names {
    struct fake_name *at;
    size_t count;
    size_t capacity;
};

enum fake_change_kind {
    FAKE_BYTES,  /* whole sectors at an offset */
    FAKE_GROWTH, /* of the file, at least to `offset` */
    FAKE_SIZE,   /* of the file is `offset` now */
    FAKE_NAME    /* `set` names the node now, `unset` no longer does; either may be empty */
};

/* Something that has happened and is not synced. */
struct fake_change {
    struct list link; /* oldest first */
    uint64_t number;
    enum fake_change_kind kind;
    struct fake_node *node;
    uint64_t offset;
    size_t size;
    uint8_t *bytes;
    char set[FAKE_NAME_MAX];
    char unset[FAKE_NAME_MAX];
    bool set_synced; /* the directory of that name was synced since */
    bool unset_synced;
};

struct fake_disk {
    struct fake_disk_options options;
    struct list nodes;
    uint32_t node_numbers;
    struct fake_names live;
    struct fake_names disk;
    struct list changes; /* struct fake_change */
    size_t change_count;
    uint64_t change_numbers;
    uint64_t used; /* bytes of room */
    uint32_t alive[FAKE_PROCESSES_MAX];
    size_t alive_count;
    struct list locks; /* struct lock */
    fake_disk_before *before;
    fake_disk_after *after;
    void *context;
    struct fake_disk_counts counts;
};

/* ---- fake_disk.c ---- */
/* The disk in use. */
struct fake_disk *fake_disk_now(void);
bool fake_disk_alive(const struct fake_disk *disk, uint32_t process);

/* One call on its way. */
struct fake_turn {
    struct fake_disk *disk;
    struct fake_call call;
    struct fake_fault fault;
};
/* Lets others run, asks for a fault, waits as long as it says. An errno to fail with, or 0. */
int fake_turn_begin(struct fake_turn *turn, struct fake_disk *disk, enum file_call call,
                    const char *path, uint64_t offset, uint64_t size);
/* Something has happened. */
void fake_turn_end(struct fake_turn *turn);

struct fake_node *fake_node_new(struct fake_disk *disk, bool directory);
/* Nodes that nothing leads to any more go. */
void fake_nodes_collect(struct fake_disk *disk);
/* Room for the node's first `size` bytes; false: the disk is full. */
bool fake_node_allocate(struct fake_disk *disk, struct fake_node *node, uint64_t size);

/* An open file. */
struct fake_handle {
    struct fake_disk *disk; /* NULL: free or dead */
    struct fake_node *node;
    uint32_t process;
    bool writable;
    bool taken;
};
/* -1: there are too many. */
int fake_handle_open(struct fake_disk *disk, struct fake_node *node, bool writable);
/* NULL: dead, as is its process. */
struct fake_handle *fake_handle_at(int fd);
void fake_handle_close(int fd);
void fake_handles_kill(const struct fake_disk *disk, uint32_t process, bool all);

/* ---- fake_content.c ---- */
void fake_content_free(struct fake_content *content);
void fake_content_copy(struct fake_content *into, const struct fake_content *from);
/* Beyond its size: zeros. */
void fake_content_read(const struct fake_content *content, uint64_t offset, void *into,
                       size_t size);
/* The size stays; bytes behind it are there when it grows. */
void fake_content_write(struct fake_content *content, uint64_t offset, const uint8_t *bytes,
                        size_t size);
/* What is behind is gone. */
void fake_content_cut(struct fake_content *content, uint64_t size);
/* Where what was ever written ends. */
uint64_t fake_content_data_end(const struct fake_content *content, uint64_t offset, uint64_t size);

/* ---- fake_names.c ---- */
struct fake_name *fake_names_find(const struct fake_names *names, const char *path);
void fake_names_set(struct fake_names *names, const char *path, struct fake_node *node);
/* Only when it names this node. */
void fake_names_unset(struct fake_names *names, const char *path, const struct fake_node *node);
void fake_names_free(struct fake_names *names);
/* Without doubled slashes, one at the end, and .. at the end. False: too long. */
bool fake_path(char path[FAKE_NAME_MAX], const char *given);
/* "/" of "/x". */
void fake_path_parent(char parent[FAKE_NAME_MAX], const char *path);

/* Adds a change that is not synced, and gives it back to be filled in. */
struct fake_change *fake_change_add(struct fake_disk *disk, enum fake_change_kind kind,
                                    struct fake_node *node);
void fake_change_name(struct fake_disk *disk, struct fake_node *node, const char *set,
                      const char *unset);
/* It is on the disk now. */
void fake_change_apply(struct fake_disk *disk, const struct fake_change *change);
void fake_change_free(struct fake_disk *disk, struct fake_change *change);
/* Everything of this file up to a change's number, or with drop: it never gets there. */
void fake_changes_sync(struct fake_disk *disk, const struct fake_node *node, uint64_t through,
                       bool drop);
void fake_changes_sync_names(struct fake_disk *disk, const char *directory, uint64_t through,
                             bool drop);

/* ---- fake_lock.c ---- */
void fake_locks_drop(struct fake_disk *disk, uint32_t process, bool all);

#endif
