/*
 * What is remembered of keyed messages and of calls, and for how long: with a key, the window; a
 * call without one until its reply has been delivered, since nobody else can ask for it; and less
 * when there is too much of it.
 */
#include "shard/decide.h"

static bool is_over(const struct shard *shard, const struct entry *entry, size_t bytes, bool *early)
{
    const struct shard_config *config = &shard->overlay.config;
    *early = false;
    if (entry->gated > 0 || !list_empty(&entry->waiters)) return false;
    int64_t window_ms = entry->key_size > 0 ? config->dedup_window_ms : config->reply_keep_ms;
    if (shard->overlay.now_ms - entry->created_ms >= window_ms) return true;
    if (entry->key_size == 0 && entry->delivered) return true;
    *early = config->dedup_bytes_max > 0 && bytes > config->dedup_bytes_max;
    return *early;
}

static void evict_list(struct shard *shard, uint32_t number, bool has_key, uint32_t least,
                       struct shard_update *update)
{
    struct list *list = entry_list(&shard->image.slots[number], has_key);
    size_t bytes = shard->image.entry_bytes;
    uint32_t count = 0, early_count = 0;
    LIST_EACH (list, link) {
        const struct entry *entry = CONTAINER_OF(link, struct entry, order);
        bool early;
        if (count == EVICT_MAX || !is_over(shard, entry, bytes, &early)) break;
        bytes -=
            entry_size(entry->id_size, entry->key_size, entry->token_size) + entry->answer_size;
        early_count += early;
        count++;
    }
    if (count < least) return;
    struct buffer *body = emit_begin(shard);
    buffer_varint(body, number);
    buffer_byte(body, has_key);
    buffer_varint(body, count);
    if (emit(shard, update, RECORD_EVICT) != 0) return;
    shard->metrics.evicted += count;
    shard->metrics.evicted_early += early_count;
}

void evict(struct shard *shard, uint32_t slot, uint32_t least, struct shard_update *update)
{
    evict_list(shard, slot, true, least, update);
    evict_list(shard, slot, false, least, update);
}
