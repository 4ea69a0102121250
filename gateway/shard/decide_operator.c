/* What people do to addresses: verbs on parked ones, and state writes in mailbox order. */
#include "base/text.h"
#include "shard/budget.h"
#include "shard/channel.h"
#include "shard/decide.h"

/* ---- Verbs on parked addresses ---- */

/* A message that nobody will apply, for the lane of dead letters, as JSON in a TypedValue. */
static void write_letter(const struct shard *shard, const struct box *box, struct buffer *out)
{
    const struct message *head = LIST_FIRST(&box->messages, struct message, link);
    struct buffer json;
    buffer_init(&json);
    buffer_byte(&json, '{');
    text_json_member(&json, "function");
    text_json_string(&json, dictionary_name(&shard->image, box->type));
    text_json_member(&json, "id");
    text_json_string(&json, box_id(box));
    text_json_member(&json, "cause");
    text_json_string(&json, span_of(box->text, box->text_size));
    text_json_member(&json, "attempts");
    text_decimal(&json, box->attempts);
    text_json_member(&json, "message");
    buffer_byte(&json, '"');
    message_id_text(&json, &shard->image, head->epoch, head->seq, head->index);
    buffer_byte(&json, '"');
    text_json_member(&json, "typedValueBase64");
    buffer_byte(&json, '"');
    text_base64(&json, message_argument(head));
    text_append(&json, "\"}");
    if (json.failed)
        out->failed = true;
    else
        typed_value_encode(out, SPAN_LITERAL("application/json"), buffer_span(&json));
    buffer_close(&json);
}

/* What the verb drops will never be answered. */
static void tell_dropped(struct shard *shard, const struct box *box, enum operator_verb verb,
                         struct shard_update *update)
{
    if (verb == VERB_RETRY) return;
    LIST_EACH (&box->messages, link) {
        const struct message *message = CONTAINER_OF(link, struct message, link);
        tell_callers(shard, box, message, shard->image.seq + 1, update);
        if (verb != VERB_PURGE) return; /* the head alone */
    }
}

static int write_verb(struct shard *shard, struct box *box, const struct event_operator *operate,
                      struct shard_update *update)
{
    static const enum record_verb verbs[] = {[VERB_RETRY] = RECORD_VERB_RETRY,
                                             [VERB_SKIP] = RECORD_VERB_SKIP,
                                             [VERB_DEAD_LETTER] = RECORD_VERB_DEAD_LETTER,
                                             [VERB_PURGE] = RECORD_VERB_PURGE};
    struct record_operator record = {
        .type = box->type, .id = box_id(box), .verb = verbs[operate->verb], .who = operate->who};
    if (operate->verb == VERB_DEAD_LETTER) {
        record.lane = intern(shard, update, SPAN_LITERAL("holdfast/dead-letters"));
        if (record.lane == 0) return ERROR_MEMORY;
        buffer_clear(&shard->scratch);
        write_letter(shard, box, &shard->scratch);
        if (shard->scratch.failed) return ERROR_MEMORY;
        record.letter = buffer_span(&shard->scratch);
    }
    tell_dropped(shard, box, operate->verb, update);
    record_operator_write(emit_begin(shard), &record);
    if (box->flight != NULL) flight_end(shard, box->flight);
    int error = emit(shard, update, RECORD_OPERATOR);
    if (error != 0) box_wake(&shard->image, box); /* it gets its flight back */
    return error;
}

static bool is_meant(const struct shard *shard, const struct event_operator *operate,
                     const struct box *box)
{
    if (!box->parked) return false;
    if (operate->address.type.size == 0) return true;
    if (!span_equal(dictionary_name(&shard->image, box->type), operate->address.type)) return false;
    return operate->address.id.size == 0 || span_equal(box_id(box), operate->address.id);
}

static uint64_t run_on_all(struct shard *shard, const struct event_operator *operate,
                           struct shard_update *update)
{
    uint64_t count = 0;
    LIST_EACH (&shard->overlay.states[FLIGHT_PARKED], link) {
        struct box *box = CONTAINER_OF(link, struct flight, link)->box;
        if (!is_meant(shard, operate, box)) continue;
        if (write_verb(shard, box, operate, update) != 0) break;
        count++;
    }
    return count;
}

void decide_operator(struct shard *shard, const struct shard_event *event,
                     struct shard_update *update)
{
    const struct event_operator *operate = &event->operate;
    uint64_t count = 0;
    if (operate->address.id.size == 0) {
        count = run_on_all(shard, operate, update);
    } else {
        uint32_t type = dictionary_find(&shard->image, operate->address.type);
        struct box *box = type == 0 ? NULL : box_find(&shard->image, type, operate->address.id);
        if (box == NULL || !box->parked) {
            answer_text(update, event->waiter, ANSWER_NOT_FOUND, "this address is not parked");
            return;
        }
        if (write_verb(shard, box, operate, update) == 0) count = 1;
    }
    struct wait *wait = wait_new(shard, event->waiter);
    if (wait == NULL) return;
    wait->kind = ANSWER_DONE;
    wait->number = count;
    wait_gate(shard, wait, shard->image.seq, update);
}

/* ---- State writes ---- */

/* The number of the state, defined when the event may; 0 with an answer given. */
static uint32_t find_state(struct shard *shard, const struct shard_event *event, uint32_t type,
                           struct shard_update *update)
{
    const struct event_state *state = &event->state;
    uint32_t name = dictionary_find(&shard->image, state->name);
    const struct function *function = image_find_function(&shard->image, type);
    const struct spec *spec =
        name == 0 || function == NULL ? NULL : function_find_spec(function, name);
    if (spec == NULL) {
        answer_text(update, event->waiter, ANSWER_NOT_FOUND,
                    "the function has not registered a state of this name");
        return 0;
    }
    if (!state->is_delete &&
        !span_equal(dictionary_name(&shard->image, spec->type_name), state->type_name)) {
        buffer_clear(&shard->scratch);
        text_append(&shard->scratch, "this state is registered as type \"");
        buffer_append(&shard->scratch, dictionary_name(&shard->image, spec->type_name));
        text_append(&shard->scratch, "\"");
        answer_now(update, &(struct shard_answer){.waiter = event->waiter,
                                                  .kind = ANSWER_INVALID,
                                                  .text = buffer_span(&shard->scratch)});
        return 0;
    }
    return name;
}

static int define_state(struct shard *shard, const struct event_state *state, uint32_t type,
                        struct shard_update *update)
{
    uint32_t name = intern_from_outside(shard, update, state->name);
    uint32_t type_name = intern_from_outside(shard, update, state->type_name);
    const struct function *function = image_find_function(&shard->image, type);
    if (name == 0 || type_name == 0) return ERROR_MEMORY;
    if (function != NULL &&
        (function_find_spec(function, name) != NULL || function->spec_count >= STATES_MAX))
        return 0;
    struct buffer *body = emit_begin(shard);
    buffer_varint(body, type);
    buffer_varint(body, 1);
    record_spec_write(body, &(struct record_spec){name, type_name, EXPIRE_NEVER, 0});
    return emit(shard, update, RECORD_SPEC);
}

static void put_write(struct shard *shard, const struct shard_event *event, uint32_t type,
                      uint32_t name, struct shard_update *update)
{
    const struct event_state *state = &event->state;
    struct wait *wait = wait_new(shard, event->waiter);
    struct record_item item = {
        .kind = state->is_delete ? ITEM_STATE_DELETE : ITEM_STATE_SET,
        .type = type,
        .id = state->address.id,
        .argument = state->is_delete ? SPAN_EMPTY : state->value,
        .state_name = name,
        .state_type = state->is_delete ? name : dictionary_find(&shard->image, state->type_name),
        .if_match = state->if_match,
        .version = state->version};
    struct buffer *body = emit_begin(shard);
    record_accept_write(body, &(struct record_accept){SPAN_EMPTY, 0});
    record_item_write(body, &item);
    if (wait == NULL || emit(shard, update, RECORD_ACCEPT) != 0) {
        if (wait != NULL) wait_free(shard, wait);
        answer_text(update, event->waiter, ANSWER_FULL, "out of memory");
        return;
    }
    wait_on_write(shard, wait, shard->image.seq);
}

void decide_state(struct shard *shard, const struct shard_event *event, struct shard_update *update)
{
    const struct event_state *state = &event->state;
    if (!name_valid(state->address.type) || !id_valid(state->address.id) ||
        !image_owns_id(&shard->image, state->address.id) ||
        span_starts_with(state->address.type, NAME_RESERVED) || state->name.size == 0 ||
        state->name.size > NAME_SIZE_MAX || (!state->is_delete && !name_valid(state->type_name))) {
        answer_text(update, event->waiter, ANSWER_INVALID,
                    "not a valid address, state name or type");
        return;
    }
    if (endpoint_match(&shard->overlay, state->address.type) < 0) {
        answer_text(update, event->waiter, ANSWER_UNKNOWN_FUNCTION, "");
        return;
    }
    if (!state->is_delete && !budget_admits(shard, state->value.size)) {
        answer_text(update, event->waiter, ANSWER_FULL, "the gateway's memory budget is used up");
        return;
    }
    uint32_t type = intern_from_outside(shard, update, state->address.type);
    if (type == 0 || (state->define && define_state(shard, state, type, update) != 0)) {
        answer_text(update, event->waiter, ANSWER_FULL, "too many different names");
        return;
    }
    uint32_t name = find_state(shard, event, type, update);
    if (name != 0) put_write(shard, event, type, name, update);
}

bool decide_write(struct shard *shard, struct box *box, struct shard_update *update)
{
    const struct message *write = box_first_write(box);
    const struct cell *cell = cell_find(&shard->image, box->type, box_id(box));
    const struct value *value = cell == NULL ? NULL : cell_find_value(cell, write->state_name);
    const struct function *function = image_find_function(&shard->image, box->type);
    if (value != NULL && value_expired(function, cell, value, shard->overlay.now_ms)) value = NULL;
    bool applied = !write->if_match || write->version == (value == NULL ? 0 : value->version);
    uint64_t write_seq = write->seq;
    if (box->flight != NULL) flight_end(shard, box->flight);
    record_operator_write(emit_begin(shard), &(struct record_operator){.type = box->type,
                                                                       .id = box_id(box),
                                                                       .verb = RECORD_VERB_WRITE,
                                                                       .applied = applied});
    if (emit(shard, update, RECORD_OPERATOR) != 0) {
        shard->failed = true;
        return false;
    }
    struct wait *wait = wait_find_write(shard, write_seq);
    if (wait == NULL) return true;
    wait->kind = applied ? ANSWER_DONE : ANSWER_MISMATCH;
    wait->number = shard->image.seq;
    wait_gate(shard, wait, shard->image.seq, update);
    return true;
}
