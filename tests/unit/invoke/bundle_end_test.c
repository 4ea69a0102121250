/* Bundles and the limits of time and memory, and what ends while they are under way. */
#include "bundle_story.h"

#include "invoke/room.h"

#include <stdlib.h>
#include <string.h>

TestSuite(bundle_end, .timeout = 60);
TestSuite(bundle_end_h2, .timeout = 60);

enum { RIDERS = 8 };

/* -- Time -- */

static void all_but_two(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    for (uint32_t i = 0; i < visit->count; i++)
        if (i != 2) put_result(&out, visit, i);
    say_buffer(visit, &out);
    visit_wait(visit, 1);
    buffer_init(&out);
    put_result(&out, visit, 2);
    say_buffer(visit, &out);
    say_end(visit);
}

STORY(bundle_end, one_may_be_late_and_the_others_are_not)
{
    f.endpoint.call_ms = 300;
    int first = ride(all_but_two, RIDERS);
    all_told();
    for (int i = first; i < f.called; i++) {
        if (i == first + 2)
            cr_assert_told(&f.told[i], OUTCOME_TIMEOUT, "within 300 ms");
        else
            expect_result(i);
    }
    expect_rode(first, f.called, 0);
    /* Nobody is left: what it was is not read any more. */
    if (!s.h2) cr_expect_eq(metrics_now().connections_open, 0);
    atomic_store(&s.gate, 1);
    expect_bundles_again();
    cr_expect_eq(f.told[first + 2].count, 1);
}

static void silent(struct visit *visit)
{
    visit_wait(visit, 1);
    say_all_well(visit);
}

STORY(bundle_end, all_may_be_late)
{
    f.endpoint.call_ms = 200;
    int first = ride(silent, RIDERS);
    all_told();
    for (int i = first; i < f.called; i++)
        cr_assert_told(&f.told[i], OUTCOME_TIMEOUT, "no outcome within 200 ms");
    cr_expect_eq(f.invoke->held, 0);
    if (!s.h2) cr_expect_eq(metrics_now().connections_open, 0);
    atomic_store(&s.gate, 1);
    expect_bundles_again();
}

static void halves(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_results(&out, visit);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    say(visit, out.at, out.size / 2);
    visit_wait(visit, 1);
    say(visit, out.at + out.size / 2, out.size - out.size / 2);
    say_end(visit);
    buffer_close(&out);
}

STORY(bundle_end, half_of_them_may_be_late)
{
    f.endpoint.call_ms = 200;
    int first = ride(halves, RIDERS), results = 0;
    all_told();
    for (int i = first; i < f.called; i++) {
        if (f.told[i].outcome != OUTCOME_RESULT)
            cr_assert_told(&f.told[i], OUTCOME_TIMEOUT, "");
        else
            results++;
    }
    cr_expect(results >= 3 && results <= 4, "%d", results);
    cr_expect_eq(f.invoke->held, 0);
    atomic_store(&s.gate, 1);
    expect_bundles_again();
}

/* Each has the time from its own beginning. */
STORY(bundle_end, one_whose_time_is_over_leaves_the_others)
{
    f.endpoint.call_ms = 400;
    s.bundle = silent;
    serve();
    int first = call_many(1);
    server_sleep_ms(200);
    call_many(3);
    cr_assert(fixture_wait(&f, first + 1, 2000));
    cr_assert_told(&f.told[first], OUTCOME_TIMEOUT, "");
    atomic_store(&s.gate, 1);
    all_told();
    cr_expect_eq(atomic_load(&s.riders[0]), 4);
    expect_results(first + 1, f.called);
    expect_bundles_again();
}

static void silent_single(struct visit *visit)
{
    if (visit->number == 0)
        say_all_well(visit);
    else
        visit_wait(visit, 1);
    visit->gone = visit->number > 0;
}

/* The places in the request are given away when it is sent. */
Test(bundle_end, one_whose_time_is_over_in_the_line_is_not_sent)
{
    story_begin(false);
    f.endpoint.call_ms = 400;
    f.endpoint.pool_max = 1;
    s.single = silent_single;
    serve();
    f.attempt = 2;
    call_many(1); /* has the connection until its time is over */
    f.attempt = 1;
    f.same_time = true;
    int first = call_many(2);
    f.same_time = false;
    fixture_idle(&f, 1);
    cr_assert_eq(atomic_load(&s.bundles), 0);
    server_sleep_ms(100);
    fixture_idle(&f, 1);
    all_told();
    cr_assert_told(&f.told[first - 1], OUTCOME_TIMEOUT, "");
    cr_assert_told(&f.told[first], OUTCOME_UNREACHABLE, "no connection within 400 ms");
    cr_assert_told(&f.told[first + 1], OUTCOME_UNREACHABLE, "no connection within 400 ms");
    cr_expect_eq(atomic_load(&s.bundles), 0);
    atomic_store(&s.gate, 1);
    expect_bundles_again();
    story_end();
}

Test(bundle_end, who_is_left_in_the_line_is_sent)
{
    story_begin(false);
    f.endpoint.call_ms = 400;
    f.endpoint.pool_max = 1;
    s.single = silent_single;
    serve();
    f.attempt = 2;
    int first = call_many(1); /* has the connection until its time is over */
    f.attempt = 1;
    f.same_time = true;
    call_many(2); /* their time is over then, too */
    f.same_time = false;
    server_sleep_ms(200);
    call_many(3);
    cr_assert(fixture_wait(&f, f.called, 5000));
    for (int i = first + 1; i < first + 3; i++) cr_assert_told(&f.told[i], OUTCOME_UNREACHABLE, "");
    expect_results(first + 3, f.called);
    cr_expect_eq(atomic_load(&s.bundles), 1);
    cr_expect_eq(atomic_load(&s.riders[0]), 3);
    atomic_store(&s.gate, 1);
    story_end();
}

static void slow_second(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    for (uint32_t i = 0; i < visit->count; i++)
        if (i != 1) put_result(&out, visit, i);
    say_buffer(visit, &out);
    server_sleep_ms(200);
    buffer_init(&out);
    put_result(&out, visit, 1);
    say_buffer(visit, &out);
    say_end(visit);
}

STORY(bundle_end, who_was_slow_goes_alone_for_a_while)
{
    s.bundle = slow_second;
    serve();
    int first = call_many(1);
    f.numbered = false; /* id-1, which the server takes for call 0 */
    call_many(1);
    f.numbered = true;
    call_many(2);
    all_told();
    expect_result(first);
    expect_results(first + 2, f.called);
    cr_expect_eq(atomic_load(&s.riders[0]), 4);
    s.bundle = NULL;
    int singles = atomic_load(&s.singles);
    f.numbered = false;
    call_many(1);
    f.numbered = true;
    call_many(3);
    all_told();
    cr_expect_eq(atomic_load(&s.bundles), 2);
    cr_expect_eq(atomic_load(&s.riders[1]), 3);
    cr_expect_eq(atomic_load(&s.singles), singles + 1);
}

/* -- Memory -- */

/* The limit is for each, however many come at once. */
STORY(bundle_end, all_outcomes_together_may_be_larger_than_one_may_be)
{
    f.endpoint.payload_bytes_max = 10000;
    s.extra = 6000;
    int first = ride(NULL, RIDERS);
    all_told();
    expect_results(first, f.called);
    expect_rode(first, f.called, 0);
    expect_bundles_again();
}

static void in_many_pieces(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_results(&out, visit);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    for (size_t at = 0; at < out.size; at += 1000)
        say(visit, out.at + at, out.size - at < 1000 ? out.size - at : 1000);
    say_end(visit);
    buffer_close(&out);
}

STORY(bundle_end, and_in_many_pieces)
{
    f.endpoint.payload_bytes_max = 10000;
    s.extra = 6000;
    int first = ride(in_many_pieces, 30);
    all_told();
    expect_results(first, f.called);
    expect_rode(first, f.called, 0);
}

/* Call 3, alone or not. */
static void third_too_large(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    for (uint32_t i = 0; i < visit->count; i++) {
        visit->of->extra = visit->calls[i] == 3 ? 20000 : 0;
        if (visit->bundle) put_result(&out, visit, i);
    }
    if (visit->bundle)
        say_outcomes(visit, &out);
    else
        say_all_well(visit);
    visit->of->extra = 0;
}

STORY(bundle_end, one_that_is_too_large_is_its_own_failure)
{
    f.endpoint.payload_bytes_max = 10000;
    s.single = third_too_large;
    int first = ride(third_too_large, RIDERS);
    all_told();
    for (int i = first; i < f.called; i++) {
        if (i == 3)
            cr_assert_told(&f.told[i], OUTCOME_BAD_ANSWER, "more than 10000 bytes");
        else
            expect_result(i);
    }
    expect_rode(first, 3, 0);
    if (s.h2) return; /* where it does not come in one piece, and so is not taken */
    expect_rode(3, f.called, 0);
    expect_bundles_again();
}

/* Its length says gigabytes: they are not waited for. */
static void say_a_gigabyte(struct visit *visit)
{
    static uint8_t zeros[50000];
    struct buffer out;
    buffer_init(&out);
    put_result(&out, visit, 0);
    buffer_append(&out, SPAN_LITERAL("\x0a\x80\x80\x80\x80\x04"));
    buffer_append(&out, span_of(zeros, sizeof zeros));
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    say_buffer(visit, &out);
    if (visit->peer != NULL) return;
    visit_wait(visit, 1);
    hang_up(visit);
}

STORY(bundle_end, what_would_be_too_large_is_not_waited_for)
{
    f.endpoint.payload_bytes_max = 10000;
    int first = ride(say_a_gigabyte, RIDERS);
    cr_assert(fixture_wait(&f, f.called, 2000));
    expect_results(first, f.called);
    expect_rode(first, first + 1, 0);
    expect_rode(first + 1, f.called, 1);
    fixture_idle(&f, 5);
    cr_expect_eq(f.invoke->held, 0);
    atomic_store(&s.gate, 1);
}

static void all_but_ten_bytes(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_results(&out, visit);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    say(visit, out.at, out.size - 10);
    visit_wait(visit, 1);
    say(visit, out.at + out.size - 10, 10);
    say_end(visit);
    buffer_close(&out);
}

/* Only as many as have to go: their memory counts no more. */
Test(bundle_end, when_memory_is_short_some_go_and_not_all)
{
    story_begin(false);
    s.offer = BUNDLE_CONTENT_TYPE ";max=2";
    f.endpoint.payload_bytes_max = 100000;
    s.extra = 80000;
    serve();
    invoke_bound(f.invoke, 600000);
    s.bundle = all_but_ten_bytes;
    int first = call_many(12), crowded = 0;
    fixture_idle(&f, 200);
    for (int i = first; i < f.called; i++)
        if (f.told[i].count > 0 && f.told[i].outcome == OUTCOME_OVERLOADED) crowded++;
    cr_expect_geq(crowded, 1);
    cr_expect_leq(crowded, 4, "%d of 6 bundles", crowded);
    cr_expect_leq(f.invoke->held, 600000);
    atomic_store(&s.gate, 1);
    all_told();
    cr_expect_eq(f.invoke->held, 0);
    for (int i = first; i < f.called; i++) {
        if (f.told[i].outcome == OUTCOME_RESULT) continue;
        cr_assert_told(&f.told[i], OUTCOME_OVERLOADED, "no more room");
        crowded--;
    }
    cr_expect_eq(crowded, 0);
    story_end();
}

static void large_then_silent(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_result(&out, visit, 0);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    say_buffer(visit, &out);
    visit_wait(visit, 1);
    buffer_init(&out);
    for (uint32_t i = 1; i < visit->count; i++) put_result(&out, visit, i);
    say_buffer(visit, &out);
    say_end(visit);
}

/* While the next one is waited for, a large outcome that has been told takes no memory. */
STORY(bundle_end, what_has_been_told_takes_no_memory)
{
    s.extra = 8000000;
    int first = ride(large_then_silent, 2);
    cr_assert(fixture_wait(&f, first + 1, 10000));
    s.extra = 0;
    fixture_idle(&f, 50);
    cr_expect_leq(f.invoke->held, 128 * 1024, "%zu", f.invoke->held);
    LIST_EACH (&f.invoke->endpoints[0]->deadlines, link) {
        struct call *call = CONTAINER_OF(link, struct call, due);
        cr_expect_leq(call->answer.body.copy.capacity, 128u * 1024, "%zu",
                      call->answer.body.copy.capacity);
    }
    atomic_store(&s.gate, 1);
    all_told();
    expect_result(first + 1);
}

/* -- Ends -- */

/* Whatever is under way: nothing is told, nothing leaks. */
static void close_after_turns(bool h2, int turns, visit_script *script)
{
    story_begin(h2);
    s.bundle = script;
    serve();
    int told = f.told_count;
    call_many(12);
    for (int i = 0; i < turns; i++) cr_assert_eq(loop_turn(&f.loop, 2), 0);
    for (int i = told; i < f.called; i++) cr_assert_leq(f.told[i].count, 1);
    atomic_store(&s.gate, 1000);
    story_end();
}

static void in_pieces(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_results(&out, visit);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    for (size_t at = 0; at < out.size && !visit->gone; at += 100) {
        say(visit, out.at + at, out.size - at < 100 ? out.size - at : 100);
        server_sleep_ms(1);
    }
    say_end(visit);
    buffer_close(&out);
}

static void say_415(struct visit *visit)
{
    say_whole(visit, 415, NULL, "", "", 0);
}

Test(bundle_end, the_room_may_close_at_any_time)
{
    static visit_script *const scripts[] = {in_pieces, say_415, hang_up, all_but_ten_bytes};
    for (int turns = 0; turns < 16; turns++)
        for (int i = 0; i < 4; i++) close_after_turns(i % 2 == turns % 2, turns, scripts[i]);
}

STORY(bundle_end, the_configuration_may_change_while_they_are_under_way)
{
    s.bundle = in_pieces;
    serve();
    int first = call_many(RIDERS);
    f.configure_in_done = true; /* at the first outcome */
    f.follow_ups = 20;
    cr_assert(fixture_wait(&f, first + RIDERS + 20, 10000));
    all_told();
    expect_results(0, f.called);
    expect_rode(first, first + RIDERS, 0);
}

STORY(bundle_end, the_configuration_may_change_before_they_are_answered)
{
    int first = ride(silent, RIDERS);
    fixture_idle(&f, 20);
    cr_assert_eq(fixture_configure(&f), 0);
    cr_assert_eq(fixture_configure(&f), 0);
    atomic_store(&s.gate, 1);
    all_told();
    expect_results(0, f.called);
    expect_rode(first, f.called, 0);
}

STORY(bundle_end, or_before_they_are_sent)
{
    serve();
    int first = call_many(RIDERS);
    cr_assert_eq(fixture_configure(&f), 0);
    all_told();
    expect_results(first, f.called);
    fixture_idle(&f, 20);
    cr_expect(list_empty(&f.invoke->retired));
}

/* What is called from within `done` travels together, too. */
STORY(bundle_end, outcomes_lead_to_bundles)
{
    serve();
    call_many(20);
    f.follow_ups = 400;
    cr_assert(fixture_wait(&f, 421, 20000));
    all_told();
    expect_results(0, f.called);
    cr_expect_leq(atomic_load(&s.bundles) + atomic_load(&s.singles), 100);
}

/* A trace that is no header is no text of protobuf either. */
STORY(bundle_end, a_trace_that_is_no_text_is_left_out)
{
    serve();
    f.traceparent = SPAN_LITERAL("\xff\xfe");
    call_many(2);
    f.traceparent = SPAN_LITERAL("a\nb");
    call_many(2);
    all_told();
    expect_results(0, f.called);
    cr_expect_eq(atomic_load(&s.bundles), 1);
}
