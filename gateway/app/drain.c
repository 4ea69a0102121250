/*
 * The end in good order. First nothing new comes in, and whoever waits still gets an answer; then
 * no new calls are made, and those that are out come back. What has not been done by then is in the
 * journal and goes on after the next start.
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

void drain_turn(struct gateway *gateway)
{
    if (gateway->drain == DRAIN_NOT || gateway->stop) return;
    struct shard_metrics metrics;
    shard_metrics(gateway->engine.shard, &metrics);
    int64_t spent_us = loop_now_us(&gateway->loop) - gateway->drain_begun_us;
    int64_t most_us = gateway->settings.gateway.drain_ms * 1000;
    if (gateway->drain == DRAIN_WAITERS && (metrics.waiters == 0 || spent_us > most_us * 3 / 4)) {
        gateway->drain = DRAIN_CALLS;
        wiring_stop_dispatch(gateway);
    }
    bool done = gateway->drain == DRAIN_CALLS && metrics.sent == 0 &&
                journal_durable(gateway->engine.journal) == metrics.seq;
    if (done || spent_us >= most_us) {
        LOG(LOG_INFO, "drained", LOG_NUMBER("calls_dropped", metrics.sent),
            LOG_NUMBER("ms", spent_us / 1000));
        gateway->stop = true;
        return;
    }
    if (gateway->drain == DRAIN_CALLS) journal_commit(gateway->engine.journal);
    if (!gateway->drain_timer.set) look_again(gateway);
}
