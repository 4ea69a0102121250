/*
 * What the store's tests share: temporary directories, copies of them, bytes changed in files, and
 * a journal whose records can be told from each other: record n is "n" as 8 bytes and then n % 40
 * bytes of the same pattern.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "base/buffer.h"
#include "store/journal.h"

enum { PATH_SIZE = 600, LINEAGE = 0x1122334455667788 & 0x7fffffff };

/* A new directory in memory where there is one (its syncs are free), else in TMPDIR. */
void temporary_make(char path[PATH_SIZE]);
/* The same on a real disk. */
void temporary_make_on_disk(char path[PATH_SIZE]);
void temporary_remove(const char *path);
/* Makes `to` an equal copy of `from`; `to` is emptied first. */
void directory_copy(const char *from, const char *to);
void file_bytes(const char *path, struct buffer *into);
void file_bytes_write(const char *path, struct span bytes);
void file_flip(const char *path, size_t offset, uint8_t mask);
/* "directory/journal/segment-number". */
void segment_at(char path[PATH_SIZE], const char *directory, unsigned number);

/* Publishes a snapshot of so many small blocks; the newest two are kept. */
void snapshot_make(const char *directory, uint64_t seq, uint32_t blocks);
/* The same, of a gateway of that lineage. */
void snapshot_make_of(const char *directory, uint64_t lineage, uint64_t seq, uint32_t blocks);

/* A journal under test and what its replay gave. */
struct ledger {
    struct journal *journal;
    struct journal_options options;
    struct errmsg errmsg;
    uint32_t epoch;
    uint64_t lineage;
    uint64_t next_seq;
    uint64_t replayed_first; /* 0: nothing was replayed */
    uint64_t replayed_last;
    uint32_t opens;        /* OPEN records seen */
    uint32_t salted_epoch; /* records of this epoch hold other bytes: two futures of one journal can
                              be told apart */
    uint8_t salt;
    bool learn_salt; /* the first salted record that comes back says which of two futures it is */
};

void ledger_init(struct ledger *ledger, const char *directory, size_t segment_size);
/* Every record that comes back is compared with what was written; a wrong one fails the test. */
int ledger_open(struct ledger *ledger, uint64_t from_seq);
void ledger_must_open(struct ledger *ledger);
/* Appends `count` records as one append each. */
void ledger_append(struct ledger *ledger, unsigned count);
/* One record of a given size. */
int ledger_try_append(struct ledger *ledger, size_t size);
void ledger_append_large(struct ledger *ledger, size_t size);
/* Commits and waits. */
void ledger_commit(struct ledger *ledger);
void ledger_close(struct ledger *ledger);
/* As if the process had been killed. */
void ledger_kill(struct ledger *ledger);
/* A new journal of an OPEN and so many commits of ten records each, ended in good order. */
void ledger_make(struct ledger *ledger, unsigned commits);

#endif
