/*
 * What is remembered of keyed messages and of calls, and for how long: with a key, the window; a
 * call without one until its reply has been delivered, since nobody else can ask for it, and a
 * moment longer when somebody has asked with its token, who may ask again; and less when there is
 * too much of it.
 */
#include "shard/decide.h"

/* When the reply has been delivered. */
static int64_t kept_until_ms(const struct entry *entry)
{
    return entry->delivered_ms + (entry->asked ? DELIVERED_KEEP_MS : 0);
}

static bool is_over(const struct shard *shard, const struct entry *entry, size_t bytes, bool *early)
{
    const struct shard_config *config = &shard->overlay.config;
    *early = false;
    if (entry->gated > 0 || !list_empty(&entry->waiters)) return false;
    int64_t window_ms = entry->key_size > 0 ? config->dedup_window_ms : config->reply_keep_ms;
    if (shard->overlay.now_ms - entry->created_ms >= window_ms) return true;
    if (entry->key_size == 0 && entry->delivered_ms > 0 &&
        shard->overlay.now_ms >= kept_until_ms(entry))
        return true;
    *early = config->dedup_bytes_max > 0 && bytes > config->dedup_bytes_max;
    return *early;
}

/* Its window cannot have passed, and there is no need for room. */
static bool is_young(const struct shard *shard, const struct entry *entry, size_t bytes)
{
    const struct shard_config *config = &shard->overlay.config;
    int64_t age_ms = shard->overlay.now_ms - entry->created_ms;
    int64_t least_ms = entry->key_size > 0 ? config->dedup_window_ms : 0;
    bool crowded = config->dedup_bytes_max > 0 && bytes > config->dedup_bytes_max;
    return age_ms < least_ms && !crowded;
}

/* A run of entries of a slot, oldest first, that are over. */
struct run {
    uint32_t skip; /* older ones that are not: a caller may wait for hours */
    uint32_t count;
    uint32_t early_count;
};

static struct run find_run(const struct shard *shard, const struct list *list)
{
    struct run run = {0};
    size_t bytes = shard->image.entry_bytes;
    LIST_EACH (list, link) {
        const struct entry *entry = CONTAINER_OF(link, struct entry, order);
        bool early;
        if (is_young(shard, entry, bytes)) break; /* and so are all behind it */
        if (is_over(shard, entry, bytes, &early)) {
            if (run.count == EVICT_MAX) break;
            bytes -=
                entry_size(entry->id_size, entry->key_size, entry->token_size) + entry->answer_size;
            run.early_count += early;
            run.count++;
        } else if (run.count > 0 || ++run.skip > EVICT_SKIP_MAX) {
            break;
        }
    }
    return run;
}

static void evict_list(struct shard *shard, uint32_t number, bool has_key, uint32_t least,
                       struct shard_update *update)
{
    struct run run = find_run(shard, entry_list(&shard->image.slots[number], has_key));
    if (run.count < least) return;
    struct buffer *body = emit_begin(shard);
    buffer_varint(body, number);
    buffer_byte(body, (uint8_t)((has_key ? EVICT_WITH_KEY : 0) | (run.skip > 0 ? EVICT_SKIPS : 0)));
    buffer_varint(body, run.count);
    if (run.skip > 0) buffer_varint(body, run.skip);
    if (emit(shard, update, RECORD_EVICT) != 0) return;
    shard->metrics.evicted += run.count;
    shard->metrics.evicted_early += run.early_count;
}

void evict(struct shard *shard, uint32_t slot, uint32_t least, struct shard_update *update)
{
    evict_list(shard, slot, true, least, update);
    evict_list(shard, slot, false, least, update);
}

/* When the first of a list that nobody waits for is over, about. */
static int64_t list_due_at(const struct shard *shard, const struct list *list)
{
    const struct shard_config *config = &shard->overlay.config;
    uint32_t skip = 0;
    LIST_EACH (list, link) {
        const struct entry *entry = CONTAINER_OF(link, struct entry, order);
        if (skip++ == EVICT_SKIP_MAX) break;
        if (entry->gated > 0 || !list_empty(&entry->waiters)) continue;
        if (entry->key_size > 0) return entry->created_ms + config->dedup_window_ms;
        if (entry->delivered_ms > 0) return kept_until_ms(entry);
        return entry->created_ms + config->reply_keep_ms;
    }
    return INT64_MAX;
}

int64_t evict_due_at(const struct shard *shard)
{
    int64_t due_ms = INT64_MAX;
    for (uint32_t i = 0; i < 2 * SLOTS; i++) {
        int64_t at_ms = list_due_at(shard, entry_list(&shard->image.slots[i / 2], i % 2 == 0));
        if (at_ms < due_ms) due_ms = at_ms;
    }
    return due_ms;
}
