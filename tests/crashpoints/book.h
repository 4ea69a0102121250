/*
 * What a harness knows by itself of a data directory: which records were appended, which of them
 * were reported durable, what was published. It shares no code with the store. A record holds its
 * seq, its epoch and a random tag, so that no two histories of one seq are alike; the state that
 * snapshots hold follows from the tags.
 */
#ifndef TESTS_CRASHPOINTS_BOOK_H
#define TESTS_CRASHPOINTS_BOOK_H

#include "base/buffer.h"
#include "base/prng.h"
#include "store/snapshot.h"

enum { BOOK_BLOCKS = 12, BOOK_RECORD_HEAD = 24, BOOK_NAMED_MAX = 8 };

struct book_entry {
    uint64_t tag;
    uint32_t epoch;
    uint32_t size; /* of what follows the head */
};

struct book {
    struct book_entry *entries; /* of seq i + 1 */
    uint64_t appended;
    uint64_t capacity;
    uint64_t durable;   /* reported */
    uint32_t epoch;     /* the largest that an open gave out; 0: none did */
    uint64_t lineage;   /* that an open gave out */
    uint64_t published; /* seq of the newest snapshot that was reported published */
    uint64_t finishing; /* … of the one whose end has not been told; 0: none */
    /* … of those that may be the newest instead of the published one: their manifests have got
       their names since, which may be on the disk or not. More than one when the sync of such a
       name has failed, and another snapshot was made. */
    uint64_t named[BOOK_NAMED_MAX];
    unsigned named_count;
    bool damaged; /* on purpose: records may be gone, and a repair may be needed */
};

void book_copy(struct book *into, const struct book *from);
void book_close(struct book *book);
/* A new record at the end; its bytes are added to `out`. */
void book_append(struct book *book, uint32_t epoch, uint32_t size, uint64_t tag,
                 struct buffer *out);
/* Records after `through` were lost: they had not been reported durable. */
void book_truncate(struct book *book, uint64_t through);
/* Takes one record from the start of *bytes; NULL when it is the one of that seq, else why not. */
const char *book_compare(const struct book *book, uint64_t seq, struct span *bytes);

/* The manifest of the snapshot that is being finished has got its name. */
void book_name_snapshot(struct book *book);
/* A snapshot is known to be the newest, and durably so. */
void book_publish(struct book *book, uint64_t seq);
bool book_may_be_newest(const struct book *book, uint64_t seq);

/* The blocks of the state after `seq` records. Index BOOK_BLOCKS: the globals. */
uint32_t book_block_number(size_t index);
/* SIZE_MAX: there is no such block. */
size_t book_block_index(uint32_t number);
/* Empty: the block is. */
void book_block(const struct book *book, uint64_t seq, size_t index, struct buffer *out);
bool book_block_changed(const struct book *book, uint64_t after, uint64_t seq, size_t index);

#endif
