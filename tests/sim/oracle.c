/*
 * The oracle: the books are held against what is left at the end. It knows nothing of the gateway,
 * only what those outside were told and what the logs say.
 */
#include "history.h"
#include "verdict.h"

#include <stdlib.h>
#include <string.h>

struct place {
    uint32_t address; /* + 1; 0: nowhere */
    uint32_t position;
};

struct judge {
    struct history *history;
    const struct seen_log *logs; /* by address */
    struct place *notes, *deeds;
    bool *cancelled; /* notes */
    bool *answered;  /* notes: an applied response has certainly replied */
    uint32_t *egress_seen, *topic_seen;
};

static const struct pair *entry(const struct judge *judge, uint32_t address, uint32_t position)
{
    return &judge->history->read_entries[judge->logs[address].first + position];
}

static bool is_applied(const struct judge *judge, uint32_t deed)
{
    return judge->deeds[deed].address != 0;
}

/* Every message at its address, once; the entries of a response side by side. */
static void place_all(struct judge *judge)
{
    const struct history *history = judge->history;
    for (uint32_t address = 0; address < history->address_count; address++) {
        for (uint32_t i = 0; i < judge->logs[address].count; i++) {
            const struct pair *pair = entry(judge, address, i);
            HOLDS(3, pair->note > 0 && pair->note < history->notes_count);
            HOLDS(3, pair->deed > 0 && pair->deed < history->deeds_count);
            HOLDS(3, history->notes[pair->note].target == address);
            HOLDS(3, history->deeds[pair->deed].address == address);
            HOLDS(6, !history->deeds[pair->deed].ghost);
            HOLDS(2, judge->notes[pair->note].address == 0);
            judge->notes[pair->note] = (struct place){address + 1, i};
            if (!is_applied(judge, pair->deed))
                judge->deeds[pair->deed] = (struct place){address + 1, i};
            else
                HOLDS(3, entry(judge, address, i - 1)->deed == pair->deed);
        }
    }
}

/* What the world went back from is not in it. */
static void judge_gone(struct judge *judge)
{
    const struct history *history = judge->history;
    for (uint32_t i = 1; i < history->notes_count; i++)
        if (judge->notes[i].address != 0) HOLDS(5, !history->notes[i].gone);
    for (uint32_t i = 1; i < history->deeds_count; i++)
        if (is_applied(judge, i)) HOLDS(5, !history->deeds[i].gone);
}

static void judge_cancels(struct judge *judge)
{
    const struct history *history = judge->history;
    for (uint32_t i = 1; i < history->deeds_count; i++) {
        const struct deed *deed = &history->deeds[i];
        if (!is_applied(judge, i)) continue;
        for (uint32_t j = 0; j < deed->cancel_count; j++) {
            uint32_t number = history->cancels[deed->first_cancel + j];
            judge->cancelled[number] = true;
            /* what was cancelled in time never arrives */
            if (judge->notes[number].address != 0)
                HOLDS(9, history->notes[number].due_ms <= deed->at_ms);
        }
    }
}

static bool is_owed(const struct judge *judge, uint32_t number)
{
    const struct note *note = &judge->history->notes[number];
    if (judge->cancelled[number]) return false;
    if (note->origin != 0) return is_applied(judge, note->origin);
    if (note->shown.order != 0) return true;
    return note->acked.order != 0 || (note->is_keyed && note->sent_late);
}

/* What is owed is there, what must not be is not. */
static void judge_messages(struct judge *judge)
{
    const struct history *history = judge->history;
    uint32_t missing[ADDRESSES_MAX] = {0};
    for (uint32_t i = 1; i < history->notes_count; i++) {
        const struct note *note = &history->notes[i];
        if (judge->notes[i].address != 0) {
            HOLDS(1, !note->refused);
            HOLDS(3, note->origin == 0 || is_applied(judge, note->origin));
        } else if (is_owed(judge, i)) {
            missing[note->target]++;
        }
        if (note->shown.order != 0) HOLDS(14, note->origin == 0 || is_applied(judge, note->origin));
    }
    for (uint32_t i = 0; i < history->address_count; i++)
        HOLDS(1, missing[i] <= history->skips[i] || history->purged[i]);
}

/* In the order of the sender's responses and within each. */
static void judge_order(struct judge *judge)
{
    const struct history *history = judge->history;
    for (uint32_t sender = 0; sender < history->address_count; sender++) {
        int64_t last[ADDRESSES_MAX];
        for (uint32_t i = 0; i < ADDRESSES_MAX; i++) last[i] = -1;
        uint32_t before = 0;
        for (uint32_t i = 0; i < judge->logs[sender].count; i++) {
            uint32_t number = entry(judge, sender, i)->deed;
            if (number == before) continue;
            before = number;
            const struct deed *deed = &history->deeds[number];
            for (uint32_t j = 0; j < deed->child_count; j++) {
                const struct note *note = &history->notes[deed->first_child + j];
                const struct place *place = &judge->notes[deed->first_child + j];
                if (note->delayed || place->address == 0) continue;
                HOLDS(4, (int64_t)place->position > last[note->target]);
                last[note->target] = place->position;
            }
        }
    }
}

/* Delayed messages of one sender for one receiver: as they are due, and as they were sent. */
static void judge_delays(struct judge *judge)
{
    const struct history *history = judge->history;
    for (uint32_t i = 1; i < history->notes_count; i++) {
        const struct note *a = &history->notes[i];
        if (!a->delayed || a->origin == 0 || judge->notes[i].address == 0) continue;
        for (uint32_t j = i + 1; j < history->notes_count; j++) {
            const struct note *b = &history->notes[j];
            if (!b->delayed || b->target != a->target || b->origin == 0) continue;
            if (judge->notes[j].address == 0) continue;
            if (history->deeds[a->origin].address != history->deeds[b->origin].address) continue;
            bool first = a->due_ms <= b->due_ms;
            HOLDS(4, (judge->notes[i].position < judge->notes[j].position) == first);
        }
    }
}

/* From clients: in the order in which they were sent, when sent once. */
static void judge_clients(struct judge *judge)
{
    const struct history *history = judge->history;
    int64_t last[ADDRESSES_MAX];
    for (uint32_t i = 0; i < ADDRESSES_MAX; i++) last[i] = -1;
    for (uint32_t i = 1; i < history->notes_count; i++) { /* numbers rise with the first try */
        const struct note *note = &history->notes[i];
        const struct place *place = &judge->notes[i];
        if (note->origin != 0 || note->tries != 1 || note->delayed || place->address == 0) continue;
        if (note->partition != 0) continue;
        HOLDS(4, (int64_t)place->position > last[note->target]);
        last[note->target] = place->position;
    }
}

/* Each partition in its own order, however often it was read. */
static void judge_partitions(struct judge *judge)
{
    const struct history *history = judge->history;
    int64_t last[PARTITIONS + 1][ADDRESSES_MAX];
    for (uint32_t i = 0; i < (PARTITIONS + 1) * ADDRESSES_MAX; i++)
        last[i / ADDRESSES_MAX][i % ADDRESSES_MAX] = -1;
    for (uint32_t i = 1; i < history->notes_count; i++) { /* numbers rise with the positions */
        const struct note *note = &history->notes[i];
        const struct place *place = &judge->notes[i];
        if (note->partition == 0 || place->address == 0) continue;
        HOLDS(4, (int64_t)place->position > last[note->partition][note->target]);
        last[note->partition][note->target] = place->position;
    }
}

/* The records of an address in the order of its responses, each once. */
static void judge_record(struct judge *judge, const struct seen_record *record, int64_t *last,
                         uint32_t *seen, bool may_miss)
{
    const struct history *history = judge->history;
    HOLDS(8, record->deed < history->deeds_count);
    HOLDS(6, !history->deeds[record->deed].ghost);
    HOLDS(14, is_applied(judge, record->deed));
    if (may_miss)
        HOLDS(8, record->index >= seen[record->deed]);
    else
        HOLDS(8, record->index == seen[record->deed]);
    seen[record->deed] = record->index + 1;
    uint32_t address = history->deeds[record->deed].address;
    HOLDS(8, (int64_t)judge->deeds[record->deed].position >= last[address]);
    last[address] = judge->deeds[record->deed].position;
}

static void judge_egress(struct judge *judge)
{
    const struct history *history = judge->history;
    int64_t last[ADDRESSES_MAX], last_of_topic[ADDRESSES_MAX];
    for (uint32_t i = 0; i < ADDRESSES_MAX; i++) last[i] = last_of_topic[i] = -1;
    for (uint32_t i = 0; i < history->egress_count; i++)
        judge_record(judge, &history->egress[i], last, judge->egress_seen, false);
    for (uint32_t i = 0; i < history->topic_count; i++)
        judge_record(judge, &history->topic[i], last_of_topic, judge->topic_seen,
                     history->topic_lost);
    for (uint32_t i = 1; i < history->deeds_count; i++) {
        if (!is_applied(judge, i)) continue;
        HOLDS(8, judge->egress_seen[i] == history->deeds[i].egress_count);
        if (!history->topic_lost) HOLDS(8, judge->topic_seen[i] == history->deeds[i].topic_count);
    }
}

static bool has_replied(const struct history *history, const struct deed *deed, uint32_t note)
{
    for (uint32_t i = 0; i < deed->reply_count; i++)
        if (history->replies[deed->first_reply + i].note == note) return true;
    return false;
}

static void judge_reply(const struct judge *judge, uint32_t note, uint32_t deed)
{
    const struct history *history = judge->history;
    HOLDS(14, deed < history->deeds_count && is_applied(judge, deed));
    HOLDS(3, has_replied(history, &history->deeds[deed], note));
}

/* No reply and no read that anybody saw was taken back. */
static void judge_what_left(struct judge *judge)
{
    const struct history *history = judge->history;
    for (uint32_t i = 0; i < history->reply_seen_count; i++)
        judge_reply(judge, history->reply_seen[i].pair.note, history->reply_seen[i].pair.deed);
    for (uint32_t i = 0; i < history->reads_count; i++) {
        const struct seen_log *read = &history->reads[i];
        HOLDS(14, read->count <= judge->logs[read->address].count);
        for (uint32_t j = 0; j < read->count; j++)
            HOLDS(14, memcmp(&history->read_entries[read->first + j],
                             entry(judge, read->address, j), sizeof(struct pair)) == 0);
    }
}

/* The first reply wins, for all who ask; and a reply that was given is not lost. */
static void judge_replies(struct judge *judge)
{
    const struct history *history = judge->history;
    for (uint32_t i = 1; i < history->deeds_count; i++) {
        const struct deed *deed = &history->deeds[i];
        for (uint32_t j = 0; is_applied(judge, i) && j < deed->reply_count; j++)
            if (history->replies[deed->first_reply + j].is_certain)
                judge->answered[history->replies[deed->first_reply + j].note] = true;
    }
    for (uint32_t i = 1; i < history->notes_count; i++) /* whoever waits for one gets it */
        HOLDS(1, !history->notes[i].waits || !judge->answered[i]);
    if (history->may_forget || history->window_ms != 0) return;
    for (uint32_t i = 0; i < history->reply_seen_count; i++) {
        const struct pair *pair = &history->reply_seen[i].pair;
        const struct note *note = &history->notes[pair->note];
        if (note->fetched != 0 && note->fetched != UINT32_MAX)
            HOLDS(14, note->fetched == pair->deed);
        if (!note->is_keyed) judge->answered[pair->note] = false; /* may be forgotten by now */
    }
    for (uint32_t i = 1; i < history->notes_count; i++) {
        uint32_t fetched = history->notes[i].fetched;
        if (fetched != 0 && fetched != UINT32_MAX) judge_reply(judge, i, fetched);
        if (judge->answered[i]) HOLDS(1, fetched != UINT32_MAX);
    }
}

/* No response overwrites an acknowledged write. */
static void judge_scribbles(const struct history *history)
{
    for (uint32_t i = 0; i < history->address_count; i++) {
        uint32_t number = history->scribbled[i], floor = history_scribble_floor(history, i);
        if (number != 0) {
            HOLDS(14, number < history->scribbles_count);
            const struct scribble *scribble = &history->scribbles[number];
            HOLDS(14, scribble->address == i && number >= floor && !scribble->is_delete);
            HOLDS(14, !scribble->gone && !scribble->mismatched);
            continue;
        }
        bool deleted = floor == 0;
        for (uint32_t j = floor; j < history->scribbles_count && j > 0; j++)
            deleted =
                deleted || (history->scribbles[j].address == i && history->scribbles[j].is_delete);
        HOLDS(14, deleted);
    }
}

static void *many(uint32_t count, size_t size)
{
    void *made = calloc(count, size);
    if (made == NULL) must_failed("memory for the oracle", __FILE__, __LINE__);
    return made;
}

void history_judge(struct history *history)
{
    uint32_t addresses = history->address_count;
    if (history->reads_count < addresses) must_failed("all logs were read", __FILE__, __LINE__);
    struct judge judge = {.history = history,
                          .logs = &history->reads[history->reads_count - addresses],
                          .notes = many(history->notes_count, sizeof *judge.notes),
                          .deeds = many(history->deeds_count, sizeof *judge.deeds),
                          .cancelled = many(history->notes_count, sizeof *judge.cancelled),
                          .answered = many(history->notes_count, sizeof *judge.answered),
                          .egress_seen = many(history->deeds_count, sizeof(uint32_t)),
                          .topic_seen = many(history->deeds_count, sizeof(uint32_t))};
    for (uint32_t i = 0; i < addresses; i++) HOLDS(11, judge.logs[i].address == i);
    place_all(&judge);
    judge_gone(&judge);
    judge_cancels(&judge);
    judge_messages(&judge);
    judge_order(&judge);
    judge_delays(&judge);
    judge_clients(&judge);
    judge_partitions(&judge);
    judge_egress(&judge);
    judge_what_left(&judge);
    judge_replies(&judge);
    judge_scribbles(history);
    free(judge.notes);
    free(judge.deeds);
    free(judge.cancelled);
    free(judge.answered);
    free(judge.egress_seen);
    free(judge.topic_seen);
}
