/* What goes over the bridge arrives in order, once, and never at somebody who has left. */
#include "unit/app/bridge_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct two_sides sides;

static void setup(void)
{
    two_sides_open(&sides);
}

static void teardown(void)
{
    two_sides_close(&sides);
}

TestSuite(bridge, .init = setup, .fini = teardown, .timeout = 30);

static void asked_and_arrived(struct guest *guest, uint32_t number)
{
    ask(&sides, guest, number);
    io_turn(&sides);
    engine_turn(&sides);
    cr_assert_gt(sides.far.count, 0);
    cr_assert_eq(sides.far.limits[sides.far.count - 1], number);
}

Test(bridge, a_question_and_its_answer)
{
    struct guest guest = guest_new();
    ask(&sides, &guest, 1);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 0, "one wake-up at the end of the turn");
    io_turn(&sides);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 1);
    cr_assert_neq(sides.far.waiters[0], &guest.waiter, "the engine sees somebody of its own");
    answer_arrival(&sides, 0, 7);
    cr_assert_eq(guest.answers, 0, "the answer is given in the guest's own thread");
    engine_turn(&sides);
    io_turn(&sides);
    cr_assert_eq(guest.answers, 1);
    cr_assert_eq(guest.kind, ANSWER_DONE);
    cr_assert_eq(guest.number, 7);
}

Test(bridge, an_event_that_nobody_waits_for)
{
    ask(&sides, NULL, 5);
    io_turn(&sides);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 1);
    cr_assert_null(sides.far.waiters[0]);
}

Test(bridge, events_come_as_they_were_sent)
{
    enum { MANY = 20 };
    struct guest guests[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        guests[i] = guest_new();
        ask(&sides, &guests[i], i);
        if (i % 7 == 3) io_turn(&sides); /* several wake-ups, one taking */
    }
    io_turn(&sides);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, MANY);
    for (uint32_t i = 0; i < MANY; i++) cr_assert_eq(sides.far.limits[i], i);
    for (uint32_t i = 0; i < MANY; i++) answer_arrival(&sides, (i * 7) % MANY, i);
    engine_turn(&sides);
    io_turn(&sides);
    for (uint32_t i = 0; i < MANY; i++) {
        struct guest *guest = &guests[(i * 7) % MANY];
        cr_assert_eq(guest->answers, 1);
        cr_assert_eq(guest->number, i);
    }
}

static void note_order(struct guest *guest)
{
    unsigned *next = guest->context;
    cr_assert_eq(guest->number, *next);
    ++*next;
}

Test(bridge, answers_come_as_they_were_given)
{
    enum { MANY = 10 };
    unsigned next = 0;
    struct guest guests[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        guests[i] = guest_new();
        guests[i].then = note_order;
        guests[i].context = &next;
        ask(&sides, &guests[i], i);
    }
    io_turn(&sides);
    engine_turn(&sides);
    for (uint32_t i = 0; i < MANY; i++) answer_arrival(&sides, MANY - 1 - i, i);
    engine_turn(&sides);
    io_turn(&sides);
    cr_assert_eq(next, MANY);
}

Test(bridge, leaving_before_the_question_has_arrived)
{
    struct guest guest = guest_new();
    ask(&sides, &guest, 1);
    detach(&sides, &guest);
    io_turn(&sides);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 2);
    cr_assert_eq(sides.far.kinds[1], EVENT_DETACH);
    cr_assert_eq(sides.far.waiters[1], sides.far.waiters[0]);
}

Test(bridge, leaving_before_the_answer)
{
    struct guest guest = guest_new();
    asked_and_arrived(&guest, 1);
    detach(&sides, &guest);
    io_turn(&sides);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 2);
    cr_assert_eq(sides.far.kinds[1], EVENT_DETACH);
    cr_assert_eq(sides.far.waiters[1], sides.far.waiters[0]);
    cr_assert_eq(guest.answers, 0);
}

Test(bridge, leaving_while_the_answer_is_on_its_way)
{
    struct guest guest = guest_new();
    asked_and_arrived(&guest, 1);
    answer_arrival(&sides, 0, 3);
    engine_turn(&sides);
    detach(&sides, &guest);
    io_turn(&sides);
    cr_assert_eq(guest.answers, 0);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 1, "the engine has forgotten it and hears no second time of it");
}

Test(bridge, leaving_after_the_answer)
{
    struct guest guest = guest_new();
    asked_and_arrived(&guest, 1);
    answer_arrival(&sides, 0, 3);
    engine_turn(&sides);
    io_turn(&sides);
    cr_assert_eq(guest.answers, 1);
    detach(&sides, &guest);
    io_turn(&sides);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 1);
    cr_assert_eq(guest.answers, 1);
}

static void leave_other(struct guest *guest)
{
    detach(&sides, guest->context);
}

Test(bridge, leaving_from_within_the_answer_of_another)
{
    struct guest first = guest_new(), *second = malloc(sizeof *second);
    *second = guest_new();
    first.then = leave_other;
    first.context = second;
    ask(&sides, &first, 1);
    asked_and_arrived(second, 2);
    answer_arrival(&sides, 0, 1);
    answer_arrival(&sides, 1, 2);
    engine_turn(&sides);
    io_turn(&sides); /* both answers are taken in this turn */
    cr_assert_eq(first.answers, 1);
    cr_assert_eq(second->answers, 0);
    free(second);
}

Test(bridge, the_memory_of_a_waiter_is_used_again_at_once)
{
    struct guest guest = guest_new();
    asked_and_arrived(&guest, 1);
    answer_arrival(&sides, 0, 111); /* on its way to the first life */
    engine_turn(&sides);
    detach(&sides, &guest);
    ask(&sides, &guest, 2); /* the second */
    io_turn(&sides);
    cr_assert_eq(guest.answers, 0, "the first life's answer is not for the second");
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 2);
    cr_assert_eq(sides.far.limits[1], 2);
    answer_arrival(&sides, 1, 222);
    engine_turn(&sides);
    io_turn(&sides);
    cr_assert_eq(guest.answers, 1);
    cr_assert_eq(guest.number, 222);
}

static void ask_again(struct guest *guest)
{
    if (guest->answers == 1) ask(&sides, guest, 2);
}

Test(bridge, a_new_question_from_within_the_answer)
{
    struct guest guest = guest_new();
    guest.then = ask_again;
    asked_and_arrived(&guest, 1);
    answer_arrival(&sides, 0, 1);
    engine_turn(&sides);
    io_turn(&sides);
    engine_turn(&sides);
    cr_assert_eq(sides.far.count, 2);
    answer_arrival(&sides, 1, 2);
    engine_turn(&sides);
    io_turn(&sides);
    cr_assert_eq(guest.answers, 2);
    cr_assert_eq(guest.number, 2);
}

/* Of each kind of thing one is under way; the sanitizers say whether all is given back. */
Test(bridge, closed_with_everything_under_way)
{
    struct guest waiting = guest_new(), sent = guest_new(), answered = guest_new();
    asked_and_arrived(&answered, 1);
    asked_and_arrived(&waiting, 2);
    answer_arrival(&sides, 0, 1);
    engine_turn(&sides);
    ask(&sides, &sent, 3);
    two_sides_close(&sides);
    cr_assert_eq(waiting.answers + sent.answers + answered.answers, 0);
    cr_assert_eq(sides.far.count, 3);
    cr_assert_eq(sides.far.kinds[2], EVENT_DETACH, "nobody is left behind in the engine");
    cr_assert_eq(sides.far.waiters[2], sides.far.waiters[1]);
    two_sides_open(&sides);
}
