/* What the tests of snapshots share: blocks with known content, taken, loaded and compared. */
#ifndef TESTS_UNIT_STORE_SNAPSHOT_FIXTURE_H
#define TESTS_UNIT_STORE_SNAPSHOT_FIXTURE_H

#include "store/snapshot.h"
#include "unit/store/fixture.h"

enum { BLOCKS = SNAPSHOT_SLOTS + 1 };

/* The snapshots under test, and what each block should hold: `content[i]` bytes that say i and
 * generation; 0: empty. */
struct shelf {
    char directory[PATH_SIZE];
    struct snapshots *snapshots;
    struct snapshot_info newest;
    struct errmsg errmsg;
    size_t content[BLOCKS];
    uint8_t generation[BLOCKS];
    size_t loaded;
};

extern struct shelf shelf;

void shelf_setup(void);
void shelf_teardown(void);
void must_open(void);
/* Every block is read and compared. */
void must_load(void);
/* snapshot_block for a load of one's own. */
int compare_block(void *context, uint32_t block, struct span bytes);
struct span bytes_of(uint32_t block);
void begin(uint64_t seq);
/* Blocks of which `changed` says so are written, the others kept; waits for the end. */
enum snapshot_state take(uint64_t seq, bool (*changed)(uint32_t block));
enum snapshot_state wait_for_end(struct snapshot_info *info);
size_t filled(void);
void fill(void);
void change_tenth(void);
bool all(uint32_t block);
bool none(uint32_t block);
bool tenth(uint32_t block);
void block_file(char path[PATH_SIZE], unsigned number);
void manifest_file(char path[PATH_SIZE], unsigned number);
/* -1: there is none. */
long size_of_file(const char *path);

#endif
