/* Each setting comes to the field that it is for, in both rooms, in the same order. */
#include "unit/app/engine_fixture.h"
#include "unit/app/fake_invoke.h"
#include "unit/app/shard_look.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(wiring, .init = world_begin, .fini = world_end, .timeout = 60);

static const struct endpoint_settings first = {
    .pattern = {(const uint8_t *)"a/*", 3},
    .url = {.value = {(const uint8_t *)"http://one", 10}},
    .h2_prior_knowledge = true,
    .dispatch_durable = true,
    .expose = true,
    .batch_count_max = 101,
    .concurrency_max = 102,
    .pool_max = 103,
    .attempts_max = 104,
    .retry_for_ms = 105,
    .call_ms = 106,
    .connect_ms = 107,
    .read_ms = 108,
    .write_ms = 109,
    .idle_ms = 110,
    .batch_bytes_max = 111,
    .payload_bytes_max = 112,
    .state_bytes_max = 113,
    .trust_cacerts = "trust",
    .client_cert = "cert",
    .client_key = "key",
    .client_key_password_file = "password"};
static const struct endpoint_settings second = {
    .pattern = {(const uint8_t *)"b/f", 3},
    .url = {.value = {(const uint8_t *)"http://two", 10}},
    .batch_count_max = 201,
    .concurrency_max = 202,
    .pool_max = 203,
    .payload_bytes_max = 212};
static const struct span topics[] = {{(const uint8_t *)"bills", 5}, {(const uint8_t *)"news", 4}};
static const struct egress_settings egresses[] = {
    {.kind = EGRESS_SETTINGS_PULL, .id = {(const uint8_t *)"t/out", 5}},
    {.kind = EGRESS_SETTINGS_PLAYGROUND,
     .id = {(const uint8_t *)"io.statefun.playground/egress", 29},
     .topics = topics,
     .topic_count = 2},
    {.kind = EGRESS_SETTINGS_DISCARD, .id = {(const uint8_t *)"t/none", 6}}};

/* `endpoints` and egresses of the settings that are in force from now on. */
static int configure(const struct endpoint_settings *endpoints, size_t count, struct errmsg *errmsg)
{
    struct settings *settings = &world.gateway->settings;
    settings->gateway.memory_bytes = 1 << 30;
    settings->gateway.dedup_window_ms = 777;
    settings->endpoints = endpoints;
    settings->endpoint_count = count;
    settings->egresses = egresses;
    settings->egress_count = sizeof egresses / sizeof *egresses;
    return wiring_configure(world.gateway, settings, errmsg);
}

static void configure_both(void)
{
    static struct endpoint_settings endpoints[2];
    struct errmsg errmsg = {{0}};
    endpoints[0] = first;
    endpoints[1] = second;
    cr_assert_eq(configure(endpoints, 2, &errmsg), 0, "%s", errmsg.text);
}

Test(wiring, what_the_shard_gets)
{
    world_open();
    configure_both();
    const struct shard *shard = world.engine->shard;
    cr_assert_eq(look_endpoint_count(shard), 2);
    const struct shard_endpoint *one = look_endpoint(shard, 0);
    cr_assert(span_equal(one->pattern, first.pattern));
    cr_assert_eq(one->window_max, first.concurrency_max);
    cr_assert_eq(one->batch_count_max, first.batch_count_max);
    cr_assert_eq(one->batch_bytes_max, first.batch_bytes_max);
    cr_assert_eq(one->payload_bytes_max, first.payload_bytes_max);
    cr_assert_eq(one->state_bytes_max, first.state_bytes_max);
    cr_assert_eq(one->attempts_max, first.attempts_max);
    cr_assert_eq(one->retry_for_ms, first.retry_for_ms);
    cr_assert(one->dispatch_durable && one->expose);
    const struct shard_endpoint *two = look_endpoint(shard, 1);
    cr_assert(span_equal(two->pattern, second.pattern));
    cr_assert_eq(two->window_max, second.concurrency_max);
    cr_assert(!two->dispatch_durable && !two->expose);
    const struct shard_config *config = look_config(shard);
    cr_assert_eq(config->memory_max, 1 << 30);
    cr_assert_eq(config->dedup_window_ms, 777);
    cr_assert_gt(config->outbox_bytes_max, 0);
    cr_assert_gt(config->dedup_bytes_max, 0);
    cr_assert_gt(config->reply_keep_ms, 0);
}

Test(wiring, what_the_invoke_room_gets)
{
    world_open();
    configure_both();
    cr_assert_eq(fake_invoke.endpoint_count, 2);
    const struct fake_endpoint *kept = &fake_invoke.endpoints[0];
    const struct invoke_endpoint *one = &kept->settings;
    cr_assert_str_eq(kept->pattern, "a/*");
    cr_assert_str_eq(kept->url, "http://one");
    cr_assert_eq(one->call_ms, first.call_ms);
    cr_assert_eq(one->connect_ms, first.connect_ms);
    cr_assert_eq(one->idle_ms, first.idle_ms);
    cr_assert_eq(one->pool_max, first.pool_max);
    cr_assert_eq(one->payload_bytes_max, first.payload_bytes_max);
    cr_assert(one->h2_prior_knowledge);
    cr_assert_str_eq(one->trust_cacerts, "trust");
    cr_assert_str_eq(one->client_cert, "cert");
    cr_assert_str_eq(one->client_key, "key");
    cr_assert_str_eq(one->client_key_password_file, "password");
    const struct invoke_endpoint *two = &fake_invoke.endpoints[1].settings;
    cr_assert_str_eq(fake_invoke.endpoints[1].pattern, "b/f");
    cr_assert_str_eq(fake_invoke.endpoints[1].url, "http://two");
    cr_assert_eq(two->pool_max, second.pool_max);
    cr_assert_not(two->h2_prior_knowledge);
    cr_assert_null(two->trust_cacerts);
    cr_assert_null(two->client_cert);
}

static void must_be_egress(size_t index, const char *name, enum egress_kind kind)
{
    struct shard_egress egress = look_egress(world.engine->shard, index);
    cr_assert(span_equal(egress.name, span_text(name)), "%.*s", SPAN_PRINT(egress.name));
    cr_assert_eq(egress.kind, kind);
}

Test(wiring, each_topic_of_the_playground_is_a_queue_of_its_own)
{
    world_open();
    configure_both();
    cr_assert_eq(look_egress_count(world.engine->shard), 5);
    must_be_egress(0, "t/out", EGRESS_PULL);
    must_be_egress(1, "io.statefun.playground/egress", EGRESS_PLAYGROUND);
    must_be_egress(2, "io.statefun.playground/egress/bills", EGRESS_PULL);
    must_be_egress(3, "io.statefun.playground/egress/news", EGRESS_PULL);
    must_be_egress(4, "t/none", EGRESS_DISCARD);
    cr_assert_eq(world.gateway->topic_count, 2);
    cr_assert(span_equal(world.gateway->topics[1], SPAN_LITERAL("news")));
    world.gateway->settings.egress_count = 1;
    struct errmsg errmsg;
    cr_assert_eq(wiring_configure(world.gateway, &world.gateway->settings, &errmsg), 0);
    cr_assert_eq(world.gateway->topic_count, 0, "of a playground that is gone nothing is left");
    cr_assert_eq(look_egress_count(world.engine->shard), 1);
}

Test(wiring, without_a_memory_budget_the_machine_has_one)
{
    struct errmsg errmsg;
    world_open();
    configure_both();
    world.gateway->settings.gateway.memory_bytes = 0;
    cr_assert_eq(wiring_configure(world.gateway, &world.gateway->settings, &errmsg), 0);
    const struct shard_config *config = look_config(world.engine->shard);
    cr_assert_gt(config->memory_max, 16 << 20);
    cr_assert_gt(config->memory_max, config->outbox_bytes_max);
    cr_assert_gt(config->memory_max, config->dedup_bytes_max);
}

Test(wiring, a_reload_that_the_invoke_room_refuses_changes_nothing)
{
    struct errmsg errmsg;
    struct endpoint_settings other = second;
    world_open();
    configure_both();
    fake_invoke.configure_error = ERROR_INVALID;
    cr_assert_eq(configure(&other, 1, &errmsg), ERROR_INVALID);
    cr_assert_str_eq(errmsg.text, "made to fail");
    cr_assert_eq(look_endpoint_count(world.engine->shard), 2);
    cr_assert_eq(world.gateway->topic_count, 2);
}

/* ---- Reload with calls decided and calls out ---- */

static const struct endpoint_settings a = {.pattern = {(const uint8_t *)"a/*", 3},
                                           .url = {.value = {(const uint8_t *)"http://a", 8}},
                                           .expose = true,
                                           .batch_count_max = 100,
                                           .concurrency_max = 100,
                                           .batch_bytes_max = 1 << 20,
                                           .payload_bytes_max = 1 << 20,
                                           .retry_for_ms = 100000};
static struct endpoint_settings a_then_b[2], b_then_a[2];

static void make_endpoints(void)
{
    struct endpoint_settings b = a;
    b.pattern = SPAN_LITERAL("b/*");
    a_then_b[0] = b_then_a[1] = a;
    a_then_b[1] = b_then_a[0] = b;
}

Test(wiring, a_reload_keeps_calls_with_the_endpoints_they_were_decided_for)
{
    struct errmsg errmsg;
    make_endpoints();
    world_open();
    cr_assert_eq(configure(a_then_b, 2, &errmsg), 0);
    send_to(NULL, "b/f", "one");
    send_to(NULL, "a/f", "one");
    cr_assert_eq(fake_invoke.call_count, 0);
    cr_assert_eq(configure(b_then_a, 2, &errmsg), 0);
    send_to(NULL, "b/f", "two");
    send_to(NULL, "a/f", "two");
    settle();
    cr_assert_eq(configure(a_then_b, 2, &errmsg), 0);
    send_to(NULL, "a/f", "three");
    settle();
    cr_assert_geq(fake_invoke.call_count, 5);
    for (size_t i = 0; i < fake_invoke.call_count; i++)
        cr_assert_eq(fake_invoke.calls[i].type[0], fake_invoke.calls[i].pattern[0], "call %zu", i);
}

Test(wiring, without_dispatch_functions_stay_known_and_calls_come_back)
{
    struct client client;
    struct errmsg errmsg;
    make_endpoints();
    world_open();
    cr_assert_eq(configure(a_then_b, 2, &errmsg), 0);
    send_to(NULL, "b/f", "one");
    UNTIL(fake_invoke.open == 1);
    cr_assert(wiring_stop_dispatch(world.gateway));
    client_init(&client);
    send_to(&client, "a/f", "late");
    UNTIL(client.answers == 1);
    cr_assert_eq(client.kind, ANSWER_ACCEPTED);
    fake_results();
    turn_for_ms(30);
    cr_assert_eq(fake_invoke.call_count, 1, "neither the late one nor the handshake's other half");
}
