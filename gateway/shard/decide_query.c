/* Reads: evaluated when they come, shown when what they show is durable. */
#include "base/text.h"
#include "shard/channel.h"
#include "shard/decide.h"
#include "shard/shard.h"
#include "shard/sorted.h"

#include <stdlib.h>

/* What a query has found: rows in scratch, the next page's cursor, and the seq to wait for. */
struct found {
    enum answer_kind kind;
    uint64_t seq;
    uint64_t number;
    uint32_t type_name;
    struct buffer next;
    struct span body;  /* in the image; else it is in scratch */
    struct cell *cell; /* that it is in */
};

static void member_number(struct buffer *out, const char *name, uint64_t value)
{
    text_json_member(out, name);
    text_decimal(out, value);
}

static void member_span(struct buffer *out, const char *name, struct span value)
{
    text_json_member(out, name);
    text_json_string(out, value);
}

static uint64_t parse_number(struct span text)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.size && text.at[i] >= '0' && text.at[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(text.at[i] - '0');
    return number;
}

static bool is_visible(const struct shard *shard, const struct cell *cell,
                       const struct value *value)
{
    const struct function *function = image_find_function(&shard->image, cell->type);
    return !value_expired(function, cell, value, shard->overlay.now_ms);
}

static struct cell *find_cell(const struct shard *shard, const struct event_query *query)
{
    uint32_t type = dictionary_find(&shard->image, query->address.type);
    return type == 0 || query->address.id.size == 0
               ? NULL
               : cell_find(&shard->image, type, query->address.id);
}

/* What may be missing because of a record that is not durable yet waits for it like a value. */
static uint64_t last_change(const struct shard *shard, const struct event_query *query,
                            const struct cell *cell)
{
    if (cell != NULL) return cell->seq;
    return query->address.id.size == 0 ? 0
                                       : image_slot(&shard->image, query->address.id)->changed_seq;
}

static void query_state(struct shard *shard, const struct event_query *query, struct found *found)
{
    struct cell *cell = find_cell(shard, query);
    uint32_t name = dictionary_find(&shard->image, query->name);
    const struct value *value = cell == NULL || name == 0 ? NULL : cell_find_value(cell, name);
    found->seq = last_change(shard, query, cell);
    if (value == NULL || !is_visible(shard, cell, value)) {
        found->kind = ANSWER_NOT_FOUND;
        return;
    }
    found->kind = ANSWER_VALUE;
    found->number = value->version;
    found->type_name = value->type_name;
    found->body = cell_value(cell, value);
    found->cell = cell;
}

static void write_cell_rows(struct shard *shard, const struct cell *cell)
{
    for (uint32_t i = 0; i < cell->value_count; i++) {
        const struct value *value = &cell->values[i];
        if (!is_visible(shard, cell, value)) continue;
        buffer_string(&shard->scratch, dictionary_name(&shard->image, cell->type));
        buffer_string(&shard->scratch, cell_id(cell));
        buffer_string(&shard->scratch, dictionary_name(&shard->image, value->name));
        buffer_string(&shard->scratch, dictionary_name(&shard->image, value->type_name));
        buffer_varint(&shard->scratch, value->version);
        buffer_varint(&shard->scratch, (uint64_t)value->written_ms);
        buffer_string(&shard->scratch, cell_value(cell, value));
    }
}

static void query_states(struct shard *shard, const struct event_query *query, struct found *found)
{
    const struct cell *cell = find_cell(shard, query);
    if (cell != NULL) write_cell_rows(shard, cell);
    if (shard->scratch.size == 0) found->kind = ANSWER_NOT_FOUND;
    found->seq = last_change(shard, query, cell);
}

/* By slot, then by bytes: an order that stays. Within the slot of `after` only what follows it. */
static void query_keys(struct shard *shard, const struct event_query *query, struct found *found)
{
    uint32_t type = dictionary_find(&shard->image, query->address.type);
    uint32_t left = query->limit;
    struct span last = query->after;
    struct buffer cells;
    found->seq = shard->image.seq;
    if (type == 0) return;
    buffer_init(&cells);
    bool more = false;
    for (uint32_t i = last.size > 0 ? slot_of(last) : 0; i < SLOTS && !more; i++) {
        bool within = last.size > 0 && slot_of(last) == i;
        sorted_cells(&cells, &shard->image.slots[i], type, within ? last : SPAN_EMPTY);
        size_t count = cells.size / sizeof(struct cell *);
        more = count > left;
        for (size_t j = 0; j < count && left > 0; j++, left--) {
            last = cell_id(cell_at(&cells, j));
            buffer_byte(&shard->scratch, '{');
            member_span(&shard->scratch, "id", last);
            text_append(&shard->scratch, "}\n");
        }
    }
    if (more) buffer_append(&found->next, last);
    if (cells.failed) shard->scratch.failed = true;
    buffer_close(&cells);
}

static void query_export(struct shard *shard, const struct event_query *query, struct found *found)
{
    uint32_t type =
        query->address.type.size == 0 ? 0 : dictionary_find(&shard->image, query->address.type);
    found->seq = shard->image.seq;
    if (query->address.type.size > 0 && type == 0) return;
    uint64_t first = parse_number(query->after);
    uint32_t count = 0;
    for (uint64_t i = first; i < SLOTS; i++) {
        if (count >= query->limit || shard->scratch.size >= EXPORT_BYTES_MAX) {
            text_decimal(&found->next, i);
            return;
        }
        const struct slot *slot = &shard->image.slots[i];
        struct table_node *node = table_next(&slot->cells, NULL);
        for (; node != NULL; node = table_next(&slot->cells, node)) {
            const struct cell *cell = CONTAINER_OF(node, struct cell, node);
            if (type != 0 && cell->type != type) continue;
            write_cell_rows(shard, cell);
            count++;
        }
    }
}

static const char *circuit(const struct shard *shard, const struct endpoint *endpoint)
{
    if (shard->overlay.now_ms < endpoint->open_until_ms) return "open";
    return endpoint->failures > 0 ? "half-open" : "closed";
}

/* Of all types in one go, FLIGHT_STATES for each: once for each type would be their number times
 * that of the addresses. NULL: no memory. */
static uint64_t *count_flights(const struct shard *shard)
{
    uint64_t *counts = calloc(shard->image.function_capacity, FLIGHT_STATES * sizeof *counts);
    for (uint32_t i = 0; counts != NULL && i < shard->overlay.flight_count; i++) {
        const struct flight *flight = shard->overlay.flights[i];
        if (flight->box != NULL) counts[flight->box->type * FLIGHT_STATES + flight->state]++;
    }
    return counts;
}

static void write_function(struct shard *shard, const struct function *function,
                           const uint64_t counts[FLIGHT_STATES])
{
    static const char *const names[FLIGHT_STATES] = {"ready",   "waitDurable", "sent", "retryWait",
                                                     "blocked", "parked",      "held"};
    struct buffer *out = &shard->scratch;
    buffer_byte(out, '{');
    member_span(out, "function", dictionary_name(&shard->image, function->type));
    member_number(out, "keys", function->cell_count);
    member_number(out, "messages", function->message_count);
    for (int i = 0; i < FLIGHT_STATES; i++) member_number(out, names[i], counts[i]);
    int32_t index = endpoint_of(shard, function->type);
    if (index >= 0) {
        const struct endpoint *endpoint = &shard->overlay.endpoints[index];
        member_span(out, "endpoint", endpoint->config.pattern);
        member_span(out, "circuit", span_text(circuit(shard, endpoint)));
        member_number(out, "window", endpoint->window);
        member_number(out, "inFlight", endpoint->in_flight);
        member_number(out, "failures", endpoint->failures);
    }
    text_json_member(out, "states");
    buffer_byte(out, '[');
    for (uint32_t i = 0; i < function->spec_count; i++) {
        if (i > 0) buffer_byte(out, ',');
        text_json_string(out, dictionary_name(&shard->image, function->specs[i].name));
    }
    text_append(out, "]}\n");
}

static void query_functions(struct shard *shard)
{
    if (shard->image.function_capacity == 0) return;
    uint64_t *counts = count_flights(shard);
    if (counts == NULL) shard->scratch.failed = true;
    for (uint32_t i = 0; counts != NULL && i < shard->image.function_capacity; i++)
        if (shard->image.functions[i] != NULL)
            write_function(shard, shard->image.functions[i], counts + i * FLIGHT_STATES);
    free(counts);
}

static void write_parked(struct shard *shard, const struct box *box, bool with_message)
{
    struct buffer *out = &shard->scratch;
    const struct message *head = LIST_FIRST(&box->messages, struct message, link);
    buffer_byte(out, '{');
    member_span(out, "function", dictionary_name(&shard->image, box->type));
    member_span(out, "id", box_id(box));
    member_span(out, "cause", span_of(box->text, box->text_size));
    member_number(out, "attempts", box->attempts);
    member_number(out, "failedAt", (uint64_t)box->failed_ms);
    member_number(out, "parkedAt", (uint64_t)box->parked_ms);
    member_number(out, "messages", box->count);
    text_json_member(out, "message");
    buffer_byte(out, '"');
    message_id_text(out, &shard->image, head->epoch, head->seq, head->index);
    buffer_byte(out, '"');
    if (with_message) {
        struct typed_value value = {0};
        text_json_member(out, "type");
        int error = typed_value_parse(message_argument(head), &value);
        text_json_string(out, error == 0 ? value.type_name : SPAN_EMPTY);
        text_json_member(out, "base64");
        buffer_byte(out, '"');
        text_base64(out, value.value);
        buffer_byte(out, '"');
    }
    text_append(out, "}\n");
}

static uint64_t flight_name(const struct flight *flight)
{
    return (uint64_t)flight->generation << 32 | flight->index;
}

/* The cursor of a page says how many rows are before it, and with which flight it begins. While
 * that one is parked nothing is counted: rows before it that have left meanwhile hide no others.
 * NULL: it has left itself, or there is no cursor. */
static struct list *parked_at(const struct shard *shard, struct span after)
{
    const uint8_t *mark = after.size == 0 ? NULL : memchr(after.at, '-', after.size);
    if (mark == NULL) return NULL;
    uint64_t name = parse_number(span_from(after, (size_t)(mark + 1 - after.at)));
    if ((uint32_t)name >= shard->overlay.flight_count) return NULL;
    struct flight *flight = shard->overlay.flights[(uint32_t)name];
    bool is_it = flight_name(flight) == name && flight->state == FLIGHT_PARKED;
    return is_it && flight->box != NULL ? &flight->link : NULL;
}

static void query_parked(struct shard *shard, const struct event_query *query, struct found *found)
{
    const struct list *head = &shard->overlay.states[FLIGHT_PARKED];
    const struct list *link = parked_at(shard, query->after);
    uint64_t first = parse_number(query->after), skip = link == NULL ? first : 0, count = 0;
    found->seq = shard->image.seq;
    for (link = link == NULL ? head->next : link; link != head; link = link->next) {
        const struct flight *flight = CONTAINER_OF(link, struct flight, link);
        struct span type = dictionary_name(&shard->image, flight->box->type);
        if (query->address.type.size > 0 && !span_equal(type, query->address.type)) continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        if (count++ == query->limit) {
            text_decimal(&found->next, first + query->limit);
            buffer_byte(&found->next, '-');
            text_decimal(&found->next, flight_name(flight));
            return;
        }
        write_parked(shard, flight->box, false);
    }
}

static void query_parked_one(struct shard *shard, const struct event_query *query,
                             struct found *found)
{
    uint32_t type = dictionary_find(&shard->image, query->address.type);
    const struct box *box = type == 0 ? NULL : box_find(&shard->image, type, query->address.id);
    found->seq = shard->image.seq;
    if (box == NULL || !box->parked)
        found->kind = ANSWER_NOT_FOUND;
    else
        write_parked(shard, box, true);
}

static void write_peers(const struct shard *shard, struct buffer *out)
{
    const char *separator = "";
    text_json_member(out, "peers");
    buffer_byte(out, '[');
    for (uint32_t i = 0; i < shard->image.shard_count; i++) {
        const struct channel *channel = channel_of(&shard->image, i);
        if (channel == NULL) continue;
        text_append(out, separator);
        separator = ",";
        buffer_byte(out, '{');
        member_number(out, "shard", i);
        member_number(out, "last", channel->out.last);
        member_number(out, "acked", channel->out.taken);
        member_number(out, "received", channel->accepted);
        buffer_byte(out, '}');
    }
    buffer_byte(out, ']');
}

static void query_status(struct shard *shard)
{
    struct buffer *out = &shard->scratch;
    const struct image *image = &shard->image;
    buffer_byte(out, '{');
    size_t parcel_bytes;
    uint64_t parcels = channels_waiting(image, &parcel_bytes);
    member_number(out, "shard", image->shard);
    member_number(out, "seq", image->seq);
    member_number(out, "durable", shard->overlay.durable_seq);
    member_number(out, "epoch", image->epoch);
    text_json_member(out, "lineage");
    buffer_byte(out, '"');
    text_hex(out, image->lineage, 16);
    buffer_byte(out, '"');
    member_number(out, "firstSlot", slot_first(image->shard, shard_count(shard)));
    member_number(out, "slots",
                  slot_first(image->shard + 1, shard_count(shard)) -
                      slot_first(image->shard, shard_count(shard)));
    member_number(out, "cut", image->cut);
    member_number(out, "keys", image->cell_count);
    member_number(out, "mailboxMessages", image->message_count);
    member_number(out, "delayed", image->timer_count);
    member_number(out, "parked", image->parked_count);
    member_number(out, "idempotencyEntries", image->entry_count);
    member_number(out, "egressWaiting", image->letter_count - parcels);
    member_number(out, "parcelsWaiting", parcels);
    write_peers(shard, out);
    member_number(out, "memoryBytes", image->memory.used);
    member_number(out, "stateBytes", image->cell_bytes);
    text_append(out, "}\n");
}

static void query_egress(struct shard *shard)
{
    struct buffer *out = &shard->scratch;
    LIST_EACH (&shard->image.lanes, link) {
        const struct lane *lane = CONTAINER_OF(link, struct lane, link);
        buffer_byte(out, '{');
        member_span(out, "egress", dictionary_name(&shard->image, lane->name));
        member_number(out, "waiting", lane->count);
        member_number(out, "bytes", lane->bytes);
        member_number(out, "last", lane->last);
        member_number(out, "taken", lane->taken);
        text_append(out, "}\n");
    }
}

static void run(struct shard *shard, const struct event_query *query, struct found *found)
{
    switch (query->kind) {
    case QUERY_STATE: query_state(shard, query, found); return;
    case QUERY_STATES: query_states(shard, query, found); return;
    case QUERY_KEYS: query_keys(shard, query, found); return;
    case QUERY_EXPORT: query_export(shard, query, found); return;
    case QUERY_FUNCTIONS: query_functions(shard); return;
    case QUERY_PARKED: query_parked(shard, query, found); return;
    case QUERY_PARKED_ONE: query_parked_one(shard, query, found); return;
    case QUERY_STATUS: query_status(shard); return;
    case QUERY_EGRESS: query_egress(shard); return;
    }
}

/* What is durable already is not kept until it is. */
static void show(struct shard *shard, waiter_t waiter, const struct found *found, struct span body,
                 struct shard_loan *loan, struct shard_update *update)
{
    answer_now(update, &(struct shard_answer){
                           .waiter = waiter,
                           .kind = found->kind,
                           .number = found->number,
                           .type_name = found->type_name == 0
                                            ? SPAN_EMPTY
                                            : dictionary_name(&shard->image, found->type_name),
                           .body = body,
                           .next = buffer_span(&found->next),
                           .loan = loan});
}

static void show_later(struct shard *shard, waiter_t waiter, const struct found *found,
                       struct span body, struct shard_loan *loan, struct shard_update *update)
{
    struct wait *wait = wait_new(shard, waiter);
    if (loan != NULL) body = SPAN_EMPTY;
    if (wait == NULL ||
        wait_set_bytes(shard, wait, body, buffer_span(&found->next), SPAN_EMPTY) != 0) {
        if (wait != NULL) wait_free(shard, wait);
        answer_text(update, waiter, ANSWER_FULL, "out of memory");
        return;
    }
    if (loan != NULL) shard_loan_keep(loan);
    wait->loan = loan;
    wait->kind = found->kind;
    wait->number = found->number;
    wait->type_name = found->type_name;
    wait_gate(shard, wait, found->seq, update);
}

static struct shard_loan *lend(struct shard *shard, const struct shard_event *event,
                               const struct found *found)
{
    bool may_keep = event->waiter != 0 && event->query.lend_to == event->waiter;
    return may_keep && found->cell != NULL ? loan_of(shard, found->cell, found->body) : NULL;
}

void decide_query(struct shard *shard, const struct shard_event *event, struct shard_update *update)
{
    struct event_query query = event->query;
    if (query.limit == 0 || query.limit > ROWS_MAX) query.limit = ROWS_MAX;
    struct found found = {.kind = ANSWER_ROWS};
    buffer_init(&found.next);
    buffer_clear(&shard->scratch);
    run(shard, &query, &found);
    struct span body = found.body.at != NULL ? found.body : buffer_span(&shard->scratch);
    struct shard_loan *loan = lend(shard, event, &found);
    if (shard->scratch.failed || found.next.failed)
        answer_text(update, event->waiter, ANSWER_FULL, "out of memory");
    else if (found.seq <= shard->overlay.durable_seq)
        show(shard, event->waiter, &found, body, loan, update);
    else
        show_later(shard, event->waiter, &found, body, loan, update);
    if (loan != NULL) shard_loan_return(loan);
    buffer_close(&found.next);
}
