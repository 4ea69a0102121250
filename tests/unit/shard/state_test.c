/* State specs by handshake, and times to live. */
#include "common.h"

Test(state, handshake_registers_and_calls_again_with_all)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "go");
    struct state_spec specs[] = {spec("one"), spec("two")};
    fixture_incomplete(f, CALL("t/a", "1"), specs, 2);
    const struct shard_invocation *call = CALL("t/a", "1");
    cr_assert_not_null(call);
    cr_expect_eq(call->attempt, 1, "no user code has run");
    cr_assert_eq(call->request.state_count, 2);
    cr_expect_not(call->request.states[0].present);
    cr_expect(span_equal(call->request.states[0].name, TEXT("one")));
    cr_expect(span_equal(call->request.states[0].type_name, TEXT("t/v")));
    RESULT(call, 0);
    fixture_send(f, "t/a", "2", "go");
    cr_expect_eq(CALL("t/a", "2")->request.state_count, 2, "known for the whole type");
    fixture_send(f, "t/b", "1", "go");
    cr_expect_eq(CALL("t/b", "1")->request.state_count, 0, "and only for it");
    RESULT(CALL("t/b", "1"), 0);
    ledger_cut(&f->ledger, f->shard, 5000);
    fixture_crash(f);
    cr_expect_eq(CALL("t/a", "2")->request.state_count, 2, "and after a restart");
    fixture_close(f);
}

Test(state, the_same_missing_twice_fails_the_address)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("one")};
    fixture_send(f, "t/a", "1", "go");
    fixture_incomplete(f, CALL("t/a", "1"), specs, 1);
    fixture_incomplete(f, CALL("t/a", "1"), specs, 1);
    cr_expect_null(CALL("t/a", "1"));
    fixture_pass(f, 10);
    cr_assert_not_null(CALL("t/a", "1"));
    cr_expect_eq(CALL("t/a", "1")->attempt, 2);
    fixture_close(f);
}

Test(state, two_addresses_may_shake_hands_at_once)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("one")};
    f->endpoints[0].window_max = 2;
    fixture_configure(f);
    fixture_send(f, "t/a", "0", "opens the window");
    RESULT(CALL("t/a", "0"), 0);
    fixture_send(f, "t/a", "1", "go");
    fixture_send(f, "t/a", "2", "go");
    fixture_incomplete(f, CALL("t/a", "1"), specs, 1);
    fixture_incomplete(f, CALL("t/a", "2"), specs, 1);
    cr_assert_not_null(CALL("t/a", "2"));
    cr_expect_eq(CALL("t/a", "2")->attempt, 1, "it is not to blame");
    fixture_close(f);
}

Test(state, a_deploy_that_adds_a_state)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("one"), spec("two")};
    fixture_register(f, "t/a", "1", specs, 1);
    fixture_send(f, "t/a", "1", "go");
    RESULT(CALL("t/a", "1"), WRITES(set("one", "kept")));
    fixture_send(f, "t/a", "1", "go");
    fixture_incomplete(f, CALL("t/a", "1"), specs + 1, 1);
    cr_assert_eq(CALL("t/a", "1")->request.state_count, 2);
    cr_expect(span_equal(CALL("t/a", "1")->request.states[0].value, TEXT("kept")));
    fixture_close(f);
}

Test(state, another_type_for_a_name_fails_the_address)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("one")};
    fixture_register(f, "t/a", "1", specs, 1);
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_send(f, "t/a", "1", "go");
    specs[0].type_name = TEXT("t/other");
    fixture_incomplete(f, CALL("t/a", "1"), specs, 1);
    const struct fixture_answer *parked = fixture_query(
        f, (struct event_query){.kind = QUERY_PARKED_ONE, .address = fixture_address("t/a", "1")});
    cr_expect(fixture_contains(parked, "registered as \\\"t/v\\\""), "%.*s", (int)parked->body.size,
              parked->body.at);
    fixture_close(f);
}

Test(state, two_types_for_a_name_in_one_handshake)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    struct state_spec specs[] = {spec("one"), spec("one")};
    specs[1].type_name = TEXT("t/other");
    fixture_send(f, "t/a", "1", "go");
    fixture_incomplete(f, CALL("t/a", "1"), specs, 2);
    cr_expect_null(CALL("t/a", "1"));
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    fixture_close(f);
}

Test(state, two_lives_for_a_name_in_one_handshake_come_to_an_end)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    struct state_spec specs[] = {spec_expiring("one", EXPIRE_AFTER_WRITE, 5),
                                 spec_expiring("one", EXPIRE_AFTER_WRITE, 9)};
    fixture_send(f, "t/a", "1", "go");
    for (int i = 0; i < 10 && CALL("t/a", "1") != NULL; i++)
        fixture_incomplete(f, CALL("t/a", "1"), specs, 2);
    cr_expect_null(CALL("t/a", "1"), "not asked for ever");
    fixture_close(f);
}

Test(state, too_many_states)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    static struct state_spec specs[256];
    static char names[256][16];
    for (int i = 0; i < 256; i++) {
        snprintf(names[i], sizeof names[i], "s%d", i);
        specs[i] = spec(names[i]);
    }
    fixture_register(f, "t/a", "1", specs, 200);
    fixture_send(f, "t/a", "1", "go");
    fixture_incomplete(f, CALL("t/a", "1"), specs + 199, 57);
    cr_expect_eq(CALL("t/a", "1")->request.state_count, 256, "one of them was known");
    RESULT(CALL("t/a", "1"), 0);
    fixture_send(f, "t/a", "1", "go");
    struct state_spec more[] = {spec("one too many")};
    fixture_incomplete(f, CALL("t/a", "1"), more, 1);
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    fixture_close(f);
}

static const struct function_state *seen(struct fixture *f, int i)
{
    fixture_send(f, "t/a", "1", "look");
    return &CALL("t/a", "1")->request.states[i];
}

Test(state, expires_after_write)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec_expiring("s", EXPIRE_AFTER_WRITE, 1000), spec("t")};
    fixture_register(f, "t/a", "1", specs, 2);
    cr_expect_not(seen(f, 0)->present);
    RESULT(CALL("t/a", "1"), WRITES(set("s", "x"), set("t", "y")));
    fixture_pass(f, 600);
    cr_expect(seen(f, 0)->present, "reading does not refresh it");
    RESULT(CALL("t/a", "1"), 0);
    fixture_pass(f, 399);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "x");
    fixture_pass(f, 1);
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    cr_expect_not(seen(f, 0)->present);
    RESULT(CALL("t/a", "1"), WRITES(set("t", "z")));
    cr_expect_null(fixture_state(f, "t/a", "1", "s"), "a write next to it does not revive it");
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "t"), "z");
    fixture_close(f);
}

Test(state, expires_after_invoke)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec_expiring("s", EXPIRE_AFTER_INVOKE, 1000)};
    fixture_register(f, "t/a", "1", specs, 1);
    seen(f, 0);
    RESULT(CALL("t/a", "1"), WRITES(set("s", "x")));
    for (int i = 0; i < 5; i++) {
        fixture_pass(f, 900);
        cr_expect(seen(f, 0)->present, "each invocation refreshes it");
        RESULT(CALL("t/a", "1"), 0);
        fixture_crash(f);
    }
    fixture_pass(f, 1000);
    cr_expect_not(seen(f, 0)->present);
    fixture_close(f);
}

Test(state, the_clock_of_an_invocation_is_when_it_read)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec_expiring("s", EXPIRE_AFTER_INVOKE, 1000)};
    fixture_register(f, "t/a", "1", specs, 1);
    seen(f, 0);
    RESULT(CALL("t/a", "1"), WRITES(set("s", "x")));
    fixture_pass(f, 900);
    cr_expect(seen(f, 0)->present);
    fixture_pass(f, 500); /* the call takes long; the value expires meanwhile for others */
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "x", "read at 900, so alive until 1900");
    fixture_pass(f, 500);
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    fixture_close(f);
}

Test(state, what_was_expired_when_read_is_never_revived)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec_expiring("s", EXPIRE_AFTER_INVOKE, 1000)};
    fixture_register(f, "t/a", "1", specs, 1);
    seen(f, 0);
    RESULT(CALL("t/a", "1"), WRITES(set("s", "x")));
    fixture_pass(f, 1001);
    cr_expect_not(seen(f, 0)->present);
    RESULT(CALL("t/a", "1"), 0);
    cr_expect_not(seen(f, 0)->present);
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    fixture_close(f);
}

Test(state, purge_frees_what_is_expired_but_not_under_a_call)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec_expiring("s", EXPIRE_AFTER_WRITE, 1000)};
    fixture_register(f, "t/a", "1", specs, 1);
    seen(f, 0);
    RESULT(CALL("t/a", "1"), WRITES(set("s", "x")));
    seen(f, 0);
    fixture_pass(f, 150000);
    cr_expect_eq(fixture_metrics(f).keys, 1);
    RESULT(CALL("t/a", "1"), 0);
    seen(f, 0);
    RESULT(CALL("t/a", "1"), WRITES(set("s", "y")));
    fixture_pass(f, 150000);
    cr_expect_eq(fixture_metrics(f).keys, 0);
    cr_expect_eq(fixture_metrics(f).state_bytes, 0);
    cr_expect_eq(shard_wake_at(f->shard), INT64_MAX, "nothing is left to sweep");
    fixture_close(f);
}

Test(state, another_time_to_live_counts_from_the_next_record)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec_expiring("s", EXPIRE_AFTER_WRITE, 1000)};
    fixture_register(f, "t/a", "1", specs, 1);
    seen(f, 0);
    RESULT(CALL("t/a", "1"), WRITES(set("s", "x")));
    struct state_spec longer[] = {spec_expiring("s", EXPIRE_AFTER_WRITE, 5000), spec("new")};
    fixture_send(f, "t/a", "1", "go");
    fixture_incomplete(f, CALL("t/a", "1"), longer, 2);
    RESULT(CALL("t/a", "1"), 0);
    fixture_pass(f, 4999);
    cr_expect_str_eq(fixture_state(f, "t/a", "1", "s"), "x");
    fixture_pass(f, 1);
    cr_expect_null(fixture_state(f, "t/a", "1", "s"));
    fixture_close(f);
}
