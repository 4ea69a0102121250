/* See shard_image.h. */
#include "shard_image.h"

#include "fuzz.h"

void shard_image_read(struct shard *shard)
{
    struct cut_block block;
    (void)shard_digest(shard);
    FUZZ_CHECK(shard_cut_begin(shard, 0) == 0);
    while (shard_cut_next(shard, &block)) fuzz_touch(block.bytes);
    shard_cut_end(shard);
}

void shard_image_check(struct shard *shard)
{
    struct shard *copy;
    struct cut_block block;
    uint64_t digest = shard_digest(shard);
    FUZZ_CHECK(shard_open(&copy) == 0);
    FUZZ_CHECK(shard_cut_begin(shard, 0) == 0);
    while (shard_cut_next(shard, &block))
        if (block.bytes.size > 0) FUZZ_CHECK(shard_load(copy, block.block, block.bytes) == 0);
    FUZZ_CHECK(!shard_cut_failed(shard));
    shard_cut_end(shard);
    FUZZ_CHECK(shard_seq(copy) == shard_seq(shard));
    FUZZ_CHECK(shard_digest(copy) == digest);
    shard_close(copy);
}

static void step(struct shard *shard, struct shard_update *update, struct shard_event *event)
{
    event->clock = (struct shard_clock){1700000000000, 5000 + (int64_t)event->kind};
    FUZZ_CHECK(shard_step(shard, event, update) == 0);
    for (size_t i = 0; i < update->answer_count; i++) {
        struct shard_answer answer = shard_update_answer(update, i);
        fuzz_touch(answer.body);
        fuzz_touch(answer.message_id);
    }
    shard_update_clear(update);
}

static void configure(struct shard *shard, struct shard_update *update)
{
    static const struct shard_endpoint endpoint = {.pattern = {(const uint8_t *)"t/*", 3},
                                                   .window_max = 4,
                                                   .batch_count_max = 10,
                                                   .batch_bytes_max = 1 << 20,
                                                   .payload_bytes_max = 1 << 20,
                                                   .retry_for_ms = 1000,
                                                   .expose = true};
    step(shard, update,
         &(struct shard_event){.kind = EVENT_CONFIG,
                               .config = {.endpoints = &endpoint,
                                          .endpoint_count = 1,
                                          .dedup_window_ms = 1000,
                                          .reply_keep_ms = 1000}});
}

void shard_image_use(struct shard *shard)
{
    struct shard_update update;
    shard_update_init(&update);
    FUZZ_CHECK(shard_start(shard) == 0);
    configure(shard, &update);
    for (enum query_kind kind = QUERY_STATE; kind <= QUERY_EGRESS; kind++)
        step(shard, &update,
             &(struct shard_event){.kind = EVENT_QUERY,
                                   .waiter = 1 + (waiter_t)kind,
                                   .query = {.kind = kind,
                                             .address = {SPAN_LITERAL("t/f"), SPAN_LITERAL("a")},
                                             .name = SPAN_LITERAL("s"),
                                             .limit = 100}});
    step(shard, &update, &(struct shard_event){.kind = EVENT_TICK});
    step(shard, &update,
         &(struct shard_event){.kind = EVENT_DURABLE, .durable_seq = shard_seq(shard)});
    shard_update_close(&update);
}
