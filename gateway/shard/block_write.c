#include "shard/block.h"

#include "shard/channel.h"

static void write_values(struct buffer *out, const struct cell *cell)
{
    buffer_varint(out, cell->value_count);
    for (uint32_t i = 0; i < cell->value_count; i++) {
        const struct value *value = &cell->values[i];
        buffer_varint(out, value->name);
        buffer_varint(out, value->type_name);
        buffer_varint(out, (uint64_t)value->written_ms);
        buffer_varint(out, value->version);
        buffer_string(out, cell_value(cell, value));
    }
}

void block_write_cell(struct buffer *out, const struct cell *cell)
{
    buffer_varint(out, cell->type);
    buffer_string(out, cell_id(cell));
    buffer_varint(out, cell->seq);
    buffer_varint(out, (uint64_t)cell->invoked_ms);
    write_values(out, cell);
}

static void write_message(struct buffer *out, const struct message *message)
{
    buffer_byte(out, (uint8_t)message->kind);
    buffer_varint(out, message->seq);
    buffer_varint(out, message->index);
    buffer_varint(out, message->epoch);
    buffer_varint(out, message->caller_type);
    buffer_string(out, message_caller_id(message));
    buffer_string(out, message_argument(message));
    buffer_string(out, message_reply_token(message));
    buffer_string(out, message_traceparent(message));
    if (message->kind == ITEM_MESSAGE) return;
    buffer_varint(out, message->state_name);
    buffer_varint(out, message->state_type);
    buffer_byte(out, message->if_match);
    buffer_varint(out, message->version);
}

void block_write_box(struct buffer *out, const struct box *box)
{
    buffer_varint(out, box->type);
    buffer_string(out, box_id(box));
    buffer_varint(out, box->attempts);
    buffer_varint(out, (uint64_t)box->failed_ms);
    buffer_byte(out, box->parked);
    buffer_varint(out, (uint64_t)box->parked_ms);
    buffer_string(out, span_of(box->text, box->text_size));
    buffer_varint(out, box->count);
    LIST_EACH (&box->messages, link) {
        write_message(out, CONTAINER_OF(link, struct message, link));
    }
}

void block_write_timer(struct buffer *out, const struct timer *timer)
{
    buffer_varint(out, timer->due.tie);
    buffer_varint(out, (uint64_t)timer->due.key);
    buffer_varint(out, timer->target_type);
    buffer_string(out, timer_target_id(timer));
    buffer_string(out, timer_scope_id(timer));
    buffer_string(out, timer_token(timer));
    write_message(out, timer->message);
}

void block_write_entry(struct buffer *out, const struct entry *entry)
{
    buffer_varint(out, entry->type);
    buffer_string(out, entry_id(entry));
    buffer_string(out, entry_key(entry));
    buffer_string(out, entry_token(entry));
    if (entry->key_size > 0) buffer_u64(out, entry_body_hash(entry));
    buffer_varint(out, entry->seq);
    buffer_varint(out, entry->epoch);
    buffer_varint(out, (uint64_t)entry->created_ms);
    buffer_byte(out, entry->has_answer);
    if (!entry->has_answer) return;
    buffer_varint(out, entry->answer_seq);
    buffer_string(out, span_of(entry->answer, entry->answer_size));
}

static bool slot_is_empty(const struct slot *slot)
{
    return slot->cells.count + slot->boxes.count == 0 && list_empty(&slot->timers) &&
           list_empty(&slot->entries) && list_empty(&slot->calls);
}

static uint64_t list_count(const struct list *head)
{
    uint64_t count = 0;
    for (const struct list *link = head->next; link != head; link = link->next) count++;
    return count;
}

void block_write_slot(struct buffer *out, const struct slot *slot)
{
    if (slot_is_empty(slot)) return;
    buffer_varint(out, slot->cells.count);
    for (struct table_node *node = table_next(&slot->cells, NULL); node != NULL;
         node = table_next(&slot->cells, node))
        block_write_cell(out, CONTAINER_OF(node, struct cell, node));
    block_write_rest(out, slot);
}

void block_write_rest(struct buffer *out, const struct slot *slot)
{
    uint64_t timers = list_count(&slot->timers),
             entries = list_count(&slot->entries) + list_count(&slot->calls);
    if (slot_is_empty(slot)) return;
    buffer_varint(out, slot->boxes.count);
    for (struct table_node *node = table_next(&slot->boxes, NULL); node != NULL;
         node = table_next(&slot->boxes, node))
        block_write_box(out, CONTAINER_OF(node, struct box, node));
    buffer_varint(out, timers);
    LIST_EACH (&slot->timers, link) {
        block_write_timer(out, CONTAINER_OF(link, struct timer, link));
    }
    buffer_varint(out, entries);
    LIST_EACH (&slot->entries, link) {
        block_write_entry(out, CONTAINER_OF(link, struct entry, order));
    }
    LIST_EACH (&slot->calls, link) {
        block_write_entry(out, CONTAINER_OF(link, struct entry, order));
    }
}

static void write_functions(struct buffer *out, const struct image *image)
{
    for (uint32_t i = 1; i < image->function_capacity; i++) {
        const struct function *function = image->functions[i];
        if (function == NULL || function->spec_count == 0) continue;
        buffer_varint(out, function->type);
        buffer_varint(out, function->spec_count);
        for (uint32_t j = 0; j < function->spec_count; j++) {
            const struct spec *spec = &function->specs[j];
            record_spec_write(out,
                              &(struct record_spec){spec->name, spec->type_name,
                                                    (uint8_t)spec->mode, (uint64_t)spec->ttl_ms});
        }
    }
    buffer_varint(out, 0);
}

static void write_lane(struct buffer *out, const struct lane *lane)
{
    buffer_varint(out, lane->name);
    buffer_varint(out, lane->last);
    buffer_varint(out, lane->taken);
    buffer_varint(out, lane->count);
    LIST_EACH (&lane->letters, link) {
        const struct letter *letter = CONTAINER_OF(link, struct letter, link);
        buffer_varint(out, letter->cursor);
        buffer_varint(out, letter->seq);
        buffer_string(out, span_of(letter->bytes, letter->size));
    }
}

static void write_channels(struct buffer *out, const struct image *image)
{
    buffer_varint(out, image->shard);
    buffer_varint(out, image->shard_count);
    buffer_varint(out, image->cut);
    for (uint32_t i = 0; i < image->shard_count; i++) {
        const struct channel *channel = channel_of(image, i);
        if (channel == NULL) continue;
        buffer_varint(out, channel->accepted);
        write_lane(out, &channel->out);
    }
}

static void write_sources(struct buffer *out, const struct image *image)
{
    buffer_varint(out, list_count(&image->sources));
    LIST_EACH (&image->sources, link) {
        const struct source *source = CONTAINER_OF(link, struct source, link);
        buffer_varint(out, source->name);
        buffer_string(out, source_position(source));
    }
}

void block_write_globals(struct buffer *out, const struct image *image)
{
    bool has_sources = !list_empty(&image->sources);
    buffer_varint(out, has_sources ? BLOCK_FORMAT : BLOCK_FORMAT_NO_SOURCES);
    buffer_u64(out, image->lineage);
    buffer_varint(out, image->epoch);
    buffer_varint(out, image->seq);
    buffer_varint(out, (uint64_t)image->time_ms);
    buffer_varint(out, image->next_timer);
    buffer_varint(out, image->dictionary.count);
    for (uint32_t i = 1; i <= image->dictionary.count; i++)
        buffer_string(out, dictionary_name(image, i));
    write_functions(out, image);
    buffer_varint(out, list_count(&image->lanes));
    LIST_EACH (&image->lanes, link) {
        write_lane(out, CONTAINER_OF(link, struct lane, link));
    }
    write_channels(out, image);
    if (has_sources) write_sources(out, image);
}
