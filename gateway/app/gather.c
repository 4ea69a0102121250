/*
 * Questions to several shards. Some are asked of all at once; pages are filled shard after shard,
 * with cursors that say where the next page begins:
 *     keys     the last id: its slot says the shard, and within a shard ids go by slot, too
 *     export   a slot
 *     parked   SHARD:INDEX
 */
#include "app/gather.h"

#include "base/slot.h"
#include "base/text.h"

#include <stdlib.h>

enum { PAGE_ROWS_MAX = 1000 }; /* as the shards' own */

struct part {
    struct port_waiter waiter; /* first */
    struct gather *gather;
    bool asked;
    enum answer_kind kind;
    struct buffer body;
};

struct gather {
    struct list link;
    struct switchboard *board;
    struct port_waiter *client; /* NULL: nobody waits */
    struct shard_event event;   /* what it points to is in `kept` */
    struct buffer kept;
    uint32_t open;  /* parts that are not answered */
    uint32_t shard; /* of a page: the one that is asked */
    uint32_t left;  /* of a page: rows */
    enum answer_kind kind;
    uint64_t number;
    struct buffer body, next, text;
    uint32_t count;
    struct part parts[];
};

/* ---- Life ---- */

static void free_gather(struct gather *gather)
{
    list_remove(&gather->link);
    for (uint32_t i = 0; i < gather->count; i++) buffer_close(&gather->parts[i].body);
    buffer_close(&gather->kept);
    buffer_close(&gather->body);
    buffer_close(&gather->next);
    buffer_close(&gather->text);
    free(gather);
}

static void finish(struct gather *gather)
{
    struct port_waiter *client = gather->client;
    bool failed = gather->body.failed || gather->next.failed;
    struct shard_answer answer = {.waiter = client == NULL ? 0 : waiter_of(client),
                                  .kind = failed ? ANSWER_FULL : gather->kind,
                                  .number = gather->number,
                                  .text = buffer_span(&gather->text),
                                  .body = buffer_span(&gather->body),
                                  .next = buffer_span(&gather->next)};
    list_remove(&gather->link);
    if (client != NULL) client->answer(client, &answer);
    free_gather(gather);
}

static void ask(struct gather *gather, uint32_t shard)
{
    struct part *part = &gather->parts[shard];
    struct shard_event event = gather->event;
    event.waiter = waiter_of(&part->waiter);
    part->asked = true;
    gather->open++;
    port_submit(gather->board->ports[shard], &event);
}

/* ---- Pages ---- */

static uint32_t count_lines(struct span body)
{
    uint32_t count = 0;
    for (size_t i = 0; i < body.size; i++) count += body.at[i] == '\n';
    return count;
}

static uint64_t read_number(struct span text, size_t *used)
{
    uint64_t number = 0;
    size_t i = 0;
    for (; i < text.size && i < 18 && text.at[i] >= '0' && text.at[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(text.at[i] - '0');
    *used = i;
    return number;
}

/* Where a page begins; what is not for a shard's eyes is taken off the cursor. */
static uint32_t first_shard(struct gather *gather)
{
    struct event_query *query = &gather->event.query;
    uint32_t count = gather->count;
    size_t used = 0;
    if (query->after.size == 0) return 0;
    if (query->kind == QUERY_KEYS) return slot_owner(slot_of(query->after), count);
    uint64_t number = read_number(query->after, &used);
    if (query->kind == QUERY_EXPORT)
        return number < SLOTS ? slot_owner((uint32_t)number, count) : count - 1;
    if (used == query->after.size || query->after.at[used] != ':') return 0;
    query->after = span_from(query->after, used + 1);
    return number < count ? (uint32_t)number : count - 1;
}

static void set_parked_next(struct gather *gather, uint32_t shard, struct span index)
{
    text_decimal(&gather->next, shard);
    buffer_byte(&gather->next, ':');
    buffer_append(&gather->next, index);
}

/* The shard has more. */
static void stop_within(struct gather *gather, struct span next)
{
    if (gather->event.query.kind == QUERY_PARKED)
        set_parked_next(gather, gather->shard, next);
    else
        buffer_append(&gather->next, next);
}

/* The page is full, and others may have more. */
static void stop_between(struct gather *gather)
{
    switch (gather->event.query.kind) {
    case QUERY_KEYS: gather_last_id(buffer_span(&gather->body), &gather->next); return;
    case QUERY_EXPORT:
        text_decimal(&gather->next, slot_first(gather->shard + 1, gather->count));
        return;
    default: set_parked_next(gather, gather->shard + 1, SPAN_LITERAL("0"));
    }
}

static bool is_page_full(const struct gather *gather)
{
    return gather->event.query.kind == QUERY_EXPORT ? gather->body.size > 0 : gather->left == 0;
}

static void turn_page(struct gather *gather, const struct shard_answer *answer)
{
    buffer_append(&gather->body, answer->body);
    if (gather->event.query.kind != QUERY_EXPORT) {
        uint32_t rows = count_lines(answer->body);
        gather->left -= rows < gather->left ? rows : gather->left;
    }
    bool is_last = gather->shard + 1 == gather->count;
    if (answer->kind != ANSWER_ROWS || answer->next.size > 0 || is_last || is_page_full(gather)) {
        gather->kind = answer->kind;
        if (answer->kind != ANSWER_ROWS)
            buffer_append(&gather->text, answer->text);
        else if (answer->next.size > 0)
            stop_within(gather, answer->next);
        else if (!is_last)
            stop_between(gather);
        finish(gather);
        return;
    }
    gather->event.query.after = SPAN_EMPTY;
    gather->event.query.limit = gather->left;
    ask(gather, ++gather->shard);
}

static bool is_paged(const struct gather *gather)
{
    if (gather->event.kind != EVENT_QUERY) return false;
    enum query_kind kind = gather->event.query.kind;
    return kind == QUERY_KEYS || kind == QUERY_EXPORT || kind == QUERY_PARKED;
}

/* ---- All at once ---- */

/* A budget that is full somewhere is told: the verb can be repeated. What one shard does not know
 * does not count when others do. */
static void choose_kind(struct gather *gather)
{
    enum answer_kind good = gather->event.kind == EVENT_QUERY ? ANSWER_ROWS : ANSWER_DONE;
    gather->kind = gather->parts[0].kind;
    for (uint32_t i = 0; i < gather->count; i++)
        if (gather->parts[i].kind == good) gather->kind = good;
    for (uint32_t i = 0; i < gather->count; i++)
        if (gather->parts[i].kind == ANSWER_FULL) gather->kind = ANSWER_FULL;
}

static void join_bodies(struct gather *gather)
{
    for (uint32_t i = 0; i < gather->count; i++) {
        buffer_append(&gather->body, buffer_span(&gather->parts[i].body));
        if (gather->parts[i].body.failed) gather->body.failed = true;
    }
    if (gather->event.kind == EVENT_QUERY && gather->event.query.kind == QUERY_FUNCTIONS &&
        gather_sum_functions(&gather->body) != 0)
        gather->body.failed = true;
}

static void collect(struct part *part, const struct shard_answer *answer)
{
    struct gather *gather = part->gather;
    part->kind = answer->kind;
    buffer_append(&part->body, answer->body);
    if (answer->kind == ANSWER_DONE) gather->number += answer->number;
    if (gather->text.size == 0) buffer_append(&gather->text, answer->text);
    if (gather->open > 0) return;
    choose_kind(gather);
    join_bodies(gather);
    finish(gather);
}

/* ---- */

static void answered(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct part *part = (struct part *)waiter;
    struct gather *gather = part->gather;
    part->asked = false;
    gather->open--;
    if (is_paged(gather))
        turn_page(gather, answer);
    else
        collect(part, answer);
}

bool gather_wanted(const struct shard_event *event)
{
    if (event->kind == EVENT_OPERATOR) return event->operate.address.id.size == 0;
    if (event->kind != EVENT_QUERY) return false;
    switch (event->query.kind) {
    case QUERY_STATE:
    case QUERY_STATES:
    case QUERY_PARKED_ONE: return false;
    case QUERY_KEYS:
    case QUERY_EXPORT:
    case QUERY_FUNCTIONS:
    case QUERY_PARKED:
    case QUERY_STATUS:
    case QUERY_EGRESS: return true;
    }
    return false;
}

/* What the event points to lives only as long as its submit. */
static int keep_event(struct gather *gather, const struct shard_event *event)
{
    struct span *spans[3];
    size_t count = 0;
    gather->event = *event;
    if (event->kind == EVENT_QUERY) {
        spans[count++] = &gather->event.query.address.type;
        spans[count++] = &gather->event.query.after;
        gather->event.query.address.id = gather->event.query.name = SPAN_EMPTY;
    } else {
        spans[count++] = &gather->event.operate.address.type;
        spans[count++] = &gather->event.operate.who;
        gather->event.operate.address.id = SPAN_EMPTY;
    }
    for (size_t i = 0; i < count; i++) buffer_append(&gather->kept, *spans[i]);
    if (gather->kept.failed) return ERROR_MEMORY;
    const uint8_t *at = gather->kept.at;
    for (size_t i = 0; i < count; i++) {
        spans[i]->at = at;
        at += spans[i]->size;
    }
    return 0;
}

static struct gather *make_gather(struct switchboard *board, const struct shard_event *event)
{
    struct gather *gather = calloc(1, sizeof *gather + board->count * sizeof gather->parts[0]);
    if (gather == NULL) return NULL;
    gather->board = board;
    gather->client = (struct port_waiter *)(uintptr_t)event->waiter;
    gather->count = board->count;
    list_append(&board->gathers, &gather->link);
    for (uint32_t i = 0; i < board->count; i++)
        gather->parts[i] = (struct part){.waiter = {.answer = answered}, .gather = gather};
    if (keep_event(gather, event) == 0) return gather;
    free_gather(gather);
    return NULL;
}

void gather_begin(struct switchboard *board, const struct shard_event *event)
{
    struct gather *gather = make_gather(board, event);
    if (gather == NULL) return;
    if (!is_paged(gather)) {
        for (uint32_t i = 0; i < gather->count; i++) ask(gather, i);
        return;
    }
    struct event_query *query = &gather->event.query;
    if (query->limit == 0 || query->limit > PAGE_ROWS_MAX) query->limit = PAGE_ROWS_MAX;
    gather->left = query->limit;
    gather->shard = first_shard(gather);
    ask(gather, gather->shard);
}

static void leave_parts(struct gather *gather)
{
    for (uint32_t i = 0; i < gather->count; i++) {
        struct part *part = &gather->parts[i];
        struct shard_event event = {.kind = EVENT_DETACH, .waiter = waiter_of(&part->waiter)};
        if (part->asked) port_submit(gather->board->ports[i], &event);
    }
}

void gather_leave(struct switchboard *board, const struct port_waiter *client)
{
    LIST_EACH (&board->gathers, link) {
        struct gather *gather = CONTAINER_OF(link, struct gather, link);
        if (gather->client != client) continue;
        leave_parts(gather);
        free_gather(gather);
        return;
    }
}

void switchboard_close(struct switchboard *board)
{
    while (!list_empty(&board->gathers))
        free_gather(LIST_FIRST(&board->gathers, struct gather, link));
}
