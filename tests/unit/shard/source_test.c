/* Sources: what comes from a log outside counts once, wherever its reader begins again. */
enum { SHARDS = 2 };

#include "shards.h"

#include "shard/overlay.h"

TestSuite(source, .init = open_shards, .fini = close_shards);

enum { MESSAGES = 4 };

/* Texts to t/a of that id; up to four of them, the rest NULL. */
static waiter_t take(struct fixture *f, const char *source, const char *previous,
                     const char *position, const char *id, const char *const texts[MESSAGES])
{
    struct source_message messages[MESSAGES];
    size_t count = 0;
    for (; count < MESSAGES && texts != NULL && texts[count] != NULL; count++)
        messages[count] = (struct source_message){.target = fixture_address("t/a", id),
                                                  .argument = fixture_value(texts[count])};
    struct shard_event event = {.kind = EVENT_SOURCE,
                                .source = {.source = span_text(source),
                                           .previous = span_text(previous),
                                           .position = span_text(position),
                                           .messages = messages,
                                           .message_count = count}};
    return fixture_ask(f, &event);
}

#define TAKE(f, previous, position, id, ...)                                                       \
    take(f, name_of(f), previous, position, id, (const char *const[MESSAGES]){__VA_ARGS__})
#define ASK(f) take(f, name_of(f), "", "", "", NULL)

/* A source of that shard. */
static const char *name_of(const struct fixture *f)
{
    static char name[32];
    int n = 0;
    do {
        snprintf(name, sizeof name, "t/in orders/%d", n++);
    } while (slot_owner(slot_of(span_text(name)), SHARDS) != f->number);
    return name;
}

static void expect(struct fixture *f, waiter_t waiter, enum answer_kind kind, const char *position)
{
    const struct fixture_answer *answer = fixture_answer(f, waiter);
    cr_assert_not_null(answer);
    cr_expect_eq(answer->kind, kind);
    cr_expect(span_equal(buffer_span(&answer->body), span_text(position)), "position %.*s",
              SPAN_PRINT(buffer_span(&answer->body)));
}

static void expect_calls(struct fixture *f, const char *id, const char *const *texts, size_t count)
{
    const struct shard_invocation *call = CALL("t/a", id);
    cr_assert_not_null(call);
    cr_assert_eq(call->request.message_count, count);
    for (size_t i = 0; i < count; i++) {
        cr_expect_str_eq(fixture_argument(call, i), texts[i]);
        cr_expect_eq(call->request.messages[i].caller.type.size, 0, "it came from outside");
    }
    RESULT(call, 0);
}

Test(source, is_taken_in_order_and_once)
{
    struct fixture *f = shards[0];
    expect(f, ASK(f), ANSWER_VALUE, "");
    expect(f, TAKE(f, "", "3", ids[0], "a", "b"), ANSWER_DONE, "3");
    expect_calls(f, ids[0], (const char *[]){"a", "b"}, 2);
    expect(f, TAKE(f, "", "3", ids[0], "a", "b"), ANSWER_MISMATCH, "3");
    expect(f, TAKE(f, "3", "4", ids[0], "c"), ANSWER_DONE, "4");
    expect(f, TAKE(f, "3", "9", ids[0], "c", "d"), ANSWER_MISMATCH, "4");
    expect(f, TAKE(f, "5", "6", ids[0], "e"), ANSWER_MISMATCH, "4");
    expect_calls(f, ids[0], (const char *[]){"c"}, 1);
    cr_expect_null(CALL("t/a", ids[0]));
    expect(f, ASK(f), ANSWER_VALUE, "4");
    cr_expect_eq(fixture_metrics(f).messages_accepted, 3);
}

Test(source, may_go_on_without_a_message)
{
    struct fixture *f = shards[0];
    expect(f, TAKE(f, "", "7", ids[0], NULL), ANSWER_DONE, "7");
    expect(f, ASK(f), ANSWER_VALUE, "7");
}

Test(source, is_told_nothing_that_is_not_durable)
{
    struct fixture *f = shards[0];
    f->hold_durable = true;
    waiter_t taken = TAKE(f, "", "1", ids[0], "a"), asked = ASK(f),
             again = TAKE(f, "", "1", ids[0], "a");
    cr_expect_eq(KIND(taken), NO_ANSWER);
    cr_expect_eq(KIND(asked), NO_ANSWER);
    cr_expect_eq(KIND(again), NO_ANSWER);
    fixture_durable(f);
    expect(f, taken, ANSWER_DONE, "1");
    expect(f, asked, ANSWER_VALUE, "1");
    expect(f, again, ANSWER_MISMATCH, "1");
}

Test(source, goes_on_where_a_crash_has_left_it)
{
    struct fixture *f = shards[0];
    expect(f, TAKE(f, "", "1", ids[0], "a"), ANSWER_DONE, "1");
    f->hold_durable = true;
    TAKE(f, "1", "2", ids[0], "b");
    fixture_crash(f);
    f->hold_durable = false;
    expect(f, ASK(f), ANSWER_VALUE, "1");
    expect(f, TAKE(f, "1", "2", ids[0], "b"), ANSWER_DONE, "2");
    expect_calls(f, ids[0], (const char *[]){"a"}, 1); /* it was out when the other one came */
    expect_calls(f, ids[0], (const char *[]){"b"}, 1);
    fixture_crash(f);
    expect(f, ASK(f), ANSWER_VALUE, "2");
}

Test(source, sends_to_other_shards)
{
    struct fixture *f = shards[0];
    expect(f, TAKE(f, "", "1", ids[1], "a", "b"), ANSWER_DONE, "1");
    carry_all();
    expect_calls(shards[1], ids[1], (const char *[]){"a", "b"}, 2);
    expect(shards[1], take(shards[1], name_of(f), "", "", "", NULL), ANSWER_INVALID, "");
}

Test(source, is_taken_whole_or_not_at_all)
{
    struct fixture *f = shards[0];
    struct source_message messages[] = {
        {.target = fixture_address("t/a", ids[0]), .argument = fixture_value("a")},
        {.target = fixture_address("x/unknown", ids[0]), .argument = fixture_value("b")}};
    struct shard_event event = {.kind = EVENT_SOURCE,
                                .source = {.source = span_text(name_of(f)),
                                           .position = TEXT("1"),
                                           .messages = messages,
                                           .message_count = 2}};
    waiter_t waiter = fixture_ask(f, &event);
    cr_assert_eq(KIND(waiter), ANSWER_UNKNOWN_FUNCTION);
    cr_expect_eq(fixture_answer(f, waiter)->number, 1, "which of them");
    cr_expect_null(CALL("t/a", ids[0]));
    expect(f, ASK(f), ANSWER_VALUE, "");
    messages[1].target = fixture_address("holdfast/reply", "token");
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_RESERVED);
    messages[1].target = fixture_address("no slash", "1");
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_INVALID);
    messages[1].target = fixture_address("t/a", "");
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_INVALID);
    messages[1].target = fixture_address("t/a", ids[0]);
    event.source.position = SPAN_EMPTY;
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_INVALID, "no position");
    char long_position[SOURCE_POSITION_MAX + 1];
    memset(long_position, 'x', sizeof long_position);
    event.source.position = span_of(long_position, sizeof long_position);
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_INVALID);
    event.source.position = span_of(long_position, SOURCE_POSITION_MAX);
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_DONE);
}

static struct span traceparent_of_call(struct fixture *f, const char *position, const char *text)
{
    struct source_message message = {.target = fixture_address("t/a", ids[0]),
                                     .argument = fixture_value("a"),
                                     .traceparent = span_text(text)};
    struct shard_event event = {.kind = EVENT_SOURCE,
                                .source = {.source = span_text(name_of(f)),
                                           .previous = span_text(position),
                                           .position = span_text(text),
                                           .messages = &message,
                                           .message_count = 1}};
    cr_assert_eq(KIND(fixture_ask(f, &event)), ANSWER_DONE);
    return CALL("t/a", ids[0])->traceparent;
}

/* It goes on as a header of the call, and comes from wherever the log does. */
Test(source, what_fits_no_header_is_no_traceparent)
{
    struct fixture *f = shards[0];
    const char *sound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    cr_expect(span_equal(traceparent_of_call(f, "", sound), span_text(sound)));
    RESULT(CALL("t/a", ids[0]), 0);
    cr_expect_eq(traceparent_of_call(f, sound, "00\r\nx-admin: 1").size, 0);
}

Test(source, waits_for_room)
{
    struct fixture *f = shards[0];
    f->config.memory_max = fixture_metrics(f).memory_bytes + 1000;
    fixture_configure(f);
    char large[8000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = 0;
    cr_expect_eq(KIND(TAKE(f, "", "1", ids[0], large)), ANSWER_FULL);
    expect(f, ASK(f), ANSWER_VALUE, "");
    f->config.memory_max = 0;
    fixture_configure(f);
    expect(f, TAKE(f, "", "1", ids[0], large), ANSWER_DONE, "1");
}

Test(source, is_part_of_a_savepoint)
{
    expect(shards[0], TAKE(shards[0], "", "1", ids[1], "a"), ANSWER_DONE, "1");
    expect(shards[1], TAKE(shards[1], "", "2", ids[1], "b"), ANSWER_DONE, "2");
    struct shard *old[SHARDS], *one;
    for (uint32_t i = 0; i < SHARDS; i++) old[i] = cut_of(shards[i]);
    cr_assert_eq(shard_open(&one), 0);
    cr_assert_eq(shard_place(one, 0, 1), 0);
    cr_assert_eq(shard_restore(one, old, SHARDS, 99), 0);
    for (uint32_t i = 0; i < SHARDS; i++) {
        uint32_t name = dictionary_find(&one->image, span_text(name_of(shards[i])));
        struct span position = source_position(source_find(&one->image, name));
        cr_expect(span_equal(position, i == 0 ? TEXT("1") : TEXT("2")));
        shard_close(old[i]);
    }
    shard_close(one);
}
