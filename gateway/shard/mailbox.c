/* Messages and the mailbox of one address. */
#include "base/check.h"
#include "base/text.h"
#include "shard/image.h"
#include "shard/key.h"

static struct box *find_at(struct place place, uint32_t type, struct span id)
{
    for (struct table_node *node = table_chain(&place.slot->boxes, place.hash); node != NULL;
         node = node->next) {
        struct box *box = CONTAINER_OF(node, struct box, node);
        if (node->hash == key_short(place.hash) && box->type == type && span_equal(box_id(box), id))
            return box;
    }
    return NULL;
}

struct box *box_find(const struct image *image, uint32_t type, struct span id)
{
    return find_at(place_of(image, type, id), type, id);
}

struct span box_id(const struct box *box)
{
    return span_of(box->id, box->id_size);
}

size_t box_size(struct span id)
{
    return sizeof(struct box) + id.size;
}

static size_t bytes_size(const struct message *message)
{
    return (size_t)message->caller_id_size + message->argument_size + message->reply_token_size +
           message->traceparent_size;
}

static size_t allocation_size(const struct message *message)
{
    return sizeof *message + bytes_size(message);
}

size_t message_size(const struct record_item *item, bool has_caller, struct span caller_id)
{
    return sizeof(struct message) + (has_caller ? caller_id.size : 0) + item->argument.size +
           item->reply_token.size + item->traceparent.size;
}

static uint8_t *put(uint8_t *at, struct span bytes)
{
    if (bytes.size > 0) memcpy(at, bytes.at, bytes.size);
    return at + bytes.size;
}

struct message *message_new(struct image *image, const struct record_item *item,
                            uint32_t caller_type, struct span caller_id)
{
    if (caller_type == 0) caller_id = SPAN_EMPTY;
    struct message *message = memory_alloc(&image->memory, message_size(item, true, caller_id));
    CHECK(message != NULL);
    *message = (struct message){.kind = item->kind,
                                .seq = image->seq,
                                .epoch = image->epoch,
                                .caller_type = caller_type,
                                .caller_id_size = (uint32_t)caller_id.size,
                                .argument_size = (uint32_t)item->argument.size,
                                .reply_token_size = (uint32_t)item->reply_token.size,
                                .traceparent_size = (uint32_t)item->traceparent.size,
                                .state_name = item->state_name,
                                .state_type = item->state_type,
                                .if_match = item->if_match,
                                .version = item->version};
    list_init(&message->link);
    uint8_t *at = put(message->bytes, caller_id);
    at = put(at, item->argument);
    at = put(at, item->reply_token);
    put(at, item->traceparent);
    return message;
}

void message_free(struct image *image, struct message *message)
{
    memory_free(&image->memory, message, allocation_size(message));
}

struct span message_caller_id(const struct message *message)
{
    return span_of(message->bytes, message->caller_id_size);
}

struct span message_argument(const struct message *message)
{
    return span_of(message->bytes + message->caller_id_size, message->argument_size);
}

struct span message_reply_token(const struct message *message)
{
    return span_of(message->bytes + message->caller_id_size + message->argument_size,
                   message->reply_token_size);
}

struct span message_traceparent(const struct message *message)
{
    return span_of(message->bytes + bytes_size(message) - message->traceparent_size,
                   message->traceparent_size);
}

uint32_t message_check(const struct message *message)
{
    return key_short((message->seq * 0x9e3779b97f4a7c15u ^ message->index) * 0xbf58476d1ce4e5b9u ^
                     message->epoch * 0x94d049bb133111ebu);
}

void message_id_text(struct buffer *out, const struct image *image, uint32_t epoch, uint64_t seq,
                     uint32_t index)
{
    text_hex(out, image->lineage, 16);
    buffer_byte(out, '.');
    text_decimal(out, epoch);
    buffer_byte(out, '.');
    text_decimal(out, image->shard);
    buffer_byte(out, '.');
    text_decimal(out, seq);
    buffer_byte(out, '.');
    text_decimal(out, index);
}

struct box *box_get(struct image *image, uint32_t type, struct span id)
{
    return box_get_at(image, place_of(image, type, id), type, id);
}

struct box *box_get_at(struct image *image, struct place place, uint32_t type, struct span id)
{
    struct box *box = find_at(place, type, id);
    if (box != NULL) return box;
    box = memory_alloc(&image->memory, box_size(id));
    CHECK(box != NULL);
    *box = (struct box){.type = type, .id_size = (uint32_t)id.size};
    list_init(&box->messages);
    list_init(&box->woken);
    memcpy(box->id, id.at, id.size);
    table_insert(&place.slot->boxes, &image->memory, &box->node, place.hash);
    return box;
}

void box_put(struct image *image, struct box *box, struct message *message)
{
    size_t size = allocation_size(message);
    list_append(&box->messages, &message->link);
    box->count++;
    if (message->kind != ITEM_MESSAGE) box->write_count++;
    box->bytes += size;
    image->message_count++;
    image->message_bytes += size;
    image_function(image, box->type)->message_count++;
    box_wake(image, box);
}

static void drop(struct image *image, struct box *box, struct message *message)
{
    size_t size = allocation_size(message);
    list_remove(&message->link);
    box->count--;
    if (message->kind != ITEM_MESSAGE) box->write_count--;
    box->bytes -= size;
    image->message_count--;
    image->message_bytes -= size;
    image_function(image, box->type)->message_count--;
    message_free(image, message);
}

struct callers box_callers(const struct box *box, uint32_t count)
{
    CHECK(count <= box->count);
    struct callers callers = {.last = &box->messages, .left = count};
    callers_take(&callers);
    return callers;
}

struct span callers_take(struct callers *callers)
{
    struct span taken = callers->next;
    callers->next = SPAN_EMPTY;
    while (callers->left > 0 && callers->next.size == 0) {
        callers->left--;
        callers->last = callers->last->next;
        callers->next = message_reply_token(CONTAINER_OF(callers->last, struct message, link));
    }
    return taken;
}

struct message *box_first_write(const struct box *box)
{
    if (box->write_count == 0) return NULL; /* a parked box with much mail is asked for each more */
    LIST_EACH (&box->messages, link) {
        struct message *message = CONTAINER_OF(link, struct message, link);
        if (message->kind != ITEM_MESSAGE) return message;
        if (!box->parked) return NULL; /* not at the head: it waits for its turn */
    }
    return NULL;
}

void box_take_write(struct image *image, struct box *box)
{
    struct message *write = box_first_write(box);
    CHECK(write != NULL);
    if (!box->parked) {
        box_pop(image, box, 1);
        return;
    }
    drop(image, box, write); /* the parked message stays */
    box->taken_seq = image->seq;
    CHECK(box->count > 0);
    box_wake(image, box);
}

bool box_pop(struct image *image, struct box *box, uint32_t count)
{
    CHECK(count <= box->count);
    for (uint32_t i = 0; i < count; i++)
        drop(image, box, LIST_FIRST(&box->messages, struct message, link));
    if (box->parked) image->parked_count--;
    box->parked = false;
    box->attempts = 0;
    box->failed_ms = box->parked_ms = 0;
    box_set_text(image, box, SPAN_EMPTY);
    box->taken_seq = image->seq;
    if (box->count > 0) {
        box_wake(image, box);
        return false;
    }
    CHECK(box->flight == NULL);
    table_remove(&image_slot(image, box_id(box))->boxes, &box->node);
    list_remove(&box->woken);
    memory_free(&image->memory, box, box_size(box_id(box)));
    return true;
}

void box_set_text(struct image *image, struct box *box, struct span text)
{
    memory_free(&image->memory, box->text, box->text_size);
    box->text = NULL;
    box->text_size = 0;
    if (text.size == 0) return;
    box->text = memory_alloc(&image->memory, text.size);
    CHECK(box->text != NULL);
    memcpy(box->text, text.at, text.size);
    box->text_size = (uint32_t)text.size;
}

void box_wake(struct image *image, struct box *box)
{
    if (list_empty(&box->woken)) list_append(&image->woken, &box->woken);
}

/* Only for the end of the image: the tables are left as they are. */
void box_free(struct image *image, struct box *box)
{
    while (!list_empty(&box->messages))
        drop(image, box, LIST_FIRST(&box->messages, struct message, link));
    box_set_text(image, box, SPAN_EMPTY);
    list_remove(&box->woken);
    memory_free(&image->memory, box, box_size(box_id(box)));
}
