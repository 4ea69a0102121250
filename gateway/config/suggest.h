/* "Did you mean ...?" for words that nobody knows. */
#ifndef HOLDFAST_CONFIG_SUGGEST_H
#define HOLDFAST_CONFIG_SUGGEST_H

#include "base/span.h"

/* Number of single-byte edits (insert, delete, replace, swap of neighbours); long words count as
 * far. */
size_t suggest_distance(struct span a, struct span b);

/* Keeps the nearest of several candidates; `best` stays NULL when none is near enough. */
struct suggestion {
    struct span word;
    const char *best;
    size_t distance;
};

struct suggestion suggestion_for(struct span word);
void suggestion_offer(struct suggestion *suggestion, const char *candidate);

#endif
