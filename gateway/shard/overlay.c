#include "shard/overlay.h"

#include <stdlib.h>

int overlay_init(struct overlay *overlay)
{
    *overlay = (struct overlay){0};
    list_init(&overlay->free_flights);
    list_init(&overlay->unsettled);
    for (int i = 0; i < FLIGHT_STATES; i++) list_init(&overlay->states[i]);
    for (int i = 0; i < SHORTAGES; i++) list_init(&overlay->blocked[i]);
    heap_init(&overlay->wakes);
    list_init(&overlay->gates);
    list_init(&overlay->lane_waits);
    table_init(&overlay->write_waits);
    list_init(&overlay->loans);
    return 0;
}

static void free_flight(struct flight *flight, struct image *image)
{
    if (flight->cell != NULL) cell_unref(image, flight->cell);
    if (flight->box != NULL) flight->box->flight = NULL;
    free(flight->states);
    free(flight->messages);
    buffer_close(&flight->id_text);
    memory_free_apart(&image->memory, flight, sizeof *flight);
}

void overlay_close(struct overlay *overlay, struct image *image)
{
    struct table_node *node = table_next(&overlay->waits, NULL);
    for (struct table_node *next; node != NULL; node = next) {
        next = table_next(&overlay->waits, node);
        struct wait *wait = CONTAINER_OF(node, struct wait, node);
        list_remove(&wait->link);
        wait_drop(wait, &image->memory);
    }
    loans_close(overlay);
    table_close(&overlay->waits, &image->memory);
    table_close(&overlay->write_waits, &image->memory);
    for (uint32_t i = 0; i < overlay->flight_count; i++) free_flight(overlay->flights[i], image);
    free(overlay->flights);
    endpoints_close(overlay);
    free(overlay->peers);
}

/*
 * Shard time never goes back, moves with the monotonic clock, and follows the wall clock forward. A
 * jump of more than an hour while running is not believed: time then runs at most twice as fast
 * until it has caught up.
 */
void overlay_tell_time(struct shard *shard, const struct shard_clock *clock)
{
    struct overlay *overlay = &shard->overlay;
    int64_t elapsed_ms = overlay->clock_started ? clock->mono_ms - overlay->mono_ms : 0;
    if (elapsed_ms < 0) elapsed_ms = 0;
    int64_t now_ms = overlay->now_ms + elapsed_ms;
    if (!overlay->clock_started) {
        now_ms = clock->wall_ms;
    } else if (clock->wall_ms - now_ms > CLOCK_JUMP_MAX_MS) {
        if (!overlay->clock_jumped) shard->metrics.clock_jumps++;
        overlay->clock_jumped = true;
        now_ms += elapsed_ms;
    } else if (clock->wall_ms > now_ms) {
        overlay->clock_jumped = false;
        now_ms = clock->wall_ms;
    }
    if (now_ms < shard->image.time_ms) now_ms = shard->image.time_ms;
    overlay->now_ms = now_ms;
    if (clock->mono_ms > overlay->mono_ms || !overlay->clock_started)
        overlay->mono_ms = clock->mono_ms;
    overlay->clock_started = true;
}
