/* Several engines in threads of their own: they start together, stand still when told, and end. */
#include "app/crew.h"
#include "app/shard_files.h"
#include "unit/app/engine_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { SHARDS = 3 };

static struct crew crew;
static struct lock *lock;
static unsigned failures;

static void failed(void *context, const char *why)
{
    (void)context, (void)why;
    failures++;
}

static int open_crew(struct errmsg *errmsg)
{
    struct crew_options options = {.count = SHARDS,
                                   .data = world.directory,
                                   .loop = world.loop,
                                   .inbox = &world.gateway->inbox,
                                   .failed = failed};
    return crew_open(&crew, &options, errmsg);
}

static void begin(void)
{
    uint32_t count;
    struct errmsg errmsg = {{0}};
    world_begin();
    cr_assert_eq(shard_files_settle(world.directory, SHARDS, true, &count, &lock, &errmsg), 0);
    cr_assert_eq(open_crew(&errmsg), 0, "%s", errmsg.text);
}

static void end(void)
{
    crew_stop(&crew);
    if (crew.stations != NULL) crew_close(&crew);
    shard_files_release(lock);
    world_end();
    cr_assert_eq(failures, 0);
}

TestSuite(crew, .init = begin, .fini = end, .timeout = 60);

static void see_all(struct station_sight sights[SHARDS])
{
    for (uint32_t i = 0; i < SHARDS; i++) station_look(&crew.stations[i], &sights[i]);
}

static bool all_durable(void)
{
    struct station_sight sights[SHARDS];
    see_all(sights);
    for (int i = 0; i < SHARDS; i++)
        if (sights[i].durable < sights[i].seq) return false;
    return true;
}

Test(crew, each_shard_has_its_place)
{
    for (uint32_t i = 0; i < SHARDS; i++) {
        cr_assert_eq(shard_number(crew.stations[i].engine.shard), i);
        cr_assert_eq(shard_count(crew.stations[i].engine.shard), SHARDS);
    }
}

/* A savepoint's mark is a record that each engine writes: here, all by our hand while they stand.
 */
Test(crew, what_is_done_to_them_while_they_stand_still_goes_out_after)
{
    struct station_sight before[SHARDS], after[SHARDS];
    cr_assert_eq(crew_start(&crew), 0);
    for (uint64_t round = 1; round <= 20; round++) {
        cr_assert(crew_pause(&crew));
        see_all(before);
        for (int i = 0; i < SHARDS; i++) engine_cut(&crew.stations[i].engine, round);
        crew_resume(&crew);
        UNTIL((see_all(after), after[0].seq > before[0].seq && after[1].seq > before[1].seq &&
                                   after[2].seq > before[2].seq && all_durable()));
    }
    cr_assert(crew_pause(&crew));
    for (int i = 0; i < SHARDS; i++)
        cr_assert_eq(shard_cut_known(crew.stations[i].engine.shard), 20);
    crew_resume(&crew);
}

/* An engine that does not come in time is not waited for, and its order does no harm later. */
Test(crew, one_that_is_held_up_does_not_hold_up_the_others)
{
    cr_assert_eq(crew_start(&crew), 0);
    pthread_mutex_lock(&crew.mutex);
    crew.stations[1].pause_out = true; /* as if it were on its way for ever */
    pthread_mutex_unlock(&crew.mutex);
    cr_assert_not(crew_pause(&crew));
    pthread_mutex_lock(&crew.mutex);
    crew.stations[1].pause_out = false;
    pthread_mutex_unlock(&crew.mutex);
    cr_assert(crew_pause(&crew));
    crew_resume(&crew);
}

Test(crew, what_is_not_durable_is_watched_until_it_is)
{
    cr_assert_eq(crew_start(&crew), 0);
    UNTIL(!crew_watch(&crew, false));
    cr_assert(crew_watch(&crew, true));
    cr_assert_eq(crew_sync_hangs_us(&crew), 0);
}

Test(crew, they_come_back_with_what_they_had)
{
    uint64_t cuts[SHARDS];
    struct errmsg errmsg = {{0}};
    cr_assert_eq(crew_start(&crew), 0);
    crew_stop(&crew);
    for (int i = 0; i < SHARDS; i++) engine_cut(&crew.stations[i].engine, 9);
    for (int i = 0; i < SHARDS; i++) engine_flush(&crew.stations[i].engine);
    for (int i = 0; i < SHARDS; i++) cuts[i] = shard_cut_known(crew.stations[i].engine.shard);
    crew_close(&crew);
    cr_assert_eq(open_crew(&errmsg), 0, "%s", errmsg.text);
    for (int i = 0; i < SHARDS; i++)
        cr_assert_eq(shard_cut_known(crew.stations[i].engine.shard), cuts[i]);
}

Test(crew, when_one_cannot_be_read_none_is_open)
{
    struct errmsg errmsg = {{0}};
    crew_close(&crew);
    char from[200], to[200];
    snprintf(from, sizeof from, "%s/shards/1", world.directory);
    snprintf(to, sizeof to, "%s/shards/aside", world.directory);
    cr_assert_eq(rename(from, to), 0);
    snprintf(to, sizeof to, "%s/shards/2", world.directory);
    cr_assert_eq(rename(to, from), 0);
    cr_assert_neq(open_crew(&errmsg), 0);
    cr_assert_not_null(strstr(errmsg.text, "shards/1"), "%s", errmsg.text);
    cr_assert_null(crew.stations);
}
