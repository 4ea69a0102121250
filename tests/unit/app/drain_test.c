/* The end in good order: who waits gets an answer, what is out comes back, nothing new begins. */
#include "unit/app/drain_fixture.h"
#include "unit/app/fake_invoke.h"

#include <criterion/criterion.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

static void begin(void)
{
    drain_world_begin();
    drain_watch();
}

static void end(void)
{
    drain_unwatch();
    world_end();
}

TestSuite(drain, .init = begin, .fini = end, .timeout = 60);

static uint64_t messages_left(void)
{
    struct shard_metrics metrics;
    shard_metrics(world.engine->shard, &metrics);
    return metrics.mailbox_messages;
}

Test(drain, at_rest_it_ends_at_once)
{
    turn();
    drain();
    UNTIL(world.gateway->stop);
    cr_assert_lt(spent_ms(), 5000);
    cr_assert_eq(durable(), live_seq());
}

Test(drain, who_waits_gets_an_answer)
{
    struct client client;
    client_init(&client);
    call_to(&client, "a/f", "x", TOKEN);
    UNTIL(fake_invoke.open == 1);
    drain();
    turn_for_ms(100);
    cr_assert_not(world.gateway->stop);
    cr_assert_eq(world.gateway->drain, DRAIN_WAITERS);
    fake_result(0); /* the handshake: its second call is still made */
    UNTIL(fake_invoke.open == 1);
    cr_assert_not(world.gateway->stop);
    fake_result(1);
    UNTIL(client.answers == 1);
    cr_assert_eq(client.kind, ANSWER_REPLY);
    UNTIL(world.gateway->stop);
    cr_assert_lt(spent_ms(), 5000);
    cr_assert_eq(durable(), live_seq());
}

Test(drain, what_is_out_comes_back_and_nothing_new_begins)
{
    send_to(NULL, "a/f", "x");
    UNTIL(fake_invoke.open == 1);
    send_to(NULL, "a/f", "x");
    send_to(NULL, "a/f", "y");
    turn();
    drain();
    turn_for_ms(100);
    cr_assert_not(world.gateway->stop);
    cr_assert_eq(world.gateway->drain, DRAIN_CALLS);
    fake_result(0);
    UNTIL(world.gateway->stop);
    cr_assert_eq(fake_invoke.call_count, 1);
    cr_assert_eq(messages_left(), 3, "they are in the journal");
    cr_assert_eq(durable(), live_seq());
    uint64_t digest = shard_digest(world.engine->shard);
    world_close();
    cr_assert_eq(offline_image().digest, digest);
}

Test(drain, what_was_let_in_before_it_is_still_accepted)
{
    struct client client;
    send_to(NULL, "a/f", "x");
    UNTIL(fake_invoke.open == 1);
    drain();
    UNTIL(world.gateway->drain == DRAIN_CALLS);
    client_init(&client);
    send_to(&client, "a/f", "late");
    UNTIL(client.answers == 1);
    cr_assert_eq(client.kind, ANSWER_ACCEPTED);
    cr_assert_not(world.gateway->stop);
    fake_result(0);
    UNTIL(world.gateway->stop);
    cr_assert_eq(durable(), live_seq());
}

Test(drain, a_call_that_never_ends_is_dropped_when_the_time_is_over)
{
    world.gateway->settings.gateway.drain_ms = 200;
    send_to(NULL, "a/f", "x");
    UNTIL(fake_invoke.open == 1);
    drain();
    UNTIL(world.gateway->stop);
    cr_assert_geq(spent_ms(), 190);
    cr_assert_eq(fake_invoke.open, 1);
    cr_assert_eq(messages_left(), 1);
}

Test(drain, who_waits_for_ever_does_not_keep_calls_from_coming_back)
{
    struct client client;
    client_init(&client);
    world.gateway->settings.gateway.drain_ms = 400;
    call_to(&client, "a/f", "x", TOKEN);
    UNTIL(fake_invoke.open == 1);
    drain();
    UNTIL(world.gateway->drain == DRAIN_CALLS);
    cr_assert_geq(spent_ms(), 290, "three quarters of the time");
    UNTIL(world.gateway->stop);
    cr_assert_geq(spent_ms(), 390);
    cr_assert_eq(client.answers, 0);
}

Test(drain, without_any_time_it_stops_in_the_next_turn)
{
    world.gateway->settings.gateway.drain_ms = 0;
    send_to(NULL, "a/f", "x");
    UNTIL(fake_invoke.open == 1);
    drain();
    turn();
    UNTIL(world.gateway->stop);
    cr_assert_lt(spent_ms(), 1000);
}
