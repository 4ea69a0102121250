/* One response: its order, all or nothing, and what happens to the mailbox. */
#include "common.h"

Test(apply, messages_then_delayed_then_egress_then_state)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"),
           SENDS(to("t/b", "x", "one"), to("t/a", "1", "myself"), to("t/b", "x", "two")),
           DELAYED(later("t/b", "x", "delayed", 0, "")), EGRESS(out("t/out", "e")),
           WRITES(set("s", "v")));
    const struct shard_invocation *call = CALL("t/b", "x");
    cr_assert_not_null(call);
    cr_expect(span_equal(call->request.messages[0].caller.type, TEXT("t/a")));
    cr_expect(span_equal(call->request.messages[0].caller.id, TEXT("1")));
    /* both sends are of one record, so they are one batch */
    cr_expect_eq(call->request.message_count, 2);
    cr_expect_str_eq(fixture_argument(call, 0), "one");
    cr_expect_str_eq(fixture_argument(call, 1), "two");
    call = CALL("t/a", "1");
    cr_assert_not_null(call);
    cr_expect_str_eq(fixture_argument(call, 0), "myself");
    cr_expect(span_equal(call->request.messages[0].caller.id, TEXT("1")));
    cr_expect_eq(call->request.state_count, 1);
    cr_expect(span_equal(call->request.states[0].value, TEXT("v")));
    fixture_pass(f, 0);
    RESULT(CALL("t/b", "x"), 0);
    cr_expect_str_eq(fixture_argument(CALL("t/b", "x"), 0), "delayed");
    fixture_close(f);
}

Test(apply, ids_count_within_the_record)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"), SENDS(to("t/b", "x", "one"), to("t/b", "y", "two")));
    struct span x = CALL("t/b", "x")->invocation_id, y = CALL("t/b", "y")->invocation_id;
    cr_expect_eq(x.at[x.size - 3], '0');
    cr_expect_eq(y.at[y.size - 3], '1');
    cr_expect_eq(memcmp(x.at, y.at, x.size - 3), 0);
    fixture_close(f);
}

/* Everything else is right in a response, one thing is wrong: nothing of it may happen. */
static void expect_nothing(struct fixture *f, struct function_response *bad, const char *reason)
{
    fixture_send(f, "t/a", "1", "go");
    struct effect_message sends[3] = {to("t/b", "1", "leaks")};
    struct effect_egress egress[3] = {out("t/out", "leaks")};
    struct effect_mutation writes[3] = {set("s", "leaks")};
    struct effect_delayed delayed[3] = {later("t/b", "2", "leaks", 0, "leak")};
    struct function_response all = {.messages = sends,
                                    .message_count = 1,
                                    .egress = egress,
                                    .egress_count = 1,
                                    .mutations = writes,
                                    .mutation_count = 1,
                                    .delayed = delayed,
                                    .delayed_count = 1};
    if (bad->message_count > 0) sends[all.message_count++] = bad->messages[0];
    if (bad->egress_count > 0) egress[all.egress_count++] = bad->egress[0];
    if (bad->mutation_count > 0) writes[all.mutation_count++] = bad->mutations[0];
    for (size_t i = 0; i < bad->delayed_count; i++) delayed[all.delayed_count++] = bad->delayed[i];
    struct event_response response = {
        .outcome = OUTCOME_RESULT, .response = &all, .retry_after_ms = -1};
    fixture_respond(f, CALL("t/a", "1")->flight, &response);
    fixture_pass(f, 1);
    cr_expect_null(CALL("t/b", "1"));
    cr_expect_null(CALL("t/b", "2"));
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    cr_expect_eq(fixture_metrics(f).egress_waiting, 0);
    cr_expect_eq(fixture_metrics(f).delayed, 0);
    const struct fixture_answer *parked = fixture_query(
        f, (struct event_query){.kind = QUERY_PARKED_ONE, .address = fixture_address("t/a", "1")});
    cr_assert_eq(parked->kind, ANSWER_ROWS, "%s", reason);
    cr_expect(fixture_contains(parked, reason), "%s: %.*s", reason, (int)parked->body.size,
              parked->body.at);
    struct shard_event skip = {
        .kind = EVENT_OPERATOR,
        .operate = {.verb = VERB_SKIP, .address = fixture_address("t/a", "1")}};
    fixture_ask(f, &skip);
}

Test(apply, all_or_nothing)
{
    struct fixture *f = fixture_open();
    static char token[2000];
    memset(token, 'c', 1025);
    f->endpoints[0].attempts_max = 1;
    f->endpoints[0].state_bytes_max = 100;
    fixture_configure(f);
    struct state_spec specs[] = {spec("s"), spec("r")};
    fixture_register(f, "t/a", "1", specs, 2);
#define BAD(reason, ...) expect_nothing(f, &(struct function_response){__VA_ARGS__}, reason)
    BAD("reserved", SENDS(to("holdfast/x", "1", "x")));
    BAD("namespace/name", SENDS(to("nonsense", "1", "x")));
    BAD("an id that is empty", SENDS(to("t/b", "", "x")));
    BAD("not declare", EGRESS(out("t/nowhere", "x")));
    BAD("not declare", EGRESS(out("holdfast/dead-letters", "x")));
    BAD("has not registered", WRITES(set("unknown", "x")));
    BAD("has not registered", WRITES(unset("unknown")));
    BAD("registered as", WRITES({.name = TEXT("r"), .type_name = TEXT("t/w"), .value = TEXT("x")}));
    BAD("waits already", DELAYED(later("t/b", "2", "x", 5, "leak")));
    BAD("waits already",
        DELAYED(later("t/b", "2", "x", 5, "new"), later("t/b", "2", "x", 9, "new")));
    BAD("longer than 1024", DELAYED(later("t/b", "2", "x", 5, token)));
    BAD("reserved", DELAYED(later("holdfast/reply", "2", "x", 5, "")));
    token[101] = 0;
    BAD("over the limit of 100", WRITES(set("r", token)));
    fixture_close(f);
}

Test(apply, the_last_mutation_of_a_name_counts)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s"), spec("r")};
    fixture_register(f, "t/a", "1", specs, 2);
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"),
           WRITES(set("s", "1"), unset("r"), set("s", "2"), set("r", "3"), unset("s")));
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "r"), "3");
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"), WRITES(unset("r")));
    cr_expect_eq(fixture_metrics(f).keys, 0, "an address without values is no key");
    fixture_close(f);
}

Test(apply, an_empty_value_is_not_absent)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"), WRITES(set("s", "")));
    fixture_crash(f);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "");
    fixture_send(f, "t/a", "1", "go");
    cr_expect(CALL("t/a", "1")->request.states[0].present);
    fixture_close(f);
}

Test(apply, a_crash_before_the_record_is_durable_calls_again_with_the_same_id)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "go");
    char id[200];
    snprintf(id, sizeof id, "%.*s", SPAN_PRINT(CALL("t/a", "1")->invocation_id));
    f->hold_durable = true;
    RESULT(CALL("t/a", "1"), SENDS(to("t/b", "1", "x")), WRITES(set("s", "1")),
           EGRESS(out("t/out", "e")), DELAYED(later("t/b", "2", "x", 0, "")));
    cr_expect_not_null(CALL("t/b", "1"));
    fixture_crash(f);
    cr_expect_null(CALL("t/b", "1"));
    cr_expect_eq(fixture_metrics(f).egress_waiting, 0);
    cr_expect_eq(fixture_metrics(f).delayed, 0);
    cr_expect(span_equal(CALL("t/a", "1")->invocation_id, span_text(id)));
    cr_expect_not(CALL("t/a", "1")->request.states[0].present);
    fixture_close(f);
}

Test(apply, ten_thousand_of_each_in_one_response)
{
    struct fixture *f = fixture_open();
    enum { COUNT = 10000 };
    static struct effect_message sends[COUNT];
    static struct effect_delayed delayed[COUNT];
    static struct effect_egress egress[COUNT];
    static char tokens[COUNT][12];
    fixture_send(f, "t/a", "1", "go");
    for (int i = 0; i < COUNT; i++) {
        snprintf(tokens[i], sizeof tokens[i], "%d", i);
        sends[i] = to("t/b", tokens[i], "x");
        delayed[i] = later("t/c", tokens[i], "x", 1000, tokens[i]);
        egress[i] = out("t/out", "x");
    }
    RESULT(CALL("t/a", "1"), .messages = sends, .message_count = COUNT, .delayed = delayed,
           .delayed_count = COUNT, .egress = egress, .egress_count = COUNT);
    struct shard_metrics metrics = fixture_metrics(f);
    cr_expect_eq(metrics.mailbox_messages, COUNT);
    cr_expect_eq(metrics.delayed, COUNT);
    cr_expect_eq(metrics.egress_waiting, COUNT);
    fixture_crash(f);
    f->endpoints[0].window_max = 0;
    fixture_configure(f);
    fixture_pass(f, 1000);
    cr_expect_eq(fixture_metrics(f).delayed, 0);
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 2 * COUNT);
    fixture_close(f);
}
