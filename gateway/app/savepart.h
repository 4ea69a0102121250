/*
 * One shard's part of a savepoint: reads the cut that begins when the shard joins it. It joins in
 * the middle of a step, by EVENT_CUT or by a signal from a shard that has joined already: so the
 * part has to be expected before any shard is told to begin.
 */
#ifndef HOLDFAST_APP_SAVEPART_H
#define HOLDFAST_APP_SAVEPART_H

#include "app/copier.h"
#include "os/loop.h"

struct savepart {
    struct engine *engine;
    struct copier copier;
    struct snapshots *snapshots; /* borrowed while a part is expected or read; NULL: none is */
    uint64_t cut;
    void (*done)(void *context, int error, const struct snapshot_info *info, const char *why);
    void *context;
    struct loop_timer timer;
};

void savepart_init(struct savepart *part, struct engine *engine);
/* The cut of this number is to be read into the store. `done` is called once, at the end of a turn,
 * unless the part is dropped before. */
void savepart_expect(struct savepart *part, uint64_t cut, struct snapshots *snapshots,
                     void (*done)(void *context, int error, const struct snapshot_info *info,
                                  const char *why),
                     void *context);
/* Nothing is expected any more. True: something was, and `done` will not be called. */
bool savepart_drop(struct savepart *part);
/* The shard has joined a savepoint: update.cut_begun. */
void savepart_begun(struct savepart *part, uint64_t cut);
/* At the end of each loop turn. */
void savepart_turn(struct savepart *part);

#endif
