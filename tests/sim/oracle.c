/* The end of a simulation: faults stop, everything settles, and the books are compared. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Settling (I11) ---- */

static bool is_settled(struct world *world)
{
    struct shard_metrics metrics;
    shard_metrics(world->shard, &metrics);
    return metrics.mailbox_messages == 0 && metrics.delayed == 0 && world->call_count == 0;
}

static void acknowledge(struct world *world)
{
    struct shard_event event = {
        .kind = EVENT_PULL_ACK,
        .pull = {.egress = SPAN_LITERAL("t/out"), .after = world->egress_acked}};
    if (world->egress_acked > 0) world_ask(world, &event, WAIT_OTHER, 0);
}

static void turn(struct world *world)
{
    struct shard_event retry = {.kind = EVENT_OPERATOR, .operate = {.verb = VERB_RETRY}};
    world_ask(world, &retry, WAIT_OTHER, 0);
    while (world->call_count > 0) function_answers(world, world->call_count - 1);
    world_durable(world, world->ledger.count);
    int64_t wait_ms = shard_wake_at(world->shard) - world->clock.mono_ms;
    world_pass(world, wait_ms < 0 ? 0 : wait_ms > 500 ? 500 : wait_ms);
}

void world_settle(struct world *world)
{
    world->calm = true;
    world_configure(world);
    for (uint32_t i = 1; i < world->notes_count && !world->may_forget; i++)
        if (world->notes[i].origin == 0 && world->notes[i].is_keyed && !world->notes[i].acked)
            client_sends(world, i);
    for (int turns = 0; !is_settled(world); turns++) {
        MUST(turns < 20000);
        turn(world);
    }
    world->pulling = false;
    world_durable(world, world->ledger.count);
    for (uint64_t before = UINT64_MAX; before != world->egress_count;) {
        before = world->egress_count;
        for (int i = 0; i < 5; i++) consumer_pulls(world);
        acknowledge(world);
        world_durable(world, world->ledger.count);
    }
    for (uint32_t i = 0; i < ADDRESSES; i++) client_reads(world, i, "note");
    for (uint32_t i = 0; i < ADDRESSES; i++) client_reads(world, i, "log");
}

/* ---- Judging ---- */

struct place {
    uint32_t address; /* + 1; 0: nowhere */
    uint32_t position;
};

struct judge {
    struct world *world;
    const struct seen_log *logs; /* by address */
    struct place *notes, *deeds;
    bool *cancelled; /* notes */
    uint32_t *egress_seen;
};

static const struct entry_pair *entry(const struct judge *judge, uint32_t address,
                                      uint32_t position)
{
    return &judge->world->read_entries[judge->logs[address].first + position];
}

/* Every message at its address, once; the entries of a response side by side. */
static void place_all(struct judge *judge)
{
    struct world *world = judge->world;
    for (uint32_t address = 0; address < ADDRESSES; address++) {
        for (uint32_t i = 0; i < judge->logs[address].count; i++) {
            const struct entry_pair *pair = entry(judge, address, i);
            MUST(pair->note > 0 && pair->note < world->notes_count);
            MUST(pair->deed > 0 && pair->deed < world->deeds_count);
            MUST(world->notes[pair->note].target == address);
            MUST(world->deeds[pair->deed].address == address);
            MUST(judge->notes[pair->note].address == 0); /* I2 */
            judge->notes[pair->note] = (struct place){address + 1, i};
            if (judge->deeds[pair->deed].address == 0)
                judge->deeds[pair->deed] = (struct place){address + 1, i};
            else
                MUST(entry(judge, address, i - 1)->deed == pair->deed);
        }
    }
}

static void judge_cancels(struct judge *judge)
{
    const struct world *world = judge->world;
    for (uint32_t i = 1; i < world->deeds_count; i++) {
        const struct deed *deed = &world->deeds[i];
        if (judge->deeds[i].address == 0) continue;
        for (uint32_t j = 0; j < deed->cancel_count; j++) {
            uint32_t number = world->cancels[deed->first_cancel + j];
            judge->cancelled[number] = true;
            /* I9: what was cancelled in time never arrives */
            if (judge->notes[number].address != 0) MUST(world->notes[number].due_ms <= deed->at_ms);
        }
    }
}

static bool is_owed(const struct judge *judge, uint32_t number)
{
    const struct note *note = &judge->world->notes[number];
    if (judge->cancelled[number]) return false;
    if (note->origin != 0) return judge->deeds[note->origin].address != 0;
    return note->acked || (note->is_keyed && note->sent_late);
}

/* I1 and I3: what is owed is there, what must not be is not. */
static void judge_messages(struct judge *judge)
{
    const struct world *world = judge->world;
    uint32_t missing[ADDRESSES] = {0};
    for (uint32_t i = 1; i < world->notes_count; i++) {
        const struct note *note = &world->notes[i];
        if (judge->notes[i].address != 0) {
            MUST(!note->refused);
            MUST(note->origin == 0 || judge->deeds[note->origin].address != 0);
        } else if (is_owed(judge, i)) {
            missing[note->target]++;
            if (getenv("DBG"))
                fprintf(stderr,
                        "missing %u origin %u target %u delayed %d token %u due %ld keyed %d call "
                        "%d acked %d late %d tries %u cancelled %d\n",
                        i, note->origin, note->target, note->delayed, note->token,
                        (long)note->due_ms, note->is_keyed, note->is_call, note->acked,
                        note->sent_late, note->tries, judge->cancelled[i]);
        }
    }
    for (uint32_t i = 0; i < ADDRESSES; i++)
        MUST(missing[i] <= world->skips[i] || world->purged[i]);
}

/* I4, from functions: in the order of the sender's responses and within each. */
static void judge_order(struct judge *judge)
{
    const struct world *world = judge->world;
    for (uint32_t sender = 0; sender < ADDRESSES; sender++) {
        int64_t last[ADDRESSES];
        for (uint32_t i = 0; i < ADDRESSES; i++) last[i] = -1;
        uint32_t before = 0;
        for (uint32_t i = 0; i < judge->logs[sender].count; i++) {
            uint32_t number = entry(judge, sender, i)->deed;
            if (number == before) continue;
            before = number;
            const struct deed *deed = &world->deeds[number];
            for (uint32_t j = 0; j < deed->child_count; j++) {
                const struct note *note = &world->notes[deed->first_child + j];
                const struct place *place = &judge->notes[deed->first_child + j];
                if (note->delayed || place->address == 0) continue;
                MUST((int64_t)place->position > last[note->target]);
                last[note->target] = place->position;
            }
        }
    }
}

/* I4, from clients: in the order in which they were sent, when sent once. */
static void judge_clients(struct judge *judge)
{
    const struct world *world = judge->world;
    int64_t last[ADDRESSES];
    for (uint32_t i = 0; i < ADDRESSES; i++) last[i] = -1;
    for (uint32_t i = 1; i < world->notes_count; i++) { /* numbers rise with the first try */
        const struct note *note = &world->notes[i];
        const struct place *place = &judge->notes[i];
        if (note->origin != 0 || note->tries != 1 || note->delayed || place->address == 0) continue;
        MUST((int64_t)place->position > last[note->target]);
        last[note->target] = place->position;
    }
}

/* I3 and I8: the stream holds what applied responses wrote, once, in the order of each address. */
static void judge_egress(struct judge *judge)
{
    const struct world *world = judge->world;
    int64_t last[ADDRESSES];
    for (uint32_t i = 0; i < ADDRESSES; i++) last[i] = -1;
    for (uint32_t i = 0; i < world->egress_count; i++) {
        uint32_t number = world->egress[i].note;
        MUST(number < world->deeds_count && judge->deeds[number].address != 0);
        MUST(world->egress[i].deed == judge->egress_seen[number]++);
        uint32_t address = world->deeds[number].address;
        MUST((int64_t)judge->deeds[number].position >= last[address]);
        last[address] = judge->deeds[number].position;
    }
    for (uint32_t i = 1; i < world->deeds_count; i++)
        if (judge->deeds[i].address != 0)
            MUST(judge->egress_seen[i] == world->deeds[i].egress_count);
}

/* I14: no reply and no read that anybody saw was taken back. */
static void judge_what_left(struct judge *judge)
{
    const struct world *world = judge->world;
    for (uint32_t i = 0; i < world->reply_seen_count; i++) {
        const struct entry_pair *seen = &world->reply_seen[i];
        MUST(seen->deed < world->deeds_count && judge->deeds[seen->deed].address != 0);
        const struct deed *deed = &world->deeds[seen->deed];
        bool found = false;
        for (uint32_t j = 0; j < deed->reply_count; j++)
            found = found || world->replies[deed->first_reply + j] == seen->note;
        MUST(found);
    }
    for (uint32_t i = 0; i < world->reads_count; i++) {
        const struct seen_log *read = &world->reads[i];
        MUST(read->count <= judge->logs[read->address].count);
        for (uint32_t j = 0; j < read->count; j++)
            MUST(memcmp(&world->read_entries[read->first + j], entry(judge, read->address, j),
                        sizeof(struct entry_pair)) == 0);
    }
}

/* No response overwrites an acknowledged write. */
static void judge_scribbles(const struct world *world)
{
    for (uint32_t i = 0; i < ADDRESSES; i++) {
        uint32_t number = world->scribbled[i], floor = world->scribble_floor[i];
        if (number != 0) {
            MUST(world->scribbles[number].address == i && number >= floor);
            MUST(!world->scribbles[number].is_delete);
            continue;
        }
        bool deleted = floor == 0;
        for (uint32_t j = floor; j < world->scribbles_count && j > 0; j++)
            deleted =
                deleted || (world->scribbles[j].address == i && world->scribbles[j].is_delete);
        MUST(deleted);
    }
}

void world_judge(struct world *world)
{
    MUST(world->reads_count >= ADDRESSES);
    struct judge judge = {.world = world, .logs = &world->reads[world->reads_count - ADDRESSES]};
    for (uint32_t i = 0; i < ADDRESSES; i++) MUST(judge.logs[i].address == i);
    judge.notes = calloc(world->notes_count, sizeof *judge.notes);
    judge.deeds = calloc(world->deeds_count, sizeof *judge.deeds);
    judge.cancelled = calloc(world->notes_count, sizeof *judge.cancelled);
    judge.egress_seen = calloc(world->deeds_count, sizeof *judge.egress_seen);
    MUST(judge.notes != NULL && judge.deeds != NULL && judge.cancelled != NULL &&
         judge.egress_seen != NULL);
    place_all(&judge);
    judge_cancels(&judge);
    judge_messages(&judge);
    judge_order(&judge);
    judge_clients(&judge);
    judge_egress(&judge);
    judge_what_left(&judge);
    judge_scribbles(world);
    world_check(world);
    free(judge.notes);
    free(judge.deeds);
    free(judge.cancelled);
    free(judge.egress_seen);
}
