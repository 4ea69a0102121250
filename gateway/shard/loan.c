/*
 * Values that are lent to whoever sends them out: a large one is not copied for each of its
 * readers. A cell never changes, so holding it is enough; while it is held it counts as the shard's
 * memory, also when the address has another one by now.
 */
#include "shard/overlay.h"

#include <stdlib.h>

enum { LENT_MIN = 65536 /* bytes: less is copied faster than an old cell is worth to be kept */ };

struct cell_loan {
    struct shard_loan loan; /* first */
    struct list link;       /* in overlay.loans */
    struct image *image;
    struct cell *cell; /* NULL: the shard has ended before */
};

static void give_back(struct cell_loan *lent)
{
    if (lent->cell != NULL) cell_unref(lent->image, lent->cell);
    lent->cell = NULL;
    lent->loan.bytes = SPAN_EMPTY;
    list_remove(&lent->link);
}

static void ended(struct shard_loan *loan)
{
    struct cell_loan *lent = CONTAINER_OF(loan, struct cell_loan, loan);
    give_back(lent);
    free(lent);
}

struct shard_loan *loan_of(struct shard *shard, struct cell *cell, struct span bytes)
{
    if (bytes.size < LENT_MIN) return NULL;
    struct cell_loan *lent = malloc(sizeof *lent);
    if (lent == NULL) return NULL;
    *lent = (struct cell_loan){
        .loan = {bytes, .holders = 1, .ended = ended}, .image = &shard->image, .cell = cell};
    cell_ref(cell);
    list_append(&shard->overlay.loans, &lent->link);
    return &lent->loan;
}

void loans_close(struct overlay *overlay)
{
    while (!list_empty(&overlay->loans))
        give_back(LIST_FIRST(&overlay->loans, struct cell_loan, link));
}
