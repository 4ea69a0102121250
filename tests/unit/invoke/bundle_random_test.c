/* Functions that do anything, by seed: each call is told once, with its own result, and nothing
 * stays behind. */
#include "bundle_story.h"

#include "base/prng.h"
#include "invoke/room.h"

#include <nghttp2/nghttp2.h>

TestSuite(bundle_random, .timeout = 120);

enum { CALLS = 500, SEEDS = 6 };

static uint64_t seed;

static bool one_in(struct prng *prng, unsigned n)
{
    return prng_below(prng, n) == 0;
}

static void shuffle(struct prng *prng, uint32_t *order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) order[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)prng_below(prng, i), kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

static void put_any(struct prng *prng, struct buffer *out, const struct visit *visit, uint32_t i)
{
    static const uint32_t statuses[] = {300, 404, 413, 429, 500, 503, 599};
    if (one_in(prng, 10))
        put_failure(out, i, statuses[prng_below(prng, 7)], "failed", one_in(prng, 2) ? 1000 : -1);
    else if (one_in(prng, 15))
        put_undone(out, i);
    else if (!one_in(prng, 20))
        put_result(out, visit, i);
    if (one_in(prng, 20)) put_result(out, visit, i);
    if (one_in(prng, 40)) buffer_append(out, SPAN_LITERAL("\x2a\x02ok"));
    if (one_in(prng, 200)) buffer_append(out, SPAN_LITERAL("\x0a\x03\x08\xff\x7f"));
    if (one_in(prng, 200)) buffer_append(out, SPAN_LITERAL("oops"));
}

static void end_somehow(struct prng *prng, struct visit *visit)
{
    static const uint32_t codes[] = {NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM,
                                     NGHTTP2_INTERNAL_ERROR, NGHTTP2_ENHANCE_YOUR_CALM};
    if (one_in(prng, 15))
        hang_up(visit);
    else if (visit->peer != NULL && one_in(prng, 15))
        h2_reset(visit, codes[prng_below(prng, 4)]);
    else if (visit->peer != NULL && one_in(prng, 30))
        h2_goaway(visit);
    else if (visit->peer == NULL || !one_in(prng, 30))
        say_end(visit);
}

static void say_any_outcomes(struct prng *prng, struct visit *visit)
{
    uint32_t order[VISIT_RIDERS_MAX];
    struct buffer out;
    buffer_init(&out);
    shuffle(prng, order, visit->count);
    for (uint32_t i = 0; i < visit->count; i++) put_any(prng, &out, visit, order[i]);
    if (one_in(prng, 3)) {
        say_outcomes(visit, &out);
        return;
    }
    size_t most = 1 + prng_below(prng, one_in(prng, 2) ? 20 : 2000);
    size_t end = one_in(prng, 10) ? prng_below(prng, out.size + 1) : out.size;
    bool hold = visit->peer != NULL && one_in(prng, 2);
    if (hold) h2_hold(visit);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    for (size_t at = 0; at < end && !visit->gone;) {
        size_t size = 1 + prng_below(prng, most);
        if (size > end - at) size = end - at;
        say(visit, out.at + at, size);
        at += size;
        if (one_in(prng, 50)) server_sleep_ms(1);
    }
    end_somehow(prng, visit);
    if (hold) h2_release(visit);
    buffer_close(&out);
}

static void any_bundle(struct visit *visit)
{
    static const int statuses[] = {200, 204, 301, 400, 404, 413, 415, 500, 503};
    struct prng prng;
    prng.state = seed * 1000 + (uint64_t)visit->number;
    if (one_in(&prng, 40))
        server_sleep_ms(250);
    else if (one_in(&prng, 20))
        hang_up(visit);
    else if (one_in(&prng, 10))
        say_whole(visit, statuses[1 + prng_below(&prng, 8)], "text/plain", "", "", 0);
    else
        say_any_outcomes(&prng, visit);
}

static void any_single(struct visit *visit)
{
    struct prng prng;
    prng.state = seed * 1000 + 500 + (uint64_t)visit->number;
    if (one_in(&prng, 30))
        hang_up(visit);
    else if (one_in(&prng, 10))
        say_whole(visit, one_in(&prng, 2) ? 500 : 503, NULL, "", "", 0);
    else
        say_all_well(visit);
}

/* As if a minute had passed: else the first answer that is not understood ends it all. */
static void forget(void)
{
    for (size_t i = 0; i < f.invoke->endpoint_count; i++)
        LIST_EACH (&f.invoke->endpoints[i]->origins, link) {
            struct origin *origin = CONTAINER_OF(link, struct origin, link);
            origin->offer = (struct offer){.max = 20};
        }
}

static void call_any(struct prng *prng)
{
    while (f.called < CALLS) {
        int count = 1 + (int)prng_below(prng, one_in(prng, 3) ? 60 : 6);
        for (int i = 0; i < count && f.called < CALLS; i++) {
            f.attempt = one_in(prng, 15) ? 2 : 1;
            fixture_call(&f);
        }
        if (one_in(prng, 4)) forget();
        if (one_in(prng, 40)) cr_assert_eq(fixture_configure(&f), 0);
        if (one_in(prng, 20)) f.configure_in_done = true;
        int turns = (int)prng_below(prng, 4);
        for (int i = 0; i < turns; i++) cr_assert_eq(loop_turn(&f.loop, 1), 0);
        while (f.called - f.told_count > 100) cr_assert_eq(loop_turn(&f.loop, 10), 0);
    }
}

static void expect_nothing_left(void)
{
    struct invoke *invoke = f.invoke;
    fixture_idle(&f, 300); /* answers without end */
    cr_expect_eq(invoke->held, 0);
    cr_expect(list_empty(&invoke->fresh) && list_empty(&invoke->failed));
    cr_expect(list_empty(&invoke->answered) && list_empty(&invoke->speaking));
    cr_expect(list_empty(&invoke->boarding) && list_empty(&invoke->leaving));
    for (size_t i = 0; i < invoke->endpoint_count; i++)
        cr_expect(list_empty(&invoke->endpoints[i]->deadlines));
    cr_expect(list_empty(&invoke->retired));
}

static void live(uint64_t with_seed)
{
    struct prng prng;
    int results = 0;
    seed = with_seed;
    prng.state = seed;
    f.endpoint.call_ms = 200 + 100 * (int64_t)prng_below(&prng, 3);
    f.endpoint.pool_max = 1 + (uint32_t)prng_below(&prng, 8);
    s.bundle = any_bundle;
    s.single = any_single;
    configure();
    fixture_one(&f);
    forget();
    call_any(&prng);
    all_told();
    for (int i = 0; i < f.called; i++) {
        if (f.told[i].outcome != OUTCOME_RESULT) continue;
        expect_result(i);
        results++;
    }
    cr_expect_gt(results, CALLS / 10, "%d", results);
    cr_expect_gt(atomic_load(&s.bundles), 4);
    f.endpoint.call_ms = 5000;
    expect_nothing_left();
}

Test(bundle_random, http1)
{
    for (uint64_t i = 1; i <= SEEDS; i++) {
        story_begin(false);
        live(i);
        story_end();
    }
}

Test(bundle_random, http2)
{
    for (uint64_t i = 1; i <= SEEDS; i++) {
        story_begin(true);
        live(100 + i);
        story_end();
    }
}

Test(bundle_random, http2_over_tls)
{
    for (uint64_t i = 1; i <= SEEDS / 2; i++) {
        story_begin_tls();
        live(200 + i);
        story_end();
    }
}
