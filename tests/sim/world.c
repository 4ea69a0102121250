#include "world.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>

void *world_grow(void *array, uint32_t *count, uint32_t *capacity, size_t size)
{
    if (*count == *capacity) {
        *capacity = *capacity == 0 ? 64 : *capacity * 2;
        array = realloc(array, *capacity * size);
        MUST(array != NULL);
    }
    memset((char *)array + *count * size, 0, size);
    return array;
}

static const char *const types[TYPES] = {"t/a", "t/b", "u/c"};

struct address address_of(uint32_t address, char id[8])
{
    snprintf(id, 8, "id%u", address % IDS);
    return (struct address){span_text(types[address / IDS]), span_text(id)};
}

uint32_t address_find(const struct address *address)
{
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        char id[8];
        struct address other = address_of(i, id);
        if (span_equal(other.type, address->type) && span_equal(other.id, address->id)) return i;
    }
    MUST(!"a known address");
    return 0;
}

/* ---- Configuration ---- */

static struct shard_endpoint endpoint(struct world *world, const char *pattern)
{
    static const uint32_t counts[] = {1, 2, 5, 1000}, windows[] = {1, 2, 8, 64};
    static const size_t sizes[] = {600, 3000, 900000};
    struct shard_endpoint made = {.pattern = span_text(pattern),
                                  .window_max = 64,
                                  .batch_count_max = 1000,
                                  .batch_bytes_max = 900000,
                                  .payload_bytes_max = 1 << 20,
                                  .retry_for_ms = INT64_MAX / 4,
                                  .expose = true};
    if (world->calm) return made;
    made.window_max = windows[pick(world, 4)];
    made.batch_count_max = counts[pick(world, 4)];
    made.batch_bytes_max = sizes[pick(world, 3)];
    made.attempts_max = chance(world, 50) ? 1 + pick(world, 5) : 0;
    made.retry_for_ms = made.attempts_max == 0 ? 3000 : INT64_MAX / 4;
    made.dispatch_durable = chance(world, 25);
    return made;
}

void world_configure(struct world *world)
{
    struct shard_endpoint endpoints[2] = {endpoint(world, "t/*"), endpoint(world, "u/c")};
    struct shard_egress egress = {SPAN_LITERAL("t/out"), EGRESS_PULL};
    struct shard_event event = {.kind = EVENT_CONFIG,
                                .config = {.endpoints = endpoints,
                                           .endpoint_count = 2,
                                           .egresses = &egress,
                                           .egress_count = 1,
                                           .dedup_window_ms = INT64_MAX / 4,
                                           .reply_keep_ms = INT64_MAX / 4,
                                           .seed = world->seed}};
    if (!world->calm && world->has_reloads && chance(world, 40)) {
        event.config.endpoint_count = 1;
        if (chance(world, 50)) endpoints[0] = endpoints[1];
    }
    if (world->may_forget) {
        event.config.dedup_window_ms = event.config.reply_keep_ms = 2000;
        event.config.dedup_bytes_max = 3000;
    }
    if (!world->calm && world->has_budgets) {
        struct shard_metrics metrics;
        shard_metrics(world->shard, &metrics);
        if (chance(world, 50)) event.config.memory_max = metrics.memory_bytes + pick(world, 6000);
        if (chance(world, 50)) event.config.outbox_bytes_max = 100 + pick(world, 1000);
    }
    world->window_max = 0;
    world->batch_count_max = 0;
    for (size_t i = 0; i < event.config.endpoint_count; i++) {
        world->window_max += endpoints[i].window_max;
        if (endpoints[i].batch_count_max > world->batch_count_max)
            world->batch_count_max = endpoints[i].batch_count_max;
    }
    world_step(world, &event);
}

/* ---- Steps ---- */

static void trace(struct world *world, struct span bytes, uint64_t number)
{
    world->trace = hash_seeded(bytes, world->trace * 31 + number);
}

static void trace_update(struct world *world)
{
    const struct shard_update *update = &world->update;
    trace(world, buffer_span(&update->records), update->first_seq);
    for (size_t i = 0; i < update->answer_count; i++) {
        struct shard_answer answer = shard_update_answer(update, i);
        trace(world, answer.body, answer.waiter * 64 + answer.kind);
        trace(world, answer.message_id, answer.number);
    }
    for (size_t i = 0; i < update->invocation_count; i++)
        trace(world, update->invocations[i]->invocation_id, update->invocations[i]->attempt);
    int64_t wake_ms = shard_wake_at(world->shard);
    trace(world, span_of(&wake_ms, sizeof wake_ms), update->commit_wanted);
}

void (*world_guard)(bool inside);

static int run(struct world *world, struct shard_event *event)
{
    event->clock = world->clock;
    if (world_guard != NULL) world_guard(true);
    int error = shard_step(world->shard, event, &world->update);
    if (world_guard != NULL) world_guard(false);
    MUST(error == 0 || (error == ERROR_MEMORY && world_guard != NULL));
    world->steps++;
    ledger_append(&world->ledger, &world->update);
    if (error == 0) trace_update(world);
    return error;
}

static void take_update(struct world *world)
{
    struct shard_update *update = &world->update;
    for (size_t i = 0; i < update->answer_count; i++) {
        struct shard_answer answer = shard_update_answer(update, i);
        take_answer(world, &answer);
    }
    for (size_t i = 0; i < update->invocation_count; i++)
        function_called(world, update->invocations[i]);
    shard_update_clear(update);
    if (chance(world, 30)) ledger_cut(&world->ledger, world->shard, 1 + pick(world, 3000));
    ledger_publish(&world->ledger);
}

void world_step(struct world *world, struct shard_event *event)
{
    if (run(world, event) != 0) { /* the owner stops, showing nothing; the image is still right */
        world_check(world);
        shard_update_clear(&world->update);
        world_guard = NULL; /* the next life has memory */
        world_crash(world);
        return;
    }
    if (!world->calm && pick(world, 1000) < world->crash_per_mille) {
        /* killed between the step and what it wanted: nobody hears of it */
        shard_update_clear(&world->update);
        world_crash(world);
        return;
    }
    take_update(world);
}

waiter_t world_ask(struct world *world, struct shard_event *event, enum waiting_for what,
                   uint32_t subject)
{
    if (world->waiters_count == 0) ADD(world, waiters); /* 0 is nobody */
    struct waiter *waiter = ADD(world, waiters);
    *waiter = (struct waiter){what, subject};
    event->waiter = world->waiters_count - 1;
    waiter_t number = event->waiter;
    world_step(world, event);
    return number;
}

void world_durable(struct world *world, uint64_t seq)
{
    if (seq <= world->ledger.durable) return;
    struct shard_event event = {.kind = EVENT_DURABLE, .durable_seq = seq};
    world->ledger.durable = seq;
    world_step(world, &event);
}

void world_pass(struct world *world, int64_t ms)
{
    world->clock.mono_ms += ms;
    world->clock.wall_ms += ms;
    struct shard_event event = {.kind = EVENT_TICK};
    world_step(world, &event);
}

/* ---- Crashes ---- */

static void start(struct world *world)
{
    ledger_open_epoch(&world->ledger, world->shard, 99);
    MUST(shard_start(world->shard) == 0);
    world_configure(world);
}

void world_crash(struct world *world)
{
    uint64_t unsure = world->ledger.count - world->ledger.durable;
    uint64_t keep = world->ledger.durable + (unsure == 0 ? 0 : pick(world, (uint32_t)unsure + 1));
    shard_close(world->shard);
    world->crashes++;
    world->call_count = 0;
    world->pulling = false;
    for (uint32_t i = 0; i < world->waiters_count; i++) world->waiters[i].what = WAIT_NOTHING;
    ledger_lose_after(&world->ledger, keep);
    world->shard = ledger_recover(&world->ledger, chance(world, 80));
    if (chance(world, 20)) world_check(world);
    uint32_t again = world->crash_per_mille;
    world->crash_per_mille = 0; /* the next life begins in peace */
    start(world);
    world->crash_per_mille = again;
}

void world_check(struct world *world)
{
    ledger_check(&world->ledger, world->shard);
    world->checks++;
}

/* ---- Life ---- */

void world_open(struct world *world, uint64_t seed)
{
    *world = (struct world){.seed = seed, .prng = {seed * 0x9e3779b97f4a7c15u + 1}};
    ledger_init(&world->ledger);
    shard_update_init(&world->update);
    world->clock = (struct shard_clock){1700000000000, 1000};
    static const uint32_t crashes[] = {0, 5, 20, 80}, fails[] = {0, 10, 40};
    world->crash_per_mille = crashes[pick(world, 4)];
    world->fail_percent = fails[pick(world, 3)];
    world->has_operators = chance(world, 50);
    world->has_purges = world->has_operators && chance(world, 40);
    world->has_reloads = chance(world, 40);
    world->has_budgets = chance(world, 40);
    world->has_clock_jumps = chance(world, 30);
    world->lazy_disk = chance(world, 50);
    world->may_forget = chance(world, 20);
    ADD(world, notes); /* numbers begin at 1 */
    ADD(world, deeds);
    ADD(world, scribbles);
    world->shard = ledger_recover(&world->ledger, false);
    uint32_t crash_per_mille = world->crash_per_mille;
    world->crash_per_mille = 0;
    start(world);
    world->crash_per_mille = crash_per_mille;
}

void world_close(struct world *world)
{
    shard_close(world->shard);
    shard_update_close(&world->update);
    ledger_close(&world->ledger);
    free(world->notes);
    free(world->deeds);
    free(world->scribbles);
    free(world->waiters);
    free(world->cancels);
    free(world->replies);
    free(world->reply_seen);
    free(world->reads);
    free(world->read_entries);
    free(world->egress);
}
