/* Room: a full memory empties itself, and names are not to be used up from outside. */
#include "common.h"

#include "shard/limits.h"

Test(room, a_full_memory_lets_work_pass_that_takes_no_more_than_it_frees)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("s", "1")));
    fixture_send(f, "t/a", "1", "x");
    fixture_send(f, "t/a", "2", "a message of some length, for an address without state");
    f->config.memory_max = 1;
    fixture_configure(f);
    RESULT(CALL("t/a", "1"), WRITES(set("s", "2")));
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "2");
    RESULT(CALL("t/a", "2"), WRITES(set("s", "1")));
    cr_expect_str_eq(fixture_state(f, "t/a", "2", "s"), "1", "its mailbox goes as well");
    cr_expect_eq(fixture_metrics(f).blocked, 0);
    fixture_close(f);
}

Test(room, flights_count)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].pattern = TEXT("u/*"); /* the mail is held */
    f->quiet = true;
    fixture_configure(f);
    fixture_send(f, "u/a", "0", "x");
    size_t before = fixture_metrics(f).memory_bytes;
    for (int i = 1; i <= 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        fixture_send(f, "u/a", id, "x");
    }
    cr_expect_gt(fixture_metrics(f).memory_bytes - before, 100u * 400);
    fixture_close(f);
}

/* True: it was accepted. Nobody waits for the answer. */
static bool send_to_type(struct fixture *f, int number)
{
    char type[32];
    uint64_t before = fixture_metrics(f).delayed;
    snprintf(type, sizeof type, "t/n%d", number);
    struct shard_event event = {.kind = EVENT_MESSAGE,
                                .message = {.target = fixture_address(type, "1"),
                                            .argument = fixture_value("x"),
                                            .delay_ms = 1000000}};
    fixture_step(f, &event);
    return fixture_metrics(f).delayed > before;
}

Test(room, clients_do_not_use_up_the_names)
{
    struct fixture *f = fixture_open();
    f->quiet = true;
    fixture_send(f, "t/a", "1", "x");
    int sent = 0;
    while (sent < NAMES_MAX && send_to_type(f, sent)) sent++;
    cr_expect_lt(sent, NAMES_MAX_OUTSIDE);
    cr_expect_gt(sent, NAMES_MAX_OUTSIDE - 10);
    cr_expect(send_to_type(f, 0), "what is known already goes on");
    RESULT(CALL("t/a", "1"), SENDS(to("t/other", "1", "y")));
    cr_expect_not_null(CALL("t/other", "1"), "functions still find room");
    fixture_close(f);
}

Test(room, handshakes_come_to_an_end)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "x");
    for (int i = 1; i <= HANDSHAKES_MAX + 1; i++) {
        cr_assert_not_null(CALL("t/a", "1"), "handshake %d", i);
        struct state_spec another = spec_expiring("s", EXPIRE_AFTER_WRITE, 1000 * i);
        fixture_incomplete(f, CALL("t/a", "1"), &another, 1);
    }
    cr_expect_null(CALL("t/a", "1"), "it waits like one that fails");
    cr_expect_eq(fixture_metrics(f).retry_wait, 1);
    fixture_close(f);
}

Test(room, what_a_snapshot_keeps_apart_counts)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    static char text[20001];
    memset(text, 'x', sizeof text - 1);
    f->quiet = true;
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("s", text)));
    size_t before = fixture_metrics(f).memory_bytes;
    cr_assert_eq(shard_cut_begin(f->shard, 0), 0);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("s", "short")));
    cr_expect_gt(fixture_metrics(f).memory_bytes, before - 1000, "the old value is still there");
    struct cut_block block;
    bool found = false;
    while (shard_cut_next(f->shard, &block)) found = found || block.bytes.size > sizeof text - 1;
    cr_expect(found);
    shard_cut_end(f->shard);
    cr_expect_lt(fixture_metrics(f).memory_bytes, before - 15000);
    fixture_close(f);
}
