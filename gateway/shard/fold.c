#include "shard/fold.h"

#include "shard/channel.h"
#include "shard/key.h"
#include "shard/rewrite.h"

enum { AHEAD = 8 }; /* messages of a record that are read before the first goes to its mailbox */

static void fold_open(struct image *image, struct reader *in)
{
    struct record_open open;
    record_open_read(in, &open);
    image->epoch = open.epoch;
    image->lineage = open.lineage;
}

/* What is for an address of another shard goes there. True: it does. */
static bool send_away(struct image *image, uint32_t slot, const struct parcel *parcel)
{
    if (image_owns(image, slot)) return false;
    channel_put(image, image_owner(image, slot), parcel);
    return true;
}

static void fold_spec(struct image *image, struct reader *in)
{
    struct function *function = image_function(image, (uint32_t)reader_varint(in));
    uint64_t count = reader_varint(in);
    for (uint64_t i = 0; i < count; i++) {
        struct record_spec read;
        record_spec_read(in, &read);
        struct spec *spec = (struct spec *)(uintptr_t)function_find_spec(function, read.name);
        if (spec == NULL) spec = &function->specs[function->spec_count++];
        image->has_expiry = image->has_expiry || read.mode != EXPIRE_NEVER;
        *spec = (struct spec){read.name, read.type_name, (enum expire_mode)read.mode,
                              (int64_t)read.ttl_ms};
    }
}

/* A message that goes to its mailbox now, or a timer that will bring it there. */
static void put_item_at(struct image *image, struct place place, const struct record_item *item,
                        uint32_t caller_type, struct span caller_id, uint32_t index)
{
    if (!item->delayed && !image_owns_id(image, item->id)) {
        struct parcel parcel = parcel_of_item(image, item, caller_type, caller_id);
        send_away(image, slot_of(item->id), &parcel);
        return;
    }
    struct message *message = message_new(image, item, caller_type, caller_id);
    message->index = index;
    if (item->delayed) {
        struct span scope_id = caller_type != 0 ? caller_id : item->id;
        image_touch(image, scope_id);
        timer_add(image, 0, image->time_ms + (int64_t)item->delay_ms, item->type, item->id,
                  scope_id, item->cancel_token, message);
        return;
    }
    image_touch_slot(image, place.slot);
    box_put(image, box_get_at(image, place, item->type, item->id), message);
}

static void put_item(struct image *image, const struct record_item *item, uint32_t caller_type,
                     struct span caller_id, uint32_t index)
{
    put_item_at(image, place_of(image, item->type, item->id), item, caller_type, caller_id, index);
}

static void fold_accept(struct image *image, struct reader *in)
{
    struct record_accept accept;
    struct record_item item;
    record_accept_read(in, &accept);
    record_item_read(in, &item);
    put_item(image, &item, item.has_caller ? item.caller_type : 0, item.caller_id, 0);
    if (accept.key.size == 0 && item.reply_token.size == 0) return;
    image_touch(image, item.id);
    struct entry *entry =
        entry_add(image, item.type, item.id, accept.key, item.reply_token, accept.body_hash);
    entry->seq = image->seq;
    entry->epoch = image->epoch;
    entry->created_ms = image->time_ms;
}

/* The first reply wins; one for a caller that is forgotten is dropped. */
static void answer(struct image *image, struct span token, struct span argument)
{
    struct parcel parcel = {.kind = ITEM_REPLY, .id = token, .argument = argument};
    if (send_away(image, reply_token_slot(token), &parcel)) return;
    struct entry *entry = entry_find_token(image, token);
    if (entry == NULL || entry->has_answer) {
        image->replies_dropped++;
        return;
    }
    image_touch(image, entry_id(entry));
    entry_set_answer(image, entry, argument);
    list_append(&image->answered, &entry->answered);
}

static void cancel(struct image *image, struct span scope_id, struct span token)
{
    struct timer *timer = timer_find_token(image, scope_id, token);
    if (timer == NULL) return; /* fired already, or never was */
    image_touch(image, scope_id);
    message_free(image, timer_take(image, timer));
}

/* All records of an egress are in one shard, however many send to it: a reader has one order. */
static void post(struct image *image, uint32_t name, struct span bytes)
{
    struct parcel parcel = parcel_of_letter(image, name, bytes);
    if (send_away(image, slot_of(parcel.type), &parcel)) return;
    struct lane *lane = lane_get(image, name);
    lane_put(image, lane, lane->last + 1, image->seq, bytes);
}

/* What comes next, read ahead. */
struct ahead {
    uint32_t count;
    struct record_item items[AHEAD];
    struct place places[AHEAD];
};

/* Where the messages go is fetched for all of them at once: one after the other each would wait for
 * it. */
static void read_ahead(const struct image *image, struct reader *in, struct ahead *ahead)
{
    for (uint32_t i = 0; i < ahead->count; i++) {
        struct record_item *item = &ahead->items[i];
        record_item_read(in, item);
        ahead->places[i] = place_of(image, item->type, item->id);
        __builtin_prefetch(ahead->places[i].slot, 1);
    }
    for (uint32_t i = 0; i < ahead->count; i++)
        table_prefetch(&ahead->places[i].slot->boxes, ahead->places[i].hash);
}

static uint32_t fold_messages(struct image *image, struct reader *in,
                              const struct record_apply *apply, const struct box *box)
{
    struct ahead ahead;
    struct callers callers = box_callers(box, apply->consumed);
    uint32_t index = 0;
    for (uint64_t left = reader_varint(in); left > 0; left -= ahead.count) {
        ahead.count = left < AHEAD ? (uint32_t)left : AHEAD;
        read_ahead(image, in, &ahead);
        for (uint32_t i = 0; i < ahead.count; i++, index++) {
            const struct record_item *item = &ahead.items[i];
            if (item->kind == ITEM_REPLY)
                answer(image, item->id.size > 0 ? item->id : callers_take(&callers),
                       item->argument);
            else
                put_item_at(image, ahead.places[i], item, apply->type, apply->id, index);
        }
    }
    return index;
}

static void fold_apply(struct image *image, struct reader *in)
{
    struct record_apply apply;
    record_apply_read(in, &apply);
    image_touch(image, apply.id);
    struct box *box = box_find(image, apply.type, apply.id);
    uint32_t index = fold_messages(image, in, &apply, box);
    struct record_item item;
    box_pop(image, box, apply.consumed); /* not before: replies go to those who sent them */
    for (uint64_t left = reader_varint(in); left > 0; left--) {
        if (record_delayed_read(in, &item))
            cancel(image, apply.id, item.cancel_token);
        else
            put_item(image, &item, apply.type, apply.id, index);
        index++;
    }
    for (uint64_t left = reader_varint(in); left > 0; left--) {
        struct record_egress egress;
        record_egress_read(in, &egress);
        post(image, egress.lane, egress.argument);
    }
    struct rewrite rewrite = {.type = apply.type,
                              .id = apply.id,
                              .as_of_ms = image->time_ms - (int64_t)apply.age_ms,
                              .invoked = true,
                              .count = reader_varint(in)};
    rewrite.mutations = *in;
    rewrite_run(image, &rewrite);
}

static void fold_fire(struct image *image, struct reader *in)
{
    uint64_t count = reader_varint(in);
    for (uint32_t i = 0; i < count; i++) {
        struct timer *timer = timer_find_number(image, reader_varint(in));
        image_touch(image, timer_scope_id(timer));
        struct parcel parcel = parcel_of_timer(image, timer);
        if (send_away(image, slot_of(parcel.id), &parcel)) {
            message_free(image, timer_take(image, timer));
            continue;
        }
        image_touch(image, timer_target_id(timer));
        struct box *box = box_get(image, timer->target_type, timer_target_id(timer));
        struct message *message = timer_take(image, timer);
        message->seq = image->seq;
        message->index = i;
        message->epoch = image->epoch;
        box_put(image, box, message);
    }
}

static void fold_fail(struct image *image, struct reader *in)
{
    struct record_fail fail;
    record_fail_read(in, &fail);
    image_touch(image, fail.id);
    struct box *box = box_find(image, fail.type, fail.id);
    box->attempts = fail.attempts;
    box->failed_ms = image->time_ms - (int64_t)fail.since_ms;
    box_set_text(image, box, fail.text);
    if (!fail.parked || box->parked) return;
    box->parked = true;
    box->parked_ms = image->time_ms;
    image->parked_count++;
    box_wake(image, box);
}

/* The state write that waits in the box; whether its If-Match held was decided. */
static void fold_write(struct image *image, struct box *box, const struct record_operator *operate)
{
    const struct message *write = box_first_write(box);
    struct record_mutation mutation = {.name = write->state_name,
                                       .is_delete = write->kind == ITEM_STATE_DELETE,
                                       .type_name = write->state_type,
                                       .value = message_argument(write)};
    struct rewrite rewrite = {.type = operate->type,
                              .id = operate->id,
                              .as_of_ms = image->time_ms,
                              .one = &mutation,
                              .count = 1};
    if (operate->applied) rewrite_run(image, &rewrite);
    box_take_write(image, box);
}

static void fold_operator(struct image *image, struct reader *in)
{
    struct record_operator operate;
    record_operator_read(in, &operate);
    image_touch(image, operate.id);
    struct box *box = box_find(image, operate.type, operate.id);
    switch (operate.verb) {
    case RECORD_VERB_RETRY:
        if (box->parked) image->parked_count--;
        box->parked = false;
        box->attempts = 0;
        box->failed_ms = 0;
        box_wake(image, box);
        return;
    case RECORD_VERB_SKIP: box_pop(image, box, 1); return;
    case RECORD_VERB_DEAD_LETTER:
        post(image, operate.lane, operate.letter);
        box_pop(image, box, 1);
        return;
    case RECORD_VERB_WRITE: fold_write(image, box, &operate); return;
    case RECORD_VERB_PURGE: box_pop(image, box, box->count); return;
    }
}

static void fold_cursor(struct image *image, struct reader *in)
{
    struct lane *lane = lane_find(image, (uint32_t)reader_varint(in));
    lane_take(image, lane, reader_varint(in));
}

static void fold_evict(struct image *image, struct reader *in)
{
    struct slot *slot = &image->slots[reader_varint(in)];
    uint8_t flags = reader_byte(in);
    struct list *link = entry_list(slot, (flags & EVICT_WITH_KEY) != 0)->next;
    uint64_t count = reader_varint(in);
    uint64_t skip = (flags & EVICT_SKIPS) != 0 ? reader_varint(in) : 0;
    for (; skip > 0; skip--) link = link->next;
    for (; count > 0; count--) {
        struct entry *entry = CONTAINER_OF(link, struct entry, order);
        link = link->next;
        image_touch(image, entry_id(entry));
        entry_remove(image, entry);
    }
}

static void fold_purge(struct image *image, struct reader *in)
{
    uint32_t type = (uint32_t)reader_varint(in);
    struct span id = reader_string(in);
    struct rewrite rewrite = {.type = type, .id = id, .as_of_ms = image->time_ms};
    rewrite_run(image, &rewrite);
}

static void fold_receive(struct image *image, struct reader *in)
{
    struct record_receive receive;
    record_receive_read(in, &receive);
    channel_of(image, receive.from)->accepted = receive.first + receive.count - 1;
    for (uint32_t i = 0; i < receive.count; i++) {
        struct record_item item;
        record_item_read(in, &item);
        switch (item.kind) {
        case ITEM_REPLY: answer(image, item.id, item.argument); break;
        case ITEM_EGRESS: post(image, item.type, item.argument); break;
        default: put_item(image, &item, item.has_caller ? item.caller_type : 0, item.caller_id, i);
        }
    }
}

static void fold_source(struct image *image, struct reader *in)
{
    struct record_source source;
    record_source_read(in, &source);
    source_set(image, source.name, source.position, image->seq);
    for (uint32_t i = 0; i < source.count; i++) {
        struct record_item item;
        record_item_read(in, &item);
        put_item(image, &item, 0, SPAN_EMPTY, i);
    }
}

static void fold_acked(struct image *image, struct reader *in)
{
    struct record_acked acked;
    record_acked_read(in, &acked);
    lane_take(image, &channel_of(image, acked.peer)->out, acked.through);
}

void fold(struct image *image, const struct record *record)
{
    struct reader in = reader_of(record->body);
    image->seq++;
    image->time_ms += (int64_t)record->elapsed_ms;
    struct span scope_id;
    switch (record->kind) {
    case RECORD_OPEN: fold_open(image, &in); return;
    case RECORD_DEFINE: dictionary_add(image, reader_string(&in)); return;
    case RECORD_SPEC: fold_spec(image, &in); return;
    case RECORD_ACCEPT: fold_accept(image, &in); return;
    case RECORD_APPLY: fold_apply(image, &in); return;
    case RECORD_FIRE: fold_fire(image, &in); return;
    case RECORD_FAIL: fold_fail(image, &in); return;
    case RECORD_OPERATOR: fold_operator(image, &in); return;
    case RECORD_CURSOR: fold_cursor(image, &in); return;
    case RECORD_EVICT: fold_evict(image, &in); return;
    case RECORD_CANCEL:
        scope_id = reader_string(&in);
        cancel(image, scope_id, reader_string(&in));
        return;
    case RECORD_PURGE: fold_purge(image, &in); return;
    case RECORD_RECEIVE: fold_receive(image, &in); return;
    case RECORD_ACKED: fold_acked(image, &in); return;
    case RECORD_SOURCE: fold_source(image, &in); return;
    case RECORD_CUT: image->cut = reader_varint(&in); return;
    default: return; /* optional: fold_prepare let it pass */
    }
}
