#include "unit/app/drain_fixture.h"

#include <criterion/criterion.h>

static const struct endpoint_settings endpoint = {
    .pattern = {(const uint8_t *)"a/*", 3},
    .url = {.value = {(const uint8_t *)"http://f", 8}},
    .expose = true,
    .batch_count_max = 100,
    .concurrency_max = 100,
    .batch_bytes_max = 1 << 20,
    .payload_bytes_max = 1 << 20,
    .retry_for_ms = 100000};
static const struct egress_settings egress = {.kind = EGRESS_SETTINGS_PULL,
                                              .id = {(const uint8_t *)"t/out", 5}};
static struct loop_turn_end turn_end;
static int64_t begun_us;

static void turn_ended(struct loop_turn_end *ended)
{
    (void)ended;
    drain_turn(world.gateway);
}

void drain_world_begin(void)
{
    struct errmsg errmsg = {{0}};
    world_begin();
    struct settings *settings = &world.gateway->settings;
    settings->endpoints = &endpoint;
    settings->endpoint_count = 1;
    settings->egresses = &egress;
    settings->egress_count = 1;
    settings->gateway.memory_bytes = 256 << 20;
    settings->gateway.drain_ms = 20000;
    world_open();
    cr_assert_eq(wiring_configure(world.gateway, settings, &errmsg), 0, "%s", errmsg.text);
}

void drain_watch(void)
{
    turn_end = (struct loop_turn_end){.run = turn_ended};
    loop_at_turn_end(world.loop, &turn_end);
}

void drain_unwatch(void)
{
    list_remove(&turn_end.link);
    loop_timer_clear(world.loop, &world.gateway->drain_timer);
}

void drain(void)
{
    begun_us = clock_mono_us();
    drain_begin(world.gateway);
}

int64_t spent_ms(void)
{
    return (clock_mono_us() - begun_us) / 1000;
}
