/* The half of fold that may fail: does the record fit the image, and is there memory for it? */
#include "shard/fold.h"

#include "shard/channel.h"
#include "shard/rewrite.h"

/* Small blocks are summed and reserved at once, large ones one by one. */
struct need {
    struct image *image;
    size_t small;
    int error;
};

static void need(struct need *need, size_t size)
{
    if (memory_cost(size) <= MEMORY_SMALL_MAX)
        need->small += memory_cost(size);
    else if (need->error == 0)
        need->error = memory_reserve_block(&need->image->memory, size);
}

static void need_name(struct need *need, uint32_t number)
{
    if (number == 0 || number > need->image->dictionary.count) need->error = ERROR_DAMAGED;
}

static void need_function(struct need *need, uint32_t type)
{
    need_name(need, type);
    if (need->error == 0) need->error = image_reserve_function(need->image, type);
}

static void need_id(struct need *need, struct span id)
{
    if (id.size == 0 || id.size > ID_SIZE_MAX) need->error = ERROR_DAMAGED;
}

static void need_rewrite(struct need *n, const struct rewrite *rewrite)
{
    size_t size;
    int error = rewrite_size(n->image, rewrite, &size);
    if (error != 0)
        n->error = error;
    else
        need(n, size);
}

static void need_reply(struct need *n, struct span token, struct span argument)
{
    struct parcel parcel = {.kind = ITEM_REPLY, .id = token, .argument = argument};
    need_id(n, token);
    if (image_owns(n->image, reply_token_slot(token)))
        need(n, argument.size); /* the answer */
    else
        need(n, channel_letter_size(&parcel));
}

/* A record for an egress, here or where its lane is. */
static void need_letter(struct need *n, uint32_t lane, struct span bytes)
{
    need_name(n, lane);
    if (n->error != 0) return;
    struct parcel parcel = parcel_of_letter(n->image, lane, bytes);
    if (image_owns_id(n->image, parcel.type)) {
        need(n, sizeof(struct lane));
        need(n, sizeof(struct letter) + bytes.size);
    } else {
        need(n, channel_letter_size(&parcel));
    }
}

static void need_item(struct need *n, const struct record_item *item, uint32_t caller_type,
                      struct span caller_id)
{
    need_id(n, item->id);
    need_function(n, item->type);
    if (item->kind != ITEM_MESSAGE) {
        need_name(n, item->state_name);
        if (item->kind == ITEM_STATE_SET) need_name(n, item->state_type);
    }
    if (item->has_caller) need_name(n, item->caller_type);
    if (item->has_caller) caller_id = item->caller_id;
    if (n->error == 0 && !item->delayed && !image_owns_id(n->image, item->id)) {
        struct parcel parcel = parcel_of_item(n->image, item, caller_type, caller_id);
        need(n, channel_letter_size(&parcel));
        return;
    }
    need(n, message_size(item, true, caller_id));
    need(n, box_size(item->id));
    if (item->delayed) /* sizes are exact: a large block is reserved for one size */
        need(n, timer_size(item->id.size, caller_id.size > 0 ? caller_id.size : item->id.size,
                           item->cancel_token.size));
}

static void prepare_accept(struct need *n, struct reader *in)
{
    struct record_accept accept;
    struct record_item item;
    record_accept_read(in, &accept);
    record_item_read(in, &item);
    /* Only functions reply and emit; what is for another shard does not come in here. */
    if (item.kind == ITEM_REPLY || item.kind == ITEM_EGRESS || !image_owns_id(n->image, item.id) ||
        accept.key.size > KEY_SIZE_MAX || item.reply_token.size > REPLY_TOKEN_SIZE)
        n->error = ERROR_DAMAGED;
    need_item(n, &item, 0, SPAN_EMPTY);
    need(n, entry_size(item.id.size, accept.key.size, item.reply_token.size));
}

static void prepare_mutations(struct need *n, struct reader *in, const struct record_apply *apply,
                              int64_t now_ms)
{
    struct rewrite rewrite = {.type = apply->type,
                              .id = apply->id,
                              .as_of_ms = now_ms - (int64_t)apply->age_ms,
                              .invoked = true,
                              .count = reader_varint(in)};
    rewrite.mutations = *in;
    for (uint64_t i = 0; i < rewrite.count && !in->failed; i++) {
        struct record_mutation mutation;
        record_mutation_read(in, &mutation);
        need_name(n, mutation.name);
        if (!mutation.is_delete) need_name(n, mutation.type_name);
    }
    if (n->error == 0 && !in->failed) need_rewrite(n, &rewrite);
}

static void prepare_apply(struct need *n, struct reader *in, int64_t now_ms)
{
    struct record_apply apply;
    record_apply_read(in, &apply);
    need_function(n, apply.type);
    need_id(n, apply.id);
    if (n->error != 0 || in->failed) return;
    const struct box *box = box_find(n->image, apply.type, apply.id);
    if (box == NULL || apply.consumed == 0 || apply.consumed > box->count ||
        message_check(LIST_FIRST(&box->messages, struct message, link)) != apply.check) {
        n->error = ERROR_DAMAGED;
        return;
    }
    struct callers callers = box_callers(box, apply.consumed);
    uint64_t items = reader_varint(in);
    struct record_item item;
    for (uint64_t i = 0; i < items && !in->failed; i++) {
        record_item_read(in, &item);
        if (item.kind == ITEM_EGRESS) n->error = ERROR_DAMAGED;
        if (item.kind == ITEM_REPLY)
            need_reply(n, item.id.size > 0 ? item.id : callers_take(&callers), item.argument);
        else
            need_item(n, &item, apply.type, apply.id);
    }
    uint64_t delayed = reader_varint(in);
    for (uint64_t i = 0; i < delayed && !in->failed; i++)
        if (!record_delayed_read(in, &item)) {
            if (item.kind == ITEM_REPLY || item.kind == ITEM_EGRESS) n->error = ERROR_DAMAGED;
            need_item(n, &item, apply.type, apply.id);
        }
    uint64_t letters = reader_varint(in);
    for (uint64_t i = 0; i < letters && !in->failed; i++) {
        struct record_egress egress;
        record_egress_read(in, &egress);
        need_letter(n, egress.lane, egress.argument);
    }
    prepare_mutations(n, in, &apply, now_ms);
}

/* The order in which they are due; none twice. */
static bool fires_before(const struct timer *a, const struct timer *b)
{
    return a->due.key < b->due.key || (a->due.key == b->due.key && a->due.tie < b->due.tie);
}

static void need_fired(struct need *n, const struct timer *timer)
{
    struct parcel parcel = parcel_of_timer(n->image, timer);
    if (image_owns_id(n->image, parcel.id))
        need(n, box_size(parcel.id));
    else
        need(n, channel_letter_size(&parcel));
}

static void prepare_fire(struct need *n, struct reader *in)
{
    uint64_t count = reader_varint(in);
    const struct timer *before = NULL;
    for (uint64_t i = 0; i < count && !in->failed && n->error == 0; i++) {
        const struct timer *timer = timer_find_number(n->image, reader_varint(in));
        if (timer == NULL || (before != NULL && !fires_before(before, timer)))
            n->error = ERROR_DAMAGED;
        else
            need_fired(n, timer);
        before = timer;
    }
}

static void prepare_fail(struct need *n, struct reader *in)
{
    struct record_fail fail;
    record_fail_read(in, &fail);
    if (box_find(n->image, fail.type, fail.id) == NULL) n->error = ERROR_DAMAGED;
    need(n, fail.text.size);
}

static void prepare_write(struct need *n, const struct box *box, int64_t now_ms)
{
    const struct message *write = box_first_write(box);
    if (write == NULL) {
        n->error = ERROR_DAMAGED;
        return;
    }
    struct record_mutation mutation = {.name = write->state_name,
                                       .is_delete = write->kind == ITEM_STATE_DELETE,
                                       .value = message_argument(write)};
    struct rewrite rewrite = {
        .type = box->type, .id = box_id(box), .as_of_ms = now_ms, .one = &mutation, .count = 1};
    need_rewrite(n, &rewrite);
}

static void prepare_operator(struct need *n, struct reader *in, int64_t now_ms)
{
    struct record_operator operate;
    record_operator_read(in, &operate);
    const struct box *box = box_find(n->image, operate.type, operate.id);
    if (box == NULL || operate.verb > RECORD_VERB_PURGE) {
        n->error = ERROR_DAMAGED;
        return;
    }
    if (operate.verb == RECORD_VERB_WRITE) prepare_write(n, box, now_ms);
    if (operate.verb == RECORD_VERB_DEAD_LETTER) need_letter(n, operate.lane, operate.letter);
}

static void prepare_cursor(struct need *n, struct reader *in)
{
    uint32_t name = (uint32_t)reader_varint_max(in, UINT32_MAX);
    const struct lane *lane = lane_find(n->image, name);
    if (lane == NULL || reader_varint(in) > lane->last) n->error = ERROR_DAMAGED;
}

static void prepare_evict(struct need *n, struct reader *in)
{
    uint64_t slot = reader_varint(in);
    uint8_t flags = reader_byte(in);
    uint64_t count = reader_varint(in);
    uint64_t skip = (flags & EVICT_SKIPS) != 0 ? reader_varint(in) : 0;
    if (slot >= SLOTS || flags > (EVICT_WITH_KEY | EVICT_SKIPS) || skip > UINT64_MAX - count) {
        n->error = ERROR_DAMAGED;
        return;
    }
    count += skip;
    const struct list *head = entry_list(&n->image->slots[slot], (flags & EVICT_WITH_KEY) != 0);
    for (const struct list *link = head->next; count > 0; link = link->next, count--) {
        if (link == head) {
            n->error = ERROR_DAMAGED;
            return;
        }
    }
}

static void prepare_purge(struct need *n, struct reader *in)
{
    uint32_t type = (uint32_t)reader_varint_max(in, UINT32_MAX);
    const struct cell *cell = cell_find(n->image, type, reader_string(in));
    if (cell == NULL)
        n->error = ERROR_DAMAGED;
    else
        need(n, cell->size);
}

static void prepare_spec(struct need *n, struct reader *in)
{
    uint32_t type = (uint32_t)reader_varint_max(in, UINT32_MAX);
    uint64_t count = reader_varint_max(in, STATES_MAX);
    need_function(n, type);
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        struct record_spec spec;
        record_spec_read(in, &spec);
        need_name(n, spec.name);
        need_name(n, spec.type_name);
    }
    if (n->error == 0)
        n->error =
            function_reserve_specs(n->image, image_function(n->image, type), (uint32_t)count);
}

/* What other shards send is for us, and comes in order. */
static void prepare_received(struct need *n, const struct record_item *item)
{
    const struct image *image = n->image;
    if (item->kind == ITEM_EGRESS) {
        need_letter(n, item->type, item->argument);
        if (n->error == 0 && !image_owns(image, slot_of(dictionary_name(image, item->type))))
            n->error = ERROR_DAMAGED;
        return;
    }
    uint32_t slot = item->kind == ITEM_REPLY ? reply_token_slot(item->id) : slot_of(item->id);
    if (!image_owns(image, slot) || item->delayed || item->kind == ITEM_STATE_SET ||
        item->kind == ITEM_STATE_DELETE)
        n->error = ERROR_DAMAGED;
    if (item->kind == ITEM_REPLY)
        need_reply(n, item->id, item->argument);
    else
        need_item(n, item, 0, SPAN_EMPTY);
}

static void prepare_receive(struct need *n, struct reader *in)
{
    struct record_receive receive;
    record_receive_read(in, &receive);
    const struct channel *channel = channel_of(n->image, receive.from);
    if (channel == NULL || receive.first != channel->accepted + 1 || receive.count == 0 ||
        receive.count > UINT32_MAX) {
        n->error = ERROR_DAMAGED;
        return;
    }
    for (uint64_t i = 0; i < receive.count && !in->failed; i++) {
        struct record_item item;
        record_item_read(in, &item);
        if (!in->failed) prepare_received(n, &item);
    }
}

static void prepare_source(struct need *n, struct reader *in)
{
    struct record_source source;
    record_source_read(in, &source);
    need_name(n, source.name);
    if (source.position.size == 0 || source.position.size > SOURCE_POSITION_MAX)
        n->error = ERROR_DAMAGED;
    need(n, sizeof(struct source));
    for (uint64_t i = 0; i < source.count && !in->failed && n->error == 0; i++) {
        struct record_item item;
        record_item_read(in, &item);
        /* What waits for an answer, or for its time, has no place here. */
        if (item.kind != ITEM_MESSAGE || item.has_caller || item.delayed ||
            item.reply_token.size > 0)
            n->error = ERROR_DAMAGED;
        need_item(n, &item, 0, SPAN_EMPTY);
    }
}

static void prepare_acked(struct need *n, struct reader *in)
{
    struct record_acked acked;
    record_acked_read(in, &acked);
    const struct channel *channel = channel_of(n->image, acked.peer);
    if (channel == NULL || acked.through > channel->out.last) n->error = ERROR_DAMAGED;
}

static void prepare_open(struct need *n, struct reader *in)
{
    struct record_open open;
    record_open_read(in, &open);
    if (open.format > RECORD_FORMAT)
        n->error = ERROR_NEWER_FORMAT;
    else if (!in->failed)
        n->error = image_place(n->image, open.shard, open.shard_count);
}

static void prepare_kind(struct need *n, uint8_t kind, struct reader *in, int64_t now_ms)
{
    struct span name;
    switch (kind) {
    case RECORD_OPEN: prepare_open(n, in); return;
    case RECORD_DEFINE:
        name = reader_string(in);
        if (name.size == 0)
            n->error = ERROR_DAMAGED;
        else if (n->error == 0)
            n->error = dictionary_reserve(n->image, name);
        return;
    case RECORD_SPEC: prepare_spec(n, in); return;
    case RECORD_ACCEPT: prepare_accept(n, in); return;
    case RECORD_APPLY: prepare_apply(n, in, now_ms); return;
    case RECORD_FIRE: prepare_fire(n, in); return;
    case RECORD_FAIL: prepare_fail(n, in); return;
    case RECORD_OPERATOR: prepare_operator(n, in, now_ms); return;
    case RECORD_CURSOR: prepare_cursor(n, in); return;
    case RECORD_EVICT: prepare_evict(n, in); return;
    case RECORD_CANCEL:
        reader_string(in);
        reader_string(in);
        return;
    case RECORD_PURGE: prepare_purge(n, in); return;
    case RECORD_RECEIVE: prepare_receive(n, in); return;
    case RECORD_ACKED: prepare_acked(n, in); return;
    case RECORD_SOURCE: prepare_source(n, in); return;
    case RECORD_CUT:
        if (reader_varint(in) <= n->image->cut) n->error = ERROR_DAMAGED;
        return;
    default: n->error = kind & RECORD_OPTIONAL ? 0 : ERROR_NEWER_FORMAT;
    }
    in->at = in->end;
}

int fold_prepare(struct image *image, const struct record *record)
{
    struct need n = {.image = image};
    struct reader in = reader_of(record->body);
    if (record->elapsed_ms > (uint64_t)(INT64_MAX - image->time_ms)) return ERROR_DAMAGED;
    prepare_kind(&n, record->kind, &in, image->time_ms + (int64_t)record->elapsed_ms);
    if (n.error == 0 && !reader_done(&in)) n.error = ERROR_DAMAGED;
    if (n.error == 0) n.error = memory_reserve(&image->memory, n.small);
    return n.error;
}
