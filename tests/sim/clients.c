/* Those outside: clients, operators, the consumer of the egress. */
#include "world.h"

#include "base/reader.h"

#include <stdio.h>

void client_sends(struct world *world, uint32_t number)
{
    struct note *note = &world->notes[number];
    char id[8], key[24], reply[40], token[24];
    struct buffer argument;
    buffer_init(&argument);
    struct shard_event event = {.kind = EVENT_MESSAGE,
                                .message = {.target = address_of(note->target, id),
                                            .argument = pair_value(&argument, number, 0),
                                            .delay_ms = note->delayed ? note->delay_ms : -1}};
    snprintf(key, sizeof key, "key%u", number);
    snprintf(reply, sizeof reply, "reply%u.%u", number, note->tries);
    snprintf(token, sizeof token, "c%u", number);
    if (note->is_keyed) event.message.key = span_text(key);
    if (note->is_call) event.message.reply_token = span_text(reply);
    if (note->token != 0) event.message.cancel_token = span_text(token);
    note->tries++;
    note->order = ++world->next_order;
    note->sent_late = world->calm;
    int64_t due_ms = shard_time_ms(world->shard) + note->delay_ms;
    if (note->delayed && (note->tries == 1 || due_ms < note->due_ms)) note->due_ms = due_ms;
    world_ask(world, &event, WAIT_NOTE, number);
    buffer_close(&argument);
}

static void send_new(struct world *world)
{
    uint32_t number = world->notes_count;
    struct note *note = ADD(world, notes);
    note->target = pick(world, ADDRESSES);
    note->hops = pick(world, 4);
    note->is_keyed = chance(world, 60);
    note->is_call = chance(world, 30);
    note->is_poison = chance(world, 2);
    note->due_ms = INT64_MIN;
    if (chance(world, 15)) {
        note->delayed = true;
        note->delay_ms = pick(world, 3000);
        note->token = chance(world, 40) ? number : 0;
    }
    client_sends(world, number);
}

static void send_again(struct world *world)
{
    if (world->notes_count < 2 || world->may_forget) return;
    uint32_t number = 1 + pick(world, world->notes_count - 1);
    const struct note *note = &world->notes[number];
    if (note->origin == 0 && note->is_keyed && !note->refused) client_sends(world, number);
}

static void scribble(struct world *world)
{
    uint32_t number = world->scribbles_count, address = pick(world, ADDRESSES);
    struct scribble *made = ADD(world, scribbles);
    *made = (struct scribble){.address = address, .is_delete = chance(world, 20)};
    char id[8];
    struct shard_event event = {
        .kind = EVENT_STATE,
        .state = {.address = address_of(address, id),
                  .name = SPAN_LITERAL("note"),
                  .is_delete = made->is_delete,
                  .type_name = SPAN_LITERAL("s/v"),
                  .value = made->is_delete ? SPAN_EMPTY : span_of(&number, sizeof number)}};
    world_ask(world, &event, WAIT_SCRIBBLE, number);
}

void client_reads(struct world *world, uint32_t address, const char *name)
{
    char id[8];
    struct shard_event event = {.kind = EVENT_QUERY,
                                .query = {.kind = QUERY_STATE,
                                          .address = address_of(address, id),
                                          .name = span_text(name)}};
    world_ask(world, &event, name[0] == 'l' ? WAIT_LOG : WAIT_SCRIBBLED, address);
}

static void look_around(struct world *world)
{
    static const enum query_kind kinds[] = {QUERY_STATES,    QUERY_KEYS,   QUERY_EXPORT,
                                            QUERY_FUNCTIONS, QUERY_PARKED, QUERY_PARKED_ONE,
                                            QUERY_STATUS,    QUERY_EGRESS};
    char id[8];
    struct shard_event event = {.kind = EVENT_QUERY,
                                .query = {.kind = kinds[pick(world, 8)],
                                          .address = address_of(pick(world, ADDRESSES), id),
                                          .limit = pick(world, 5)}};
    world_ask(world, &event, WAIT_OTHER, 0);
}

/* Waiters give up, come back, cancel. */
static void fidget(struct world *world)
{
    char reply[40], id[8];
    if (world->waiters_count < 2 || world->notes_count < 2) return;
    uint32_t number = 1 + pick(world, world->notes_count - 1);
    if (chance(world, 50)) {
        struct shard_event detach = {.kind = EVENT_DETACH,
                                     .waiter = 1 + pick(world, world->waiters_count - 1)};
        if (world->waiters[detach.waiter].what == WAIT_EGRESS) world->pulling = false;
        world->waiters[detach.waiter].what = WAIT_NOTHING;
        world_step(world, &detach);
    } else if (world->notes[number].is_call) {
        snprintf(reply, sizeof reply, "reply%u.%u", number,
                 pick(world, world->notes[number].tries));
        struct shard_event attach = {.kind = EVENT_ATTACH, .reply_token = span_text(reply)};
        world_ask(world, &attach, WAIT_ATTACH, number);
    } else if (world->notes[number].origin == 0 && world->notes[number].token != 0 &&
               !world->notes[number].is_keyed) {
        struct shard_event cancel = {.kind = EVENT_CANCEL};
        snprintf(reply, sizeof reply, "c%u", number);
        cancel.cancel.id = address_of(world->notes[number].target, id).id;
        cancel.cancel.token = span_text(reply);
        world->skips[world->notes[number].target]++; /* it may be gone now */
        world_ask(world, &cancel, WAIT_OTHER, 0);
    }
}

void client_acts(struct world *world)
{
    switch (pick(world, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: send_new(world); return;
    case 5:
    case 6: send_again(world); return;
    case 7: scribble(world); return;
    case 8: client_reads(world, pick(world, ADDRESSES), "log"); return;
    case 9: look_around(world); return;
    default: fidget(world);
    }
}

void operator_acts(struct world *world)
{
    char id[8];
    uint32_t address = pick(world, ADDRESSES);
    struct shard_event event = {.kind = EVENT_OPERATOR,
                                .operate = {.address = address_of(address, id),
                                            .verb = VERB_RETRY,
                                            .who = SPAN_LITERAL("simulator")}};
    if (chance(world, 50)) event.operate.verb = chance(world, 50) ? VERB_SKIP : VERB_DEAD_LETTER;
    if (world->has_purges && chance(world, 20)) event.operate.verb = VERB_PURGE;
    bool bulk = chance(world, 20);
    if (bulk) event.operate.address = (struct address){SPAN_EMPTY, SPAN_EMPTY};
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        if (!bulk && i != address) continue;
        if (event.operate.verb == VERB_PURGE) world->purged[i] = true;
        if (event.operate.verb == VERB_SKIP || event.operate.verb == VERB_DEAD_LETTER)
            world->skips[i]++;
    }
    world_ask(world, &event, WAIT_OTHER, 0);
}

void consumer_pulls(struct world *world)
{
    if (world->pulling) return;
    world->pulling = true;
    struct shard_event event = {
        .kind = EVENT_PULL,
        .pull = {.egress = SPAN_LITERAL("t/out"), .after = world->egress_count, .max = 0}};
    if (!world->calm && chance(world, 30)) event.pull.after = world->egress_acked; /* look again */
    event.pull.max = pick(world, 5);
    event.pull.wait = chance(world, 30) && !world->calm;
    world_ask(world, &event, WAIT_EGRESS, (uint32_t)event.pull.after);
}

/* ---- Answers ---- */

static void take_note_answer(struct world *world, uint32_t number,
                             const struct shard_answer *answer)
{
    struct note *note = &world->notes[number];
    struct entry_pair pair;
    switch (answer->kind) {
    case ANSWER_ACCEPTED:
    case ANSWER_DUPLICATE: note->acked = true; return;
    case ANSWER_REPLY:
        note->acked = true;
        MUST(pair_of(answer->body, &pair) && pair.note == number);
        *ADD(world, reply_seen) = pair;
        return;
    case ANSWER_PARKED: note->acked = true; return;
    case ANSWER_FULL:
    case ANSWER_UNKNOWN_FUNCTION:
        if (!note->is_keyed) note->refused = true;
        return;
    case ANSWER_PENDING: return;
    case ANSWER_NOT_FOUND: return; /* an attach */
    case ANSWER_CONFLICT:          /* its cancel token waits: it was taken before */
        MUST(note->token != 0 || world->may_forget);
        return;
    default: MUST(!"an answer that a message may get");
    }
}

static void take_log(struct world *world, uint32_t address, const struct shard_answer *answer)
{
    if (answer->kind == ANSWER_FULL) return;
    MUST(answer->kind == ANSWER_VALUE || answer->kind == ANSWER_NOT_FOUND);
    MUST(answer->body.size % sizeof(struct entry_pair) == 0);
    struct seen_log *read = ADD(world, reads);
    *read = (struct seen_log){address, world->read_entries_count,
                              (uint32_t)(answer->body.size / sizeof(struct entry_pair))};
    for (uint32_t i = 0; i < read->count; i++) {
        struct entry_pair *pair = ADD(world, read_entries);
        memcpy(pair, answer->body.at + i * sizeof *pair, sizeof *pair);
    }
}

static void take_egress(struct world *world, uint64_t after, const struct shard_answer *answer)
{
    world->pulling = false;
    if (answer->kind != ANSWER_ROWS) return;
    struct reader in = reader_of(answer->body);
    while (reader_left(&in) > 0) { /* I8: no gap, and what was shown stays */
        uint64_t cursor = reader_varint(&in);
        struct entry_pair pair;
        MUST(pair_of(reader_string(&in), &pair) && !in.failed);
        MUST(cursor == after + 1);
        after = cursor;
        if (cursor <= world->egress_count) {
            MUST(memcmp(&world->egress[cursor - 1], &pair, sizeof pair) == 0);
            continue;
        }
        MUST(cursor == world->egress_count + 1);
        *ADD(world, egress) = pair;
    }
    MUST(answer->number >= after);
    if (!chance(world, 60) || world->egress_count == world->egress_acked) return;
    world->egress_acked += 1 + pick(world, (uint32_t)(world->egress_count - world->egress_acked));
}

void take_answer(struct world *world, const struct shard_answer *answer)
{
    MUST(answer->waiter > 0 && answer->waiter < world->waiters_count);
    struct waiter waiter = world->waiters[answer->waiter];
    MUST(waiter.what != WAIT_NOTHING); /* once, and never after a detach or in another life */
    world->waiters[answer->waiter].what = WAIT_NOTHING;
    switch (waiter.what) {
    case WAIT_ATTACH:
        if (answer->kind == ANSWER_REPLY) take_note_answer(world, waiter.subject, answer);
        return;
    case WAIT_NOTE: take_note_answer(world, waiter.subject, answer); return;
    case WAIT_SCRIBBLE:
        if (answer->kind != ANSWER_DONE) return;
        world->scribbles[waiter.subject].acked = true;
        uint32_t *floor = &world->scribble_floor[world->scribbles[waiter.subject].address];
        if (waiter.subject > *floor) *floor = waiter.subject;
        return;
    case WAIT_LOG: take_log(world, waiter.subject, answer); return;
    case WAIT_SCRIBBLED:
        if (answer->kind == ANSWER_VALUE)
            memcpy(&world->scribbled[waiter.subject], answer->body.at, sizeof world->scribbled[0]);
        return;
    case WAIT_EGRESS: take_egress(world, waiter.subject, answer); return;
    default: return;
    }
}
