/*
 * What one result costs that sends to 10,000 addresses: the answer of a function is parsed and
 * applied in one turn of the loop, in which nobody else is served. `run` counts the instructions of
 * `fanout_answered`. Tells its time: of the processor, and of each round, of which the first has
 * fresh memory.
 */
#include "shard/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COUNT = 10000, ROUNDS = 3, WINDOW = 64, ID_SIZE = 24 };

#define CALLER SPAN_LITERAL("t/caller")
#define CALLED SPAN_LITERAL("t/called")
#define VALUE SPAN_LITERAL("\x0a\x01t\x10\x01\x1a\x01v")

struct fanout {
    struct shard *shard;
    struct shard_update update;
    struct function_response response;
    struct buffer answer;
};

static void must(bool good)
{
    if (!good) abort();
}

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void step(struct fanout *fanout, struct shard_event event)
{
    event.clock = (struct shard_clock){1700000000000, 5000};
    must(shard_step(fanout->shard, &event, &fanout->update) == 0);
}

static void start(struct fanout *fanout)
{
    static const struct shard_endpoint endpoint = {.pattern = {(const uint8_t *)"t/*", 3},
                                                   .window_max = WINDOW,
                                                   .batch_count_max = 1000,
                                                   .batch_bytes_max = 900 << 10,
                                                   .payload_bytes_max = 32 << 20,
                                                   .retry_for_ms = 120000,
                                                   .expose = true};
    struct buffer open;
    buffer_init(&open);
    shard_update_init(&fanout->update);
    function_response_init(&fanout->response);
    buffer_init(&fanout->answer);
    must(shard_open(&fanout->shard) == 0 && shard_place(fanout->shard, 0, 1) == 0);
    shard_encode_open(fanout->shard, &open, 1, 77, SPAN_LITERAL("1"));
    must(!open.failed && shard_replay(fanout->shard, buffer_span(&open), 1, 1) == 0);
    must(shard_start(fanout->shard) == 0);
    buffer_close(&open);
    step(fanout,
         (struct shard_event){
             .kind = EVENT_CONFIG,
             .config = {.endpoints = &endpoint, .endpoint_count = 1, .memory_max = 1 << 30}});
}

static void fill_answer(struct fanout *fanout, int round)
{
    static struct effect_message messages[COUNT];
    static char ids[COUNT][ID_SIZE];
    for (int i = 0; i < COUNT; i++) {
        int size = snprintf(ids[i], ID_SIZE, "account-%d-%08d", round, i);
        messages[i] = (struct effect_message){{CALLED, span_of(ids[i], (size_t)size)}, VALUE};
    }
    buffer_clear(&fanout->answer);
    function_response_encode(
        &fanout->answer, &(struct function_response){.messages = messages, .message_count = COUNT});
    must(!fanout->answer.failed);
}

/* The call that is to be answered. */
static uint64_t call(struct fanout *fanout)
{
    step(fanout, (struct shard_event){.kind = EVENT_MESSAGE,
                                      .message = {.target = {CALLER, SPAN_LITERAL("1")},
                                                  .argument = VALUE,
                                                  .delay_ms = -1}});
    must(fanout->update.invocation_count == 1);
    uint64_t flight = fanout->update.invocations[0]->flight;
    shard_update_clear(&fanout->update);
    return flight;
}

static void respond(struct fanout *fanout, uint64_t flight,
                    const struct function_response *response)
{
    step(fanout,
         (struct shard_event){
             .kind = EVENT_RESPONSE,
             .response = {.flight = flight, .outcome = OUTCOME_RESULT, .response = response}});
}

__attribute__((noinline)) static void fanout_answered(struct fanout *fanout, uint64_t flight)
{
    must(function_response_parse(&fanout->response, buffer_span(&fanout->answer), NULL) == 0);
    respond(fanout, flight, &fanout->response);
}

static bool has_mail(const struct fanout *fanout)
{
    struct shard_metrics metrics;
    shard_metrics(fanout->shard, &metrics);
    return metrics.mailbox_messages > 0;
}

/* Those who were sent to are called, and have nothing to say. */
static void drain(struct fanout *fanout)
{
    static const struct function_response nothing;
    while (has_mail(fanout)) {
        uint64_t flights[WINDOW];
        size_t count = fanout->update.invocation_count;
        must(count <= WINDOW);
        for (size_t i = 0; i < count; i++) flights[i] = fanout->update.invocations[i]->flight;
        shard_update_clear(&fanout->update);
        for (size_t i = 0; i < count; i++) respond(fanout, flights[i], &nothing);
        step(fanout,
             (struct shard_event){.kind = EVENT_DURABLE, .durable_seq = shard_seq(fanout->shard)});
    }
    shard_update_clear(&fanout->update);
}

int main(void)
{
    static struct fanout fanout;
    start(&fanout);
    for (int round = 0; round < ROUNDS; round++) {
        fill_answer(&fanout, round);
        uint64_t flight = call(&fanout);
        double begin_us = now_us();
        fanout_answered(&fanout, flight);
        printf("%d messages: %.0f us\n", COUNT, now_us() - begin_us);
        drain(&fanout);
    }
    function_response_close(&fanout.response);
    buffer_close(&fanout.answer);
    shard_update_close(&fanout.update);
    shard_close(fanout.shard);
    return 0;
}
