#include "app/savepart.h"

#include "app/engine.h"

static void woken(struct loop_timer *timer)
{
    loop_touch(CONTAINER_OF(timer, struct savepart, timer)->engine->loop);
}

void savepart_init(struct savepart *part, struct engine *engine)
{
    *part = (struct savepart){.engine = engine, .timer = {.expired = woken}};
}

void savepart_expect(struct savepart *part, uint64_t cut, struct snapshots *snapshots,
                     void (*done)(void *context, int error, const struct snapshot_info *info,
                                  const char *why),
                     void *context)
{
    part->snapshots = snapshots;
    part->cut = cut;
    part->done = done;
    part->context = context;
}

/* The shard's cut is free again. */
static void stop_reading(struct savepart *part)
{
    struct engine *engine = part->engine;
    copier_abort(&part->copier);
    loop_timer_clear(engine->loop, &part->timer);
    shard_cut_end(engine->shard);
    snapshotter_unbar(&engine->snapshotter);
}

bool savepart_drop(struct savepart *part)
{
    if (part->snapshots == NULL) return false;
    part->snapshots = NULL;
    if (part->copier.phase != COPIER_IDLE) stop_reading(part);
    return true;
}

static void tell(struct savepart *part, int error, const struct snapshot_info *info,
                 const char *why)
{
    part->snapshots = NULL;
    stop_reading(part);
    part->done(part->context, error, info, why);
}

void savepart_begun(struct savepart *part, uint64_t cut)
{
    struct engine *engine = part->engine;
    snapshotter_bar(&engine->snapshotter);
    if (part->copier.phase != COPIER_IDLE) {
        tell(part, ERROR_CLOSED, NULL, "a newer savepoint has begun");
    } else if (part->snapshots == NULL || part->cut != cut) {
        stop_reading(part); /* one that has failed elsewhere */
    } else {
        int error = shard_cut_seq(engine->shard) == 0
                        ? ERROR_MEMORY
                        : copier_begin(&part->copier, engine, part->snapshots);
        if (error != 0) tell(part, error, NULL, error_text(error));
    }
}

void savepart_turn(struct savepart *part)
{
    struct snapshot_info info = {0};
    struct errmsg errmsg = {{0}};
    struct loop *loop = part->engine->loop;
    if (part->copier.phase == COPIER_IDLE) return;
    switch (copier_turn(&part->copier, &info, &errmsg)) {
    case COPIER_GOES_ON:
        loop_timer_set(loop, &part->timer, loop_now_us(loop) + copier_delay_us(&part->copier));
        return;
    case COPIER_PUBLISHED: tell(part, 0, &info, ""); return;
    case COPIER_FAILED: tell(part, ERROR_IO, NULL, errmsg.text); return;
    }
}
