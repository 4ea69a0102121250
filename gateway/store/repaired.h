/*
 * The note that `repair` leaves in the journal's directory for the next open: records were cut off,
 * so the next epoch must be newer than any that they had, and the lineage must be a new one.
 * Removed when the new epoch is durable.
 */
#ifndef HOLDFAST_STORE_REPAIRED_H
#define HOLDFAST_STORE_REPAIRED_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct repaired {
    bool there;
    uint32_t epoch;    /* the largest that was seen */
    bool new_lineage;  /* records were lost */
    uint64_t next_seq; /* for a journal without segments; so are the next two */
    uint64_t number;   /* of its first segment */
    uint64_t base;     /* its place in the stream */
};

#define REPAIRED_ASIDE "damaged-" /* DATA/damaged-<time>/ has what a repair moved away */

/* ERROR_DAMAGED. No note: there is false. */
int repaired_load(struct repaired *note, const char *directory, struct errmsg *errmsg) MUST_USE;
int repaired_write(const struct repaired *note, const char *directory,
                   struct errmsg *errmsg) MUST_USE;
int repaired_remove(const char *directory, struct errmsg *errmsg) MUST_USE;
/* Whatever repairs have moved away from the data directory `data` stays away: one that was killed
 * has synced nothing, and a power cut would bring it back. */
int repaired_settle(const char *data, struct errmsg *errmsg) MUST_USE;

#endif
