/*
 * Bridges under load: one engine's thread, several I/O threads, each with guests that ask, wait,
 * leave at the worst moments, and use their memory again at once. Every question that is not taken
 * back is answered exactly once, with what belongs to it, and at the end all is closed with things
 * under way. Exits with 0 when so; the sanitizers say the rest.
 */
#include "app/bridge.h"

#include "base/check.h"
#include "base/prng.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 3, GUESTS = 40, RUN_MS = 1500, STEP_US = 200, PER_STEP = 10, HELD_MAX = 4096 };

/* ---- The engine's side: a port that keeps questions for a while ---- */

struct held {
    struct port_waiter *waiter;
    uint64_t number;
    char text[40];
};

struct engine_side {
    struct port port; /* first */
    struct loop loop;
    struct inbox inbox;
    struct loop_turn_end turn_end;
    struct loop_timer step;
    struct prng prng;
    struct held held[HELD_MAX];
    size_t count;
    uint64_t questions, left;
    struct loop_signal stopped;
    pthread_t thread;
};

static void name_question(char text[40], uint64_t number)
{
    snprintf(text, 40, "question %" PRIu64, number);
}

static void forget(struct engine_side *engine, const struct port_waiter *waiter)
{
    for (size_t i = 0; i < engine->count; i++) {
        if (engine->held[i].waiter != waiter) continue;
        engine->held[i] = engine->held[--engine->count];
        engine->left++;
        return;
    }
    CHECK(false); /* only those who wait may leave */
}

static void submit(struct port *port, struct shard_event *event)
{
    struct engine_side *engine = (struct engine_side *)port;
    struct port_waiter *waiter = (struct port_waiter *)(uintptr_t)event->waiter;
    if (event->kind == EVENT_DETACH) {
        forget(engine, waiter);
        return;
    }
    CHECK(event->kind == EVENT_QUERY && engine->count < HELD_MAX);
    struct held *held = &engine->held[engine->count++];
    held->waiter = waiter;
    held->number = (uint64_t)event->query.limit;
    CHECK(event->query.name.size < sizeof held->text);
    memcpy(held->text, event->query.name.at, event->query.name.size);
    held->text[event->query.name.size] = 0;
    engine->questions++;
}

static void answer_one(struct engine_side *engine)
{
    size_t i = prng_below(&engine->prng, engine->count);
    struct held held = engine->held[i];
    struct shard_answer answer = {
        .kind = ANSWER_VALUE, .number = held.number, .body = span_text(held.text)};
    engine->held[i] = engine->held[--engine->count];
    held.waiter->answer(held.waiter, &answer);
}

static void engine_turn_ended(struct loop_turn_end *turn_end)
{
    struct engine_side *engine = CONTAINER_OF(turn_end, struct engine_side, turn_end);
    while (engine->count > 0 && prng_below(&engine->prng, 8) != 0) answer_one(engine);
}

static void engine_stepped(struct loop_timer *timer)
{
    struct engine_side *engine = CONTAINER_OF(timer, struct engine_side, step);
    loop_timer_set(&engine->loop, timer, loop_now_us(&engine->loop) + STEP_US);
}

static void engine_stop(struct loop_signal *signal)
{
    loop_stop(&CONTAINER_OF(signal, struct engine_side, stopped)->loop);
}

static void *engine_run(void *context)
{
    struct engine_side *engine = context;
    CHECK(loop_run(&engine->loop) == 0);
    return NULL;
}

static void engine_open(struct engine_side *engine)
{
    *engine = (struct engine_side){.port = {submit}, .prng = {1}};
    CHECK(loop_init(&engine->loop) == 0);
    CHECK(inbox_open(&engine->inbox, &engine->loop) == 0);
    engine->turn_end.run = engine_turn_ended;
    engine->step.expired = engine_stepped;
    CHECK(loop_signal_init(&engine->loop, &engine->stopped, engine_stop) == 0);
    loop_at_turn_end(&engine->loop, &engine->turn_end);
    loop_timer_set(&engine->loop, &engine->step, 0);
}

/* ---- An I/O thread ---- */

struct io_side;

struct guest {
    struct port_waiter waiter; /* first */
    struct io_side *side;
    bool busy;
    uint64_t number;
};

struct io_side {
    struct loop loop;
    struct inbox inbox;
    struct bridge bridge;
    struct loop_timer step;
    struct loop_signal stopped;
    struct prng prng;
    struct guest *guests[GUESTS];
    uint64_t next;
    uint64_t asked, answered, taken_back, wrong;
    pthread_t thread;
};

static void answered(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct guest *guest = (struct guest *)waiter;
    char text[40];
    name_question(text, guest->number);
    if (!guest->busy || answer->kind != ANSWER_VALUE || answer->number != guest->number ||
        !span_equal(answer->body, span_text(text)))
        guest->side->wrong++;
    guest->busy = false;
    guest->side->answered++;
}

static struct guest *guest_new(struct io_side *side)
{
    struct guest *guest = calloc(1, sizeof *guest);
    CHECK(guest != NULL);
    guest->waiter.answer = answered;
    guest->side = side;
    return guest;
}

static void ask(struct io_side *side, struct guest *guest)
{
    char text[40];
    guest->busy = true;
    guest->number = side->next++;
    name_question(text, guest->number);
    struct shard_event event = {.kind = EVENT_QUERY, .waiter = waiter_of(&guest->waiter)};
    event.query = (struct event_query){.name = span_text(text), .limit = (uint32_t)guest->number};
    port_submit(&side->bridge.port, &event);
    side->asked++;
}

static void take_back(struct io_side *side, struct guest *guest)
{
    struct shard_event event = {.kind = EVENT_DETACH, .waiter = waiter_of(&guest->waiter)};
    port_submit(&side->bridge.port, &event);
    guest->busy = false;
    side->taken_back++;
}

static void do_something(struct io_side *side)
{
    struct guest **guest = &side->guests[prng_below(&side->prng, GUESTS)];
    if (!(*guest)->busy) {
        ask(side, *guest);
    } else if (prng_below(&side->prng, 3) == 0) {
        take_back(side, *guest);
        if (prng_below(&side->prng, 2) == 0) { /* mostly the same memory comes back */
            free(*guest);
            *guest = guest_new(side);
        }
        ask(side, *guest);
    }
}

static void io_stepped(struct loop_timer *timer)
{
    struct io_side *side = CONTAINER_OF(timer, struct io_side, step);
    for (int i = 0; i < PER_STEP; i++) do_something(side);
    loop_timer_set(&side->loop, timer, loop_now_us(&side->loop) + STEP_US);
}

static void io_stop(struct loop_signal *signal)
{
    loop_stop(&CONTAINER_OF(signal, struct io_side, stopped)->loop);
}

static void *io_run(void *context)
{
    struct io_side *side = context;
    CHECK(loop_run(&side->loop) == 0);
    return NULL;
}

static void io_open(struct io_side *side, struct engine_side *engine, uint64_t seed)
{
    *side = (struct io_side){.prng = {seed}, .next = 1};
    for (int i = 0; i < GUESTS; i++) side->guests[i] = guest_new(side);
    CHECK(loop_init(&side->loop) == 0);
    CHECK(inbox_open(&side->inbox, &side->loop) == 0);
    bridge_open(&side->bridge, &side->inbox, &engine->inbox, &engine->port);
    CHECK(loop_signal_init(&side->loop, &side->stopped, io_stop) == 0);
    side->step.expired = io_stepped;
    loop_timer_set(&side->loop, &side->step, 0);
}

static void io_close(struct io_side *side)
{
    bridge_close(&side->bridge);
    inbox_close(&side->inbox);
    loop_signal_close(&side->loop, &side->stopped);
    loop_close(&side->loop);
    for (int i = 0; i < GUESTS; i++) free(side->guests[i]);
}

/* ---- */

static uint64_t count_busy(const struct io_side *side)
{
    uint64_t count = 0;
    for (int i = 0; i < GUESTS; i++) count += side->guests[i]->busy;
    return count;
}

static bool is_good(const struct io_side *side)
{
    uint64_t busy = count_busy(side);
    bool good = side->wrong == 0 && side->answered > 100 && side->taken_back > 100 &&
                side->asked == side->answered + side->taken_back + busy;
    printf("%s asked %" PRIu64 ", answered %" PRIu64 ", taken back %" PRIu64 ", wrong %" PRIu64
           ", under way at the end %" PRIu64 "\n",
           good ? "ok  " : "FAIL", side->asked, side->answered, side->taken_back, side->wrong,
           busy);
    return good;
}

static void start(pthread_t *thread, void *(*run)(void *), void *context)
{
    CHECK(pthread_create(thread, NULL, run, context) == 0);
}

int main(void)
{
    static struct engine_side engine;
    static struct io_side sides[THREADS];
    struct timespec time = {RUN_MS / 1000, RUN_MS % 1000 * 1000000L};
    bool good = true;
    engine_open(&engine);
    for (int i = 0; i < THREADS; i++) io_open(&sides[i], &engine, (uint64_t)i + 100);
    start(&engine.thread, engine_run, &engine);
    for (int i = 0; i < THREADS; i++) start(&sides[i].thread, io_run, &sides[i]);
    nanosleep(&time, NULL);
    for (int i = 0; i < THREADS; i++) loop_signal_send(&sides[i].stopped);
    for (int i = 0; i < THREADS; i++) pthread_join(sides[i].thread, NULL);
    loop_signal_send(&engine.stopped);
    pthread_join(engine.thread, NULL);
    for (int i = 0; i < THREADS; i++) good &= is_good(&sides[i]);
    for (int i = 0; i < THREADS; i++) io_close(&sides[i]);
    printf("engine: %" PRIu64 " questions, %" PRIu64 " left\n", engine.questions, engine.left);
    good &= engine.count == 0; /* closing has said good-bye for those who still waited */
    list_remove(&engine.turn_end.link);
    inbox_close(&engine.inbox);
    loop_signal_close(&engine.loop, &engine.stopped);
    loop_close(&engine.loop);
    return good ? 0 : 1;
}
