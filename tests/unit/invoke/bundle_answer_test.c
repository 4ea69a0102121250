/* What comes back for many addresses: each gets its own outcome, once, whatever becomes of the
 * others. */
#include "bundle_story.h"

#include "invoke/bundle.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

TestSuite(bundle_answer, .timeout = 60);
TestSuite(bundle_answer_h2, .timeout = 60);

enum { RIDERS = 8 };

/* -- In any order, in any pieces -- */

static void backwards(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    for (uint32_t i = visit->count; i > 0; i--) put_result(&out, visit, i - 1);
    say_outcomes(visit, &out);
}

STORY(bundle_answer, any_order_will_do)
{
    ride(backwards, RIDERS);
    all_told();
    expect_results(0, 1 + RIDERS);
    expect_rode(1, 1 + RIDERS, 0);
    expect_bundles_again();
}

static void one_by_one(struct visit *visit)
{
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    for (uint32_t i = 0; i < visit->count; i++) {
        struct buffer out;
        buffer_init(&out);
        visit_wait(visit, (int)i + 1);
        put_result(&out, visit, i);
        say_buffer(visit, &out);
    }
    visit_wait(visit, (int)visit->count + 1);
    say_end(visit);
}

STORY(bundle_answer, each_is_told_before_the_rest_has_come)
{
    int first = ride(one_by_one, RIDERS);
    for (int i = 0; i < RIDERS; i++) {
        fixture_idle(&f, 10);
        cr_assert_eq(f.told_count, first + i, "%d told, %d sent", f.told_count - first, i);
        atomic_store(&s.gate, i + 1);
        cr_assert(fixture_wait(&f, first + i + 1, 2000), "outcome %d was not told", i);
        expect_result(first + i);
    }
    atomic_store(&s.gate, RIDERS + 1);
    all_told();
    expect_rode(first, first + RIDERS, 0);
    expect_bundles_again();
}

static void byte_by_byte(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_results(&out, visit);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    for (size_t i = 0; i < out.size; i++) say(visit, out.at + i, 1);
    say_end(visit);
    buffer_close(&out);
}

STORY(bundle_answer, byte_by_byte_will_do)
{
    int first = ride(byte_by_byte, RIDERS);
    all_told();
    expect_results(0, f.called);
    expect_rode(first, f.called, 0);
    expect_bundles_again();
}

static void end_first(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    put_results(&out, visit);
    say(visit, out.at, out.size - 1);
    visit_wait(visit, 1);
    say(visit, out.at + out.size - 1, 1);
    say_end(visit);
    buffer_close(&out);
}

STORY(bundle_answer, the_last_byte_is_waited_for)
{
    int first = ride(end_first, RIDERS);
    cr_assert(fixture_wait(&f, first + RIDERS - 1, 2000));
    fixture_idle(&f, 20);
    cr_assert_eq(f.told_count, first + RIDERS - 1);
    atomic_store(&s.gate, 1);
    all_told();
    expect_results(0, f.called);
}

static void unknown_fields(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    for (uint32_t i = 0; i < visit->count; i++) {
        buffer_append(&out, SPAN_LITERAL("\x12\x05stats"));
        put_result(&out, visit, i);
    }
    buffer_append(&out, SPAN_LITERAL("\x1a\x00"));
    say_outcomes(visit, &out);
}

STORY(bundle_answer, what_is_beside_the_outcomes_is_skipped)
{
    ride(unknown_fields, RIDERS);
    all_told();
    expect_results(0, f.called);
    expect_bundles_again();
}

/* Large outcomes that have come together are told in many turns. */
STORY(bundle_answer, the_telling_is_shared_out)
{
    s.extra = 100000;
    int first = ride(NULL, 30), most = 0;
    while (f.told_count < f.called) {
        int before = f.told_count;
        cr_assert_eq(loop_turn(&f.loop, 1000), 0);
        if (f.told_count - before > most) most = f.told_count - before;
    }
    cr_expect_leq(most, 3, "%d outcomes of 100,000 bytes in a turn", most);
    expect_results(first, f.called);
    expect_rode(first, f.called, 0);
}

/* -- Single ones -- */

/* Rider 2 fails, 3 is too busy, 4 is handed back, 5 is left out, 6 is no FromFunction. */
static void some_fail(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_result(&out, visit, 0);
    put_result(&out, visit, 1);
    put_failure(&out, 2, 500, "the \x01 accounts\nare   closed", 4000);
    put_failure(&out, 3, 503, "busy", 1500);
    put_undone(&out, 4);
    bundle_outcome_encode(&out, &(struct bundle_outcome){.index = 6,
                                                         .kind = BUNDLE_RESULT,
                                                         .result = SPAN_LITERAL("\xff\xff"),
                                                         .retry_after_ms = -1});
    put_result(&out, visit, 7);
    say_outcomes(visit, &out);
}

STORY(bundle_answer, the_failure_of_one_is_nobody_elses)
{
    int first = ride(some_fail, RIDERS);
    all_told();
    for (int i = 0; i < RIDERS; i++)
        if (i != 2 && i != 3 && i != 6) expect_result(first + i);
    cr_assert_told(&f.told[first + 2], OUTCOME_BAD_ANSWER, "HTTP 500: the ? accounts are closed");
    cr_expect_eq(f.told[first + 2].retry_after_ms, 4000);
    cr_assert_told(&f.told[first + 3], OUTCOME_OVERLOADED, "HTTP 503: busy");
    cr_expect_eq(f.told[first + 3].retry_after_ms, 1500);
    cr_assert_told(&f.told[first + 6], OUTCOME_BAD_ANSWER, "no FromFunction");
    /* Those with an outcome were not called again. */
    static const int alone[RIDERS] = {0, 0, 0, 0, 1, 1, 0, 0};
    for (int i = 0; i < RIDERS; i++) expect_rode(first + i, first + i + 1, alone[i]);
    expect_bundles_again();
}

static void failures_of_every_status(struct visit *visit)
{
    static const uint32_t statuses[RIDERS] = {300, 404, 413, 429, 501, 502, 504, 599};
    struct buffer out;
    buffer_init(&out);
    for (uint32_t i = 0; i < visit->count; i++)
        put_failure(&out, i, statuses[i], "", i == 7 ? 31536000000 : -1);
    say_outcomes(visit, &out);
}

STORY(bundle_answer, a_status_means_what_it_means_alone)
{
    static const enum outcome outcomes[RIDERS] = {
        OUTCOME_BAD_ANSWER, OUTCOME_OVERLOADED, OUTCOME_TOO_LARGE,  OUTCOME_OVERLOADED,
        OUTCOME_BAD_ANSWER, OUTCOME_OVERLOADED, OUTCOME_OVERLOADED, OUTCOME_BAD_ANSWER};
    int first = ride(failures_of_every_status, RIDERS);
    all_told();
    for (int i = 0; i < RIDERS; i++) {
        cr_assert_told(&f.told[first + i], outcomes[i], "HTTP ");
        cr_expect_eq(f.told[first + i].retry_after_ms, i == 7 ? 3600000 : -1); /* an hour at most */
    }
    expect_rode(first, f.called, 0);
    expect_bundles_again();
}

static void hand_all_back(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    for (uint32_t i = 0; i < visit->count; i++) put_undone(&out, i);
    say_outcomes(visit, &out);
}

STORY(bundle_answer, all_may_be_handed_back)
{
    int first = ride(hand_all_back, RIDERS);
    all_told();
    expect_results(0, f.called);
    expect_rode(first, f.called, 1);
    expect_bundles_again();
}

/* Said twice: the first counts, and the others are not touched. */
static void twice(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_result(&out, visit, 0);
    put_failure(&out, 0, 500, "too late", -1);
    put_undone(&out, 1);
    put_result(&out, visit, 1);
    put_undone(&out, 1);
    put_failure(&out, 2, 500, "first", -1);
    put_result(&out, visit, 2);
    for (uint32_t i = 3; i < visit->count; i++) put_result(&out, visit, i);
    put_results(&out, visit);
    say_outcomes(visit, &out);
}

STORY(bundle_answer, an_outcome_that_is_said_twice_is_told_once)
{
    int first = ride(twice, RIDERS);
    all_told();
    expect_result(first);
    expect_result(first + 1);
    cr_assert_told(&f.told[first + 2], OUTCOME_BAD_ANSWER, "HTTP 500: first");
    expect_results(first + 3, f.called);
    expect_rode(first + 1, first + 2, 1);
    expect_rode(first + 2, f.called, 0);
}

static void leave_out_all(struct visit *visit)
{
    say_whole(visit, 200, BUNDLE_CONTENT_TYPE, "", "", 0);
}

STORY(bundle_answer, all_may_be_left_out)
{
    int first = ride(leave_out_all, RIDERS);
    all_told();
    expect_results(0, f.called);
    expect_rode(first, f.called, 1);
    expect_bundles_again();
}

/* -- Answers to all of them -- */

static int said_status;
static const char *said_type, *said_headers, *said_body;

static void say_what_is_said(struct visit *visit)
{
    say_whole(visit, said_status, said_type, said_headers, said_body, strlen(said_body));
}

static int ride_to(int status, const char *type, const char *headers, const char *body)
{
    said_status = status;
    said_type = type;
    said_headers = headers;
    said_body = body;
    int first = ride(say_what_is_said, RIDERS);
    all_told();
    return first;
}

/* Not understood: nobody's failure. */
static void expect_nobodys_failure(int status, const char *type, const char *headers,
                                   const char *body)
{
    int first = ride_to(status, type, headers, body);
    expect_results(0, f.called);
    expect_rode(first, f.called, 1);
    expect_no_more_bundles();
}

#define NOT_UNDERSTOOD(name, ...)                                                                  \
    STORY(bundle_answer, name)                                                                     \
    {                                                                                              \
        expect_nobodys_failure(__VA_ARGS__);                                                       \
    }

NOT_UNDERSTOOD(status_400_is_nobodys_failure, 400, "text/plain", "", "what is this?")
NOT_UNDERSTOOD(status_413_is_nobodys_failure, 413, "text/plain", "", "too much")
NOT_UNDERSTOOD(status_415_is_nobodys_failure, 415, NULL, "", "")
NOT_UNDERSTOOD(status_500_is_nobodys_failure, 500, "text/plain", "retry-after: 5\n", "it broke")
NOT_UNDERSTOOD(status_301_is_nobodys_failure, 301, NULL, "location: http://127.0.0.1/\n", "")
NOT_UNDERSTOOD(another_type_is_nobodys_failure, 200, "text/html", "", "<html>")
NOT_UNDERSTOOD(no_type_is_nobodys_failure, 200, NULL, "", "")
NOT_UNDERSTOOD(a_single_result_is_nobodys_failure, 200, "application/octet-stream", "", "")
NOT_UNDERSTOOD(bytes_that_are_no_outcomes, 200, BUNDLE_CONTENT_TYPE, "", "<html>")
NOT_UNDERSTOOD(an_index_beyond, 200, BUNDLE_CONTENT_TYPE, "", "\x0a\x02\x08\x08")
NOT_UNDERSTOOD(an_index_far_beyond, 200, BUNDLE_CONTENT_TYPE, "",
               "\x0a\x06\x08\xff\xff\xff\xff\x0f")
NOT_UNDERSTOOD(an_outcome_that_is_cut, 200, BUNDLE_CONTENT_TYPE, "", "\x0a\x05\x08\x01")

#define EVERYBODYS(name, status, after_ms)                                                         \
    STORY(bundle_answer, name)                                                                     \
    {                                                                                              \
        int first = ride_to(status, "text/plain", "retry-after: 2\n", "not now");                  \
        expect_told(first, f.called, OUTCOME_OVERLOADED, "not now");                               \
        for (int i = first; i < f.called; i++) cr_expect_eq(f.told[i].retry_after_ms, after_ms);   \
        expect_rode(first, f.called, 0);                                                           \
        expect_bundles_again();                                                                    \
    }

EVERYBODYS(status_503_is_everybodys, 503, 2000)
EVERYBODYS(status_429_is_everybodys, 429, 2000)
EVERYBODYS(status_404_is_everybodys, 404, 2000)
EVERYBODYS(status_504_is_everybodys, 504, 2000)

static void say_packed(struct visit *visit)
{
    struct buffer plain;
    uint8_t packed[65536];
    uLongf size = sizeof packed;
    buffer_init(&plain);
    put_results(&plain, visit);
    cr_assert_eq(compress(packed, &size, plain.at, plain.size), Z_OK);
    say_whole(visit, 200, BUNDLE_CONTENT_TYPE, "content-encoding: deflate\n", packed, size);
    buffer_close(&plain);
}

STORY(bundle_answer, a_compressed_one_is_not_understood)
{
    int first = ride(say_packed, RIDERS);
    all_told();
    expect_results(0, f.called);
    expect_rode(first, f.called, 1);
    expect_no_more_bundles();
}

/* Two outcomes, then something else; no end, and the connection stays open. */
static void break_at_the_third(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_result(&out, visit, 0);
    put_failure(&out, 1, 500, "its own", -1);
    buffer_append(&out, SPAN_LITERAL("\x0a\x02\x08"));
    buffer_byte(&out, 0xff); /* a number that goes on beyond its outcome */
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    say_buffer(visit, &out);
    if (visit->peer != NULL) return; /* whose other streams go on */
    visit_wait(visit, 1);
    hang_up(visit);
}

STORY(bundle_answer, what_came_before_the_nonsense_is_told)
{
    int first = ride(break_at_the_third, RIDERS);
    cr_assert(fixture_wait(&f, f.called, 2000), "the rest waits for an answer that is broken");
    fixture_idle(&f, 10);
    expect_result(first);
    cr_assert_told(&f.told[first + 1], OUTCOME_BAD_ANSWER, "HTTP 500: its own");
    expect_results(first + 2, f.called);
    expect_rode(first, first + 2, 0);
    expect_rode(first + 2, f.called, 1);
    atomic_store(&s.gate, 1);
    expect_no_more_bundles();
}

/* The same, with all that is left in the same piece: none of it is believed. */
static void break_and_go_on(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_result(&out, visit, 0);
    buffer_append(&out, SPAN_LITERAL("\x08\x08"));
    put_results(&out, visit);
    say_outcomes(visit, &out);
}

STORY(bundle_answer, nothing_after_the_nonsense_is_believed)
{
    int first = ride(break_and_go_on, RIDERS);
    all_told();
    expect_results(0, f.called);
    expect_rode(first, first + 1, 0);
    expect_rode(first + 1, f.called, 1);
    expect_no_more_bundles();
}

/* Whoever is called again may fail then, and it is his own failure. */
static void fail_one_of_them(struct visit *visit)
{
    if (visit->calls[0] == 3)
        say_whole(visit, 500, "text/plain", "", "his own", 7);
    else
        say_all_well(visit);
}

STORY(bundle_answer, who_fails_alone_fails_alone)
{
    s.single = fail_one_of_them;
    int first = ride_to(415, NULL, "", "");
    for (int i = first; i < f.called; i++)
        if (i != 3) expect_result(i);
    cr_assert_told(&f.told[3], OUTCOME_BAD_ANSWER, "HTTP 500: his own");
}
