/* Time: delayed messages that are due, back-offs that end, memory hygiene. */
#include "shard/budget.h"
#include "shard/channel.h"
#include "shard/decide.h"
#include "shard/shard.h"

static void fire(struct shard *shard, struct shard_update *update)
{
    struct image *image = &shard->image;
    uint64_t due[FIRE_MAX];
    uint32_t count = 0;
    /* The heap gives only its first: take each out and put it back, fold then finds it by number.
     */
    struct heap_node *taken[FIRE_MAX];
    struct heap_node *node;
    while (count < FIRE_MAX && (node = heap_first(&image->timers)) != NULL &&
           node->key <= shard->overlay.now_ms) {
        heap_remove(&image->timers, node);
        taken[count] = node;
        due[count++] = node->tie;
    }
    for (uint32_t i = 0; i < count; i++) heap_insert(&image->timers, taken[i]);
    if (count == 0) return;
    struct buffer *body = emit_begin(shard);
    buffer_varint(body, count);
    for (uint32_t i = 0; i < count; i++) buffer_varint(body, due[i]);
    if (emit(shard, update, RECORD_FIRE) == 0) shard->metrics.messages_fired += count;
}

static void wake(struct shard *shard)
{
    struct heap_node *node;
    while ((node = heap_first(&shard->overlay.wakes)) != NULL && node->key <= shard->overlay.now_ms)
        flight_settle(shard, CONTAINER_OF(node, struct flight, wake));
}

static bool has_expired(const struct shard *shard, const struct cell *cell)
{
    const struct function *function = image_find_function(&shard->image, cell->type);
    for (uint32_t i = 0; i < cell->value_count; i++)
        if (value_expired(function, cell, &cell->values[i], shard->overlay.now_ms)) return true;
    return false;
}

/* No purge during a flight: a response may still refresh what looks expired now. */
static bool may_purge(const struct shard *shard, const struct cell *cell)
{
    if (!has_expired(shard, cell)) return false;
    const struct box *box = box_find(&shard->image, cell->type, cell_id(cell));
    return box == NULL || box->flight == NULL || box->flight->state != FLIGHT_SENT;
}

/* Each record changes the table: first a lot is chosen, then it is purged. True: a whole lot, so
 * that there may be more. */
static bool purge_expired(struct shard *shard, uint32_t number, struct shard_update *update)
{
    if (!shard->image.has_expiry) return false; /* a shard that rests looks at every slot */
    struct slot *slot = &shard->image.slots[number];
    const struct cell *expired[PURGE_MAX];
    uint32_t count = 0;
    struct table_node *node = table_next(&slot->cells, NULL);
    for (; node != NULL && count < PURGE_MAX; node = table_next(&slot->cells, node)) {
        const struct cell *cell = CONTAINER_OF(node, struct cell, node);
        if (may_purge(shard, cell)) expired[count++] = cell;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct buffer *body = emit_begin(shard);
        buffer_varint(body, expired[i]->type);
        buffer_string(body, cell_id(expired[i]));
        if (emit(shard, update, RECORD_PURGE) != 0) return false;
    }
    return count == PURGE_MAX;
}

static bool needs_sweep(const struct shard *shard)
{
    return shard->image.entry_count > 0 || (shard->image.has_expiry && shard->image.cell_count > 0);
}

/* A shard in which nothing has happened since the last sweep sleeps until something is over. */
static void plan_sweep(struct shard *shard, bool rests, bool more)
{
    struct overlay *overlay = &shard->overlay;
    overlay->sweep_at_ms = overlay->now_ms + (more ? SWEEP_MORE_MS : SWEEP_EVERY_MS);
    if (rests && !more) {
        int64_t due_ms = evict_due_at(shard);
        if (due_ms > overlay->sweep_at_ms) overlay->sweep_at_ms = due_ms;
    }
    overlay->swept_ms = overlay->now_ms;
    overlay->swept_seq = shard->image.seq;
}

static int64_t sweep_at(const struct shard *shard)
{
    const struct overlay *overlay = &shard->overlay;
    int64_t soon_ms = overlay->swept_ms + SWEEP_EVERY_MS;
    bool sleeps = shard->image.seq == overlay->swept_seq || overlay->sweep_at_ms < soon_ms;
    return sleeps ? overlay->sweep_at_ms : soon_ms;
}

/* While something happens, some slots each time. A shard that rests looks through all of them, to
   sleep the longer. */
static void sweep(struct shard *shard, struct shard_update *update)
{
    struct overlay *overlay = &shard->overlay;
    if (overlay->now_ms < sweep_at(shard)) return;
    uint64_t seq = shard->image.seq;
    bool rests = seq == overlay->swept_seq && !shard->image.has_expiry;
    bool more = false;
    uint32_t slots = rests ? SLOTS : SWEEP_SLOTS;
    for (uint32_t i = 0; i < slots && !more; i++) {
        evict(shard, overlay->sweep_slot, 1, update);
        more = purge_expired(shard, overlay->sweep_slot, update) ||
               shard->image.seq - seq >= SWEEP_RECORDS_MAX;
        if (!more) overlay->sweep_slot = (overlay->sweep_slot + 1) % SLOTS;
    }
    plan_sweep(shard, rests, more);
}

void decide_tick(struct shard *shard, struct shard_update *update)
{
    fire(shard, update);
    wake(shard);
    signals_repeat(shard);
    sweep(shard, update);
}

static void earlier(int64_t *at_ms, int64_t candidate_ms)
{
    if (candidate_ms < *at_ms) *at_ms = candidate_ms;
}

int64_t shard_wake_at(const struct shard *shard)
{
    const struct overlay *overlay = &shard->overlay;
    int64_t at_ms = overlay_is_unsettled(overlay) ? overlay->now_ms : INT64_MAX;
    const struct heap_node *node = heap_first(&shard->image.timers);
    if (node != NULL) earlier(&at_ms, node->key);
    node = heap_first(&overlay->wakes);
    if (node != NULL) earlier(&at_ms, node->key);
    earlier(&at_ms, pioneer_wake_at(shard));
    for (uint32_t i = 0; i < overlay->endpoint_count; i++) {
        const struct endpoint *endpoint = &overlay->endpoints[i];
        if (!list_empty(&endpoint->ready) && endpoint->open_until_ms > overlay->now_ms)
            earlier(&at_ms, endpoint->open_until_ms);
    }
    for (uint32_t i = 0; i < overlay->peer_count; i++) {
        if (channel_of(&shard->image, i) != NULL) earlier(&at_ms, overlay->peers[i].resend_at_ms);
    }
    if (needs_sweep(shard)) earlier(&at_ms, sweep_at(shard));
    if (at_ms == INT64_MAX) return INT64_MAX;
    int64_t wait_ms = at_ms - overlay->now_ms;
    return overlay->mono_ms + (wait_ms < 0 ? 0 : wait_ms);
}
