#include "crashpoints/point.h"

#include "app/savepoint_file.h"
#include "base/check.h"
#include "lib/fake_threads.h"
#include "lib/shard_fixture.h"
#include "store/snapshot.h"

#include <stdio.h>

enum { SENDS = 24, IDS = 60 };

static struct fixture *owner(struct fixture *const *fixtures, uint32_t count, const char *id)
{
    return fixtures[slot_owner(slot_of(span_text(id)), count)];
}

/* A function that got a message sends one to any other, which may be of another shard. */
static void answer(struct fixture *fixture, const char *id, struct prng *prng)
{
    char other[16];
    const struct shard_invocation *call = fixture_call(fixture, "t/a", id);
    if (call == NULL) return;
    snprintf(other, sizeof other, "k%u", (unsigned)prng_below(prng, IDS));
    struct effect_message sent = {fixture_address("t/b", other), fixture_value("across")};
    struct effect_delayed later = {.target = fixture_address("t/c", other),
                                   .argument = fixture_value("later"),
                                   .delay_ms = 100000};
    struct effect_mutation state = {
        .name = SPAN_LITERAL("seen"), .type_name = SPAN_LITERAL("t/v"), .value = span_text(other)};
    struct function_response response = {.messages = &sent,
                                         .message_count = 1,
                                         .delayed = &later,
                                         .delayed_count = 1,
                                         .mutations = &state,
                                         .mutation_count = prng_below(prng, 2)};
    fixture_result(fixture, call, &response);
}

static void work(struct fixture *const *fixtures, uint32_t count, struct prng *prng)
{
    const struct state_spec spec = {.name = SPAN_LITERAL("seen"), .type_name = SPAN_LITERAL("t/v")};
    for (uint32_t i = 0; i < count; i++) fixtures[i]->quiet = true;
    for (int i = 0; i < SENDS; i++) {
        char id[16];
        snprintf(id, sizeof id, "k%u", (unsigned)prng_below(prng, IDS));
        struct fixture *fixture = owner(fixtures, count, id);
        fixture_send(fixture, "t/a", id, "go");
        const struct shard_invocation *call = fixture_call(fixture, "t/a", id);
        if (call != NULL && i < 3) fixture_incomplete(fixture, call, &spec, 1);
        if (prng_below(prng, 3) > 0) answer(fixture, id, prng);
    }
}

static void take_cut(struct fixture *fixture, struct shard *into, struct snapshots *snapshots)
{
    struct cut_block block;
    while (shard_cut_next(fixture->shard, &block)) {
        CHECK(snapshot_write(snapshots, block.block, block.bytes) == 0);
        if (block.bytes.size > 0) CHECK(shard_load(into, block.block, block.bytes) == 0);
    }
    CHECK(!shard_cut_failed(fixture->shard));
    shard_cut_end(fixture->shard);
}

static void take_part(struct point *point, struct fixture *fixture, struct snapshot_info *info)
{
    char path[FILE_PATH_MAX];
    struct errmsg errmsg;
    struct snapshots *snapshots;
    struct snapshot_info newest;
    uint32_t number = fixture->number;
    struct shard_event event = {.kind = EVENT_CUT, .cut = 1};
    fixture_step(fixture, &event);
    *info = (struct snapshot_info){.seq = shard_cut_seq(fixture->shard),
                                   .lineage = shard_lineage(fixture->shard),
                                   .epoch = shard_epoch(fixture->shard)};
    CHECK(shard_open(&point->old[number]) == 0);
    CHECK(shard_place(point->old[number], number, point->count) == 0);
    CHECK(savepoint_shard_path(path, POINT_DIRECTORY, number, &errmsg) == 0);
    CHECK(snapshots_open(&snapshots, path, &newest, &errmsg) == 0);
    CHECK(snapshot_begin(snapshots, info) == 0);
    take_cut(fixture, point->old[number], snapshots);
    snapshot_finish(snapshots);
    while (snapshot_poll(snapshots, info, &errmsg) != SNAPSHOT_PUBLISHED)
        fake_threads_sleep_us(1000);
    snapshots_close(snapshots);
}

void point_make(struct point *point, uint32_t count, struct prng *prng)
{
    struct fixture *fixtures[POINT_SHARDS_MAX];
    struct snapshot_info infos[POINT_SHARDS_MAX];
    struct savepoint_info info = {.cut = 1, .count = count, .shards = infos};
    struct errmsg errmsg;
    *point = (struct point){.count = count};
    for (uint32_t i = 0; i < count; i++) fixtures[i] = fixture_open_at(i, count);
    work(fixtures, count, prng);
    for (uint32_t i = 0; i < count; i++) {
        take_part(point, fixtures[i], &infos[i]);
        fixture_close(fixtures[i]);
    }
    CHECK(savepoint_write(POINT_DIRECTORY, &info, &errmsg) == 0);
}

void point_close(struct point *point)
{
    for (uint32_t i = 0; i < point->count; i++) shard_close(point->old[i]);
    point->count = 0;
}

uint64_t point_digest(const struct point *point, uint32_t number, uint32_t count, uint64_t lineage)
{
    struct shard *made;
    CHECK(shard_open(&made) == 0);
    CHECK(shard_place(made, number, count) == 0);
    CHECK(shard_restore(made, point->old, point->count, lineage) == 0);
    uint64_t digest = shard_digest(made);
    shard_close(made);
    return digest;
}
