/* The files of proto/golden, found from the place of this source, whatever the working directory
 * is. */
#ifndef HOLDFAST_TESTS_WIRE_GOLDEN_H
#define HOLDFAST_TESTS_WIRE_GOLDEN_H

#include "base/span.h"

enum { GOLDEN_BYTES_MAX = 4096, GOLDEN_FILES_MAX = 256 };

struct golden {
    char name[128]; /* "response-modify" */
    uint8_t bytes[GOLDEN_BYTES_MAX];
    size_t size;
    uint8_t canonical[GOLDEN_BYTES_MAX]; /* what encoding gives: the bytes when the file says
                                            nothing else */
    size_t canonical_size;
    char error[256]; /* of refused-* */
};

/* Fails the test when the file is not there or not right. */
void golden_load(struct golden *golden, const char *name);
struct span golden_bytes(const struct golden *golden);
struct span golden_canonical(const struct golden *golden);

/* Calls `check` for each file of that prefix, in no order; gives how many there were. */
size_t golden_each(const char *prefix, void (*check)(const struct golden *golden));

#endif
