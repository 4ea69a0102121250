/* When a commit goes out: a clock that only the test moves. */
#include "app/pace.h"

#include <criterion/criterion.h>

enum { SYNC_US = 100 };

static struct pace pace;
static struct pace_sight sight;

static void begin(void)
{
    pace = (struct pace){0};
    sight = (struct pace_sight){.now_us = 1000000, .seq = 1};
    pace.sync_us = SYNC_US;
}

TestSuite(pace, .init = begin);

/* A turn that took so long and brought so many records. */
static bool turn(int64_t took_us, uint64_t records)
{
    sight.now_us += took_us;
    sight.seq += records;
    return pace_due(&pace, &sight);
}

static void wait_for(uint64_t gated, uint64_t waiters)
{
    sight.gated = gated;
    sight.waiters = waiters;
}

Test(pace, one_caller_waits_for_nobody)
{
    wait_for(1, 1);
    for (int i = 0; i < 10; i++) cr_assert(turn(10, 2));
}

Test(pace, a_few_callers_wait_for_nobody)
{
    wait_for(1, PACE_SHARE);
    cr_assert(turn(10, 2));
}

/* For an egress that a consumer waits for, or a channel: no answer counts. */
Test(pace, what_no_answer_waits_for_goes_at_once)
{
    wait_for(0, 0);
    cr_assert(turn(10, 1));
}

Test(pace, of_many_a_quarter_has_to_wait)
{
    wait_for(249, 1000);
    cr_assert_not(turn(10, 100));
    wait_for(250, 1000);
    cr_assert(turn(10, 2));
}

Test(pace, two_turns_that_bring_nothing_end_it)
{
    wait_for(1, 1000);
    cr_assert_not(turn(10, 2));
    cr_assert_not(turn(1, 0));
    cr_assert_not(turn(10, 2), "the first of them did not count any more");
    cr_assert_not(turn(1, 0));
    cr_assert(turn(1, 0));
}

/* The turn in which it began is not one that brought nothing, whatever came before. */
Test(pace, each_commit_is_put_off_anew)
{
    wait_for(1, 1000);
    for (int i = 0; i < 3; i++) {
        cr_assert_not(turn(10, 0));
        cr_assert_not(turn(1, 0));
        cr_assert(turn(1, 0));
    }
}

static int64_t put_off_us(int64_t turn_us)
{
    int64_t begun_us = sight.now_us + turn_us;
    while (!turn(turn_us, 2)) cr_assert_leq(sight.now_us - begun_us, 100000);
    return sight.now_us - begun_us;
}

Test(pace, it_is_put_off_for_two_syncs)
{
    wait_for(1, 1000);
    cr_assert_eq(put_off_us(10), PACE_SYNCS * SYNC_US);
    cr_assert_eq(put_off_us(10), PACE_SYNCS * SYNC_US, "each anew");
}

Test(pace, at_most_for_a_millisecond)
{
    for (int i = 0; i < 100; i++) pace_learn(&pace, 50000);
    wait_for(1, 1000);
    cr_assert_eq(put_off_us(10), PACE_US_MAX);
    for (int i = 0; i < 400; i++) pace_learn(&pace, INT64_MAX / 2);
    cr_assert_eq(put_off_us(10), PACE_US_MAX);
}

Test(pace, a_turn_that_takes_long_is_the_last)
{
    wait_for(1, 1000);
    cr_assert_not(turn(10, 2));
    cr_assert(turn(30000, 2));
}

Test(pace, before_the_first_sync_nothing_is_put_off)
{
    pace = (struct pace){0};
    wait_for(1, 1000);
    cr_assert(turn(10, 2));
}

Test(pace, one_sync_that_hangs_teaches_little)
{
    pace_learn(&pace, 2 * SYNC_US);
    wait_for(1, 1000);
    cr_assert_leq(put_off_us(1), PACE_SYNCS * SYNC_US * 5 / 4);
}
