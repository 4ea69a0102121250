#include "shard/budget.h"

#include "shard/channel.h"
#include "shard/decide.h"

/* Levels of memory, in eighths of the budget. */
enum { LEVEL_CLIENTS = 8, LEVEL_RESULTS = 9, LEVEL_PARCELS = 10, LEVEL_PIONEER = 12 };

enum { PASSED_OVER_MAX = 16 }; /* each time that a pioneer is looked for */

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

/* ---- What there is room for ---- */

/* Into what is empty goes anything: a response larger than the whole would wait for ever. */
static bool goes_into(size_t most, size_t waiting, size_t bytes)
{
    return most == 0 || bytes == 0 || waiting == 0 || waiting + bytes <= most;
}

static bool has_memory(const struct shard *shard, size_t bytes, size_t level)
{
    return bytes == 0 || fits(shard, shard->image.memory.used + bytes, level);
}

/* `kept`: for others. */
static bool has_room(const struct shard *shard, struct lack lack, size_t kept)
{
    const struct shard_config *config = &shard->overlay.config;
    size_t waiting;
    switch (lack.of) {
    case SHORT_OF_OUTBOX:
        return goes_into(config->outbox_bytes_max, shard->image.letter_bytes + kept, lack.bytes);
    case SHORT_OF_CHANNELS: /* an eighth of the memory at most: see budget.h */
        channels_waiting(&shard->image, &waiting);
        return goes_into(config->memory_max / 8, waiting + kept, lack.bytes);
    case SHORT_OF_MEMORY: return has_memory(shard, lack.bytes + kept, LEVEL_RESULTS);
    default: return false; /* nobody knows */
    }
}

size_t source_message_bytes(const struct source_message *message)
{
    return message->argument.size + message->traceparent.size + message->target.id.size +
           MESSAGE_OVERHEAD;
}

/* Results that wait for a way to other shards go first: what a source brings next can wait, and
 * would take each little room that they are kept from. */
bool budget_admits_source(const struct shard *shard, size_t bytes, size_t crossing)
{
    struct lack channels = {SHORT_OF_CHANNELS, crossing};
    bool crosses =
        crossing == 0 || (list_empty(&shard->overlay.blocked[SHORT_OF_CHANNELS]) &&
                          has_room(shard, channels, shard->overlay.claimed[SHORT_OF_CHANNELS]));
    return crosses && budget_admits(shard, bytes);
}

struct lack budget_lack(const struct shard *shard, const struct flight *flight,
                        const struct function_response *response)
{
    struct lack outbox = {SHORT_OF_OUTBOX, outgoing_bytes(shard, response)};
    if (!has_room(shard, outbox, 0)) return outbox;
    struct lack channels = {SHORT_OF_CHANNELS, crossing_bytes(shard, response)};
    if (!has_room(shard, channels, 0)) return channels;
    struct lack memory = {SHORT_OF_MEMORY, effects_bytes(response)};
    size_t level = flight->leads ? LEVEL_PIONEER : LEVEL_RESULTS;
    if (has_memory(shard, memory.bytes, level)) return (struct lack){0};
    size_t freed = freed_bytes(shard, flight, response);
    memory.bytes = memory.bytes > freed ? memory.bytes - freed : 0;
    if (!has_memory(shard, memory.bytes, level)) return memory;
    return (struct lack){0};
}

/* ---- Those who wait ---- */

/* The one that is next when there is room: for memory the last, for the others the first. */
static struct flight *next_blocked(const struct shard *shard, enum shortage shortage)
{
    const struct list *blocked = &shard->overlay.blocked[shortage];
    if (list_empty(blocked)) return NULL;
    return shortage == SHORT_OF_MEMORY ? LIST_LAST(blocked, struct flight, link)
                                       : LIST_FIRST(blocked, struct flight, link);
}

/* Now it comes after all others. */
static void pass_over(struct shard *shard, struct flight *flight)
{
    struct list *blocked = &shard->overlay.blocked[flight->lack.of];
    list_remove(&flight->link);
    if (flight->lack.of == SHORT_OF_MEMORY)
        list_prepend(blocked, &flight->link);
    else
        list_append(blocked, &flight->link);
}

/* Fewer messages need less room; and nobody gains by answers that are made to be thrown away: as
 * much room as one lacked is not for all that have come since. */
static void narrow_batch(struct flight *flight)
{
    if (flight->sent_count == 0) return;
    flight->batch_max = (flight->sent_count + 1) / 2;
    flight->lack.bytes = flight->lack.bytes / flight->sent_count * flight->batch_max;
}

void block(struct shard *shard, struct flight *flight, struct lack lack)
{
    shard->metrics.blocked++;
    if (flight == NULL) return;
    bool has_led = flight->leads && lack.of == SHORT_OF_MEMORY && flight->sent_count == 1;
    if (has_led) shard->metrics.outgrown++;
    flight->lack = lack;
    narrow_batch(flight);
    uint32_t doublings =
        flight->blocks < BLOCKED_DOUBLINGS_MAX ? flight->blocks : BLOCKED_DOUBLINGS_MAX;
    flight->blocks++;
    flight_sleep(shard, flight, FLIGHT_BLOCKED,
                 shard->overlay.now_ms + (BLOCKED_RETRY_MS << doublings));
    flight->may_lead = lack.of == SHORT_OF_MEMORY && !has_led;
    if (has_led) pass_over(shard, flight);
}

static bool is_down(struct shard *shard, const struct flight *flight)
{
    int32_t number = endpoint_of(shard, flight->box->type);
    if (number < 0) return false;
    const struct endpoint *endpoint = &shard->overlay.endpoints[number];
    return endpoint->failures > 0 || shard->overlay.now_ms < endpoint->open_until_ms;
}

/* True: somebody found room. Of those whose endpoint is down, one a turn is passed over. */
static bool wake_short_of(struct shard *shard, enum shortage shortage)
{
    struct flight *flight;
    bool woken = false;
    while ((flight = next_blocked(shard, shortage)) != NULL &&
           has_room(shard, flight->lack, shard->overlay.claimed[shortage])) {
        if (is_down(shard, flight)) {
            pass_over(shard, flight);
            break;
        }
        flight_claim(shard, flight);
        woken = true;
    }
    return woken;
}

void wake_blocked(struct shard *shard, struct shard_update *update)
{
    bool woken = wake_short_of(shard, SHORT_OF_OUTBOX);
    woken |= wake_short_of(shard, SHORT_OF_CHANNELS);
    woken |= wake_short_of(shard, SHORT_OF_MEMORY);
    if (woken) dispatch(shard, update);
}

/* ---- Pioneers ---- */

/* One at a time; but its call, or one that would free something, may take hours. */
static bool is_time_to_lead(const struct overlay *overlay)
{
    if (list_empty(&overlay->blocked[SHORT_OF_MEMORY])) return false;
    return (overlay->leading == 0 && overlay->state_counts[FLIGHT_SENT] == 0) ||
           overlay->mono_ms >= overlay->led_ms + PIONEER_EVERY_MS;
}

/* Not who has led in vain, unless there is room by now, nor those of an endpoint that is down. */
static bool is_fit_to_lead(struct shard *shard, const struct flight *flight)
{
    bool has_cause =
        flight->may_lead || has_room(shard, flight->lack, shard->overlay.claimed[SHORT_OF_MEMORY]);
    return has_cause && !is_down(shard, flight);
}

/* NULL: it has not been found yet. */
static struct flight *next_pioneer(struct shard *shard)
{
    for (int i = 0; i < PASSED_OVER_MAX; i++) {
        struct flight *flight = next_blocked(shard, SHORT_OF_MEMORY);
        if (flight == NULL || is_fit_to_lead(shard, flight)) return flight;
        pass_over(shard, flight);
    }
    return NULL;
}

void send_pioneer(struct shard *shard, struct shard_update *update)
{
    if (!is_time_to_lead(&shard->overlay)) return;
    shard->overlay.led_ms = shard->overlay.mono_ms;
    struct flight *flight = next_pioneer(shard);
    if (flight == NULL) return;
    flight_lead(shard, flight);
    dispatch(shard, update);
}

int64_t pioneer_wake_at(const struct shard *shard)
{
    const struct overlay *overlay = &shard->overlay;
    if (list_empty(&overlay->blocked[SHORT_OF_MEMORY])) return INT64_MAX;
    return overlay->now_ms + overlay->led_ms + PIONEER_EVERY_MS - overlay->mono_ms;
}
