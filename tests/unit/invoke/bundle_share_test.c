/* What comes back for many addresses shares the turn with all that comes back besides. */
#include "bundle_story.h"

#include <unistd.h>

TestSuite(bundle_share, .timeout = 60);
TestSuite(bundle_share_h2, .timeout = 60);

enum { RIDERS = 8, OTHERS = 256, FOLLOW_UPS = 600, RESULT_EXTRA = 2000 };

/* The first bundle's last outcome does not come before the gate is opened wide. */
static void all_but_one_of_the_first(struct visit *visit)
{
    struct buffer out;
    if (visit->number > 0) {
        say_all_well(visit);
        return;
    }
    visit_wait(visit, 1);
    buffer_init(&out);
    for (uint32_t i = 0; i + 1 < visit->count; i++) put_result(&out, visit, i);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    say_buffer(visit, &out);
    visit_wait(visit, 2);
    buffer_init(&out);
    put_result(&out, visit, visit->count - 1);
    say_buffer(visit, &out);
    say_end(visit);
}

/* However many whole answers come, the first outcomes of one that goes on are told meanwhile. */
STORY(bundle_share, who_is_done_does_not_wait_until_nobody_else_is)
{
    s.bundle = all_but_one_of_the_first;
    serve();
    int first = call_many(RIDERS);
    while (atomic_load(&s.bundles) == 0) fixture_idle(&f, 1);
    s.extra = RESULT_EXTRA;
    f.follow_ups = FOLLOW_UPS;
    call_many(OTHERS);
    while (f.told_count < OTHERS / 2) cr_assert_eq(loop_turn(&f.loop, 20), 0);
    atomic_store(&s.gate, 1);
    usleep(20000); /* until it is here */
    int before = f.told_count;
    while (f.told[first].count == 0 && f.told_count < f.called - 1)
        cr_assert_eq(loop_turn(&f.loop, 20), 0);
    cr_expect_eq(f.told[first].count, 1);
    cr_expect_lt(f.told_count - before, OTHERS, "%d others were told before",
                 f.told_count - before);
    f.follow_ups = 0;
    atomic_store(&s.gate, 2);
    all_told();
}

/* One outcome, and then again and again that the same one is undone, two bytes each. */
static void endless(struct visit *visit)
{
    struct buffer out;
    buffer_init(&out);
    put_result(&out, visit, 0);
    for (int i = 0; i < 65536; i++) put_undone(&out, 0);
    say_head(visit, 200, BUNDLE_CONTENT_TYPE, "");
    for (int i = 0; i < 20 && !visit->gone; i++) say(visit, out.at, out.size);
    buffer_close(&out);
    if (visit->peer == NULL) visit_wait(visit, 1);
}

/* It takes the loop's time and says nothing: soon it is not listened to any more. */
STORY(bundle_share, who_says_the_same_for_ever_is_not_listened_to)
{
    s.bundle = endless;
    serve();
    uint64_t before = metrics_now().bytes_in;
    int first = call_many(RIDERS);
    cr_assert(fixture_wait(&f, f.called, 2000));
    cr_expect_lt(metrics_now().bytes_in - before, 1500000); /* a window may be on its way */
    expect_results(first, f.called);
    expect_rode(first, first + 1, 0);
    expect_rode(first + 1, f.called, 1);
    atomic_store(&s.gate, 1);
    all_told();
}
