/* A state write whose turn has come, while thousands of addresses are looked after before it. */
#include "shard/limits.h"
#include "shard/shard.h"
#include "unit/shard/common.h"

enum { COUNT = 3 * SETTLE_MAX };

static waiter_t write_state(struct fixture *f, const char *id, const char *value)
{
    struct shard_event event = {.kind = EVENT_STATE,
                                .state = {.address = fixture_address("t/a", id),
                                          .name = TEXT("s"),
                                          .type_name = TEXT("t/v"),
                                          .value = span_text(value),
                                          .if_match = -1}};
    return fixture_ask(f, &event);
}

/* The next call has one message of two, since both together have failed. */
static const struct shard_invocation *call_with_half(struct fixture *f)
{
    fixture_send(f, "t/a", "1", "first");
    fixture_send(f, "t/a", "1", "a");
    fixture_send(f, "t/a", "1", "b");
    RESULT(CALL("t/a", "1"), 0);
    fixture_fail(f, CALL("t/a", "1"), OUTCOME_BAD_ANSWER, "HTTP 500");
    fixture_pass(f, 1000);
    RESULT(CALL("t/a", "1"), 0);
    return CALL("t/a", "1");
}

static void send_to_thousands(struct fixture *f, const struct shard_invocation *call)
{
    static struct effect_message sends[COUNT];
    static char ids[COUNT][12];
    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "%d", i);
        sends[i] = to("t/b", ids[i], "x");
    }
    RESULT(call, .messages = sends, .message_count = COUNT);
}

Test(fanout_write, a_new_configuration_calls_nobody_before_it)
{
    struct fixture *f = fixture_open();
    f->endpoints[1] = f->endpoints[0];
    f->endpoints[1].pattern = TEXT("t/a");
    fixture_configure(f);
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "0", specs, 1);
    const struct shard_invocation *call = call_with_half(f);
    cr_assert_not_null(call);
    cr_assert_eq(call->request.message_count, 1);
    waiter_t written = write_state(f, "1", "value");
    f->quiet = true;
    send_to_thousands(f, call);
    cr_expect_eq(KIND(written), NO_ANSWER, "its turn has not come");
    fixture_configure(f);
    cr_expect_null(CALL("t/a", "1"));
    for (int i = 0; i < 3 && KIND(written) == NO_ANSWER; i++) fixture_tick(f);
    cr_expect_eq(KIND(written), ANSWER_DONE);
    fixture_close(f);
}
