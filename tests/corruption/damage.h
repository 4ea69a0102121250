/* Every way in which the bytes of a golden directory are changed. */
#ifndef TESTS_CORRUPTION_DAMAGE_H
#define TESTS_CORRUPTION_DAMAGE_H

#include "corruption/golden.h"

enum damage_kind {
    DAMAGE_FLIP,    /* bit `to` of a file */
    DAMAGE_CUT,     /* the file ends at `to` */
    DAMAGE_ZERO,    /* `size` bytes at `to` are zeros */
    DAMAGE_ONES,    /* … are 0xff */
    DAMAGE_SWAP,    /* a sector and another one change places */
    DAMAGE_COPY,    /* a sector is what another one is: misdirected */
    DAMAGE_OLDER,   /* sectors are as they were earlier: stale, or of an older epoch */
    DAMAGE_FOREIGN, /* sectors are of another lineage */
    DAMAGE_FRAME,   /* one frame stands in the place of another */
    DAMAGE_PAIR,    /* two bits */
    DAMAGES
};

struct damage {
    enum damage_kind kind;
    const char *file; /* what is changed */
    uint64_t to;
    uint64_t size;
    const char *from_file; /* where other bytes come from, or the other place */
    uint64_t from;
};

const char *damage_name(enum damage_kind kind);
/* Calls for each one in a fixed order. `pairs`: so many random pairs of bits. */
void damage_each(const struct golden *golden, uint64_t pairs,
                 void (*each)(void *context, const struct damage *damage), void *context);
void damage_do(const struct golden *golden, struct fake_disk *disk, const struct damage *damage);

#endif
