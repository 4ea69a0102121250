#include "app/engine.h"
#include "os/clock.h"
#include "os/log.h"

enum {
    BEGIN_AGAIN_US = 10000,
    LOOK_US = 1000000,  /* how often the journal's size is looked at while it grows */
    AGAIN_US = 1000000, /* after a failure, twice as long after each further one */
    AGAIN_DOUBLINGS_MAX = 6,
    PRESSED_US = 5000000, /* between snapshots while the disk is short of room */
};

static struct engine *engine_of(struct snapshotter *snapshotter)
{
    return snapshotter->options.engine;
}

static void set_timer(struct snapshotter *snapshotter, int64_t delay_us)
{
    struct loop *loop = engine_of(snapshotter)->loop;
    loop_timer_set(loop, &snapshotter->timer, loop_now_us(loop) + delay_us);
}

static void woken(struct loop_timer *timer)
{
    struct snapshotter *snapshotter = CONTAINER_OF(timer, struct snapshotter, timer);
    snapshotter->look_at_us = 0;
    loop_touch(engine_of(snapshotter)->loop);
}

int snapshotter_open(struct snapshotter *snapshotter, const struct snapshotter_options *options,
                     struct snapshot_info *newest, struct errmsg *errmsg)
{
    *snapshotter = (struct snapshotter){.options = *options, .last_us = clock_mono_us()};
    list_init(&snapshotter->waiters);
    snapshotter->timer.expired = woken;
    int error =
        snapshots_open(&snapshotter->snapshots, options->directory, &snapshotter->newest, errmsg);
    *newest = snapshotter->newest;
    return error;
}

static void tell(struct snapshotter *snapshotter, int error, const char *why)
{
    while (!list_empty(&snapshotter->waiters)) {
        struct snapshot_waiter *waiter =
            LIST_FIRST(&snapshotter->waiters, struct snapshot_waiter, link);
        list_remove(&waiter->link);
        waiter->done(waiter, error, &snapshotter->newest, why);
    }
}

static void finish(struct snapshotter *snapshotter)
{
    if (!snapshotter->barred) shard_cut_end(engine_of(snapshotter)->shard);
    snapshotter->took_us = clock_mono_us() - snapshotter->begun_us;
}

static void give_up(struct snapshotter *snapshotter, const char *why)
{
    int doublings = snapshotter->failed_in_row < AGAIN_DOUBLINGS_MAX ? snapshotter->failed_in_row
                                                                     : AGAIN_DOUBLINGS_MAX;
    finish(snapshotter);
    snapshotter->failed++;
    snapshotter->failed_in_row++;
    snapshotter->not_before_us = clock_mono_us() + ((int64_t)AGAIN_US << doublings);
    LOG(LOG_WARN, "snapshot_failed", LOG_UNSIGNED("seq", snapshotter->copier.cut_seq),
        LOG_TEXT("why", why));
    tell(snapshotter, ERROR_IO, why);
}

static void begin(struct snapshotter *snapshotter)
{
    struct engine *engine = engine_of(snapshotter);
    snapshotter->begun_us = snapshotter->last_us = clock_mono_us();
    int error = shard_cut_begin(engine->shard, snapshotter->newest.seq);
    if (error == 0) error = copier_begin(&snapshotter->copier, engine, snapshotter->snapshots);
    if (error == ERROR_IN_USE) /* one that was given up is still at its last write */
        shard_cut_end(engine->shard);
    else if (error != 0)
        give_up(snapshotter, error_text(error));
}

static void published(struct snapshotter *snapshotter, const struct snapshot_info *info)
{
    struct engine *engine = engine_of(snapshotter);
    finish(snapshotter);
    snapshotter->newest = *info;
    snapshotter->published++;
    snapshotter->failed_in_row = 0;
    LOG(LOG_INFO, "snapshot_published", LOG_UNSIGNED("seq", info->seq),
        LOG_UNSIGNED("bytes", info->block_bytes), LOG_NUMBER("ms", snapshotter->took_us / 1000));
    if (journal_trim(engine->journal, info->seq) != 0)
        LOG(LOG_WARN, "journal_trim_failed", LOG_UNSIGNED("seq", info->seq));
    tell(snapshotter, 0, "");
}

/* As much as the last snapshot, if that is more than the setting: each one writes all that has
 * changed since, which soon is everything, so the work of snapshots would grow with the state for
 * every message. A start reads twice as much at most as the snapshot alone. */
static uint64_t enough_journal(const struct snapshotter *snapshotter)
{
    uint64_t least = snapshotter->options.journal_bytes, last = snapshotter->newest.block_bytes;
    return last > least ? last : least;
}

static bool is_due(struct snapshotter *snapshotter)
{
    struct engine *engine = engine_of(snapshotter);
    const struct snapshotter_options *options = &snapshotter->options;
    if (!list_empty(&snapshotter->waiters)) return true;
    if (shard_seq(engine->shard) <= snapshotter->newest.seq + 1) return false;
    int64_t now_us = clock_mono_us();
    if (now_us < snapshotter->not_before_us) return false;
    if (options->every_ms > 0 && now_us - snapshotter->last_us >= options->every_ms * 1000)
        return true;
    if (atomic_load_explicit(&snapshotter->pressed, memory_order_relaxed) &&
        now_us - snapshotter->last_us >= PRESSED_US)
        return true;
    if (options->journal_bytes == 0 || now_us - snapshotter->last_us < LOOK_US / 10) return false;
    struct journal_metrics metrics;
    journal_metrics(engine->journal, &metrics);
    return metrics.bytes_since_trim >= enough_journal(snapshotter);
}

static void wake_by(struct snapshotter *snapshotter, int64_t at_us)
{
    if (snapshotter->timer.set && snapshotter->timer.node.key <= at_us) return;
    loop_timer_set(engine_of(snapshotter)->loop, &snapshotter->timer, at_us);
}

/* When time alone makes one due. */
static int64_t due_at_us(const struct snapshotter *snapshotter)
{
    int64_t at_us = snapshotter->options.every_ms > 0
                        ? snapshotter->last_us + snapshotter->options.every_ms * 1000
                        : INT64_MAX;
    int64_t barred_us = snapshotter->not_before_us;
    if (barred_us <= clock_mono_us()) return at_us;
    return at_us == INT64_MAX || at_us < barred_us ? barred_us : at_us;
}

/* At most once in LOOK_US while records come in, once more after the last of them, and then when
 * the time has come: at rest nothing wakes up. */
static void look(struct snapshotter *snapshotter)
{
    struct engine *engine = engine_of(snapshotter);
    int64_t now_us = loop_now_us(engine->loop);
    uint64_t seq = shard_seq(engine->shard);
    if (list_empty(&snapshotter->waiters) && now_us < snapshotter->look_at_us) {
        if (seq != snapshotter->seen_seq) wake_by(snapshotter, snapshotter->look_at_us);
        return;
    }
    if (is_due(snapshotter)) {
        begin(snapshotter);
        set_timer(snapshotter, snapshotter->copier.phase == COPIER_IDLE ? BEGIN_AGAIN_US : 0);
        return;
    }
    snapshotter->look_at_us = now_us + LOOK_US;
    /* What came last may not be in the journal's count yet. */
    if (seq != snapshotter->seen_seq) wake_by(snapshotter, snapshotter->look_at_us);
    snapshotter->seen_seq = seq;
    int64_t due_us = due_at_us(snapshotter);
    if (seq > snapshotter->newest.seq + 1 && due_us != INT64_MAX) wake_by(snapshotter, due_us);
}

/* There may be no other turn for long: the next one is thought of now. */
static void end(struct snapshotter *snapshotter)
{
    loop_timer_clear(engine_of(snapshotter)->loop, &snapshotter->timer);
    snapshotter->look_at_us = 0;
    look(snapshotter);
}

void snapshotter_turn(struct snapshotter *snapshotter)
{
    struct snapshot_info info = {0};
    struct errmsg errmsg = {{0}};
    if (snapshotter->copier.phase == COPIER_IDLE) {
        if (!snapshotter->barred) look(snapshotter);
        return;
    }
    switch (copier_turn(&snapshotter->copier, &info, &errmsg)) {
    case COPIER_GOES_ON: set_timer(snapshotter, copier_delay_us(&snapshotter->copier)); return;
    case COPIER_PUBLISHED: published(snapshotter, &info); break;
    case COPIER_FAILED: give_up(snapshotter, errmsg.text); break;
    }
    if (!snapshotter->barred) end(snapshotter);
}

void snapshotter_bar(struct snapshotter *snapshotter)
{
    snapshotter->barred = true;
    /* What has been read whole needs the shard no more. */
    if (snapshotter->copier.phase == COPIER_READING) copier_abort(&snapshotter->copier);
}

void snapshotter_unbar(struct snapshotter *snapshotter)
{
    snapshotter->barred = false;
    set_timer(snapshotter, 0);
}

void snapshotter_now(struct snapshotter *snapshotter, struct snapshot_waiter *waiter)
{
    list_append(&snapshotter->waiters, &waiter->link);
    loop_touch(engine_of(snapshotter)->loop);
}

void snapshotter_leave(struct snapshotter *snapshotter, struct snapshot_waiter *waiter)
{
    (void)snapshotter;
    list_remove(&waiter->link);
}

void snapshotter_close(struct snapshotter *snapshotter)
{
    loop_timer_clear(engine_of(snapshotter)->loop, &snapshotter->timer);
    copier_abort(&snapshotter->copier);
    shard_cut_end(engine_of(snapshotter)->shard);
    snapshots_close(snapshotter->snapshots);
}
