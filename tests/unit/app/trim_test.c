/* The journal is forgotten behind a snapshot that is real, and behind no other. */
#include "engine_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

TestSuite(trim, .init = world_begin, .fini = world_end, .timeout = 60);

static bool first_segment_is_there(void)
{
    char path[FILE_PATH_MAX];
    snprintf(path, sizeof path, "%s/journal/segment-%020d", world.directory, 1);
    return file_exists(path);
}

/* Until the first segment, of 1 MiB, is full. No function is called: it is only mail. */
static void fill_first_segment(void)
{
    struct journal_metrics metrics;
    do {
        for (int i = 0; i < 200; i++) send_to(NULL, "a/f", "much");
        turn();
        UNTIL(durable() == live_seq());
        journal_metrics(world.engine->journal, &metrics);
    } while (metrics.bytes_appended < 3 << 19);
}

Test(trim, a_snapshot_that_did_not_come_to_be_forgets_nothing)
{
    struct asked asked;
    world_open();
    world_configure(0, false);
    fill_first_segment();
    cr_assert(first_segment_is_there());
    faults_set(FILE_CALL_RENAME, "snapshots/", EIO);
    ask_for_snapshot(&asked);
    UNTIL(asked.told > 0);
    cr_assert_neq(asked.error, 0);
    turn_for_ms(200);
    cr_assert(first_segment_is_there(), "there is no snapshot that holds its records");
    uint64_t digest = shard_digest(world.engine->shard);
    world_kill();
    faults_clear();
    struct offline image = offline_image();
    cr_assert_eq(image.snapshot_seq, 0);
    cr_assert_eq(image.digest, digest);
}
