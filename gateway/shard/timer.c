/* Delayed messages: in the slot of their sender's id, which is the scope of their cancel token. */
#include "base/check.h"
#include "shard/image.h"
#include "shard/key.h"

size_t timer_size(size_t target_id_size, size_t scope_id_size, size_t token_size)
{
    return sizeof(struct timer) + target_id_size + scope_id_size + token_size;
}

struct span timer_target_id(const struct timer *timer)
{
    return span_of(timer->bytes, timer->target_id_size);
}

struct span timer_scope_id(const struct timer *timer)
{
    return span_of(timer->bytes + timer->target_id_size, timer->scope_id_size);
}

struct span timer_token(const struct timer *timer)
{
    return span_of(timer->bytes + timer->target_id_size + timer->scope_id_size, timer->token_size);
}

static uint64_t token_hash(struct span scope_id, struct span token)
{
    return key_pair_hash(hash_bytes(scope_id), token);
}

struct timer *timer_find_token(const struct image *image, struct span scope_id, struct span token)
{
    uint64_t hash = token_hash(scope_id, token);
    const struct slot *slot = image_slot(image, scope_id);
    for (struct table_node *node = table_chain(&slot->tokens, hash); node != NULL;
         node = node->next) {
        struct timer *timer = CONTAINER_OF(node, struct timer, token);
        if (node->hash == key_short(hash) && span_equal(timer_token(timer), token) &&
            span_equal(timer_scope_id(timer), scope_id))
            return timer;
    }
    return NULL;
}

static uint64_t number_hash(uint64_t number)
{
    return number * 0x9e3779b97f4a7c15u;
}

struct timer *timer_find_number(const struct image *image, uint64_t number)
{
    struct table_node *node = table_chain(&image->timers_by_number, number_hash(number));
    for (; node != NULL; node = node->next) {
        struct timer *timer = CONTAINER_OF(node, struct timer, number);
        if (timer->due.tie == number) return timer;
    }
    return NULL;
}

static size_t message_bytes(const struct message *message)
{
    return sizeof *message + message->caller_id_size + message->argument_size +
           message->reply_token_size + message->traceparent_size;
}

void timer_add(struct image *image, uint64_t number, int64_t due_ms, uint32_t target_type,
               struct span target_id, struct span scope_id, struct span token,
               struct message *message)
{
    struct timer *timer =
        memory_alloc(&image->memory, timer_size(target_id.size, scope_id.size, token.size));
    CHECK(timer != NULL);
    *timer = (struct timer){.message = message,
                            .target_type = target_type,
                            .target_id_size = (uint32_t)target_id.size,
                            .scope_id_size = (uint32_t)scope_id.size,
                            .token_size = (uint32_t)token.size};
    memcpy(timer->bytes, target_id.at, target_id.size);
    memcpy(timer->bytes + target_id.size, scope_id.at, scope_id.size);
    if (token.size > 0) memcpy(timer->bytes + target_id.size + scope_id.size, token.at, token.size);
    timer->due.key = due_ms;
    timer->due.tie = number != 0 ? number : image->next_timer++;
    heap_insert(&image->timers, &timer->due);
    struct slot *slot = image_slot(image, scope_id);
    list_append(&slot->timers, &timer->link);
    table_insert(&image->timers_by_number, &image->memory, &timer->number,
                 number_hash(timer->due.tie));
    if (token.size > 0)
        table_insert(&slot->tokens, &image->memory, &timer->token, token_hash(scope_id, token));
    image->timer_count++;
    image->timer_bytes += message_bytes(message);
}

struct message *timer_take(struct image *image, struct timer *timer)
{
    struct message *message = timer->message;
    image->timer_count--;
    image->timer_bytes -= message_bytes(message);
    heap_remove(&image->timers, &timer->due);
    list_remove(&timer->link);
    table_remove(&image->timers_by_number, &timer->number);
    if (timer->token_size > 0)
        table_remove(&image_slot(image, timer_scope_id(timer))->tokens, &timer->token);
    memory_free(&image->memory, timer,
                timer_size(timer->target_id_size, timer->scope_id_size, timer->token_size));
    return message;
}
