/*
 * Whose fault a failed call is: only an address's own failures park it, they are counted through
 * crashes, and what has failed often enough is not called again before somebody says so.
 */
#include "world.h"

static struct promise *promise_of(struct world *world, const struct call *call)
{
    struct host *host = &world->hosts[call->host];
    bool is_valid = call->config == host->configs && call->endpoint < host->endpoint_count;
    return is_valid ? &host->promises[call->endpoint] : NULL;
}

void blame_called(struct world *world, struct call *call)
{
    HOLDS(11, !world->tries[call->address].must_park);
    call->alone = true;
    for (uint32_t i = 0; i < world->call_count; i++) {
        struct call *other = &world->calls[i];
        if (other->host != call->host || other->endpoint != call->endpoint) continue;
        if (other->config != call->config) continue; /* the number may mean another one */
        call->alone = other->alone = false;
    }
}

void blame_forget(struct world *world, uint32_t address)
{
    world->tries[address] = (struct tries){0};
}

/* Of `count` failures those are surely written down that the last power of two counts. */
static void count_failure(struct world *world, const struct host *host, const struct call *call,
                          uint32_t attempts_max)
{
    struct tries *tries = &world->tries[call->address];
    uint32_t power = 0;
    tries->count++;
    while (power + 1 < TRIES_POWERS && 2u << power <= tries->count) power++;
    if (tries->written[power] == 0) tries->written[power] = shard_seq(host->shard);
    if (tries->is_edited) tries->count = 1u << power; /* a write ends what was not written down */
    if (attempts_max > 0 && tries->count >= attempts_max && world_guard == NULL)
        tries->must_park = true;
}

/* What is left of the counts when the first `survived` records are. */
void blame_recovered(struct world *world, const struct host *host, uint64_t survived)
{
    for (uint32_t i = 0; i < world->history.address_count; i++) {
        struct tries *tries = &world->tries[i];
        if (host_of(world, i) != host) continue;
        tries->count = 0;
        tries->must_park = tries->is_edited = false;
        for (uint32_t power = 0; power < TRIES_POWERS; power++) {
            if (tries->written[power] > survived) tries->written[power] = 0;
            if (tries->written[power] > 0) tries->count = 1u << power;
        }
    }
}

/* An endpoint that loses the calls of several addresses, one by one, is down: it is not they. */
static void count_lost(struct promise *promise, const struct call *call)
{
    if (promise == NULL || !call->alone) return;
    if (promise->killer == 0) promise->killer = call->address + 1;
    if (promise->killer != call->address + 1) promise->is_down = true;
}

static void check_parked(const struct promise *promise, const struct call *call,
                         enum outcome outcome, bool is_misuse)
{
    HOLDS(11, call->message_count == 1);
    switch (outcome) {
    case OUTCOME_BAD_ANSWER:
    case OUTCOME_TOO_LARGE: return;
    case OUTCOME_LOST:
    case OUTCOME_TIMEOUT: HOLDS(11, promise != NULL && call->alone && !promise->is_down); return;
    case OUTCOME_RESULT: HOLDS(11, is_misuse); return;
    default: HOLDS(11, !"the endpoint was to blame");
    }
}

void blame_answered(struct world *world, const struct call *call, enum outcome outcome,
                    bool is_misuse, bool applied, bool parked)
{
    const struct host *host = &world->hosts[call->host];
    struct promise *promise = promise_of(world, call);
    bool is_counted = outcome == OUTCOME_BAD_ANSWER || outcome == OUTCOME_TOO_LARGE;
    if (outcome <= OUTCOME_TOO_LARGE && promise != NULL) {
        promise->killer = 0;
        promise->is_down = false;
    }
    if (outcome == OUTCOME_LOST || outcome == OUTCOME_TIMEOUT) count_lost(promise, call);
    if (parked) check_parked(promise, call, outcome, is_misuse);
    if (outcome == OUTCOME_RESULT && (!is_misuse || applied)) blame_forget(world, call->address);
    if (is_counted && call->message_count == 1 && !world->swarm.has[FAULT_RELOADS])
        count_failure(world, host, call, promise == NULL ? 0 : promise->attempts_max);
}
