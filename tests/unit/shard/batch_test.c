/* Batches: in order, capped by count, bytes and state, halved on 413, bisected to the poison. */
#include "common.h"

static void send_all(struct fixture *f, const char *texts)
{
    for (; *texts != 0; texts++) fixture_send(f, "t/a", "1", (char[]){*texts, 0});
}

/* The texts of a call, one letter each. */
static const char *letters(const struct shard_invocation *call)
{
    static char text[2048];
    cr_assert_not_null(call);
    for (size_t i = 0; i < call->request.message_count; i++) text[i] = fixture_argument(call, i)[0];
    text[call->request.message_count] = 0;
    return text;
}

Test(batch, mail_that_came_during_a_call_is_the_next_batch)
{
    struct fixture *f = fixture_open();
    send_all(f, "abcd");
    cr_expect_str_eq(letters(CALL("t/a", "1")), "a");
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_str_eq(letters(CALL("t/a", "1")), "bcd");
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_null(CALL("t/a", "1"));
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    fixture_close(f);
}

Test(batch, capped_by_count)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].batch_count_max = 3;
    fixture_configure(f);
    send_all(f, "abcdefgh");
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_str_eq(letters(CALL("t/a", "1")), "bcd");
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_str_eq(letters(CALL("t/a", "1")), "efg");
    fixture_close(f);
}

Test(batch, capped_by_bytes_with_its_state)
{
    struct fixture *f = fixture_open();
    static char text[1000];
    memset(text, 'x', sizeof text - 1);
    f->endpoints[0].batch_bytes_max = 5000;
    fixture_configure(f);
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    for (int i = 0; i < 9; i++) fixture_send(f, "t/a", "1", text);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_eq(CALL("t/a", "1")->request.message_count, 4);
    static char state[3001];
    memset(state, 's', sizeof state - 1);
    RESULT(CALL("t/a", "1"), WRITES(set("s", state)));
    cr_expect_eq(CALL("t/a", "1")->request.message_count, 1);
    fixture_close(f);
}

Test(batch, 413_halves_without_counting)
{
    struct fixture *f = fixture_open();
    send_all(f, "abcdefghi");
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_str_eq(letters(CALL("t/a", "1")), "bcdefghi");
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_TOO_LARGE, "HTTP 413");
    cr_expect_str_eq(letters(CALL("t/a", "1")), "bcde", "at once");
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_TOO_LARGE, "HTTP 413");
    cr_expect_str_eq(letters(CALL("t/a", "1")), "bc");
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_str_eq(letters(CALL("t/a", "1")), "defg", "it grows again");
    RESULT(CALL("t/a", "1"), 0);
    RESULT(CALL("t/a", "1"), 0);
    fixture_send(f, "t/a", "1", "z");
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_TOO_LARGE, "HTTP 413: 2000000 bytes");
    cr_expect_null(CALL("t/a", "1"), "one message alone: the address fails");
    fixture_pass(f, 20);
    cr_expect_eq(CALL("t/a", "1")->attempt, 2);
    fixture_close(f);
}

Test(batch, bisects_to_the_poison_message_which_parks_alone)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 2;
    fixture_configure(f);
    send_all(f, "0abcdXefg");
    RESULT(CALL("t/a", "1"), 0);
    char applied[20] = "";
    for (int i = 0; i < 40 && fixture_metrics(f).parked_now == 0; i++) {
        const struct shard_invocation *call = CALL("t/a", "1");
        if (call == NULL) {
            fixture_pass(f, 20);
            continue;
        }
        const char *batch = letters(call);
        if (strchr(batch, 'X') != NULL) {
            fixture_fail(f, call, OUTCOME_BAD_ANSWER, "HTTP 500: X");
        } else {
            strcat(applied, batch);
            RESULT(call, 0);
        }
    }
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    cr_expect_str_eq(applied, "abcd", "what stood before it went through");
    const struct fixture_answer *parked = fixture_query(
        f, (struct event_query){.kind = QUERY_PARKED_ONE, .address = fixture_address("t/a", "1")});
    cr_expect(fixture_contains(parked, "HTTP 500: X"));
    cr_expect(fixture_contains(parked, "\"attempts\":2"), "the batch's failures are not counted");
    struct shard_event skip = {
        .kind = EVENT_OPERATOR,
        .operate = {.verb = VERB_SKIP, .address = fixture_address("t/a", "1")}};
    fixture_ask(f, &skip);
    cr_expect_str_eq(letters(CALL("t/a", "1")), "efg");
    fixture_close(f);
}

Test(batch, a_state_write_ends_a_batch)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    send_all(f, "ab");
    struct shard_event write = {.kind = EVENT_STATE,
                                .state = {.address = fixture_address("t/a", "1"),
                                          .name = TEXT("s"),
                                          .type_name = TEXT("t/v"),
                                          .value = TEXT("w")}};
    waiter_t waiter = fixture_ask(f, &write);
    send_all(f, "c");
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_str_eq(letters(CALL("t/a", "1")), "b");
    cr_expect_not(CALL("t/a", "1")->request.states[0].present);
    RESULT(CALL("t/a", "1"), WRITES(set("s", "of the function")));
    cr_expect_eq(KIND(waiter), ANSWER_DONE);
    cr_expect_str_eq(letters(CALL("t/a", "1")), "c");
    cr_expect(span_equal(CALL("t/a", "1")->request.states[0].value, TEXT("w")));
    fixture_close(f);
}

Test(batch, a_failing_message_does_not_count_for_its_successor)
{
    struct fixture *f = fixture_open();
    send_all(f, "a");
    for (int i = 0; i < 3; i++) {
        fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 500");
        fixture_pass(f, 10000);
    }
    cr_expect_eq(CALL("t/a", "1")->attempt, 4);
    send_all(f, "b");
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_eq(CALL("t/a", "1")->attempt, 1);
    fixture_close(f);
}

Test(batch, one_that_is_over_the_payload_parks_with_the_sizes)
{
    struct fixture *f = fixture_open();
    static char text[400];
    memset(text, 'x', sizeof text - 1);
    f->endpoints[0].payload_bytes_max = 600;
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("s", text)));
    fixture_send(f, "t/a", "1", text);
    cr_expect_null(CALL("t/a", "1"), "the function would refuse it in any case");
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    f->endpoints[0].payload_bytes_max = 6000; /* the operator's way out */
    fixture_configure(f);
    struct shard_event retry = {.kind = EVENT_OPERATOR,
                                .operate = {VERB_RETRY, fixture_address("t/a", "1"), TEXT("test")}};
    fixture_ask(f, &retry);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    fixture_close(f);
}
