/* Egress lanes: pulls by cursor, acks, pops, waiting; all of it gated by the journal. */
#include "common.h"

#include "base/reader.h"
#include "wire/playground.h"

static void write_egress(struct fixture *f, const char *text)
{
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), EGRESS(out("t/out", text)));
}

static waiter_t pull(struct fixture *f, struct event_pull pull)
{
    struct shard_event event = {.kind = EVENT_PULL, .pull = pull};
    if (event.pull.egress.size == 0) event.pull.egress = TEXT("t/out");
    return fixture_ask(f, &event);
}

static waiter_t ack(struct fixture *f, uint64_t after)
{
    struct shard_event event = {.kind = EVENT_PULL_ACK,
                                .pull = {.egress = TEXT("t/out"), .after = after}};
    return fixture_ask(f, &event);
}

/* "cursor:text cursor:text", or why there are no rows. */
static const char *rows(struct fixture *f, waiter_t waiter)
{
    static char text[4096];
    const struct fixture_answer *answer = fixture_answer(f, waiter);
    if (answer == NULL) return "none yet";
    if (answer->kind != ANSWER_ROWS) return "refused";
    struct reader in = reader_of(buffer_span(&answer->body));
    size_t size = 0;
    text[0] = 0;
    while (reader_left(&in) > 0) {
        unsigned long long cursor = reader_varint(&in);
        const char *value = fixture_text(reader_string(&in));
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%llu:%s", size > 0 ? " " : "",
                                 cursor, value);
    }
    cr_expect_not(in.failed);
    return text;
}

Test(egress, pulled_by_cursor_until_acked)
{
    struct fixture *f = fixture_open();
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 0})), "");
    write_egress(f, "a");
    write_egress(f, "b");
    write_egress(f, "c");
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 0})), "1:a 2:b 3:c");
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 0, .max = 2})), "1:a 2:b");
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 2})), "3:c");
    cr_expect_eq(KIND(ack(f, 4)), ANSWER_INVALID, "beyond the newest");
    cr_expect_eq(KIND(ack(f, 2)), ANSWER_DONE);
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 0})), "3:c");
    waiter_t again = ack(f, 1);
    cr_expect_eq(KIND(again), ANSWER_DONE, "an old ack is no harm");
    cr_expect_eq(fixture_answer(f, again)->number, 2);
    ledger_cut(&f->ledger, f->shard, 5000);
    fixture_crash(f);
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 0})), "3:c");
    write_egress(f, "d");
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 0})), "3:c 4:d");
    fixture_close(f);
}

Test(egress, shown_only_when_durable)
{
    struct fixture *f = fixture_open();
    write_egress(f, "a");
    f->hold_durable = true;
    write_egress(f, "b");
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 0})), "1:a");
    fixture_durable(f);
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 0})), "1:a 2:b");
    waiter_t waiter = ack(f, 2);
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    cr_expect(f->commit_wanted);
    fixture_durable(f);
    cr_expect_eq(KIND(waiter), ANSWER_DONE);
    fixture_close(f);
}

Test(egress, a_waiting_pull_is_served_when_something_is_durable)
{
    struct fixture *f = fixture_open();
    waiter_t first = pull(f, (struct event_pull){.after = 0, .wait = true});
    waiter_t second = pull(f, (struct event_pull){.after = 0, .wait = true});
    waiter_t gone = pull(f, (struct event_pull){.after = 0, .wait = true});
    struct shard_event detach = {.kind = EVENT_DETACH, .waiter = gone};
    fixture_step(f, &detach);
    f->hold_durable = true;
    write_egress(f, "a");
    cr_expect_str_eq(rows(f, first), "none yet");
    cr_expect(f->commit_wanted, "somebody waits for it");
    fixture_durable(f);
    cr_expect_str_eq(rows(f, first), "1:a");
    cr_expect_str_eq(rows(f, second), "1:a", "pulling takes nothing away");
    cr_expect_str_eq(rows(f, gone), "none yet");
    waiter_t later = pull(f, (struct event_pull){.after = 1, .wait = true});
    write_egress(f, "b");
    fixture_durable(f);
    cr_expect_str_eq(rows(f, later), "2:b");
    fixture_close(f);
}

Test(egress, a_pop_is_shown_when_its_taking_is_durable)
{
    struct fixture *f = fixture_open();
    write_egress(f, "a");
    write_egress(f, "b");
    f->hold_durable = true;
    waiter_t one = pull(f, (struct event_pull){.pop = true, .max = 1});
    waiter_t two = pull(f, (struct event_pull){.pop = true, .max = 1});
    waiter_t three = pull(f, (struct event_pull){.pop = true, .max = 1, .wait = true});
    cr_expect_str_eq(rows(f, one), "none yet");
    fixture_durable(f);
    cr_expect_str_eq(rows(f, one), "1:a");
    cr_expect_str_eq(rows(f, two), "2:b");
    cr_expect_str_eq(rows(f, three), "none yet");
    write_egress(f, "c");
    fixture_durable(f);
    cr_expect_str_eq(rows(f, three), "3:c");
    fixture_crash(f);
    cr_expect_eq(fixture_metrics(f).egress_waiting, 0);
    fixture_close(f);
}

Test(egress, two_waiting_pops_share)
{
    struct fixture *f = fixture_open();
    waiter_t one = pull(f, (struct event_pull){.pop = true, .max = 1, .wait = true});
    waiter_t two = pull(f, (struct event_pull){.pop = true, .max = 1, .wait = true});
    write_egress(f, "a");
    cr_expect_str_eq(rows(f, one), "1:a");
    cr_expect_str_eq(rows(f, two), "none yet");
    write_egress(f, "b");
    cr_expect_str_eq(rows(f, two), "2:b");
    fixture_close(f);
}

Test(egress, unknown_and_discarded)
{
    struct fixture *f = fixture_open();
    cr_expect_eq(KIND(pull(f, (struct event_pull){.egress = TEXT("t/nowhere")})),
                 ANSWER_UNKNOWN_EGRESS);
    struct shard_event event = {.kind = EVENT_PULL_ACK, .pull = {.egress = TEXT("t/nowhere")}};
    cr_expect_eq(KIND(fixture_ask(f, &event)), ANSWER_UNKNOWN_EGRESS);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), EGRESS(out("t/none", "dropped"), out("t/out", "kept")));
    cr_expect_eq(fixture_metrics(f).egress_waiting, 1);
    cr_expect_eq(fixture_metrics(f).egress_records, 2);
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.egress = TEXT("holdfast/dead-letters")})),
                     "");
    fixture_close(f);
}

Test(egress, a_lane_that_is_no_longer_declared_can_still_be_drained)
{
    struct fixture *f = fixture_open();
    write_egress(f, "a");
    f->egresses[0].name = TEXT("t/new");
    fixture_configure(f);
    cr_expect_str_eq(rows(f, pull(f, (struct event_pull){.after = 0})), "1:a");
    cr_expect_eq(KIND(ack(f, 1)), ANSWER_DONE);
    fixture_close(f);
}

Test(egress, a_page_has_a_limit_of_bytes)
{
    struct fixture *f = fixture_open();
    static char text[2000001];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 3; i++) write_egress(f, text);
    waiter_t waiter = pull(f, (struct event_pull){.after = 0});
    cr_expect_lt(fixture_answer(f, waiter)->body.size, 4200000);
    cr_expect_str_eq(fixture_answer(f, waiter)->next, "2");
    fixture_close(f);
}

static struct effect_egress playground(struct buffer *bytes, const char *topic)
{
    char json[100];
    snprintf(json, sizeof json, "{\"topic\": \"%s\", \"payload\": \"payload\"}", topic);
    typed_value_encode(bytes, PLAYGROUND_RECORD, span_text(json));
    return (struct effect_egress){.name = TEXT("io.statefun.playground/egress"),
                                  .argument = buffer_span(bytes)};
}

Test(egress, playground_topics_are_lanes)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    struct buffer good, bad;
    buffer_init(&good);
    buffer_init(&bad);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), EGRESS(playground(&good, "news")));
    cr_expect_eq(fixture_metrics(f).egress_waiting, 1);
    waiter_t waiter = pull(f, (struct event_pull){.egress = TEXT("io.statefun.playground/egress"),
                                                  .topic = TEXT("news"),
                                                  .pop = true,
                                                  .max = 1});
    cr_expect_eq(KIND(waiter), ANSWER_ROWS);
    cr_expect(fixture_contains(fixture_answer(f, waiter), "payload"));
    waiter = pull(f, (struct event_pull){.egress = TEXT("io.statefun.playground/egress"),
                                         .topic = TEXT("other")});
    cr_expect_eq(KIND(waiter), ANSWER_UNKNOWN_EGRESS);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), EGRESS(playground(&bad, "elsewhere")));
    cr_expect_eq(fixture_metrics(f).parked_now, 1);
    fixture_send(f, "t/a", "2", "x");
    RESULT(CALL("t/a", "2"), EGRESS(out("io.statefun.playground/egress", "not a record")));
    cr_expect_eq(fixture_metrics(f).parked_now, 2);
    buffer_close(&good);
    buffer_close(&bad);
    fixture_close(f);
}
