/* What those outside are told: into the history. */
#include "base/reader.h"
#include "wire/playground.h"
#include "world.h"

#include <stdio.h>

static void take_note_answer(struct world *world, const struct host *host, uint32_t number,
                             const struct shard_answer *answer)
{
    struct history *history = &world->history;
    struct note *note = &history->notes[number];
    struct pair pair;
    if (note->key_of != 0) { /* whose body is another one's key */
        HOLDS(2, answer->kind == ANSWER_CONFLICT || answer->kind == ANSWER_UNKNOWN_FUNCTION);
        return;
    }
    history_named(history, number, answer->message_id.at, answer->message_id.size);
    switch (answer->kind) {
    case ANSWER_ACCEPTED:
    case ANSWER_DUPLICATE:
    case ANSWER_PARKED: note->acked = moment_now(history, host->number); return;
    case ANSWER_REPLY:
        note->acked = moment_now(history, host->number);
        HOLDS(3, pair_of(answer->body, &pair) && pair.note == number);
        *ADD(history, reply_seen) = (struct seen_reply){pair, note->acked};
        return;
    case ANSWER_FULL:
    case ANSWER_UNKNOWN_FUNCTION:
        note->sent_late = false; /* so that nothing is owed for this try */
        if (!note->is_keyed) note->refused = true;
        return;
    case ANSWER_PENDING: return;
    case ANSWER_NOT_FOUND: return; /* an attach */
    case ANSWER_CONFLICT:          /* its cancel token waits: it was taken before */
        HOLDS(2, note->token != 0 || history->may_forget);
        return;
    default: MUST(!"an answer that a message may get");
    }
}

static void take_fetched(struct world *world, uint32_t number, const struct shard_answer *answer)
{
    struct note *note = &world->history.notes[number];
    struct pair pair;
    note->fetched = UINT32_MAX;
    if (answer->kind != ANSWER_REPLY) return;
    HOLDS(3, pair_of(answer->body, &pair) && pair.note == number);
    note->fetched = pair.deed;
}

static void take_scribble(struct world *world, const struct host *host, uint32_t number,
                          const struct shard_answer *answer)
{
    struct scribble *scribble = &world->history.scribbles[number];
    if (answer->kind == ANSWER_MISMATCH) scribble->mismatched = true;
    if (answer->kind != ANSWER_DONE) return;
    HOLDS(3, !scribble->must_mismatch);
    for (uint32_t i = 0; i < world->call_count; i++) /* not beside a call that was out before */
        HOLDS(14, world->calls[i].host != host->number ||
                      world->calls[i].address != scribble->address ||
                      world->calls[i].order >= scribble->first.order);
    scribble->acked = moment_now(&world->history, host->number);
    scribble->version = answer->number;
}

static void take_scribbled(struct world *world, uint32_t address, const struct shard_answer *answer)
{
    uint32_t number = 0;
    if (answer->kind != ANSWER_VALUE && answer->kind != ANSWER_NOT_FOUND) return;
    if (answer->kind == ANSWER_VALUE) {
        HOLDS(3, answer->body.size == sizeof number);
        memcpy(&number, answer->body.at, sizeof number);
    }
    history_scribble_shown(&world->history, address, number);
}

static void take_log(struct world *world, const struct host *host, uint32_t address,
                     const struct shard_answer *answer)
{
    struct history *history = &world->history;
    if (answer->kind == ANSWER_FULL) return;
    MUST(answer->kind == ANSWER_VALUE || answer->kind == ANSWER_NOT_FOUND);
    history_log_shown(history, address, answer->body.at, answer->body.size, host->number);
}

/* No gap, and what was shown stays. */
static void take_egress(struct world *world, const struct host *host, uint64_t after,
                        const struct shard_answer *answer)
{
    struct history *history = &world->history;
    world->pulling = false;
    if (answer->kind != ANSWER_ROWS) return;
    struct reader in = reader_of(answer->body);
    while (reader_left(&in) > 0) {
        uint64_t cursor = reader_varint(&in);
        struct pair pair;
        HOLDS(3, pair_of(reader_string(&in), &pair) && !in.failed);
        HOLDS(8, cursor == after + 1);
        after = cursor;
        struct seen_record record = {pair.note, pair.deed, moment_now(history, host->number)};
        if (cursor <= history->egress_count) {
            const struct seen_record *before = &history->egress[cursor - 1];
            HOLDS(14, before->deed == record.deed && before->index == record.index);
            continue;
        }
        HOLDS(8, cursor == history->egress_count + 1);
        *ADD(history, egress) = record;
    }
    HOLDS(8, answer->number >= after);
    if (!chance(world, 60) || history->egress_count == world->egress_acked) return;
    world->egress_acked += 1 + pick(world, (uint32_t)(history->egress_count - world->egress_acked));
}

static void take_topic(struct world *world, const struct host *host,
                       const struct shard_answer *answer)
{
    struct history *history = &world->history;
    world->popping = false;
    if (answer->kind != ANSWER_ROWS) {
        history->topic_lost = true; /* it may have been taken without memory to show it */
        return;
    }
    struct buffer text;
    buffer_init(&text);
    struct reader in = reader_of(answer->body);
    while (reader_left(&in) > 0) {
        struct playground_record record;
        struct errmsg errmsg;
        reader_varint(&in);
        int error = playground_record_parse(reader_string(&in), &text, &record, &errmsg);
        HOLDS(3, error == 0 && !in.failed);
        struct seen_record *seen = ADD(history, topic);
        char payload[32] = {0};
        memcpy(payload, record.payload.at, record.payload.size < 31 ? record.payload.size : 31);
        HOLDS(3, sscanf(payload, "%u.%u", &seen->deed, &seen->index) == 2);
        seen->at = moment_now(history, host->number);
    }
    buffer_close(&text);
}

void take_answer(struct world *world, struct host *host, const struct shard_answer *answer)
{
    MUST(answer->waiter > 0 && answer->waiter < world->waiters_count);
    struct waiter waiter = world->waiters[answer->waiter];
    /* once, by the one who was asked, and never after a detach or in another life */
    HOLDS(13, waiter.what != WAIT_NOTHING && waiter.host == host->number);
    world->waiters[answer->waiter].what = WAIT_NOTHING;
    switch (waiter.what) {
    case WAIT_ATTACH:
        if (answer->kind == ANSWER_REPLY) take_note_answer(world, host, waiter.subject, answer);
        return;
    case WAIT_NOTE: take_note_answer(world, host, waiter.subject, answer); return;
    case WAIT_FETCH: take_fetched(world, waiter.subject, answer); return;
    case WAIT_SCRIBBLE: take_scribble(world, host, waiter.subject, answer); return;
    case WAIT_LOG: take_log(world, host, waiter.subject, answer); return;
    case WAIT_SCRIBBLED: take_scribbled(world, waiter.subject, answer); return;
    case WAIT_EGRESS: take_egress(world, host, waiter.subject, answer); return;
    case WAIT_TOPIC: take_topic(world, host, answer); return;
    case WAIT_PARTITION: take_partition(world, host, waiter.subject, answer); return;
    default: return;
    }
}
