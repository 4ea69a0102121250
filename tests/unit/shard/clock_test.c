/* Shard time: never back, along the monotonic clock, after the wall clock within reason. */
#include "common.h"

static void later_ms(struct fixture *f, int64_t delay_ms)
{
    fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "1"),
                                               .argument = fixture_value("x"),
                                               .delay_ms = delay_ms});
}

Test(clock, backward_jumps_are_ignored)
{
    struct fixture *f = fixture_open();
    later_ms(f, 1000);
    int64_t before_ms = shard_time_ms(f->shard);
    f->clock.wall_ms -= 86400000;
    fixture_tick(f);
    cr_expect_eq(shard_time_ms(f->shard), before_ms);
    fixture_pass(f, 999);
    cr_expect_null(CALL("t/a", "1"));
    fixture_pass(f, 1);
    cr_expect_not_null(CALL("t/a", "1"), "it goes on by the monotonic clock");
    fixture_close(f);
}

Test(clock, a_restart_with_a_clock_in_the_past_goes_on_from_the_last_record)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec_expiring("s", EXPIRE_AFTER_WRITE, 1000)};
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("s", "v")));
    fixture_pass(f, 2000);
    fixture_send(f, "t/b", "1", "a record of now");
    int64_t before_ms = shard_time_ms(f->shard);
    f->clock.wall_ms = 1000; /* a board without a clock */
    f->clock.mono_ms = 3;
    fixture_crash(f);
    cr_expect_eq(shard_time_ms(f->shard), before_ms);
    cr_expect_null(fixture_state(f, "t/a", "1", "s"), "what had expired stays so");
    fixture_close(f);
}

Test(clock, forward_within_an_hour_is_followed)
{
    struct fixture *f = fixture_open();
    later_ms(f, 3000000);
    f->clock.wall_ms += 3000000;
    fixture_tick(f);
    cr_expect_not_null(CALL("t/a", "1"));
    cr_expect_eq(fixture_metrics(f).clock_jumps, 0);
    fixture_close(f);
}

Test(clock, a_day_ahead_is_slewed_and_told)
{
    struct fixture *f = fixture_open();
    int64_t start_ms = shard_time_ms(f->shard);
    later_ms(f, 20000);
    f->clock.wall_ms += 86400000;
    fixture_tick(f);
    cr_expect_eq(shard_time_ms(f->shard), start_ms);
    cr_expect_eq(fixture_metrics(f).clock_jumps, 1);
    f->clock.wall_ms += 10000;
    f->clock.mono_ms += 10000;
    fixture_tick(f);
    cr_expect_eq(shard_time_ms(f->shard), start_ms + 20000, "twice as fast");
    cr_expect_not_null(CALL("t/a", "1"));
    cr_expect_eq(fixture_metrics(f).clock_jumps, 1, "one jump, told once");
    f->clock.wall_ms -= 86400000; /* it was a mistake */
    fixture_tick(f);
    cr_expect_eq(shard_time_ms(f->shard), start_ms + 20000);
    fixture_close(f);
}

Test(clock, the_monotonic_clock_never_pulls_back)
{
    struct fixture *f = fixture_open();
    int64_t before_ms = shard_time_ms(f->shard);
    f->clock.mono_ms -= 100;
    struct shard_event event = {.kind = EVENT_TICK, .clock = f->clock};
    cr_assert_eq(shard_step(f->shard, &event, &f->update), 0);
    cr_expect_eq(shard_time_ms(f->shard), before_ms);
    f->clock.mono_ms += 100;
    fixture_tick(f);
    fixture_close(f);
}
