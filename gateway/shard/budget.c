#include "shard/budget.h"

#include "shard/channel.h"
#include "shard/decide.h"

/* Levels of memory, in eighths of the budget. */
enum { LEVEL_CLIENTS = 8, LEVEL_RESULTS = 9, LEVEL_PARCELS = 10, LEVEL_PIONEER = 12 };

enum {
    MUTATION_OVERHEAD = 160, /* of a value beyond its bytes, at most */
    MESSAGE_OVERHEAD = 160,
    DELAYED_OVERHEAD = 320,
    EGRESS_OVERHEAD = 64,
};

static bool fits(const struct shard *shard, size_t bytes, size_t level)
{
    size_t most = shard->overlay.config.memory_max;
    return most == 0 || bytes <= most / 8 * level + most % 8;
}

bool budget_admits(const struct shard *shard, size_t more)
{
    return fits(shard, shard->image.memory.used + undurable_bytes(shard) + more, LEVEL_CLIENTS);
}

/* Where no call is out, all that is here may be waiting for what the parcels of others would let
 * them free. */
bool budget_admits_parcels(const struct shard *shard, size_t more)
{
    size_t waiting;
    channels_waiting(&shard->image, &waiting);
    size_t level = shard->overlay.state_counts[FLIGHT_SENT] == 0 ? LEVEL_PIONEER : LEVEL_PARCELS;
    return fits(shard, shard->image.memory.used - waiting + more, level);
}

/* ---- What a result needs ---- */

static uint32_t target_slot(const struct address *target)
{
    return span_equal(target->type, NAME_REPLY) ? reply_token_slot(target->id)
                                                : slot_of(target->id);
}

static size_t effects_bytes(const struct function_response *response)
{
    size_t bytes = 0;
    for (size_t i = 0; i < response->message_count; i++)
        bytes += response->messages[i].argument.size + MESSAGE_OVERHEAD;
    for (size_t i = 0; i < response->delayed_count; i++)
        bytes += response->delayed[i].argument.size + DELAYED_OVERHEAD;
    for (size_t i = 0; i < response->egress_count; i++)
        bytes += response->egress[i].argument.size + EGRESS_OVERHEAD;
    for (size_t i = 0; i < response->mutation_count; i++)
        bytes += response->mutations[i].value.size + MUTATION_OVERHEAD;
    return bytes;
}

static size_t crossing_bytes(const struct shard *shard, const struct function_response *response)
{
    size_t bytes = 0;
    for (size_t i = 0; shard->image.channels != NULL && i < response->message_count; i++)
        if (!image_owns(&shard->image, target_slot(&response->messages[i].target)))
            bytes += response->messages[i].argument.size + MESSAGE_OVERHEAD;
    return bytes;
}

/* What waits for other shards is an eighth of the memory at most: see budget.h. */
static bool is_crossing_blocked(const struct shard *shard, const struct function_response *response)
{
    size_t crossing = crossing_bytes(shard, response), most = shard->overlay.config.memory_max / 8;
    size_t waiting;
    if (crossing == 0 || most == 0) return false;
    channels_waiting(&shard->image, &waiting);
    return waiting > 0 && waiting + crossing > most;
}

/* What the outbox will hold: records for egresses, messages for other shards. */
static size_t outgoing_bytes(const struct shard *shard, const struct function_response *response)
{
    size_t bytes = crossing_bytes(shard, response);
    for (size_t i = 0; i < response->egress_count; i++) {
        const struct egress *egress = egress_find(&shard->overlay, response->egress[i].name);
        if (egress->kind != EGRESS_DISCARD) bytes += response->egress[i].argument.size;
    }
    return bytes;
}

/* Into an empty outbox goes anything: a response larger than the whole would wait for ever. */
static bool is_outbox_full(const struct shard *shard, const struct function_response *response)
{
    size_t most = shard->overlay.config.outbox_bytes_max;
    size_t waiting = shard->image.letter_bytes;
    if (most == 0 || waiting == 0) return false;
    size_t letters = outgoing_bytes(shard, response);
    return letters > 0 && waiting + letters > most;
}

/* What the record will free: the messages it consumes, and the values it writes over. */
static size_t freed_bytes(const struct shard *shard, const struct flight *flight,
                          const struct function_response *response)
{
    const struct box *box = flight->box;
    const struct cell *cell = cell_find(&shard->image, box->type, box_id(box));
    size_t bytes = flight->sent_count == box->count ? box_size(box_id(box)) : 0;
    uint32_t i = 0;
    LIST_EACH (&box->messages, link) {
        const struct message *message = CONTAINER_OF(link, struct message, link);
        if (i++ == flight->sent_count) break;
        bytes += sizeof *message + message->argument_size + message->caller_id_size;
    }
    for (size_t j = 0; cell != NULL && j < response->mutation_count; j++) {
        uint32_t name = dictionary_find(&shard->image, response->mutations[j].name);
        const struct value *value = cell_find_value(cell, name);
        if (value != NULL) bytes += value->size + MUTATION_OVERHEAD;
    }
    return bytes;
}

static bool is_memory_full(const struct shard *shard, const struct flight *flight,
                           const struct function_response *response)
{
    size_t level = flight->leads ? LEVEL_PIONEER : LEVEL_RESULTS;
    size_t used = shard->image.memory.used, more = effects_bytes(response);
    if (fits(shard, used + more, level)) return false;
    size_t freed = freed_bytes(shard, flight, response);
    return more > freed && !fits(shard, used + (more - freed), level);
}

enum shortage budget_shortage(const struct shard *shard, const struct flight *flight,
                              const struct function_response *response)
{
    if (is_outbox_full(shard, response) || is_crossing_blocked(shard, response))
        return SHORT_OF_OUTBOX;
    return is_memory_full(shard, flight, response) ? SHORT_OF_MEMORY : SHORT_OF_NOTHING;
}

/* ---- Those who wait ---- */

/* Who may become a pioneer is at the end of the list, the last first. */
static void queue_blocked(struct shard *shard, struct flight *flight, bool may_lead)
{
    flight->may_lead = may_lead;
    if (may_lead) return;
    list_remove(&flight->link);
    list_prepend(&shard->overlay.states[FLIGHT_BLOCKED], &flight->link);
}

void block(struct shard *shard, struct flight *flight, enum shortage shortage)
{
    shard->metrics.blocked++;
    if (flight == NULL) return;
    bool led = flight->leads;
    if (led && shortage == SHORT_OF_MEMORY) shard->metrics.outgrown++;
    /* Fewer messages need less room; and nobody gains by answers that are made to be thrown away.
     */
    if (flight->sent_count > 1) flight->batch_max = flight->sent_count / 2;
    uint32_t doublings =
        flight->blocks < BLOCKED_DOUBLINGS_MAX ? flight->blocks : BLOCKED_DOUBLINGS_MAX;
    flight->blocks++;
    flight_sleep(shard, flight, FLIGHT_BLOCKED,
                 shard->overlay.now_ms + (BLOCKED_RETRY_MS << doublings));
    queue_blocked(shard, flight, shortage == SHORT_OF_MEMORY && !led);
}

void wake_blocked(struct shard *shard)
{
    LIST_EACH (&shard->overlay.states[FLIGHT_BLOCKED], link)
        flight_settle(shard, CONTAINER_OF(link, struct flight, link));
}

/* ---- Pioneers ---- */

/* One at a time; but its call, or one that would free something, may take hours. */
static bool is_time_to_lead(const struct overlay *overlay)
{
    if (list_empty(&overlay->states[FLIGHT_BLOCKED])) return false;
    return (overlay->leading == 0 && overlay->state_counts[FLIGHT_SENT] == 0) ||
           overlay->mono_ms >= overlay->led_ms + PIONEER_EVERY_MS;
}

static bool is_down(const struct overlay *overlay, const struct flight *flight)
{
    if (flight->endpoint >= overlay->endpoint_count) return false;
    const struct endpoint *endpoint = &overlay->endpoints[flight->endpoint];
    return endpoint->failures > 0 || overlay->now_ms < endpoint->open_until_ms;
}

/* NULL: there is none. Those of an endpoint that is down are called again by their own clocks. */
static struct flight *next_pioneer(struct shard *shard)
{
    const struct list *blocked = &shard->overlay.states[FLIGHT_BLOCKED];
    while (!list_empty(blocked)) {
        struct flight *flight = LIST_LAST(blocked, struct flight, link);
        if (!flight->may_lead) break;
        if (!is_down(&shard->overlay, flight)) return flight;
        queue_blocked(shard, flight, false);
    }
    return NULL;
}

void send_pioneer(struct shard *shard, struct shard_update *update)
{
    if (!is_time_to_lead(&shard->overlay)) return;
    struct flight *flight = next_pioneer(shard);
    if (flight == NULL) return;
    shard->overlay.led_ms = shard->overlay.mono_ms;
    flight_lead(shard, flight);
    dispatch(shard, update);
}

int64_t pioneer_wake_at(const struct shard *shard)
{
    const struct overlay *overlay = &shard->overlay;
    const struct list *blocked = &overlay->states[FLIGHT_BLOCKED];
    if (list_empty(blocked) || !LIST_LAST(blocked, struct flight, link)->may_lead) return INT64_MAX;
    return overlay->now_ms + overlay->led_ms + PIONEER_EVERY_MS - overlay->mono_ms;
}
