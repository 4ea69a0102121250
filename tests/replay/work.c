#include "work.h"

#include "app/engine.h"
#include "base/check.h"
#include "base/reader.h"
#include "fake_invoke.h"
#include "os/log.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    WAITERS_MAX = 4096,
    STEP_US = 1000,
    EVENTS_PER_STEP = 6,
    KEYS = 400,
    TOKENS = 300,
    STOPPING_TURNS = 5
};

static const struct shard_endpoint endpoints[] = {{.pattern = {(const uint8_t *)"t/*", 3},
                                                   .window_max = 16,
                                                   .batch_count_max = 8,
                                                   .batch_bytes_max = 64 << 10,
                                                   .payload_bytes_max = 1 << 20,
                                                   .attempts_max = 3,
                                                   .retry_for_ms = 2000,
                                                   .expose = true},
                                                  {.pattern = {(const uint8_t *)"u/mail", 6},
                                                   .window_max = 4,
                                                   .batch_count_max = 2,
                                                   .batch_bytes_max = 64 << 10,
                                                   .payload_bytes_max = 1 << 20,
                                                   .attempts_max = 2,
                                                   .retry_for_ms = 1000,
                                                   .dispatch_durable = true,
                                                   .expose = true}};

static const struct shard_egress egresses[] = {{{(const uint8_t *)"t/out", 5}, EGRESS_PULL},
                                               {{(const uint8_t *)"t/none", 6}, EGRESS_DISCARD}};

struct work;

/* Somebody who asked the port for something. */
struct client {
    struct port_waiter waiter; /* first */
    struct work *work;
    bool busy;
};

struct work {
    struct loop loop;
    struct engine engine;
    struct prng prng;
    struct witness *witness;
    struct loop_turn_end before, after; /* the engine's own turn end stands between them */
    struct loop_timer step;
    struct client clients[WAITERS_MAX];
    size_t next_client;
    uint64_t shown; /* last cursor that a pull has shown */
    uint64_t snapshots;
    int stopping;
};

static bool chance(struct work *work, unsigned percent)
{
    return prng_below(&work->prng, 100) < percent;
}

/* ---- Witness ---- */

/* The only places where the journal may end after a crash are those where somebody could have
 * looked: after an event, and at either side of the engine's turn end. */
static void look(struct work *work)
{
    struct witness *witness = work->witness;
    uint64_t seq = shard_seq(work->engine.shard);
    CHECK(seq < WITNESS_SEQS);
    if (seq == atomic_load(&witness->last_seq)) return;
    atomic_store(&witness->digests[seq], shard_digest(work->engine.shard));
    atomic_store(&witness->last_seq, seq);
}

static void look_after_answer(void *context)
{
    look(context);
}

static void look_before(struct loop_turn_end *turn_end)
{
    look(CONTAINER_OF(turn_end, struct work, before));
}

static void look_after(struct loop_turn_end *turn_end)
{
    struct work *work = CONTAINER_OF(turn_end, struct work, after);
    look(work);
    atomic_store(&work->witness->durable, journal_durable(work->engine.journal));
    uint64_t snapshots = work->engine.snapshotter.published;
    witness_happened(work->witness, HAPPENED_SNAPSHOT, snapshots - work->snapshots);
    work->snapshots = snapshots;
}

static void failed(void *context, const char *why)
{
    (void)context;
    fprintf(stderr, "the engine failed: %s\n", why);
    abort();
}

/* ---- Clients ---- */

static void take_records(struct work *work, struct span body)
{
    struct reader reader = reader_of(body);
    while (reader_left(&reader) > 0 && !reader.failed) {
        work->shown = reader_varint(&reader);
        (void)reader_string(&reader);
        witness_happened(work->witness, HAPPENED_PULLED, 1);
    }
    CHECK(!reader.failed);
}

static void answered(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct client *client = (struct client *)waiter;
    struct work *work = client->work;
    client->busy = false;
    switch (answer->kind) {
    case ANSWER_ACCEPTED: witness_happened(work->witness, HAPPENED_SEND, 1); break;
    case ANSWER_DUPLICATE: witness_happened(work->witness, HAPPENED_DUPLICATE, 1); break;
    case ANSWER_REPLY: witness_happened(work->witness, HAPPENED_REPLY, 1); break;
    case ANSWER_PARKED: witness_happened(work->witness, HAPPENED_PARKED, 1); break;
    case ANSWER_ROWS: take_records(work, answer->body); break;
    default: break;
    }
}

/* 0 when all are busy: then nobody waits. */
static waiter_t any_client(struct work *work)
{
    for (size_t tries = 0; tries < 8; tries++) {
        struct client *client = &work->clients[work->next_client++ % WAITERS_MAX];
        if (client->busy) continue;
        client->busy = true;
        client->work = work;
        client->waiter.answer = answered;
        return waiter_of(&client->waiter);
    }
    return 0;
}

static void submit(struct work *work, struct shard_event *event)
{
    event->waiter = any_client(work);
    if (event->waiter == 0) return;
    port_submit(&work->engine.port, event);
    look(work);
}

/* The message that belongs to a number. */
static struct span value_of(uint64_t number, struct buffer *out)
{
    char text[40];
    snprintf(text, sizeof text, "message %llu", (unsigned long long)number);
    typed_value_encode(out, SPAN_LITERAL("t/value"), span_text(text));
    return buffer_span(out);
}

static void send_one(struct work *work)
{
    char key[24], token[40];
    struct buffer value;
    buffer_init(&value);
    struct shard_event event = {.kind = EVENT_MESSAGE};
    struct event_message *message = &event.message;
    uint64_t number = prng_below(&work->prng, KEYS);
    struct prng of_number = {number};
    message->target = fake_address(&of_number);
    message->delay_ms = -1;
    if (chance(work, 30)) {
        snprintf(key, sizeof key, "key-%u", (unsigned)number);
        message->key = span_text(key);
        if (chance(work, 10)) number++; /* the same key with another body */
    }
    message->argument = value_of(number, &value);
    if (chance(work, 20)) {
        snprintf(token, sizeof token, "%016llx%016llx", (unsigned long long)prng_next(&work->prng),
                 (unsigned long long)prng_next(&work->prng));
        message->reply_token = span_text(token);
    } else if (chance(work, 20)) {
        snprintf(token, sizeof token, "token %u", (unsigned)prng_below(&work->prng, TOKENS));
        message->delay_ms = (int64_t)prng_below(&work->prng, 500);
        message->cancel_token = chance(work, 70) ? span_text(token) : SPAN_EMPTY;
    }
    submit(work, &event);
    buffer_close(&value);
}

static void cancel_one(struct work *work)
{
    char token[24];
    struct shard_event event = {.kind = EVENT_CANCEL};
    snprintf(token, sizeof token, "token %u", (unsigned)prng_below(&work->prng, TOKENS));
    event.cancel.id = fake_address(&work->prng).id;
    event.cancel.token = span_text(token);
    submit(work, &event);
    witness_happened(work->witness, HAPPENED_CANCEL, 1);
}

static void write_one(struct work *work)
{
    struct shard_event event = {.kind = EVENT_STATE};
    event.state = (struct event_state){.address = fake_address(&work->prng),
                                       .name = SPAN_LITERAL("plain"),
                                       .is_delete = chance(work, 30),
                                       .define = chance(work, 50),
                                       .if_match = chance(work, 20),
                                       .type_name = SPAN_LITERAL("t/value"),
                                       .value = SPAN_LITERAL("written from outside"),
                                       .version = prng_below(&work->prng, 3)};
    submit(work, &event);
    witness_happened(work->witness, HAPPENED_WRITE, 1);
}

static void operate_one(struct work *work)
{
    static const enum operator_verb verbs[] = {VERB_RETRY, VERB_SKIP, VERB_DEAD_LETTER};
    struct shard_event event = {.kind = EVENT_OPERATOR};
    event.operate = (struct event_operator){.verb = verbs[prng_below(&work->prng, 3)],
                                            .who = SPAN_LITERAL("a test")};
    if (chance(work, 90)) event.operate.address = fake_address(&work->prng);
    submit(work, &event);
    witness_happened(work->witness, HAPPENED_OPERATED, 1);
}

static void pull_some(struct work *work)
{
    struct shard_event event = {.kind = EVENT_PULL};
    event.pull =
        (struct event_pull){.egress = SPAN_LITERAL("t/out"), .after = work->shown, .max = 50};
    if (chance(work, 30)) {
        event.kind = EVENT_PULL_ACK;
    } else if (chance(work, 10)) {
        event.pull.after = 0;
    }
    submit(work, &event);
}

static void do_something(struct work *work)
{
    uint64_t kind = prng_below(&work->prng, 100);
    if (kind < 80)
        send_one(work);
    else if (kind < 84)
        cancel_one(work);
    else if (kind < 90)
        write_one(work);
    else if (kind < 93)
        operate_one(work);
    else
        pull_some(work);
}

static void stepped(struct loop_timer *timer)
{
    struct work *work = CONTAINER_OF(timer, struct work, step);
    loop_timer_set(&work->loop, timer, loop_now_us(&work->loop) + STEP_US);
    /* What was accepted last goes to the journal before the end. */
    if (atomic_load(&work->witness->stop)) {
        if (work->stopping++ == STOPPING_TURNS) loop_stop(&work->loop);
        return;
    }
    for (int i = 0; i < EVENTS_PER_STEP; i++) do_something(work);
}

/* ---- The process ---- */

static int start(struct work *work, const struct work_options *options)
{
    struct errmsg errmsg = {{0}};
    struct engine_options engine = {.directory = options->directory,
                                    .loop = &work->loop,
                                    .snapshot_every_ms = options->snapshot_every_ms,
                                    .failed = failed};
    struct shard_config config = {.endpoints = endpoints,
                                  .endpoint_count = sizeof endpoints / sizeof *endpoints,
                                  .egresses = egresses,
                                  .egress_count = sizeof egresses / sizeof *egresses,
                                  .memory_max = 256 << 20,
                                  .outbox_bytes_max = 4 << 20,
                                  .dedup_window_ms = 1500,
                                  .dedup_bytes_max = 100 << 10,
                                  .reply_keep_ms = 1500,
                                  .seed = options->seed};
    fake_invoke_use(&work->prng, work->witness, look_after_answer, work);
    loop_at_turn_end(&work->loop, &work->before);
    int error = engine_open(&work->engine, &engine, &errmsg);
    if (error != 0) {
        fprintf(stderr, "the engine does not open: %s\n", errmsg.text);
        return error;
    }
    look(work);
    loop_at_turn_end(&work->loop, &work->after);
    return engine_configure(&work->engine, &config);
}

int work_run(const struct work_options *options)
{
    struct work *work = calloc(1, sizeof *work);
    if (work == NULL) return 1;
    log_level_set(LOG_WARN); /* a snapshot is news here only when it fails */
    work->witness = options->witness;
    work->prng.state = options->seed;
    work->before.run = look_before;
    work->after.run = look_after;
    work->step.expired = stepped;
    if (loop_init(&work->loop) != 0 || start(work, options) != 0) return 1;
    loop_timer_set(&work->loop, &work->step, loop_now_us(&work->loop) + STEP_US);
    loop_touch(&work->loop);
    int error = loop_run(&work->loop);
    engine_close(&work->engine);
    loop_close(&work->loop);
    free(work);
    return error == 0 ? 0 : 1;
}
