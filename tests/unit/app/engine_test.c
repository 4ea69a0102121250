/* The order of things: records before anything goes outside, answers only when the disk has it. */
#include "unit/app/engine_fixture.h"
#include "unit/app/fake_invoke.h"

#include <unistd.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { MANY = 12 }; /* more than are committed for in the engine's own thread */

static struct client clients[MANY];

static void begin(void)
{
    world_begin();
    for (int i = 0; i < MANY; i++) client_init(&clients[i]);
}

TestSuite(engine, .init = begin, .fini = world_end, .timeout = 60);

static void send_many(void)
{
    for (int i = 0; i < MANY; i++) {
        char id[20];
        snprintf(id, sizeof id, "id-%d", i);
        send_to(&clients[i], "a/f", id);
    }
}

static unsigned answered_of_many(void)
{
    unsigned count = 0;
    for (int i = 0; i < MANY; i++) {
        cr_assert_leq(clients[i].answers, 1);
        if (clients[i].answers == 0) continue;
        count++;
        cr_assert_eq(clients[i].kind, ANSWER_ACCEPTED);
        cr_assert(clients[i].was_durable);
    }
    return count;
}

static bool sync_is_met(void)
{
    return atomic_load(&faults.hits) > 0;
}

/* ---- Durable first ---- */

Test(engine, answers_wait_for_the_disk)
{
    world_start();
    faults_hold(FILE_CALL_SYNC, "journal/segment-");
    send_many();
    UNTIL(sync_is_met());
    turn_for_ms(60);
    cr_assert_eq(answered_of_many(), 0);
    cr_assert_lt(durable(), clients[0].sent_seq);
    atomic_store(&faults.hold, false);
    UNTIL(answered_of_many() == MANY);
    cr_assert_eq(world.failures, 0);
}

/* Nothing else goes on then: calls wait for the disk, too. */
static void start_durable(void)
{
    world_open();
    world_configure(64, true);
}

Test(engine, one_waiter_is_committed_for_at_once)
{
    start_durable();
    send_to(&clients[0], "a/f", "x");
    turn();
    cr_assert_eq(clients[0].answers, 1, "within the turn");
    cr_assert(clients[0].was_durable);
}

Test(engine, calls_need_not_wait_but_their_replies_do)
{
    world_start();
    faults_hold(FILE_CALL_SYNC, "journal/segment-");
    send_many(); /* so that nothing is committed in this thread */
    UNTIL(sync_is_met());
    leave(&clients[0]);
    call_to(&clients[0], "b/f", "x", "0123456789abcdef0123456789abcdef");
    UNTIL(fake_invoke.call_count == 2); /* the first to each endpoint */
    cr_assert_str_eq(fake_invoke.calls[1].type, "b/f");
    cr_assert_lt(fake_invoke.calls[1].durable, clients[0].sent_seq, "called before it is durable");
    fake_result(1);
    UNTIL(fake_invoke.call_count == 3); /* after its handshake */
    fake_result(2);
    turn_for_ms(40);
    cr_assert_eq(clients[0].answers, 0);
    clients[0].sent_seq = live_seq(); /* the reply is in the last record */
    atomic_store(&faults.hold, false);
    UNTIL(clients[0].answers > 0);
    cr_assert_eq(clients[0].kind, ANSWER_REPLY);
    cr_assert(clients[0].was_durable);
}

Test(engine, calls_wait_for_the_disk_when_told_to)
{
    start_durable();
    faults_hold(FILE_CALL_SYNC, "journal/segment-");
    send_many();
    UNTIL(sync_is_met());
    turn_for_ms(40);
    cr_assert_eq(fake_invoke.call_count, 0);
    atomic_store(&faults.hold, false);
    UNTIL(fake_invoke.call_count == 1);
    cr_assert_geq(fake_invoke.calls[0].durable, clients[0].sent_seq);
}

Test(engine, what_nobody_waits_for_becomes_durable_soon)
{
    world_start();
    send_to(NULL, "a/f", "x");
    turn();
    uint64_t seq = live_seq();
    int64_t begin_us = clock_mono_us();
    cr_assert_lt(durable(), seq);
    UNTIL(durable() >= seq);
    cr_assert_lt(clock_mono_us() - begin_us, 2000000);
}

/* ---- The disk fails ---- */

static void call_many(void)
{
    for (int i = 0; i < MANY; i++) {
        char id[20], token[33];
        snprintf(id, sizeof id, "id-%d", i);
        snprintf(token, sizeof token, "%032x", i + 1);
        call_to(&clients[i], "a/f", id, token);
    }
}

static uint64_t commits(void)
{
    struct journal_metrics metrics;
    journal_metrics(world.engine->journal, &metrics);
    return metrics.commits;
}

static unsigned replied_of_many(void)
{
    unsigned count = 0;
    for (int i = 0; i < MANY; i++) {
        count += clients[i].answers;
        cr_assert(clients[i].answers == 0 || clients[i].was_durable);
    }
    return count;
}

/* Nothing else comes, nor is there a timer: its own end of the put-off. */
Test(engine, of_many_who_wait_one_is_not_committed_for_at_once_but_soon)
{
    world_start();
    call_to(&clients[0], "a/f", "id-0", "0123456789abcdef0123456789abcdef");
    UNTIL((fake_results(), clients[0].answers == 1)); /* what the function keeps is known now */
    client_init(&clients[0]);
    call_many();
    UNTIL(fake_invoke.open > 0 && durable() == live_seq());
    uint64_t before = commits();
    world.engine->pace.sync_us = WAIT_US_MAX; /* put off for as long as can be */
    fake_result(fake_invoke.call_count - 1);
    for (int i = 0; i < MANY; i++) clients[i].sent_seq = live_seq(); /* the reply is in the last */
    turn();
    cr_assert_eq(commits(), before);
    cr_assert(world.engine->commit_waits);
    for (int i = 0; i < PACE_QUIET_TURNS && world.engine->commit_waits; i++) turn();
    cr_assert_not(world.engine->commit_waits);
    UNTIL(replied_of_many() > 0);
    cr_assert_eq(replied_of_many(), 1);
}

Test(engine, a_failed_sync_ends_it_and_nobody_is_answered)
{
    world_start();
    faults_set(FILE_CALL_SYNC, "journal/segment-", EIO);
    send_many();
    UNTIL(world.failures > 0);
    cr_assert_not_null(strstr(world.why, "segment-"), "%s", world.why);
    faults_clear();
    struct client late;
    client_init(&late);
    send_to(&late, "a/f", "late");
    turn_for_ms(60);
    cr_assert_eq(world.failures, 1);
    cr_assert_eq(answered_of_many(), 0);
    cr_assert_eq(late.answers, 0);
    world_close();
    world_start(); /* whatever the directory holds: it opens again */
    send_to(&late, "a/f", "late");
    UNTIL(late.answers == 1);
}

Test(engine, a_failed_sync_in_its_own_thread_too)
{
    start_durable();
    faults_set(FILE_CALL_SYNC, "journal/segment-", EIO);
    send_to(&clients[0], "a/f", "x");
    turn();
    cr_assert_eq(world.failures, 1);
    turn_for_ms(60);
    cr_assert_eq(world.failures, 1);
    cr_assert_eq(clients[0].answers, 0);
}

Test(engine, a_failed_write_ends_it)
{
    world_start();
    faults_set(FILE_CALL_WRITE, "journal/segment-", EIO);
    send_many();
    UNTIL(world.failures > 0);
    turn_for_ms(20);
    cr_assert_eq(answered_of_many(), 0);
}

/* The journal has failed, and the engine has not heard of it yet. */
/* Its own writes to the segment, ahead of the records, are over. */
static void wait_for_preparer(void)
{
    int hits;
    faults_set(FILE_CALL_WRITE, "journal/segment-", 0);
    do {
        hits = (int)atomic_load(&faults.hits);
        usleep(300000);
    } while (hits != (int)atomic_load(&faults.hits));
}

Test(engine, a_journal_that_takes_no_records_lets_no_call_out)
{
    world_start();
    wait_for_preparer();
    faults_set(FILE_CALL_WRITE, "journal/segment-", EIO);
    send_many();
    UNTIL(fake_invoke.open == 1);
    for (int64_t until_us = clock_mono_us() + WAIT_US_MAX;
         journal_failed(world.engine->journal, NULL) == 0;)
        cr_assert_lt(clock_mono_us(), until_us);
    send_to(NULL, "b/f", "x");
    engine_flush(world.engine);
    cr_assert_eq(world.failures, 1);
    cr_assert_eq(fake_invoke.open, 1);
    cr_assert_eq(answered_of_many(), 0);
}

/* ---- Leaving ---- */

static void leave_next(struct client *client)
{
    leave(client + 1);
}

Test(engine, a_waiter_that_leaves_while_its_answer_is_on_its_way)
{
    world_start();
    clients[0].then = leave_next; /* the answer to 1 is in the same update */
    faults_hold(FILE_CALL_SYNC, "journal/segment-");
    send_many();
    UNTIL(sync_is_met());
    atomic_store(&faults.hold, false);
    UNTIL(clients[MANY - 1].answers == 1);
    cr_assert_eq(clients[0].answers, 1);
    cr_assert_eq(clients[1].answers, 0);
    cr_assert_eq(answered_of_many(), MANY - 1);
}

Test(engine, a_waiter_that_leaves_before_the_disk_is_done)
{
    world_start();
    faults_hold(FILE_CALL_SYNC, "journal/segment-");
    send_many();
    UNTIL(sync_is_met());
    leave(&clients[3]);
    atomic_store(&faults.hold, false);
    UNTIL(clients[MANY - 1].answers == 1);
    turn_for_ms(20);
    cr_assert_eq(clients[3].answers, 0);
    cr_assert_eq(answered_of_many(), MANY - 1);
}

Test(engine, a_refusal_taken_back_in_the_turn_it_was_made)
{
    world_start();
    send_to(&clients[0], "nobody/f", "x");
    send_to(&clients[1], "nobody/f", "x");
    leave(&clients[0]);
    cr_assert_eq(clients[1].answers, 0, "never from within submit");
    turn();
    cr_assert_eq(clients[0].answers, 0);
    cr_assert_eq(clients[1].answers, 1);
    cr_assert_eq(clients[1].kind, ANSWER_UNKNOWN_FUNCTION);
}

static void leave_and_ask_anew(struct client *client)
{
    struct client *next = client + 1;
    leave(next);
    client_init(next);
    send_to(next, "nobody/f", "x");
}

Test(engine, the_memory_of_a_waiter_is_used_again_at_once)
{
    world_start();
    clients[0].then = leave_and_ask_anew;
    faults_hold(FILE_CALL_SYNC, "journal/segment-");
    send_many();
    UNTIL(sync_is_met());
    atomic_store(&faults.hold, false);
    UNTIL(clients[MANY - 1].answers == 1);
    UNTIL(clients[1].answers > 0);
    turn_for_ms(20);
    cr_assert_eq(clients[1].answers, 1);
    cr_assert_eq(clients[1].kind, ANSWER_UNKNOWN_FUNCTION, "only the second question's");
}

static void ask_another(struct client *client)
{
    send_to(client + 1, "a/f", "x");
}

Test(engine, an_answer_that_leads_to_a_question)
{
    world_start();
    for (int i = 0; i < MANY - 1; i++) clients[i].then = ask_another;
    send_to(&clients[0], "a/f", "x");
    UNTIL(clients[MANY - 1].answers == 1);
    cr_assert_eq(answered_of_many(), MANY);
}

/* ---- Endpoints change ---- */

static void configure_only_b(void)
{
    struct errmsg errmsg;
    struct invoke_endpoint call = {.pattern = SPAN_LITERAL("b/*")};
    struct shard_endpoint endpoint = {.pattern = call.pattern,
                                      .window_max = 10,
                                      .batch_count_max = 20,
                                      .batch_bytes_max = 1 << 20,
                                      .payload_bytes_max = 1 << 20,
                                      .expose = true};
    struct shard_config config = {.endpoints = &endpoint,
                                  .endpoint_count = 1,
                                  .memory_max = 256 << 20,
                                  .outbox_bytes_max = 64 << 20,
                                  .dedup_window_ms = 60000,
                                  .dedup_bytes_max = 1 << 20,
                                  .reply_keep_ms = 60000};
    engine_flush(world.engine);
    cr_assert_eq(invoke_configure(world.engine->invoke, &call, 1, &errmsg), 0);
    cr_assert_eq(engine_configure(world.engine, &config), 0);
}

static bool was_called(const char *id)
{
    for (size_t i = 0; i < fake_invoke.call_count; i++)
        if (strcmp(fake_invoke.calls[i].id, id) == 0) return true;
    return false;
}

static void results_until_called(const char *id)
{
    UNTIL((fake_results(), was_called(id)));
    fake_results();
}

/* Patterns and function types of this test begin with the same letter. */
static void must_match_all(void)
{
    for (size_t i = 0; i < fake_invoke.call_count; i++)
        cr_assert_eq(fake_invoke.calls[i].type[0], fake_invoke.calls[i].pattern[0], "call %zu", i);
}

Test(engine, calls_decided_before_a_reload_go_to_the_endpoint_they_were_decided_for)
{
    world_start();
    send_to(NULL, "a/f", "x");
    send_to(NULL, "b/f", "x");
    cr_assert_eq(fake_invoke.call_count, 0, "they leave at the end of the turn");
    configure_only_b(); /* what was 1 is 0 */
    cr_assert_eq(fake_invoke.call_count, 2, "or before the endpoints change");
    send_to(NULL, "b/f", "y");
    results_until_called("y");
    must_match_all();
    size_t before = fake_invoke.call_count;
    send_to(NULL, "a/f", "x");
    turn_for_ms(10);
    cr_assert_eq(fake_invoke.call_count, before, "held, or refused");
    world_configure(10, false);
    send_to(NULL, "a/f", "z");
    results_until_called("z");
    must_match_all();
}
