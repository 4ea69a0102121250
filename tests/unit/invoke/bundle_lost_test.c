/* Bundles over connections that break: what was told stays told, and nothing is sent twice but what
 * nobody has taken. */
#include "bundle_story.h"

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <unistd.h>

TestSuite(bundle_lost, .timeout = 60);
TestSuite(bundle_lost_h2, .timeout = 60);

enum { RIDERS = 8 };

static void hang_up_at_first(struct visit *visit)
{
    if (visit->number == 0)
        hang_up(visit);
    else
        say_all_well(visit);
}

/* The connection was idle before, and not a byte has come: nobody has taken the bundle. */
STORY(bundle_lost, a_stale_connection_is_tried_again_uncounted)
{
    int first = ride(hang_up_at_first, RIDERS);
    all_told();
    expect_results(0, f.called);
    cr_expect_eq(atomic_load(&s.bundles), 2);
    cr_expect_eq(metrics_now().stale_retries, 1);
    for (int i = first; i < f.called; i++) cr_expect_eq(atomic_load(&s.alone[i]), 0);
    expect_bundles_again();
}

STORY(bundle_lost, but_only_once)
{
    int first = ride(hang_up, RIDERS);
    all_told();
    expect_told(first, f.called, OUTCOME_LOST, "");
    cr_expect_eq(atomic_load(&s.bundles), 2);
    expect_bundles_again();
}

static void hang_up_in_the_middle(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    put_result(&out, visit, 3);
    put_result(&out, visit, 1);
    size_t whole = out.size;
    put_result(&out, visit, 0);
    say(visit, out.at, (whole + out.size) / 2);
    buffer_close(&out);
    hang_up(visit);
}

STORY(bundle_lost, what_was_told_stays_told_when_the_connection_breaks)
{
    int first = ride(hang_up_in_the_middle, RIDERS);
    all_told();
    for (int i = first; i < f.called; i++) {
        if (i == first + 1 || i == first + 3)
            expect_result(i);
        else
            cr_assert_told(&f.told[i], OUTCOME_LOST, "");
    }
    expect_rode(first, f.called, 0);
    expect_bundles_again();
}

static void say_head_and_hang_up(struct visit *visit)
{
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    hang_up(visit);
}

STORY(bundle_lost, a_head_alone_is_lost)
{
    int first = ride(say_head_and_hang_up, RIDERS);
    all_told();
    expect_told(first, f.called, OUTCOME_LOST, "");
    expect_rode(first, f.called, 0);
    expect_bundles_again();
}

static void all_but_the_end(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    put_results(&out, visit);
    say_buffer(visit, &out);
    hang_up(visit);
}

/* Its end would have said nothing more. */
STORY(bundle_lost, the_end_of_the_answer_is_not_needed)
{
    int first = ride(all_but_the_end, RIDERS);
    all_told();
    expect_results(0, f.called);
    expect_rode(first, f.called, 0);
    expect_bundles_again();
}

STORY(bundle_lost, nobody_is_there)
{
    s.bundle = hang_up;
    serve();
    server_stop_listening(&s.server);
    int first = call_many(RIDERS);
    all_told();
    for (int i = first; i < f.called; i++)
        cr_assert(f.told[i].outcome == OUTCOME_LOST || f.told[i].outcome == OUTCOME_UNREACHABLE);
}

/* Its thread waits, see below. */
static void shut_down(struct visit *visit)
{
    shutdown(visit->fd, SHUT_RDWR);
    hang_up(visit);
}

/* From now on nobody is accepted, and after these the system takes nobody in either. */
static void fill_the_line(int fillers[], int count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(s.server.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    pthread_mutex_lock(&s.server.lock); /* which the acceptor needs */
    cr_assert_eq(listen(s.server.listen_fd, 0), 0);
    for (int i = 0; i < count; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    server_sleep_ms(20);
}

/* Time may be over while the second connection is still being opened. */
Test(bundle_lost, nobody_is_left_when_it_is_tried_again)
{
    int fillers[5];
    story_begin(false);
    f.endpoint.call_ms = 300;
    s.bundle = shut_down;
    serve();
    fill_the_line(fillers, 5);
    int first = call_many(RIDERS);
    all_told();
    expect_told(first, f.called, OUTCOME_UNREACHABLE, "no connection within 300 ms");
    cr_expect_eq(metrics_now().stale_retries, 1);
    cr_expect_eq(metrics_now().connections_open, 0);
    cr_assert_eq(listen(s.server.listen_fd, 128), 0);
    pthread_mutex_unlock(&s.server.lock);
    for (int i = 0; i < 5; i++) close(fillers[i]);
    expect_bundles_again();
    story_end();
}

/* -- HTTP/2 only -- */

static uint32_t reset_code;
static int reset_after; /* outcomes */

/* All of it comes in one piece. */
static void refuse_after_some(struct visit *visit)
{
    struct buffer out;
    if (visit->number > 0) {
        say_all_well(visit);
        return;
    }
    buffer_init(&out);
    for (uint32_t i = 0; i < visit->count && (int)i < reset_after; i++) put_result(&out, visit, i);
    h2_hold(visit);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    if (out.size > 0) say(visit, out.at, out.size);
    buffer_close(&out);
    if (reset_code == NGHTTP2_NO_ERROR)
        h2_goaway(visit);
    else
        h2_reset(visit, reset_code);
    h2_release(visit);
}

/* A stream that is refused after all, or that GOAWAY does not count in: who has an outcome keeps
 * it, and the others are not called twice for it. */
static void story_of_refusal(uint32_t code, int after)
{
    story_begin(true);
    reset_code = code;
    reset_after = after;
    int first = ride(refuse_after_some, RIDERS);
    all_told();
    for (int i = first; i < f.called; i++) {
        if (i < first + after)
            expect_result(i);
        else
            cr_assert_neq(f.told[i].outcome, OUTCOME_RESULT, "call %d", i);
        cr_expect_eq(atomic_load(&s.rode[i]), 1);
    }
    expect_bundles_again();
    story_end();
}

Test(bundle_lost, a_stream_is_refused_after_all_outcomes)
{
    story_of_refusal(NGHTTP2_REFUSED_STREAM, RIDERS);
}

Test(bundle_lost, a_stream_is_refused_after_some_outcomes)
{
    story_of_refusal(NGHTTP2_REFUSED_STREAM, 3);
}

Test(bundle_lost, a_stream_is_refused_after_its_head)
{
    story_of_refusal(NGHTTP2_REFUSED_STREAM, 0);
}

Test(bundle_lost, a_stream_is_reset_after_some_outcomes)
{
    story_of_refusal(NGHTTP2_INTERNAL_ERROR, 3);
}

Test(bundle_lost, goaway_disowns_what_it_has_answered)
{
    story_of_refusal(NGHTTP2_NO_ERROR, RIDERS);
}

Test(bundle_lost, goaway_disowns_what_it_has_answered_in_part)
{
    story_of_refusal(NGHTTP2_NO_ERROR, 3);
}
