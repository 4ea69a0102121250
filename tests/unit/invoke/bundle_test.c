/* Many addresses per request: who travels together, and that each gets its own outcome, once,
 * whatever becomes of the others. Each story is told over HTTP/1.1 and over HTTP/2. */
#include "bundle_story.h"

#include "invoke/bundle.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(bundle, .timeout = 60);
TestSuite(bundle_h2, .timeout = 60);

/* -- Who travels together -- */

STORY(bundle, calls_of_one_turn_share_a_request)
{
    serve();
    int first = call_many(10);
    all_told();
    expect_results(first, 11);
    expect_rode(first, 11, 0);
    cr_expect_eq(atomic_load(&s.bundles), 1);
    cr_expect_eq(atomic_load(&s.riders[0]), 10);
    cr_expect_eq(metrics_now().requests, 2);
    cr_expect_eq(metrics_now().bundles, 1);
    cr_expect_eq(metrics_now().bundled, 10);
    call_many(3);
    all_told();
    expect_results(0, 14);
    cr_expect_eq(atomic_load(&s.bundles), 2);
}

STORY(bundle, without_an_offer_nobody_shares)
{
    s.offer = NULL;
    serve();
    call_many(10);
    all_told();
    expect_results(0, 11);
    cr_expect_eq(atomic_load(&s.bundles), 0);
    cr_expect_eq(metrics_now().bundles, 0);
}

STORY(bundle, one_alone_travels_as_ever)
{
    serve();
    call_many(1);
    all_told();
    expect_results(0, 2);
    cr_expect_eq(atomic_load(&s.bundles), 0);
    cr_expect_eq(atomic_load(&s.singles), 2);
}

STORY(bundle, who_has_failed_before_goes_alone)
{
    serve();
    f.attempt = 2;
    call_many(2);
    f.attempt = 1;
    call_many(3);
    f.attempt = 7;
    call_many(1);
    all_told();
    expect_results(0, 7);
    cr_expect_eq(atomic_load(&s.bundles), 1);
    expect_rode(3, 6, 0);
    cr_expect_eq(atomic_load(&s.singles), 4);
}

STORY(bundle, the_offered_number_is_kept)
{
    s.offer = BUNDLE_CONTENT_TYPE ";max=4";
    serve();
    call_many(11);
    all_told();
    expect_results(0, 12);
    cr_expect_eq(atomic_load(&s.bundles), 3);
    cr_expect_eq(atomic_load(&s.riders[0]) + atomic_load(&s.riders[1]) + atomic_load(&s.riders[2]),
                 11);
    for (int i = 0; i < 3; i++) cr_expect_leq(atomic_load(&s.riders[i]), 4);
}

STORY(bundle, an_offer_of_two_is_the_least)
{
    s.offer = BUNDLE_CONTENT_TYPE ";max=1";
    serve();
    call_many(4);
    all_told();
    cr_expect_eq(atomic_load(&s.bundles), 0);
    s.offer = BUNDLE_CONTENT_TYPE ";max=2";
    call_many(1);
    all_told();
    call_many(5);
    all_told();
    expect_results(0, f.called);
    cr_expect_eq(atomic_load(&s.bundles), 2);
    cr_expect_eq(atomic_load(&s.riders[0]), 2);
    cr_expect_eq(atomic_load(&s.riders[1]), 2);
}

STORY(bundle, however_many_are_offered)
{
    s.offer = BUNDLE_CONTENT_TYPE ";max=100000";
    serve();
    call_many(400);
    all_told();
    expect_results(0, f.called);
    for (int i = 0; i < atomic_load(&s.bundles); i++)
        cr_expect_leq(atomic_load(&s.riders[i]), BUNDLE_RIDERS_MAX);
    cr_expect_geq(metrics_now().bundled, 390);
}

/* A typed value with so many bytes. */
static void large_message(struct function_message *message, struct buffer *bytes, size_t size)
{
    uint8_t *value = calloc(1, size);
    buffer_init(bytes);
    typed_value_encode(bytes, SPAN_LITERAL("n/t"), span_of(value, size));
    *message = (struct function_message){.argument = buffer_span(bytes)};
    free(value);
}

STORY(bundle, a_large_call_goes_alone)
{
    struct function_message message;
    struct buffer bytes;
    large_message(&message, &bytes, BUNDLE_BYTES_MAX);
    serve();
    call_many(2);
    f.own = &message;
    call_many(1);
    f.own = NULL;
    call_many(2);
    all_told();
    expect_results(0, 6);
    cr_expect_eq(atomic_load(&s.bundles), 2);
    cr_expect_eq(atomic_load(&s.riders[0]), 2);
    cr_expect_eq(atomic_load(&s.riders[1]), 2);
    cr_expect_eq(atomic_load(&s.alone[3]), 1);
    buffer_close(&bytes);
}

STORY(bundle, a_bundle_has_no_more_bytes_than_it_may)
{
    struct function_message message;
    struct buffer bytes;
    large_message(&message, &bytes, BUNDLE_BYTES_MAX / 5 * 2);
    serve();
    f.own = &message;
    call_many(5);
    all_told();
    expect_results(0, 6);
    cr_expect_eq(atomic_load(&s.bundles), 2);
    cr_expect_eq(atomic_load(&s.riders[0]), 2);
    cr_expect_eq(atomic_load(&s.riders[1]), 2);
    buffer_close(&bytes);
}

STORY(bundle, functions_that_share_a_path_share_a_request)
{
    serve();
    fixture_call_named(&f, "example/a");
    fixture_call_named(&f, "example/b");
    fixture_call_named(&f, "other/c");
    all_told();
    expect_results(0, 4);
    cr_expect_eq(atomic_load(&s.bundles), 1);
}

STORY(bundle, functions_of_different_paths_never_do)
{
    fixture_serve(&f, &s.server, "/fn/{function.name}");
    fixture_call_named(&f, "example/a");
    all_told();
    for (int i = 0; i < 3; i++) fixture_call_named(&f, "example/a");
    for (int i = 0; i < 2; i++) fixture_call_named(&f, "example/b");
    fixture_call_named(&f, "example/c");
    fixture_call_named(&f, "example/a");
    all_told();
    expect_results(0, 8);
    cr_expect_eq(atomic_load(&s.bundles), 2);
    for (int i = 0; i < 2; i++) {
        bool a = atomic_load(&s.riders[i]) == 3;
        cr_expect_str_eq(s.path[i], a ? "/fn/a" : "/fn/b");
        cr_expect_eq(atomic_load(&s.riders[i]), a ? 3 : 2);
    }
    expect_rode(1, 6, 0);
}

/* -- What offers them -- */

static void fail_with_offer(struct visit *visit)
{
    say_whole(visit, visit->number == 0 ? 500 : 503, "text/plain", "", "no", 2);
}

STORY(bundle, an_error_offers_as_well)
{
    s.single = fail_with_offer;
    fixture_serve(&f, &s.server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_BAD_ANSWER, "HTTP 500");
    expect_bundles_again();
}

static void offer_in_two_lines(struct visit *visit)
{
    struct buffer body;
    answer_encode(&body, bundle_result_size(visit->of, visit->calls[0]));
    say_whole(visit, 200, "application/octet-stream",
              "accept-post: text/html, " OFFER "\naccept-post: application/json\n", body.at,
              body.size);
    buffer_close(&body);
}

STORY(bundle, a_header_in_two_lines_is_one_list)
{
    s.offer = NULL;
    s.single = offer_in_two_lines;
    serve();
    expect_bundles_again();
}

/* A new version of the function may not want them any more. */
STORY(bundle, an_offer_of_none_takes_it_back)
{
    serve();
    s.offer = BUNDLE_CONTENT_TYPE ";max=0";
    call_many(2);
    all_told();
    cr_assert_eq(atomic_load(&s.bundles), 1);
    expect_no_more_bundles();
}
