/*
 * The end in good order. First nothing new comes in, and whoever waits still gets an answer: from a
 * shard, or in an I/O thread that has handed its request over or still reads it. Then no new calls
 * are made, and those that are out come back. What has not been done by then is in the journal and
 * goes on after the next start.
 */
#include "app/state.h"

#include "os/log.h"

enum { DRAIN_LOOK_US = 20000 };

static void look_again(struct gateway *gateway)
{
    loop_timer_set(&gateway->loop, &gateway->drain_timer,
                   loop_now_us(&gateway->loop) + DRAIN_LOOK_US);
}

static void woken(struct loop_timer *timer)
{
    struct gateway *gateway = CONTAINER_OF(timer, struct gateway, drain_timer);
    wiring_order(gateway); /* an I/O thread that has come to rest says again what it has */
    loop_touch(&gateway->loop);
}

void drain_begin(struct gateway *gateway)
{
    gateway->drain = DRAIN_WAITERS;
    gateway->drain_begun_us = loop_now_us(&gateway->loop);
    gateway->drain_timer.expired = woken;
    wiring_order(gateway);
    LOG(LOG_INFO, "draining", LOG_NUMBER("ms", gateway->settings.gateway.drain_ms));
    look_again(gateway);
}

/* Of all shards and I/O threads together. */
struct rest {
    uint64_t waiters, sent;
    bool reading; /* requests that will be refused once they have come whole */
    bool durable;
};

/* The fronts first: what they have handed over by then is seen in the shards, or answered. */
static void look_at_fronts(struct gateway *gateway, struct rest *rest)
{
    for (size_t i = 0; i < gateway->front_count; i++) {
        struct front *front = &gateway->fronts[i];
        bool drains = atomic_load_explicit(&front->drains, memory_order_acquire);
        uint32_t waiting = atomic_load_explicit(&front->waiting, memory_order_relaxed);
        rest->waiters += drains ? waiting : waiting + 1; /* there may be more that it lets in */
        if (atomic_load_explicit(&front->reading, memory_order_relaxed)) rest->reading = true;
    }
    if (gateway->crew.threaded) rest->waiters += way_waiting(&gateway->way);
}

static struct rest what_is_left(struct gateway *gateway)
{
    struct rest rest = {.durable = true};
    look_at_fronts(gateway, &rest);
    for (uint32_t i = 0; i < gateway->crew.count; i++) {
        struct station_sight sight;
        station_look(&gateway->crew.stations[i], &sight);
        rest.waiters += sight.waiters;
        rest.sent += sight.sent;
        if (sight.durable < sight.seq) rest.durable = false;
    }
    return rest;
}

static void commit_all(struct gateway *gateway)
{
    for (uint32_t i = 0; i < gateway->crew.count; i++)
        journal_commit(gateway->crew.stations[i].engine.journal);
}

/* Who sends slowly gets a part of the time: it has been promised nothing. */
static bool is_answered(const struct rest *rest, int64_t spent_us, int64_t most_us)
{
    if (spent_us > most_us * 3 / 4) return true;
    return rest->waiters == 0 && (!rest->reading || spent_us > most_us / 4);
}

void drain_turn(struct gateway *gateway)
{
    if (gateway->drain == DRAIN_NOT || gateway->stop) return;
    struct rest rest = what_is_left(gateway);
    int64_t spent_us = loop_now_us(&gateway->loop) - gateway->drain_begun_us;
    int64_t most_us = gateway->settings.gateway.drain_ms * 1000;
    bool stopped_now = false;
    if (gateway->drain == DRAIN_WAITERS && is_answered(&rest, spent_us, most_us) &&
        wiring_stop_dispatch(gateway)) {
        gateway->drain = DRAIN_CALLS;
        stopped_now = gateway->crew.threaded; /* what was seen of the engines is older than that */
    }
    bool done = gateway->drain == DRAIN_CALLS && !stopped_now && rest.sent == 0 && rest.durable;
    if (done || spent_us >= most_us) {
        LOG(LOG_INFO, "drained", LOG_UNSIGNED("calls_dropped", rest.sent),
            LOG_NUMBER("ms", spent_us / 1000));
        gateway->stop = true;
        return;
    }
    if (gateway->drain == DRAIN_CALLS) commit_all(gateway);
    if (!gateway->drain_timer.set) look_again(gateway);
}
