/*
 * A shard made from its share of a savepoint, which other shards have left, perhaps another number
 * of them. Slots move as they are, under this shard's names; what was under way between the old
 * shards is delivered. Messages get ids of the new lineage.
 */
#include "shard/channel.h"
#include "shard/overlay.h"
#include "shard/shard.h"

#include <stdlib.h>

struct restore {
    struct image *into;
    const struct image *from;
    uint32_t *numbers;  /* of from's names in `into`; 0: not asked for yet */
    uint32_t index;     /* of the next message: all have the same seq */
    uint64_t first_seq; /* what the seqs of `from` are behind, so that no two are equal */
    int error;
};

/* ---- Names ---- */

static uint32_t use_name(struct restore *restore, struct span name)
{
    struct image *into = restore->into;
    uint32_t number = dictionary_find(into, name);
    if (number != 0 || restore->error != 0) return number;
    if (into->dictionary.count >= NAMES_MAX) {
        restore->error = ERROR_FULL;
        return 0;
    }
    restore->error = dictionary_reserve(into, name);
    if (restore->error != 0) return 0;
    dictionary_add(into, name);
    return into->dictionary.count;
}

/* 0 stays 0. */
static uint32_t rename_number(struct restore *restore, uint32_t number)
{
    if (number == 0) return 0;
    uint32_t *known = &restore->numbers[number];
    if (*known == 0) *known = use_name(restore, dictionary_name(restore->from, number));
    return *known;
}

static uint32_t use_type(struct restore *restore, uint32_t type)
{
    if (restore->error == 0) restore->error = image_reserve_function(restore->into, type);
    return type;
}

static void restore_specs(struct restore *restore, const struct function *function)
{
    uint32_t type = use_type(restore, rename_number(restore, function->type));
    if (restore->error != 0) return;
    struct function *into = image_function(restore->into, type);
    restore->error = function_reserve_specs(restore->into, into, function->spec_count);
    for (uint32_t i = 0; i < function->spec_count && restore->error == 0; i++) {
        struct spec spec = function->specs[i];
        spec.name = rename_number(restore, spec.name);
        spec.type_name = rename_number(restore, spec.type_name);
        if (restore->error != 0 || function_find_spec(into, spec.name) != NULL) continue;
        into->specs[into->spec_count++] = spec;
        restore->into->has_expiry = restore->into->has_expiry || spec.mode != EXPIRE_NEVER;
    }
}

static void restore_functions(struct restore *restore)
{
    for (uint32_t i = 1; i < restore->from->function_capacity && restore->error == 0; i++) {
        const struct function *function = restore->from->functions[i];
        if (function != NULL && function->spec_count > 0) restore_specs(restore, function);
    }
}

/* ---- What is in slots ---- */

static void restore_cell(struct restore *restore, const struct cell *cell)
{
    uint32_t type = use_type(restore, rename_number(restore, cell->type));
    size_t bytes = 0;
    for (uint32_t i = 0; i < cell->value_count; i++) bytes += cell->values[i].size;
    struct cell *made = restore->error != 0 ? NULL
                                            : cell_new(restore->into, type, cell_id(cell),
                                                       cell->value_count, bytes);
    if (made == NULL) {
        if (restore->error == 0) restore->error = ERROR_MEMORY;
        return;
    }
    for (uint32_t i = 0; i < cell->value_count; i++) {
        struct value value = cell->values[i];
        value.name = rename_number(restore, value.name);
        value.type_name = rename_number(restore, value.type_name);
        cell_add(made, &value, cell_value(cell, &cell->values[i]));
    }
    made->seq = cell->seq;
    made->invoked_ms = cell->invoked_ms;
    if (restore->error != 0)
        cell_unref(restore->into, made);
    else
        cell_replace(restore->into, NULL, made);
}

/* NULL: restore->error. */
static struct message *make_message(struct restore *restore, const struct record_item *item,
                                    uint32_t caller_type, struct span caller_id)
{
    struct image *into = restore->into;
    if (restore->error == 0)
        restore->error = memory_reserve_block(&into->memory, message_size(item, true, caller_id));
    if (restore->error != 0) return NULL;
    struct message *made = message_new(into, item, caller_type, caller_id);
    made->index = restore->index++;
    return made;
}

static struct message *copy_message(struct restore *restore, const struct message *message)
{
    struct record_item item = {.kind = message->kind,
                               .argument = message_argument(message),
                               .reply_token = message_reply_token(message),
                               .traceparent = message_traceparent(message),
                               .state_name = rename_number(restore, message->state_name),
                               .state_type = rename_number(restore, message->state_type),
                               .if_match = message->if_match,
                               .version = message->version};
    uint32_t caller_type = rename_number(restore, message->caller_type);
    return make_message(restore, &item, caller_type, message_caller_id(message));
}

/* NULL: restore->error. */
static struct box *make_box(struct restore *restore, uint32_t type, struct span id,
                            size_t text_size)
{
    struct image *into = restore->into;
    use_type(restore, type);
    if (restore->error == 0)
        restore->error = memory_reserve(&into->memory, memory_cost(box_size(id)));
    if (restore->error == 0) restore->error = memory_reserve_block(&into->memory, text_size);
    return restore->error != 0 ? NULL : box_get(into, type, id);
}

static void restore_box(struct restore *restore, const struct box *box)
{
    uint32_t type = rename_number(restore, box->type);
    struct box *made =
        restore->error != 0 ? NULL : make_box(restore, type, box_id(box), box->text_size);
    if (made == NULL) return;
    made->attempts = box->attempts;
    made->failed_ms = box->failed_ms;
    made->parked = box->parked;
    made->parked_ms = box->parked_ms;
    box_set_text(restore->into, made, span_of(box->text, box->text_size));
    if (made->parked) restore->into->parked_count++;
    LIST_EACH (&box->messages, link) {
        struct message *copy = copy_message(restore, CONTAINER_OF(link, struct message, link));
        if (copy != NULL) box_put(restore->into, made, copy);
    }
}

static void restore_timer(struct restore *restore, const struct timer *timer)
{
    uint32_t type = use_type(restore, rename_number(restore, timer->target_type));
    struct message *message = copy_message(restore, timer->message);
    if (message == NULL) return;
    struct span target_id = timer_target_id(timer), scope_id = timer_scope_id(timer),
                token = timer_token(timer);
    restore->error = memory_reserve_block(&restore->into->memory,
                                          timer_size(target_id.size, scope_id.size, token.size));
    if (restore->error == 0)
        timer_add(restore->into, 0, timer->due.key, type, target_id, scope_id, token, message);
    else
        message_free(restore->into, message);
}

static void restore_entry(struct restore *restore, const struct entry *entry)
{
    struct image *into = restore->into;
    struct span id = entry_id(entry), key = entry_key(entry), token = entry_token(entry);
    uint32_t type = use_type(restore, rename_number(restore, entry->type));
    if (restore->error == 0)
        restore->error =
            memory_reserve_block(&into->memory, entry_size(id.size, key.size, token.size));
    if (restore->error == 0)
        restore->error = memory_reserve_block(&into->memory, entry->answer_size);
    if (restore->error != 0) return;
    struct entry *made = entry_add(into, type, id, key, token, entry_body_hash(entry));
    made->seq = restore->first_seq + entry->seq;
    made->epoch = into->epoch;
    made->created_ms = entry->created_ms;
    if (!entry->has_answer) return;
    entry_set_answer(into, made, span_of(entry->answer, entry->answer_size));
    made->answer_seq = restore->first_seq + entry->answer_seq;
}

static void restore_slot(struct restore *restore, uint32_t number)
{
    const struct slot *slot = &restore->from->slots[number];
    for (struct table_node *node = table_next(&slot->cells, NULL); node != NULL;
         node = table_next(&slot->cells, node))
        restore_cell(restore, CONTAINER_OF(node, struct cell, node));
    for (struct table_node *node = table_next(&slot->boxes, NULL); node != NULL;
         node = table_next(&slot->boxes, node))
        restore_box(restore, CONTAINER_OF(node, struct box, node));
    LIST_EACH (&slot->timers, link) {
        restore_timer(restore, CONTAINER_OF(link, struct timer, link));
    }
    LIST_EACH (&slot->entries, link) {
        restore_entry(restore, CONTAINER_OF(link, struct entry, order));
    }
    LIST_EACH (&slot->calls, link) {
        restore_entry(restore, CONTAINER_OF(link, struct entry, order));
    }
    restore->into->slots[number].changed_seq = restore->into->seq;
}

/* ---- Egress lanes: each is in one shard, before and after ---- */

static struct lane *make_lane(struct restore *restore, uint32_t name)
{
    if (restore->error == 0)
        restore->error = memory_reserve(&restore->into->memory, memory_cost(sizeof(struct lane)));
    return restore->error != 0 ? NULL : lane_get(restore->into, name);
}

static void restore_lane(struct restore *restore, const struct lane *lane)
{
    if (!image_owns(restore->into, slot_of(dictionary_name(restore->from, lane->name)))) return;
    struct image *into = restore->into;
    struct lane *made = make_lane(restore, rename_number(restore, lane->name));
    if (made == NULL) return;
    LIST_EACH (&lane->letters, link) {
        const struct letter *letter = CONTAINER_OF(link, struct letter, link);
        restore->error = memory_reserve_block(&into->memory, sizeof(struct letter) + letter->size);
        if (restore->error != 0) return;
        lane_put(into, made, letter->cursor, into->seq, span_of(letter->bytes, letter->size));
    }
    made->last = lane->last;
    made->taken = lane->taken;
}

/* ---- Sources: the same ---- */

static void restore_source(struct restore *restore, const struct source *source)
{
    struct image *into = restore->into;
    if (!image_owns(into, slot_of(dictionary_name(restore->from, source->name)))) return;
    uint32_t name = rename_number(restore, source->name);
    if (restore->error == 0)
        restore->error = memory_reserve(&into->memory, memory_cost(sizeof(struct source)));
    if (restore->error == 0) source_set(into, name, source_position(source), into->seq);
}

/* ---- What was under way ---- */

static void deliver_reply(struct restore *restore, const struct parcel *parcel)
{
    struct image *into = restore->into;
    struct entry *entry = entry_find_token(into, parcel->id);
    if (entry == NULL || entry->has_answer) {
        into->replies_dropped++;
        return;
    }
    restore->error = memory_reserve_block(&into->memory, parcel->argument.size);
    if (restore->error != 0) return;
    entry_set_answer(into, entry, parcel->argument);
}

static void deliver_egress(struct restore *restore, const struct parcel *parcel)
{
    struct image *into = restore->into;
    struct lane *lane = make_lane(restore, use_name(restore, parcel->type));
    if (lane == NULL) return;
    restore->error =
        memory_reserve_block(&into->memory, sizeof(struct letter) + parcel->argument.size);
    if (restore->error != 0) return;
    lane_put(into, lane, lane->last + 1, into->seq, parcel->argument);
}

static void deliver_message(struct restore *restore, const struct parcel *parcel)
{
    uint32_t type = use_name(restore, parcel->type), caller_type = 0;
    if (parcel->caller_type.size > 0) caller_type = use_name(restore, parcel->caller_type);
    struct record_item item = {
        .kind = ITEM_MESSAGE, .argument = parcel->argument, .traceparent = parcel->traceparent};
    struct box *box = restore->error != 0 ? NULL : make_box(restore, type, parcel->id, 0);
    if (box == NULL) return;
    struct message *message = make_message(restore, &item, caller_type, parcel->caller_id);
    if (message != NULL) box_put(restore->into, box, message);
}

static void deliver(struct restore *restore, const struct parcel *parcel)
{
    switch (parcel->kind) {
    case ITEM_REPLY:
        if (image_owns(restore->into, reply_token_slot(parcel->id))) deliver_reply(restore, parcel);
        return;
    case ITEM_EGRESS:
        if (image_owns(restore->into, slot_of(parcel->type))) deliver_egress(restore, parcel);
        return;
    default:
        if (image_owns(restore->into, slot_of(parcel->id))) deliver_message(restore, parcel);
    }
}

/* What the peer had accepted before its cut is in its slots already. */
static void deliver_channel(struct restore *restore, const struct lane *out, uint64_t accepted)
{
    LIST_EACH (&out->letters, link) {
        const struct letter *letter = CONTAINER_OF(link, struct letter, link);
        if (letter->cursor <= accepted || restore->error != 0) continue;
        struct reader in = reader_of(span_of(letter->bytes, letter->size));
        struct parcel parcel;
        parcel_read(&in, &parcel);
        if (!reader_done(&in))
            restore->error = ERROR_DAMAGED;
        else
            deliver(restore, &parcel);
    }
}

static void deliver_all(struct restore *restore, struct shard *const *old, uint32_t old_count)
{
    for (uint32_t i = 0; i < old_count; i++) {
        for (uint32_t j = 0; j < old_count; j++) {
            const struct channel *channel = channel_of(&old[i]->image, j);
            if (channel == NULL) continue;
            deliver_channel(restore, &channel->out, channel_of(&old[j]->image, i)->accepted);
        }
    }
}

/* ---- */

/* They are the shards of one savepoint, all of them and in order. */
static bool belong_together(struct shard *const *old, uint32_t old_count)
{
    for (uint32_t i = 0; i < old_count; i++)
        if (shard_number(old[i]) != i || shard_count(old[i]) != old_count ||
            old[i]->image.cut != old[0]->image.cut)
            return false;
    return old_count > 0;
}

/* Above all that the old shards have numbered; versions of values stay what they are. */
static int begin(struct image *into, struct shard *const *old, uint32_t old_count, uint64_t lineage)
{
    if (into->seq != 0 || into->shard_count == 0) return ERROR_INVALID;
    if (!belong_together(old, old_count)) return ERROR_DAMAGED;
    for (uint32_t i = 0; i < old_count; i++) { /* those of one shard after those of another */
        const struct image *image = &old[i]->image;
        into->seq += image->seq;
        if (image->epoch > into->epoch) into->epoch = image->epoch;
        if (image->time_ms > into->time_ms) into->time_ms = image->time_ms;
    }
    into->seq++;
    into->lineage = lineage;
    return 0;
}

static void restore_from(struct restore *restore, struct shard *old, uint32_t number,
                         uint32_t old_count)
{
    const struct image *from = &old->image;
    restore->from = from;
    restore->numbers = calloc(from->dictionary.count + 1, sizeof restore->numbers[0]);
    if (restore->numbers == NULL) {
        restore->error = ERROR_MEMORY;
        return;
    }
    restore_functions(restore);
    uint32_t end = slot_first(number + 1, old_count);
    for (uint32_t slot = slot_first(number, old_count); slot < end && restore->error == 0; slot++)
        if (image_owns(restore->into, slot)) restore_slot(restore, slot);
    LIST_EACH (&from->lanes, link) {
        if (restore->error == 0) restore_lane(restore, CONTAINER_OF(link, struct lane, link));
    }
    LIST_EACH (&from->sources, link) {
        if (restore->error == 0) restore_source(restore, CONTAINER_OF(link, struct source, link));
    }
    free(restore->numbers);
    restore->numbers = NULL;
}

int shard_restore(struct shard *into, struct shard *const *old, uint32_t old_count,
                  uint64_t lineage)
{
    struct restore restore = {.into = &into->image};
    restore.error = begin(&into->image, old, old_count, lineage);
    for (uint32_t i = 0; i < old_count && restore.error == 0; i++) {
        restore_from(&restore, old[i], i, old_count);
        restore.first_seq += old[i]->image.seq;
    }
    if (restore.error == 0) deliver_all(&restore, old, old_count);
    memory_unreserve(&into->image.memory);
    return restore.error;
}
