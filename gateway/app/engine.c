#include "app/engine.h"

#include "base/check.h"
#include "os/clock.h"
#include "os/random.h"

enum { LAZY_COMMIT_US = 20000, TICK_MIN_US = 500, INLINE_WAITERS_MAX = 4, SEGMENT_SIZE = 16 << 20 };

static void fail(struct engine *engine, const char *why)
{
    if (engine->failed) return;
    engine->failed = true;
    engine->options.failed(engine->options.failed_context, why);
}

/* The answer may be on its way out already: a waiter that has left must not be called. */
static void drop_answers(struct engine *engine, waiter_t waiter)
{
    for (int i = 0; i < 2; i++)
        for (size_t j = 0; j < engine->updates[i].answer_count; j++)
            if (engine->updates[i].answers[j].waiter == waiter)
                engine->updates[i].answers[j].waiter = 0;
}

static void submit(struct port *port, struct shard_event *event)
{
    struct engine *engine = CONTAINER_OF(port, struct engine, port);
    if (engine->failed) return; /* nothing is answered any more */
    if (event->kind == EVENT_DETACH) drop_answers(engine, event->waiter);
    event->clock = (struct shard_clock){engine->loop->wall_us / 1000, engine->loop->mono_us / 1000};
    if (shard_step(engine->shard, event, &engine->updates[engine->filling]) != 0) {
        fail(engine, "out of memory");
        return;
    }
    loop_touch(engine->loop);
}

static void function_answered(void *context, struct shard_event *event)
{
    struct engine *engine = context;
    submit(&engine->port, event);
}

static void journal_moved(struct loop_signal *signal);

/* ---- Going out ---- */

static void append(struct engine *engine, const struct shard_update *update)
{
    if (update->record_count == 0) return;
    if (journal_append(engine->journal, buffer_span(&update->records), update->first_seq,
                       update->record_count) != 0) {
        fail(engine, "the journal takes no records");
        return;
    }
    engine->uncommitted = true;
}

static void answer(const struct shard_update *update)
{
    for (size_t i = 0; i < update->answer_count; i++) {
        struct shard_answer answer = shard_update_answer(update, i);
        if (answer.waiter == 0) continue;
        struct port_waiter *waiter = (struct port_waiter *)(uintptr_t)answer.waiter;
        waiter->answer(waiter, &answer);
    }
}

/* What is in signals is durable already. */
static void carry(struct engine *engine, const struct shard_update *update)
{
    for (size_t i = 0; i < update->signal_count; i++) {
        struct shard_signal signal = shard_update_signal(update, i);
        engine->options.carry(engine->options.carry_context, &signal);
    }
}

static bool is_empty(const struct shard_update *update)
{
    return update->record_count == 0 && update->invocation_count == 0 &&
           update->answer_count == 0 && update->signal_count == 0 && update->cut_begun == 0 &&
           !update->commit_wanted;
}

/* Answers may lead to new events, whose updates go out in the next round. */
static void send_out(struct engine *engine)
{
    struct shard_update *update = &engine->updates[engine->filling];
    while (!engine->failed && !is_empty(update)) {
        engine->filling ^= 1;
        append(engine, update);
        if (engine->failed) return;
        for (size_t i = 0; i < update->invocation_count; i++)
            invoke_call(engine->invoke, update->invocations[i]);
        if (update->commit_wanted) engine->commit_waits = true;
        carry(engine, update);
        answer(update);
        if (update->cut_begun != 0) savepart_begun(&engine->savepart, update->cut_begun);
        shard_update_clear(update);
        update = &engine->updates[engine->filling];
    }
}

/* With few waiters and nothing else to do, the way to the commit thread and back would only cost
 * them time. */
static void commit_now(struct engine *engine)
{
    if (engine->options.commits_apart || !shard_only_waits(engine->shard, INLINE_WAITERS_MAX)) {
        journal_commit(engine->journal);
        return;
    }
    /* No signal comes for what was done here, nor for what failed. */
    if (journal_commit_here(engine->journal) || journal_failed(engine->journal, NULL) != 0)
        journal_moved(&engine->journal_moved);
}

static bool commit_is_due(struct engine *engine)
{
    struct pace_sight sight = {.now_us = loop_now_us(engine->loop),
                               .seq = shard_seq(engine->shard)};
    shard_count_waiters(engine->shard, &sight.waiters, &sight.gated);
    return pace_due(&engine->pace, &sight);
}

static void commit(struct engine *engine)
{
    if (engine->commit_waits && !commit_is_due(engine)) {
        loop_touch(engine->loop);
    } else if (engine->commit_waits) {
        commit_now(engine);
        engine->commit_waits = engine->uncommitted = false;
        loop_timer_clear(engine->loop, &engine->lazy_commit);
    } else if (engine->uncommitted && !engine->lazy_commit.set) {
        loop_timer_set(engine->loop, &engine->lazy_commit,
                       loop_now_us(engine->loop) + LAZY_COMMIT_US);
    }
}

/* Records that nobody waits for do not stay in memory for long. */
static void commit_lazily(struct loop_timer *timer)
{
    struct engine *engine = CONTAINER_OF(timer, struct engine, lazy_commit);
    engine->commit_waits = true;
    loop_touch(engine->loop);
}

static void set_tick(struct engine *engine)
{
    int64_t at_ms = shard_wake_at(engine->shard);
    if (at_ms == INT64_MAX) {
        loop_timer_clear(engine->loop, &engine->tick);
        return;
    }
    /* Rounded up: shard time is in whole milliseconds. */
    int64_t at_us = at_ms * 1000 + 1000;
    int64_t soonest_us = loop_now_us(engine->loop) + TICK_MIN_US;
    if (at_us < soonest_us) at_us = soonest_us;
    if (engine->tick.set && engine->tick.node.key == at_us) return;
    loop_timer_set(engine->loop, &engine->tick, at_us);
}

static void ticked(struct loop_timer *timer)
{
    struct engine *engine = CONTAINER_OF(timer, struct engine, tick);
    struct shard_event event = {.kind = EVENT_TICK};
    submit(&engine->port, &event);
}

static void turn_ended(struct loop_turn_end *turn_end)
{
    struct engine *engine = CONTAINER_OF(turn_end, struct engine, turn_end);
    if (engine->failed) return;
    send_out(engine);
    if (engine->failed) return;
    commit(engine);
    send_out(engine); /* what an inline commit has released */
    if (engine->failed) return;
    savepart_turn(&engine->savepart);
    snapshotter_turn(&engine->snapshotter);
    set_tick(engine);
}

/* ---- The journal has moved ---- */

static void journal_changed(void *context)
{
    struct engine *engine = context;
    loop_signal_send(&engine->journal_moved);
}

/* One wake-up is mostly one commit; of several the mean is counted. */
static void observe_commits(struct engine *engine)
{
    struct journal_metrics metrics;
    journal_metrics(engine->journal, &metrics);
    uint64_t commits = metrics.commits - engine->seen_commits;
    if (commits == 0) return;
    for (uint64_t i = 0; i < commits && i < 64; i++) {
        admin_histogram_add(&engine->commit_us, &admin_bounds_micros,
                            (metrics.sync_us_total - engine->seen_sync_us) / commits);
        admin_histogram_add(&engine->commit_records, &admin_bounds_counts,
                            (metrics.records - engine->seen_records) / commits);
    }
    pace_learn(&engine->pace, (int64_t)((metrics.sync_us_total - engine->seen_sync_us) / commits));
    engine->seen_commits = metrics.commits;
    engine->seen_sync_us = metrics.sync_us_total;
    engine->seen_records = metrics.records;
}

static void journal_moved(struct loop_signal *signal)
{
    struct engine *engine = CONTAINER_OF(signal, struct engine, journal_moved);
    struct errmsg errmsg;
    if (engine->journal == NULL) return; /* still recovering */
    if (journal_failed(engine->journal, &errmsg) != 0) {
        fail(engine, errmsg.text);
        return;
    }
    observe_commits(engine);
    struct shard_event event = {.kind = EVENT_DURABLE};
    event.durable_seq = journal_durable(engine->journal);
    submit(&engine->port, &event);
}

/* ---- Recovery ---- */

struct recovery {
    struct engine *engine;
    struct errmsg *errmsg;
    int error;
};

static int load_block(void *context, uint32_t block, struct span bytes)
{
    struct recovery *recovery = context;
    recovery->error = shard_load(recovery->engine->shard, block, bytes);
    if (recovery->error == 0) return 0;
    return errmsg_set(recovery->errmsg, recovery->error, "snapshot block %u: %s", block,
                      error_text(recovery->error));
}

static int replay(void *context, struct span records, uint64_t first_seq, uint32_t count,
                  uint32_t epoch, uint64_t lineage)
{
    struct recovery *recovery = context;
    struct shard *shard = recovery->engine->shard;
    (void)epoch;
    (void)lineage;
    recovery->error = shard_replay(shard, records, first_seq, count);
    recovery->engine->recovery_records += count;
    if (recovery->error == 0) return 0;
    return errmsg_set(recovery->errmsg, recovery->error, "journal records from seq %llu: %s",
                      (unsigned long long)first_seq, error_text(recovery->error));
}

static int encode_open(void *context, uint32_t epoch, uint64_t lineage, struct buffer *out)
{
    const struct engine *engine = context;
    shard_encode_open(engine->shard, out, epoch, lineage, SPAN_LITERAL(HOLDFAST_VERSION));
    return out->failed ? ERROR_MEMORY : 0;
}

/* What a snapshot lets go of is what is needed until the next one is published. */
static size_t spares(uint64_t snapshot_bytes)
{
    uint64_t count = snapshot_bytes / SEGMENT_SIZE + 1;
    if (count < JOURNAL_SPARES) return JOURNAL_SPARES;
    return count < JOURNAL_SPARES_MAX ? (size_t)count : JOURNAL_SPARES_MAX;
}

static int recover(struct engine *engine, struct errmsg *errmsg)
{
    struct recovery recovery = {.engine = engine, .errmsg = errmsg};
    struct snapshot_info newest;
    struct snapshotter_options snapshots = {.engine = engine,
                                            .directory = engine->options.directory,
                                            .journal_bytes = engine->options.snapshot_bytes,
                                            .every_ms = engine->options.snapshot_every_ms};
    int error = snapshotter_open(&engine->snapshotter, &snapshots, &newest, errmsg);
    if (error != 0) return error;
    if (newest.seq != 0)
        error = snapshots_load(engine->snapshotter.snapshots, load_block, &recovery, errmsg);
    if (error != 0) goto close_snapshots;
    struct journal_options journal = {.directory = engine->options.directory,
                                      .shard = engine->options.shard,
                                      .segment_size = SEGMENT_SIZE,
                                      .spares = spares(engine->options.snapshot_bytes),
                                      .changed = journal_changed,
                                      .changed_context = engine,
                                      .encode_open = encode_open,
                                      .open_context = engine,
                                      .seal_idle_ms = 100};
    struct journal_position from = {newest.seq, newest.lineage, newest.epoch};
    uint32_t epoch;
    uint64_t lineage, next_seq;
    error = journal_open(&engine->journal, &journal, from, random_u64(), replay, &recovery, &epoch,
                         &lineage, &next_seq, errmsg);
    if (error != 0) goto close_snapshots;
    CHECK(next_seq == shard_seq(engine->shard) + 1 && epoch == shard_epoch(engine->shard));
    return 0;
close_snapshots:
    snapshotter_close(&engine->snapshotter);
    return error;
}

int engine_open(struct engine *engine, const struct engine_options *options, struct errmsg *errmsg)
{
    int64_t begin_us = clock_mono_us();
    *engine = (struct engine){.port = {submit}, .options = *options, .loop = options->loop};
    for (int i = 0; i < 2; i++) shard_update_init(&engine->updates[i]);
    engine->turn_end.run = turn_ended;
    engine->tick.expired = ticked;
    engine->lazy_commit.expired = commit_lazily;
    int error = loop_signal_init(engine->loop, &engine->journal_moved, journal_moved);
    if (error != 0) return errmsg_set(errmsg, error, "cannot make an event descriptor");
    error = shard_open(&engine->shard);
    if (error != 0) {
        errmsg_set(errmsg, error, "out of memory");
        goto close_signal;
    }
    savepart_init(&engine->savepart, engine);
    error = shard_place(engine->shard, options->shard,
                        options->shard_count == 0 ? 1 : options->shard_count);
    if (error != 0)
        errmsg_set(errmsg, error, "out of memory");
    else
        error = recover(engine, errmsg);
    if (error != 0) goto close_shard;
    error = shard_start(engine->shard);
    /* Before the invoke room's own: what this one dispatches leaves in the same turn. */
    loop_at_turn_end(engine->loop, &engine->turn_end);
    if (error == 0)
        error = invoke_open(&engine->invoke, engine->loop, function_answered, engine, errmsg);
    if (error != 0) goto close_store;
    engine->recovery_us = clock_mono_us() - begin_us;
    return 0;
close_store:
    list_remove(&engine->turn_end.link);
    journal_close(engine->journal);
    snapshotter_close(&engine->snapshotter);
close_shard:
    shard_close(engine->shard);
close_signal:
    loop_signal_close(engine->loop, &engine->journal_moved);
    return error;
}

void engine_flush(struct engine *engine)
{
    send_out(engine);
}

int engine_configure(struct engine *engine, const struct shard_config *config)
{
    struct shard_event event = {.kind = EVENT_CONFIG, .config = *config};
    submit(&engine->port, &event);
    return engine->failed ? ERROR_MEMORY : 0;
}

void engine_take_signal(struct engine *engine, const struct shard_signal *signal)
{
    struct shard_event event = {.kind = EVENT_SIGNAL, .signal = *signal};
    submit(&engine->port, &event);
}

void engine_cut(struct engine *engine, uint64_t cut)
{
    struct shard_event event = {.kind = EVENT_CUT, .cut = cut};
    if (shard_cut_known(engine->shard) < cut) submit(&engine->port, &event);
}

void engine_close(struct engine *engine)
{
    invoke_close(engine->invoke);
    (void)savepart_drop(&engine->savepart);
    loop_timer_clear(engine->loop, &engine->tick);
    loop_timer_clear(engine->loop, &engine->lazy_commit);
    list_remove(&engine->turn_end.link);
    snapshotter_close(&engine->snapshotter);
    if (engine->failed)
        journal_abandon(engine->journal);
    else
        journal_close(engine->journal);
    loop_signal_close(engine->loop, &engine->journal_moved);
    shard_close(engine->shard);
    for (int i = 0; i < 2; i++) shard_update_close(&engine->updates[i]);
}
