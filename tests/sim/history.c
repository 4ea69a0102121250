#include "history.h"

#include "verdict.h"

#include <stdlib.h>
#include <string.h>

uint64_t verdict_checks[INVARIANTS];

void *history_grow(void *array, uint32_t *count, uint32_t *capacity, size_t size)
{
    if (*count == *capacity) {
        *capacity = *capacity == 0 ? 64 : *capacity * 2;
        array = realloc(array, *capacity * size);
        if (array == NULL) must_failed("memory for the history", __FILE__, __LINE__);
    }
    memset((char *)array + *count * size, 0, size);
    return array;
}

void history_open(struct history *history)
{
    *history = (struct history){0};
    ADD(history, notes); /* numbers begin at 1 */
    ADD(history, deeds);
    ADD(history, scribbles);
}

void history_close(struct history *history)
{
    free(history->notes);
    free(history->deeds);
    free(history->scribbles);
    free(history->cancels);
    free(history->replies);
    free(history->reply_seen);
    free(history->reads);
    free(history->read_entries);
    free(history->egress);
    free(history->topic);
    free(history->called);
    free(history->called_notes);
    free(history->invocation_ids.at);
    free(history->message_ids.at);
    free(history->handles.at);
    free(history->lineages.at);
}

uint32_t history_scribble_floor(const struct history *history, uint32_t address)
{
    uint32_t seen = history->scribble_seen[address];
    for (uint32_t i = history->scribbles_count; i-- > seen + 1;)
        if (history->scribbles[i].address == address && history->scribbles[i].acked.order != 0)
            return i;
    return seen;
}

/* Nothing is there although something was: by a deletion, the first that can have been at least. */
static uint32_t deletion_after(const struct history *history, uint32_t address, uint32_t floor)
{
    uint32_t number = floor;
    for (; number < history->scribbles_count; number++) {
        const struct scribble *scribble = &history->scribbles[number];
        if (scribble->address == address && scribble->is_delete && !scribble->mismatched &&
            !scribble->gone)
            break;
    }
    HOLDS(14, number < history->scribbles_count);
    return number;
}

void history_scribble_shown(struct history *history, uint32_t address, uint32_t number)
{
    uint32_t floor = history_scribble_floor(history, address);
    history->scribbled[address] = number;
    if (number == 0) {
        if (floor == 0) return; /* there may never have been anything */
        number = deletion_after(history, address, floor);
    } else {
        HOLDS(14, number < history->scribbles_count && number >= floor);
        const struct scribble *scribble = &history->scribbles[number];
        HOLDS(14, scribble->address == address && !scribble->is_delete);
        HOLDS(14, !scribble->gone && !scribble->mismatched);
    }
    history->scribble_seen[address] = number;
}

void history_log_shown(struct history *history, uint32_t address, const void *log, size_t size,
                       uint32_t shard)
{
    uint32_t count = (uint32_t)(size / sizeof(struct pair));
    HOLDS(3, size % sizeof(struct pair) == 0);
    *ADD(history, reads) =
        (struct seen_log){address, history->read_entries_count, count, moment_now(history, shard)};
    for (uint32_t i = 0; i < count; i++)
        memcpy(ADD(history, read_entries), (const char *)log + i * sizeof(struct pair),
               sizeof(struct pair));
}

static bool is_after(const struct cut_times *cut, struct moment moment)
{
    if (moment.order == 0 || moment.order <= cut->begun) return false;
    return moment.shard >= cut->shard_count || moment.order > cut->at[moment.shard];
}

static void forget_notes(struct history *history, const struct cut_times *cut)
{
    for (uint32_t i = 1; i < history->notes_count; i++) {
        struct note *note = &history->notes[i];
        if (is_after(cut, note->acked)) note->acked = (struct moment){0};
        if (is_after(cut, note->shown)) note->shown = (struct moment){0};
        note->name = 0; /* under another lineage */
        if (is_after(cut, note->first)) note->gone = true;
        note->restored = note->restored || (note->tries > 0 && !note->gone);
    }
    for (uint32_t i = 1; i < history->deeds_count; i++)
        if (is_after(cut, history->deeds[i].at)) history->deeds[i].gone = true;
    for (uint32_t i = 1; i < history->scribbles_count; i++) {
        struct scribble *scribble = &history->scribbles[i];
        if (is_after(cut, scribble->acked)) scribble->acked = (struct moment){0};
        if (is_after(cut, scribble->first)) scribble->gone = true;
    }
}

static uint32_t keep_records(const struct seen_record *records, uint32_t count,
                             const struct cut_times *cut)
{
    while (count > 0 && is_after(cut, records[count - 1].at)) count--;
    return count;
}

void history_go_back(struct history *history, const struct cut_times *cut)
{
    forget_notes(history, cut);
    history->generation++;
    memset(history->scribble_seen, 0, sizeof history->scribble_seen);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < history->reply_seen_count; i++)
        if (!is_after(cut, history->reply_seen[i].at))
            history->reply_seen[kept++] = history->reply_seen[i];
    history->reply_seen_count = kept;
    kept = 0;
    for (uint32_t i = 0; i < history->reads_count; i++)
        if (!is_after(cut, history->reads[i].at)) history->reads[kept++] = history->reads[i];
    history->reads_count = kept;
    history->egress_count = keep_records(history->egress, history->egress_count, cut);
    uint32_t popped = keep_records(history->topic, history->topic_count, cut);
    if (popped != history->topic_count) history->topic_lost = true; /* taken before, shown after */
    history->topic_count = popped;
}
