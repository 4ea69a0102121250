/* Clients, and sources: those who send, send again, ask and give up. */
#include "world.h"

#include <stdio.h>

void reply_token_of(const struct world *world, uint32_t note, uint32_t try, char token[33])
{
    struct prng prng = {world->seed * 31 + (uint64_t)note * 1000003 + try};
    uint64_t random[2] = {prng_next(&prng), prng_next(&prng)};
    struct address target = address_of(world, world->history.notes[note].target);
    reply_token_make(token, target.id, (const uint8_t *)random);
    token[REPLY_TOKEN_SIZE] = 0;
}

void note_try(struct world *world, struct note *note, const struct host *host)
{
    note->last = (struct moment){world->history.now + 1, host->number};
    /* A shard's clock is behind after a crash that lost the first try: the key's time begins then.
     */
    int64_t now_ms = shard_time_ms(host->shard);
    bool is_first = note->tries == 0 || note->gone;
    if (is_first) note->first = note->last;
    if (is_first || now_ms < note->first_ms) note->first_ms = now_ms;
    if (note->gone) note->due_ms = INT64_MAX;
    note->gone = false;
    note->sent_late = world->late;
    int64_t due_ms = now_ms + note->delay_ms;
    if (note->delayed && (note->tries == 0 || due_ms < note->due_ms)) note->due_ms = due_ms;
    note->tries++;
}

/* A key means something for a time, by the clock of its shard: nobody counts on it later. */
static bool may_try(struct world *world, struct host *host, uint32_t number)
{
    const struct history *history = &world->history;
    uint32_t key = history->notes[number].key_of;
    const struct note *first = &history->notes[key != 0 ? key : number];
    if (first->tries == 0 || history->window_ms == 0) return true;
    struct shard_event tick = {.kind = EVENT_TICK};
    world_step(world, host, &tick);
    first = &history->notes[key != 0 ? key : number];
    return host_runs(host) && shard_time_ms(host->shard) - first->first_ms < history->window_ms;
}

void client_sends(struct world *world, uint32_t number)
{
    struct note *note = &world->history.notes[number];
    struct host *host = host_of(world, note->target);
    if (!host_runs(host) || !may_try(world, host, number)) return;
    note = &world->history.notes[number]; /* the array may have moved */
    char key[24], reply[33], token[24];
    struct buffer argument;
    buffer_init(&argument);
    struct shard_event event = {.kind = EVENT_MESSAGE,
                                .message = {.target = address_of(world, note->target),
                                            .argument = pair_value(world, &argument, number, 0),
                                            .delay_ms = note->delayed ? note->delay_ms : -1}};
    snprintf(key, sizeof key, "key%u", note->key_of != 0 ? note->key_of : number);
    reply_token_of(world, number, note->tries, reply);
    snprintf(token, sizeof token, "c%u", number);
    if (note->is_keyed) event.message.key = span_text(key);
    if (note->is_call) event.message.reply_token = span_text(reply);
    if (note->token != 0) event.message.cancel_token = span_text(token);
    note_try(world, note, host);
    world_ask(world, host, &event, WAIT_NOTE, number);
    buffer_close(&argument);
}

static uint32_t new_note(struct world *world)
{
    struct history *history = &world->history;
    uint32_t target = pick(world, history->address_count);
    if (!host_runs(host_of(world, target))) return 0;
    uint32_t number = history->notes_count;
    struct note *note = ADD(history, notes);
    note->target = target;
    note->hops = pick(world, 4);
    note->is_poison = has(world, FAULT_POISON) && chance(world, 3);
    note->kills = note->is_poison && chance(world, 40);
    note->due_ms = NEVER_MS;
    return number;
}

static void send_new(struct world *world)
{
    uint32_t number = new_note(world);
    if (number == 0) return;
    struct note *note = &world->history.notes[number];
    note->is_keyed = !world->swarm.plain && chance(world, 60);
    note->is_call = !world->swarm.plain && chance(world, 30);
    if (chance(world, 15)) {
        note->delayed = true;
        note->delay_ms = pick(world, 3000);
        note->token = chance(world, 40) ? number : 0;
    }
    client_sends(world, number);
}

void clients_rush(struct world *world, uint32_t count)
{
    for (; count > 0; count--) send_new(world);
}

/* A new message with the key of one that was accepted: it never gets anywhere. */
static void send_another(struct world *world, uint32_t key_of)
{
    struct history *history = &world->history;
    uint32_t number = history->notes_count;
    struct note *note = ADD(history, notes);
    *note = (struct note){.target = history->notes[key_of].target,
                          .key_of = key_of,
                          .is_keyed = true,
                          .refused = true,
                          .due_ms = NEVER_MS};
    world->faults++;
    client_sends(world, number);
}

static void send_again(struct world *world)
{
    const struct history *history = &world->history;
    if (history->notes_count < 2 || history->may_forget) return;
    uint32_t number = 1 + pick(world, history->notes_count - 1);
    const struct note *note = &history->notes[number];
    if (note->origin != 0 || !note->is_keyed || note->refused) return;
    if (note->acked.order != 0 && has(world, FAULT_MISUSE) && chance(world, 20))
        send_another(world, number);
    else
        client_sends(world, number);
}

/* A partition of a log: its records have keys, it goes on where it was sure to be, or before. */
void source_acts(struct world *world)
{
    if (world->source_count > 0 && has(world, FAULT_REWINDS) && !world->history.may_forget &&
        !world->swarm.plain && chance(world, 20)) {
        uint32_t back = 1 + pick(world, world->source_count < 12 ? world->source_count : 12);
        world->faults++;
        for (uint32_t i = world->source_count - back; i < world->source_count; i++)
            client_sends(world, world->source[i]);
        return;
    }
    if (world->source_count == sizeof world->source / sizeof world->source[0]) {
        world->source_count /= 2;
        memmove(world->source, world->source + world->source_count,
                world->source_count * sizeof world->source[0]);
    }
    uint32_t number = new_note(world);
    if (number == 0) return;
    world->history.notes[number].is_keyed = !world->swarm.plain;
    world->source[world->source_count++] = number;
    client_sends(world, number);
}

void client_reads(struct world *world, uint32_t address, const char *name)
{
    struct shard_event event = {.kind = EVENT_QUERY,
                                .query = {.kind = QUERY_STATE,
                                          .address = address_of(world, address),
                                          .name = span_text(name)}};
    world_ask(world, host_of(world, address), &event, name[0] == 'l' ? WAIT_LOG : WAIT_SCRIBBLED,
              address);
}

void client_fetches(struct world *world, uint32_t number)
{
    const struct note *note = &world->history.notes[number];
    char reply[33], key[24];
    reply_token_of(world, number, 0, reply);
    snprintf(key, sizeof key, "key%u", number);
    struct shard_event event = {.kind = EVENT_ATTACH, .reply_token = span_text(reply)};
    if (note->is_keyed) {
        event.call_target = address_of(world, note->target);
        event.call_key = span_text(key);
    }
    world_ask(world, host_of(world, note->target), &event, WAIT_FETCH, number);
}

static void look_around(struct world *world)
{
    static const enum query_kind kinds[] = {QUERY_STATES,    QUERY_KEYS,   QUERY_EXPORT,
                                            QUERY_FUNCTIONS, QUERY_PARKED, QUERY_PARKED_ONE,
                                            QUERY_STATUS,    QUERY_EGRESS};
    uint32_t address = pick(world, world->history.address_count);
    struct shard_event event = {.kind = EVENT_QUERY,
                                .query = {.kind = kinds[pick(world, 8)],
                                          .address = address_of(world, address),
                                          .limit = pick(world, 5)}};
    world_ask(world, host_of(world, address), &event, WAIT_OTHER, 0);
}

static void give_up(struct world *world)
{
    uint32_t number = 1 + pick(world, world->waiters_count - 1);
    struct waiter *waiter = &world->waiters[number];
    struct host *host = &world->hosts[waiter->host];
    if (waiter->host >= world->host_count || !host_runs(host)) return;
    struct shard_event detach = {.kind = EVENT_DETACH, .waiter = number};
    if (waiter->what == WAIT_EGRESS) world->pulling = false;
    if (waiter->what == WAIT_TOPIC) {
        world->popping = false;
        world->history.topic_lost = true;
    }
    waiter->what = WAIT_NOTHING;
    world_step(world, host, &detach);
}

/* Waiters give up, come back, cancel. */
static void fidget(struct world *world)
{
    char text[33];
    if (world->waiters_count < 2 || world->history.notes_count < 2) return;
    uint32_t number = 1 + pick(world, world->history.notes_count - 1);
    const struct note *note = &world->history.notes[number];
    if (chance(world, 50)) {
        give_up(world);
    } else if (note->is_call && note->tries > 0) {
        reply_token_of(world, number, pick(world, note->tries), text);
        struct shard_event attach = {.kind = EVENT_ATTACH, .reply_token = span_text(text)};
        world_ask(world, host_of(world, note->target), &attach, WAIT_ATTACH, number);
    } else if (note->origin == 0 && note->token != 0 && !note->is_keyed) {
        struct shard_event cancel = {.kind = EVENT_CANCEL};
        snprintf(text, sizeof text, "c%u", number);
        cancel.cancel.id = address_of(world, note->target).id;
        cancel.cancel.token = span_text(text);
        world->history.skips[note->target]++; /* it may be gone now */
        world_ask(world, host_of(world, note->target), &cancel, WAIT_OTHER, 0);
    }
}

void client_acts(struct world *world)
{
    switch (pick(world, 15)) {
    case 0:
    case 1:
    case 2:
    case 3: send_new(world); return;
    case 4:
    case 5: source_acts(world); return;
    case 6: send_again(world); return;
    case 7:
    case 12: scribbler_acts(world); return;
    case 8:
        client_reads(world, pick(world, world->history.address_count),
                     chance(world, 70) ? "log" : "note");
        return;
    case 9: look_around(world); return;
    case 13:
    case 14: partition_acts(world); return;
    default: fidget(world);
    }
}
