/* A result: its effects become one APPLY, all or nothing. */
#include "base/text.h"
#include "shard/channel.h"
#include "shard/decide.h"
#include "shard/effects_check.h"
#include "wire/playground.h"

enum {
    MUTATION_OVERHEAD = 160, /* of a value beyond its bytes, at most */
    MESSAGE_OVERHEAD = 160,
};

/* What the effects need beyond the spans of the response: names as numbers, playground topics. */
struct apply {
    struct shard *shard;
    struct flight *flight;
    const struct function_response *response;
    struct shard_update *update;
    struct buffer numbers; /* u32 per message, delayed and egress, in that order */
    struct errmsg errmsg;
};

static void push_number(struct apply *apply, struct span name)
{
    uint32_t number = intern(apply->shard, apply->update, name);
    if (number == 0) apply->numbers.failed = true;
    buffer_append(&apply->numbers, span_of(&number, sizeof number));
}

/* For what needs no name: replies, cancels, discarded records. */
static void push_none(struct apply *apply)
{
    uint32_t none = 0;
    buffer_append(&apply->numbers, span_of(&none, sizeof none));
}

static uint32_t number_at(const struct apply *apply, size_t i)
{
    uint32_t number;
    memcpy(&number, apply->numbers.at + i * sizeof number, sizeof number);
    return number;
}

/* A playground record goes to the lane of its topic. */
static int intern_playground(struct apply *apply, const struct effect_egress *egress)
{
    struct buffer text, lane;
    struct playground_record record;
    buffer_init(&text);
    buffer_init(&lane);
    int error = playground_record_parse(egress->argument, &text, &record, &apply->errmsg);
    if (error == 0) {
        buffer_append(&lane, PLAYGROUND_EGRESS);
        buffer_byte(&lane, '/');
        buffer_append(&lane, record.topic);
        if (egress_find(&apply->shard->overlay, buffer_span(&lane)) == NULL)
            error = errmsg_set(&apply->errmsg, ERROR_INVALID,
                               "the response writes to playground topic \"%.*s\", which "
                               "module.yaml does not declare",
                               SPAN_PRINT(record.topic));
        else
            push_number(apply, buffer_span(&lane));
    }
    buffer_close(&text);
    buffer_close(&lane);
    return error;
}

static int intern_egress(struct apply *apply, const struct effect_egress *egress)
{
    switch (egress_find(&apply->shard->overlay, egress->name)->kind) {
    case EGRESS_PLAYGROUND: return intern_playground(apply, egress);
    case EGRESS_DISCARD: push_none(apply); return 0;
    case EGRESS_PULL: push_number(apply, egress->name); return 0;
    }
    return ERROR_INVALID;
}

static int intern_names(struct apply *apply)
{
    const struct function_response *response = apply->response;
    for (size_t i = 0; i < response->message_count; i++) {
        if (span_equal(response->messages[i].target.type, NAME_REPLY))
            push_none(apply);
        else
            push_number(apply, response->messages[i].target.type);
    }
    for (size_t i = 0; i < response->delayed_count; i++) {
        if (response->delayed[i].is_cancel)
            push_none(apply);
        else
            push_number(apply, response->delayed[i].target.type);
    }
    for (size_t i = 0; i < response->egress_count; i++) {
        int error = intern_egress(apply, &response->egress[i]);
        if (error != 0) return error;
    }
    if (!apply->numbers.failed) return 0;
    if (apply->shard->image.dictionary.count < NAMES_MAX) return ERROR_MEMORY;
    return errmsg_set(&apply->errmsg, ERROR_FULL,
                      "the response names a function type or an egress that is new, but no more "
                      "than %d different names can be kept",
                      NAMES_MAX);
}

static void write_messages(const struct apply *apply, struct buffer *body)
{
    const struct function_response *response = apply->response;
    buffer_varint(body, response->message_count);
    for (size_t i = 0; i < response->message_count; i++) {
        const struct effect_message *message = &response->messages[i];
        uint32_t type = number_at(apply, i);
        record_item_write(body, &(struct record_item){.kind = type == 0 ? ITEM_REPLY : ITEM_MESSAGE,
                                                      .type = type,
                                                      .id = message->target.id,
                                                      .argument = message->argument});
    }
}

static void write_delayed(const struct apply *apply, struct buffer *body)
{
    const struct function_response *response = apply->response;
    buffer_varint(body, response->delayed_count);
    for (size_t i = 0; i < response->delayed_count; i++) {
        const struct effect_delayed *delayed = &response->delayed[i];
        if (delayed->is_cancel) {
            record_cancel_write(body, delayed->token);
            continue;
        }
        record_delayed_write(
            body, &(struct record_item){.kind = ITEM_MESSAGE,
                                        .type = number_at(apply, response->message_count + i),
                                        .id = delayed->target.id,
                                        .argument = delayed->argument,
                                        .delayed = true,
                                        .delay_ms = (uint64_t)delayed->delay_ms,
                                        .cancel_token = delayed->token});
    }
}

static void write_egress(const struct apply *apply, struct buffer *body)
{
    const struct function_response *response = apply->response;
    size_t first = response->message_count + response->delayed_count;
    uint64_t count = 0;
    for (size_t i = 0; i < response->egress_count; i++) count += number_at(apply, first + i) != 0;
    buffer_varint(body, count);
    for (size_t i = 0; i < response->egress_count; i++) {
        uint32_t lane = number_at(apply, first + i);
        if (lane != 0)
            record_egress_write(body, &(struct record_egress){lane, response->egress[i].argument});
    }
}

static bool is_last_of_its_name(const struct function_response *response, size_t i)
{
    for (size_t j = i + 1; j < response->mutation_count; j++)
        if (span_equal(response->mutations[j].name, response->mutations[i].name)) return false;
    return true;
}

static void write_mutations(const struct apply *apply, struct buffer *body)
{
    const struct function_response *response = apply->response;
    const struct image *image = &apply->shard->image;
    uint64_t count = 0;
    for (size_t i = 0; i < response->mutation_count; i++) count += is_last_of_its_name(response, i);
    buffer_varint(body, count);
    for (size_t i = 0; i < response->mutation_count; i++) {
        const struct effect_mutation *mutation = &response->mutations[i];
        if (!is_last_of_its_name(response, i)) continue;
        uint32_t type_name = mutation->is_delete ? 0 : dictionary_find(image, mutation->type_name);
        record_mutation_write(
            body, &(struct record_mutation){dictionary_find(image, mutation->name),
                                            mutation->is_delete, type_name, mutation->value});
    }
}

static void write_apply(struct apply *apply)
{
    const struct flight *flight = apply->flight;
    const struct message *first = LIST_FIRST(&flight->box->messages, struct message, link);
    struct buffer *body = emit_begin(apply->shard);
    record_apply_write(body,
                       &(struct record_apply){
                           .type = flight->box->type,
                           .id = box_id(flight->box),
                           .consumed = flight->sent_count,
                           .check = message_check(first),
                           .age_ms = (uint64_t)(apply->shard->overlay.now_ms - flight->sent_ms)});
    write_messages(apply, body);
    write_delayed(apply, body);
    write_egress(apply, body);
    write_mutations(apply, body);
}

static uint32_t target_slot(const struct address *target)
{
    return span_equal(target->type, NAME_REPLY) ? reply_token_slot(target->id)
                                                : slot_of(target->id);
}

static size_t effects_bytes(const struct function_response *response)
{
    size_t bytes = 0;
    for (size_t i = 0; i < response->message_count; i++)
        bytes += response->messages[i].argument.size + MESSAGE_OVERHEAD;
    for (size_t i = 0; i < response->delayed_count; i++)
        bytes += response->delayed[i].argument.size + 320;
    for (size_t i = 0; i < response->egress_count; i++)
        bytes += response->egress[i].argument.size + 64;
    for (size_t i = 0; i < response->mutation_count; i++)
        bytes += response->mutations[i].value.size + MUTATION_OVERHEAD;
    return bytes;
}

static size_t crossing_bytes(const struct shard *shard, const struct function_response *response)
{
    size_t bytes = 0;
    for (size_t i = 0; shard->image.channels != NULL && i < response->message_count; i++)
        if (!image_owns(&shard->image, target_slot(&response->messages[i].target)))
            bytes += response->messages[i].argument.size + MESSAGE_OVERHEAD;
    return bytes;
}

/* What waits for other shards is an eighth of the memory at most: see has_room_for in
 * decide_signal.c. */
static bool is_crossing_blocked(const struct shard *shard, const struct function_response *response)
{
    size_t crossing = crossing_bytes(shard, response), most = shard->overlay.config.memory_max / 8;
    size_t waiting;
    if (crossing == 0 || most == 0) return false;
    channels_waiting(&shard->image, &waiting);
    return waiting > 0 && waiting + crossing > most;
}

/* What the outbox will hold: records for egresses, messages for other shards. */
static size_t outgoing_bytes(const struct shard *shard, const struct function_response *response)
{
    size_t bytes = crossing_bytes(shard, response);
    for (size_t i = 0; i < response->egress_count; i++) {
        const struct egress *egress = egress_find(&shard->overlay, response->egress[i].name);
        if (egress->kind != EGRESS_DISCARD) bytes += response->egress[i].argument.size;
    }
    return bytes;
}

/* What the record will free: the messages it consumes, and the values it writes over. */
static size_t freed_bytes(const struct shard *shard, const struct flight *flight,
                          const struct function_response *response)
{
    const struct box *box = flight->box;
    const struct cell *cell = cell_find(&shard->image, box->type, box_id(box));
    size_t bytes = flight->sent_count == box->count ? box_size(box_id(box)) : 0;
    uint32_t i = 0;
    LIST_EACH (&box->messages, link) {
        const struct message *message = CONTAINER_OF(link, struct message, link);
        if (i++ == flight->sent_count) break;
        bytes += sizeof *message + message->argument_size + message->caller_id_size;
    }
    for (size_t j = 0; cell != NULL && j < response->mutation_count; j++) {
        uint32_t name = dictionary_find(&shard->image, response->mutations[j].name);
        const struct value *value = cell_find_value(cell, name);
        if (value != NULL) bytes += value->size + MUTATION_OVERHEAD;
    }
    return bytes;
}

/* Effects that find no room are not applied: the address is called again later. Results that free
 * more than they take pass: else nothing could ever leave a full memory. */
static bool is_blocked(const struct shard *shard, const struct flight *flight,
                       const struct function_response *response)
{
    size_t outbox_max = shard->overlay.config.outbox_bytes_max;
    size_t waiting = shard->image.letter_bytes;
    /* Into an empty outbox goes anything: a response larger than the whole would wait for ever. */
    if (outbox_max > 0 && waiting > 0) {
        size_t letters = outgoing_bytes(shard, response);
        if (letters > 0 && waiting + letters > outbox_max) return true;
    }
    if (is_crossing_blocked(shard, response)) return true;
    /* An eighth above the budget at which ingress refuses: work that is under way can come to its
     * end. */
    size_t most = shard->overlay.config.memory_max;
    size_t used = shard->image.memory.used, more = effects_bytes(response);
    if (most == 0 || used + more <= most + most / 8) return false;
    size_t freed = freed_bytes(shard, flight, response);
    return more > freed && used + (more - freed) > most + most / 8;
}

static void count_effects(struct shard *shard, const struct function_response *response,
                          uint32_t consumed)
{
    for (size_t i = 0; i < response->message_count; i++) {
        if (span_equal(response->messages[i].target.type, NAME_REPLY))
            shard->metrics.replies++;
        else
            shard->metrics.messages_sent++;
    }
    for (size_t i = 0; i < response->delayed_count; i++)
        if (!response->delayed[i].is_cancel) shard->metrics.messages_delayed++;
    shard->metrics.egress_records += response->egress_count;
    shard->metrics.messages_applied += consumed;
}

static size_t state_bytes_after(const struct shard *shard, const struct box *box,
                                const struct function_response *response)
{
    const struct cell *cell = cell_find(&shard->image, box->type, box_id(box));
    size_t bytes = 0;
    for (uint32_t i = 0; cell != NULL && i < cell->value_count; i++) {
        struct span name = dictionary_name(&shard->image, cell->values[i].name);
        bool replaced = false;
        for (size_t j = 0; j < response->mutation_count; j++)
            replaced = replaced || span_equal(response->mutations[j].name, name);
        if (!replaced) bytes += cell->values[i].size;
    }
    for (size_t j = 0; j < response->mutation_count; j++)
        if (!response->mutations[j].is_delete) bytes += response->mutations[j].value.size;
    return bytes;
}

static int check_state_size(struct apply *apply)
{
    if (apply->flight->endpoint >= apply->shard->overlay.endpoint_count) return 0;
    size_t most = apply->shard->overlay.endpoints[apply->flight->endpoint].config.state_bytes_max;
    if (most == 0 || apply->response->mutation_count == 0) return 0;
    size_t bytes = state_bytes_after(apply->shard, apply->flight->box, apply->response);
    if (bytes <= most) return 0;
    return errmsg_set(&apply->errmsg, ERROR_INVALID,
                      "the response would make the state %zu bytes, over the limit of %zu", bytes,
                      most);
}

/* The record is in: the flight's box may be gone, a batch limit that was found the hard way is
 * kept. */
static void finish(struct apply *apply, uint32_t type, struct span id, uint32_t batch_max)
{
    struct box *box = box_find(&apply->shard->image, type, id);
    if (box == NULL) return;
    struct flight *flight = flight_get(apply->shard, box);
    if (flight != NULL) flight->batch_max = batch_max * 2 > BATCH_MAX ? BATCH_MAX : batch_max * 2;
}

static int run(struct apply *apply)
{
    struct shard *shard = apply->shard;
    struct flight *flight = apply->flight;
    int error = intern_names(apply);
    if (error != 0) return error;
    write_apply(apply);
    uint32_t type = flight->box->type, batch_max = flight->batch_max, consumed = flight->sent_count;
    uint8_t id[ID_SIZE_MAX]; /* the box may be gone when it is looked for again */
    size_t id_size = flight->box->id_size;
    memcpy(id, flight->box->id, id_size);
    struct box *box = flight->box;
    flight_end(shard, flight);
    error = emit(shard, apply->update, RECORD_APPLY);
    if (error != 0) { /* nothing has happened: it is called again later */
        apply->flight = flight_get(shard, box);
        return error;
    }
    count_effects(shard, apply->response, consumed);
    if (batch_max != BATCH_MAX) finish(apply, type, span_of(id, id_size), batch_max);
    return 0;
}

void block(struct shard *shard, struct flight *flight)
{
    shard->metrics.blocked++;
    if (flight == NULL) return;
    if (flight->state == FLIGHT_HELD) { /* fresh from flight_get: its box is woken by hand */
        box_wake(&shard->image, flight->box);
        return;
    }
    /* Fewer messages need less room; and nobody gains by answers that are made to be thrown away.
     */
    if (flight->sent_count > 1) flight->batch_max = flight->sent_count / 2;
    uint32_t doublings =
        flight->blocks < BLOCKED_DOUBLINGS_MAX ? flight->blocks : BLOCKED_DOUBLINGS_MAX;
    flight->blocks++;
    flight_sleep(shard, flight, FLIGHT_BLOCKED,
                 shard->overlay.now_ms + (BLOCKED_RETRY_MS << doublings));
}

void wake_blocked(struct shard *shard)
{
    LIST_EACH (&shard->overlay.states[FLIGHT_BLOCKED], link)
        flight_settle(shard, CONTAINER_OF(link, struct flight, link));
}

void apply_effects(struct shard *shard, struct flight *flight,
                   const struct function_response *response, struct shard_update *update)
{
    struct apply apply = {.shard = shard, .flight = flight, .response = response, .update = update};
    if (effects_check(&shard->image, &shard->overlay, flight->box, response, &shard->scratch) !=
        0) {
        fail_address(shard, flight, buffer_span(&shard->scratch), update);
        return;
    }
    if (check_state_size(&apply) != 0) {
        fail_address(shard, flight, span_text(apply.errmsg.text), update);
        return;
    }
    if (is_blocked(shard, flight, response)) {
        block(shard, flight);
        return;
    }
    buffer_init(&apply.numbers);
    int error = run(&apply);
    if (error == ERROR_MEMORY)
        block(shard, apply.flight);
    else if (error != 0)
        fail_address(shard, flight, span_text(apply.errmsg.text), update);
    buffer_close(&apply.numbers);
}
