/* Pull egress: records by cursor, shown when durable, gone when taken. */
#include "base/text.h"
#include "shard/budget.h"
#include "shard/decide.h"

/* The lane that a pull names; NULL while nothing was ever written to it. False: not declared. */
static bool find_lane(struct shard *shard, const struct event_pull *pull, struct lane **lane)
{
    struct buffer name;
    buffer_init(&name);
    buffer_append(&name, pull->egress);
    if (pull->topic.size > 0) {
        buffer_byte(&name, '/');
        buffer_append(&name, pull->topic);
    }
    uint32_t number = name.failed ? 0 : dictionary_find(&shard->image, buffer_span(&name));
    bool declared = egress_find(&shard->overlay, buffer_span(&name)) != NULL ||
                    span_equal(buffer_span(&name), SPAN_LITERAL("holdfast/dead-letters"));
    buffer_close(&name);
    *lane = number == 0 ? NULL : lane_find(&shard->image, number);
    return declared || *lane != NULL;
}

/* The first letter after a cursor, or the head; from the nearer end, since a reader that follows
 * without an ack asks for the newest of many. */
static const struct list *first_after(const struct lane *lane, uint64_t after)
{
    const struct list *head = &lane->letters, *link = head->next;
    if (link == head || CONTAINER_OF(link, const struct letter, link)->cursor > after) return link;
    if (after - CONTAINER_OF(link, const struct letter, link)->cursor < lane->last - after) {
        while (link != head && CONTAINER_OF(link, const struct letter, link)->cursor <= after)
            link = link->next;
        return link;
    }
    while (CONTAINER_OF(head->prev, const struct letter, link)->cursor > after) head = head->prev;
    return head;
}

static bool is_there(const struct shard *shard, const struct lane *lane, uint64_t after)
{
    if (lane == NULL || list_empty(&lane->letters)) return false;
    const struct list *link = first_after(lane, after);
    return link != &lane->letters &&
           CONTAINER_OF(link, const struct letter, link)->seq <= shard->overlay.durable_seq;
}

static int take(struct shard *shard, struct lane *lane, uint64_t through,
                struct shard_update *update)
{
    struct buffer *body = emit_begin(shard);
    buffer_varint(body, lane->name);
    buffer_varint(body, through);
    int error = emit(shard, update, RECORD_CURSOR);
    return error;
}

/* Rows into scratch; the cursor of the last one. */
static uint64_t write_rows(struct shard *shard, const struct lane *lane, uint64_t after,
                           uint32_t max)
{
    uint64_t last = after;
    uint32_t count = 0;
    buffer_clear(&shard->scratch);
    const struct list *link = first_after(lane, after);
    for (; link != &lane->letters; link = link->next) {
        const struct letter *letter = CONTAINER_OF(link, const struct letter, link);
        if (letter->seq > shard->overlay.durable_seq || count == max) break;
        if (count > 0 && shard->scratch.size + letter->size > PULL_BYTES_MAX) break;
        buffer_varint(&shard->scratch, letter->cursor);
        buffer_string(&shard->scratch, span_of(letter->bytes, letter->size));
        last = letter->cursor;
        count++;
    }
    return last;
}

/* Answers a wait with what is there. Popped records are shown when their taking is durable. */
static void serve(struct shard *shard, struct wait *wait, struct lane *lane,
                  struct shard_update *update)
{
    uint64_t last = lane == NULL ? wait->after : write_rows(shard, lane, wait->after, wait->max);
    if (lane == NULL) buffer_clear(&shard->scratch);
    struct buffer next;
    buffer_init(&next);
    text_decimal(&next, last);
    wait->kind = ANSWER_ROWS;
    wait->number = last;
    int error = shard->scratch.failed || next.failed ? ERROR_MEMORY : 0;
    if (error == 0)
        error = wait_set_bytes(shard, wait, buffer_span(&shard->scratch), buffer_span(&next),
                               SPAN_EMPTY);
    buffer_close(&next);
    uint64_t gate = 0;
    if (error == 0 && wait->pop && last > wait->after) {
        error = take(shard, lane, last, update);
        gate = shard->image.seq;
    }
    if (error != 0) wait->kind = ANSWER_FULL;
    wait_gate(shard, wait, gate, update);
}

void decide_pull(struct shard *shard, const struct shard_event *event, struct shard_update *update)
{
    const struct event_pull *pull = &event->pull;
    struct lane *lane;
    if (!find_lane(shard, pull, &lane)) {
        answer_text(update, event->waiter, ANSWER_UNKNOWN_EGRESS,
                    "module.yaml does not declare this egress");
        return;
    }
    struct wait *wait = wait_new(shard, event->waiter);
    if (wait == NULL) {
        answer_text(update, event->waiter, ANSWER_FULL, "out of memory");
        return;
    }
    wait->max = pull->max == 0 || pull->max > ROWS_MAX ? ROWS_MAX : pull->max;
    wait->pop = pull->pop;
    wait->after = lane != NULL && pull->after < lane->taken ? lane->taken : pull->after;
    if (is_there(shard, lane, wait->after) || !pull->wait) {
        serve(shard, wait, lane, update);
        return;
    }
    uint32_t name = 0;
    struct buffer full;
    buffer_init(&full);
    buffer_append(&full, pull->egress);
    if (pull->topic.size > 0) {
        buffer_byte(&full, '/');
        buffer_append(&full, pull->topic);
    }
    if (!full.failed) name = intern(shard, update, buffer_span(&full));
    buffer_close(&full);
    if (name == 0) {
        serve(shard, wait, NULL, update);
        return;
    }
    wait->type_name = name; /* the lane; it may not exist yet */
    wait_on(shard, wait, WAIT_LANE, &shard->overlay.lane_waits);
    update->commit_wanted = true; /* a record may be on its way to the journal */
}

void pulls_release(struct shard *shard, struct shard_update *update)
{
    LIST_EACH (&shard->overlay.lane_waits, link) {
        struct wait *wait = CONTAINER_OF(link, struct wait, link);
        struct lane *lane = lane_find(&shard->image, wait->type_name);
        if (lane != NULL && wait->after < lane->taken) wait->after = lane->taken;
        if (!is_there(shard, lane, wait->after)) continue;
        wait->type_name = 0;
        serve(shard, wait, lane, update);
    }
}

void decide_pull_ack(struct shard *shard, const struct shard_event *event,
                     struct shard_update *update)
{
    struct lane *lane;
    if (!find_lane(shard, &event->pull, &lane)) {
        answer_text(update, event->waiter, ANSWER_UNKNOWN_EGRESS,
                    "module.yaml does not declare this egress");
        return;
    }
    uint64_t last = lane == NULL ? 0 : lane->last;
    if (event->pull.after > last) {
        answer_text(update, event->waiter, ANSWER_INVALID,
                    "the cursor is beyond the newest record");
        return;
    }
    struct wait *wait = wait_new(shard, event->waiter);
    if (wait == NULL || (lane != NULL && event->pull.after > lane->taken &&
                         take(shard, lane, event->pull.after, update) != 0)) {
        if (wait != NULL) wait_free(shard, wait);
        answer_text(update, event->waiter, ANSWER_FULL, "out of memory");
        return;
    }
    wait->kind = ANSWER_DONE;
    wait->number = lane == NULL ? 0 : lane->taken;
    wait_gate(shard, wait, shard->image.seq, update);
}
