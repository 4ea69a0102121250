/* A result: its effects become one APPLY, all or nothing. */
#include "base/text.h"
#include "shard/budget.h"
#include "shard/decide.h"
#include "shard/effects_check.h"
#include "wire/playground.h"

/* What the effects need beyond the spans of the response: names as numbers, playground topics. */
struct apply {
    struct shard *shard;
    struct flight *flight;
    const struct function_response *response;
    struct shard_update *update;
    struct buffer numbers; /* u32 per message, delayed and egress, in that order */
    struct span type;      /* of the last target, with its number: neighbours mostly share it */
    uint32_t type_number;
    struct errmsg errmsg;
};

static void push_number(struct apply *apply, struct span name)
{
    uint32_t number = intern(apply->shard, apply->update, name);
    if (number == 0) apply->numbers.failed = true;
    buffer_append(&apply->numbers, span_of(&number, sizeof number));
}

static void push_type(struct apply *apply, struct span type)
{
    if (!span_same(type, apply->type))
        apply->type_number = intern(apply->shard, apply->update, type);
    apply->type = type;
    if (apply->type_number == 0) apply->numbers.failed = true;
    buffer_append(&apply->numbers, span_of(&apply->type_number, sizeof apply->type_number));
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
        if (lane.failed)
            error = ERROR_MEMORY;
        else if (egress_find(&apply->shard->overlay, buffer_span(&lane)) == NULL)
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
            push_type(apply, response->messages[i].target.type);
    }
    for (size_t i = 0; i < response->delayed_count; i++) {
        if (response->delayed[i].is_cancel)
            push_none(apply);
        else
            push_type(apply, response->delayed[i].target.type);
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

/* Functions answer their callers one after the other: a reply to the next one needs no token. */
static void write_reply(struct buffer *body, const struct effect_message *message,
                        struct callers *callers)
{
    uint8_t token[REPLY_TOKEN_PACKED];
    struct record_item item = {.kind = ITEM_REPLY,
                               .id = reply_token_pack(token, message->target.id),
                               .argument = message->argument};
    if (span_equal(item.id, callers->next)) {
        item.id = SPAN_EMPTY;
        callers_take(callers);
    }
    record_item_write(body, &item);
}

static void write_messages(const struct apply *apply, struct buffer *body)
{
    const struct function_response *response = apply->response;
    struct callers callers = box_callers(apply->flight->box, apply->flight->sent_count);
    buffer_varint(body, response->message_count);
    for (size_t i = 0; i < response->message_count; i++) {
        const struct effect_message *message = &response->messages[i];
        uint32_t type = number_at(apply, i);
        if (type == 0)
            write_reply(body, message, &callers);
        else
            record_item_write(body, &(struct record_item){.kind = ITEM_MESSAGE,
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
    struct lack lack = budget_lack(shard, flight, response);
    if (lack.of != SHORT_OF_NOTHING) {
        block(shard, flight, lack);
        return;
    }
    reuse_buffer(&shard->numbers);
    apply.numbers = shard->numbers; /* its memory, which comes back */
    int error = run(&apply);
    if (error == ERROR_MEMORY)
        block(shard, apply.flight, (struct lack){.of = SHORT_OF_HEAP});
    else if (error != 0)
        fail_address(shard, flight, span_text(apply.errmsg.text), update);
    shard->numbers = apply.numbers;
}
