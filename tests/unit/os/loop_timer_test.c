#include "unit/os/loop_fixture.h"

#include "os/clock.h"

#include <string.h>

TestSuite(loop_timer, .init = open_loop, .fini = close_loop, .timeout = 20);

Test(loop_timer, timers_expire_in_order_of_time_then_of_setting)
{
    struct bell bells[] = {bell_of('a'), bell_of('b'), bell_of('c'), bell_of('d'), bell_of('e')};
    int64_t now = loop_now_us(&loop);
    int64_t at[] = {now + 3000, now + 1000, now + 2000, now + 1000, now - 5000};
    for (int i = 0; i < 5; i++) loop_timer_set(&loop, &bells[i].timer, at[i]);
    wait_for_rings("ebdca");
    cr_assert_geq(loop_now_us(&loop), now + 3000);
    cr_assert_null(heap_first(&loop.timers));
}

Test(loop_timer, a_timer_is_never_early)
{
    for (int i = 0; i < 50; i++) {
        struct bell bell = bell_of('x');
        rung[0] = '\0';
        int64_t at = clock_mono_us() + 137 * i;
        loop_timer_set(&loop, &bell.timer, at);
        while (rung[0] == '\0') turn();
        cr_assert_geq(loop_now_us(&loop), at);
        memset(rung, 0, sizeof rung);
    }
}

Test(loop_timer, moving_and_clearing_timers)
{
    struct bell a = bell_of('a'), b = bell_of('b'), c = bell_of('c');
    int64_t now = loop_now_us(&loop);
    loop_timer_set(&loop, &a.timer, now + 1000);
    loop_timer_set(&loop, &b.timer, now + 60000000);
    loop_timer_set(&loop, &c.timer, now + 2000);
    loop_timer_set(&loop, &a.timer, now + 6000); /* later */
    loop_timer_set(&loop, &b.timer, now + 4000); /* earlier */
    loop_timer_clear(&loop, &c.timer);
    loop_timer_clear(&loop, &c.timer); /* harmless */
    wait_for_rings("ba");
}

Test(loop_timer, a_timer_may_clear_another_that_is_due)
{
    struct bell a = bell_of('a'), b = bell_of('b'), c = bell_of('c');
    a.clears = &b;
    loop_timer_set(&loop, &a.timer, 1);
    loop_timer_set(&loop, &b.timer, 2);
    loop_timer_set(&loop, &c.timer, 3);
    wait_for_rings("ac");
    cr_assert_not(b.timer.set);
}

/* One that sets itself to the past neither keeps the turn from ending nor starves others. */
Test(loop_timer, a_timer_that_is_always_due_does_not_hold_the_loop)
{
    struct bell greedy = bell_of('g'), patient = bell_of('p');
    greedy.again_at_us = 1;
    loop_timer_set(&loop, &greedy.timer, 1);
    turn();
    loop_timer_set(&loop, &patient.timer, 2);
    turn();
    turn();
    cr_assert_not_null(strchr(rung, 'p'), "%s", rung);
    cr_assert_leq(strlen(rung), 4, "%s", rung);
    loop_timer_clear(&loop, &greedy.timer);
}

Test(loop_timer, an_answer_with_its_time_out_in_one_turn_comes_first)
{
    struct ear *ear = ear_open(LOOP_READ);
    struct bell bell = bell_of('t');
    speak(ear);
    loop_timer_set(&loop, &bell.timer, 1);
    loop_timer_set(&loop, &bell.timer, loop_now_us(&loop));
    turn();
    cr_assert_eq(ear->calls, 1);
    ear_close(ear);
}
