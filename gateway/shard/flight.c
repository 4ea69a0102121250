/* Flights: where each address with mail stands. One function moves them, along allowed ways only.
 */
#include "base/check.h"
#include "shard/overlay.h"

#include <stdlib.h>

/* Allowed moves; a bit for each state that may follow. */
#define TO(state) (1u << (state))
static const unsigned allowed[FLIGHT_STATES] = {
    [FLIGHT_READY] = TO(FLIGHT_READY) | TO(FLIGHT_SENT) | TO(FLIGHT_WAIT_DURABLE) |
                     TO(FLIGHT_RETRY_WAIT) | TO(FLIGHT_HELD) | TO(FLIGHT_PARKED),
    [FLIGHT_WAIT_DURABLE] = TO(FLIGHT_READY) | TO(FLIGHT_HELD),
    [FLIGHT_SENT] = TO(FLIGHT_READY) | TO(FLIGHT_RETRY_WAIT) | TO(FLIGHT_BLOCKED) |
                    TO(FLIGHT_PARKED) | TO(FLIGHT_HELD),
    [FLIGHT_RETRY_WAIT] = TO(FLIGHT_READY) | TO(FLIGHT_HELD),
    [FLIGHT_BLOCKED] = TO(FLIGHT_READY) | TO(FLIGHT_HELD),
    [FLIGHT_PARKED] = TO(FLIGHT_READY) | TO(FLIGHT_HELD) | TO(FLIGHT_PARKED),
    [FLIGHT_HELD] = TO(FLIGHT_READY) | TO(FLIGHT_BLOCKED) | TO(FLIGHT_PARKED) | TO(FLIGHT_HELD),
};

static int grow_flights(struct overlay *overlay)
{
    if (overlay->flight_count < overlay->flight_capacity) return 0;
    uint32_t capacity = overlay->flight_capacity == 0 ? 64 : overlay->flight_capacity * 2;
    struct flight **flights = realloc(overlay->flights, capacity * sizeof *flights);
    if (flights == NULL) return ERROR_MEMORY;
    overlay->flights = flights;
    overlay->flight_capacity = capacity;
    return 0;
}

/* They count against the budget: there may be as many as there are mailboxes. */
static struct flight *take_free(struct shard *shard)
{
    struct overlay *overlay = &shard->overlay;
    if (!list_empty(&overlay->free_flights)) {
        struct flight *flight = LIST_FIRST(&overlay->free_flights, struct flight, link);
        list_remove(&flight->link);
        return flight;
    }
    if (grow_flights(overlay) != 0) return NULL;
    struct flight *flight = memory_alloc_apart(&shard->image.memory, sizeof *flight);
    if (flight == NULL) return NULL;
    *flight = (struct flight){0};
    list_init(&flight->link);
    buffer_init(&flight->id_text);
    flight->index = overlay->flight_count;
    overlay->flights[overlay->flight_count++] = flight;
    return flight;
}

void flight_reset(struct flight *flight)
{
    flight->tries = flight->attempts = flight->kills = flight->handshakes = flight->blocks = 0;
    flight->failed_ms = 0;
    flight->batch_max = BATCH_MAX;
}

static void unlink_flight(struct overlay *overlay, struct flight *flight)
{
    if (flight->state == FLIGHT_READY && flight->endpoint < overlay->endpoint_count &&
        !list_empty(&flight->link))
        overlay->endpoints[flight->endpoint].ready_count--;
    if (flight->state == FLIGHT_RETRY_WAIT || flight->state == FLIGHT_BLOCKED)
        heap_remove(&overlay->wakes, &flight->wake);
    list_remove(&flight->link);
    overlay->state_counts[flight->state]--;
}

/* To memory that others do not get. */
static bool has_rights(const struct flight *flight)
{
    return flight->leads || flight->claim.bytes > 0;
}

static void give_up_rights(struct overlay *overlay, struct flight *flight)
{
    overlay->leading -= flight->leads;
    flight->leads = false;
    overlay->claimed[flight->claim.of] -= flight->claim.bytes;
    flight->claim = (struct lack){0};
}

/* They may stay down for hours: those who wait for them, with rights before all others, give these
 * up. */
static void give_up_endpoint(struct overlay *overlay, const struct endpoint *endpoint)
{
    LIST_EACH (&endpoint->ready, link) {
        struct flight *flight = CONTAINER_OF(link, struct flight, link);
        if (!has_rights(flight)) return;
        give_up_rights(overlay, flight);
    }
}

/* Who has rights goes before the others, and has them until its result is there or it has to wait
 * for something else than its call. */
static void link_flight(struct overlay *overlay, struct flight *flight, enum flight_state state)
{
    if (state != FLIGHT_READY && state != FLIGHT_WAIT_DURABLE && state != FLIGHT_SENT)
        give_up_rights(overlay, flight);
    flight->state = state;
    overlay->state_counts[state]++;
    if (state != FLIGHT_READY) {
        struct list *list =
            state == FLIGHT_BLOCKED ? &overlay->blocked[flight->lack.of] : &overlay->states[state];
        list_append(list, &flight->link);
        return;
    }
    struct endpoint *endpoint = &overlay->endpoints[flight->endpoint];
    if (endpoint->failures > 0) {
        give_up_rights(overlay, flight);
        give_up_endpoint(overlay, endpoint);
    }
    if (has_rights(flight))
        list_prepend(&endpoint->ready, &flight->link);
    else
        list_append(&endpoint->ready, &flight->link);
    endpoint->ready_count++;
}

struct flight *flight_get(struct shard *shard, struct box *box)
{
    if (box->flight != NULL) return box->flight;
    struct flight *flight = take_free(shard);
    if (flight == NULL) {
        shard->failed = true;
        return NULL;
    }
    flight->box = box;
    box->flight = flight;
    flight_reset(flight);
    flight->attempts = box->attempts;
    flight->failed_ms = box->failed_ms;
    link_flight(&shard->overlay, flight, FLIGHT_HELD); /* until it is settled */
    return flight;
}

/* Nor does a large batch keep its arrays, nor a flight beyond those that calls mostly need: after a
 * backlog of many addresses every flight of the pool would have some in the end. */
static void shrink(struct flight *flight)
{
    bool surplus = flight->index >= FLIGHTS_WARM;
    if (surplus || flight->message_capacity > FLIGHT_MESSAGES_KEPT) {
        free(flight->messages);
        flight->messages = NULL;
        flight->message_capacity = 0;
    }
    if (!surplus) return;
    free(flight->states);
    flight->states = NULL;
    flight->state_capacity = 0;
    buffer_close(&flight->id_text);
}

void flight_end(struct shard *shard, struct flight *flight)
{
    unlink_flight(&shard->overlay, flight);
    give_up_rights(&shard->overlay, flight);
    if (flight->cell != NULL) cell_unref(&shard->image, flight->cell);
    flight->cell = NULL;
    flight->box->flight = NULL;
    flight->box = NULL;
    shrink(flight);
    /* Those that keep what a call needs are used first. */
    if (flight->index < FLIGHTS_WARM)
        list_prepend(&shard->overlay.free_flights, &flight->link);
    else
        list_append(&shard->overlay.free_flights, &flight->link);
}

void flight_move(struct shard *shard, struct flight *flight, enum flight_state state)
{
    CHECK(allowed[flight->state] & TO(state));
    unlink_flight(&shard->overlay, flight);
    link_flight(&shard->overlay, flight, state);
}

void flight_sleep(struct shard *shard, struct flight *flight, enum flight_state state,
                  int64_t until_ms)
{
    flight_move(shard, flight, state);
    flight->wake.key = until_ms;
    flight->wake.tie = flight->index;
    heap_insert(&shard->overlay.wakes, &flight->wake);
}

struct flight *flight_find(struct shard *shard, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    if (index >= shard->overlay.flight_count) return NULL;
    struct flight *flight = shard->overlay.flights[index];
    if (flight->generation != (uint32_t)(handle >> 32) || flight->box == NULL ||
        flight->state != FLIGHT_SENT)
        return NULL;
    return flight;
}

/* A write at the head is taken first, when the turn of its box comes: see settle in step.c. */
void flight_settle(struct shard *shard, struct flight *flight)
{
    int32_t endpoint = endpoint_of(shard, flight->box->type);
    if (flight->box->parked) {
        flight_move(shard, flight, FLIGHT_PARKED);
    } else if (endpoint < 0 || box_first_write(flight->box) != NULL) {
        flight_move(shard, flight, FLIGHT_HELD);
    } else {
        CHECK(allowed[flight->state] & TO(FLIGHT_READY));
        unlink_flight(&shard->overlay, flight);
        flight->endpoint = (uint32_t)endpoint;
        link_flight(&shard->overlay, flight, FLIGHT_READY);
    }
}

void flight_claim(struct shard *shard, struct flight *flight)
{
    flight->claim = flight->lack;
    shard->overlay.claimed[flight->claim.of] += flight->claim.bytes;
    flight_settle(shard, flight);
}

void flight_lead(struct shard *shard, struct flight *flight)
{
    flight->leads = true;
    shard->overlay.leading++;
    flight_settle(shard, flight);
}
