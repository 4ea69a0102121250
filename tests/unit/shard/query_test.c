/* Reads: what they show, that they wait for the journal, and their pages. */
#include "common.h"

#include "base/reader.h"

#include <time.h>

static const struct fixture_answer *ask(struct fixture *f, struct event_query query)
{
    const struct fixture_answer *answer = fixture_query(f, query);
    cr_assert_not_null(answer);
    return answer;
}

static waiter_t ask_later(struct fixture *f, struct event_query query)
{
    struct shard_event event = {.kind = EVENT_QUERY, .query = query};
    return fixture_ask(f, &event);
}

static void write_value(struct fixture *f, const char *id, const char *value)
{
    fixture_send(f, "t/a", id, "x");
    if (value == NULL)
        RESULT(CALL("t/a", id), WRITES(unset("s")));
    else
        RESULT(CALL("t/a", id), WRITES(set("s", value)));
}

static struct fixture *open_registered(void)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s"), spec("r")};
    fixture_register(f, "t/a", "1", specs, 2);
    return f;
}

#define STATE_OF(id)                                                                               \
    ((struct event_query){                                                                         \
        .kind = QUERY_STATE, .address = fixture_address("t/a", id), .name = TEXT("s")})

Test(query, a_value_waits_for_its_record)
{
    struct fixture *f = open_registered();
    write_value(f, "1", "old");
    write_value(f, "2", "other");
    f->hold_durable = true;
    write_value(f, "1", "new");
    waiter_t waiter = ask_later(f, STATE_OF("1"));
    cr_expect_eq(KIND(waiter), NO_ANSWER);
    cr_expect(f->commit_wanted);
    cr_expect_eq(KIND(ask_later(f, STATE_OF("2"))), ANSWER_VALUE, "others do not wait");
    fixture_durable(f);
    cr_assert_eq(KIND(waiter), ANSWER_VALUE);
    const struct fixture_answer *answer = fixture_answer(f, waiter);
    cr_expect(fixture_contains(answer, "new"));
    cr_expect_str_eq(answer->type_name, "t/v");
    cr_expect_gt(answer->number, 0);
    fixture_close(f);
}

Test(query, an_absence_waits_too)
{
    struct fixture *f = open_registered();
    write_value(f, "1", "old");
    f->hold_durable = true;
    write_value(f, "1", NULL);
    waiter_t one = ask_later(f, STATE_OF("1"));
    waiter_t all = ask_later(
        f, (struct event_query){.kind = QUERY_STATES, .address = fixture_address("t/a", "1")});
    cr_expect_eq(KIND(one), NO_ANSWER, "a crash would bring the value back");
    cr_expect_eq(KIND(all), NO_ANSWER);
    fixture_durable(f);
    cr_expect_eq(KIND(one), ANSWER_NOT_FOUND);
    cr_expect_eq(KIND(all), ANSWER_NOT_FOUND);
    fixture_close(f);
}

Test(query, not_found)
{
    struct fixture *f = open_registered();
    write_value(f, "1", "v");
    cr_expect_eq(ask(f, STATE_OF("none"))->kind, ANSWER_NOT_FOUND);
    cr_expect_eq(ask(f, STATE_OF(""))->kind, ANSWER_NOT_FOUND);
    cr_expect_eq(ask(f, (struct event_query){.kind = QUERY_STATE,
                                             .address = fixture_address("t/unknown", "1"),
                                             .name = TEXT("s")})
                     ->kind,
                 ANSWER_NOT_FOUND);
    cr_expect_eq(ask(f, (struct event_query){.kind = QUERY_STATE,
                                             .address = fixture_address("t/a", "1"),
                                             .name = TEXT("unknown")})
                     ->kind,
                 ANSWER_NOT_FOUND);
    cr_expect_eq(ask(f, (struct event_query){.kind = QUERY_PARKED_ONE,
                                             .address = fixture_address("t/a", "1")})
                     ->kind,
                 ANSWER_NOT_FOUND);
    fixture_close(f);
}

Test(query, states_of_an_address)
{
    struct fixture *f = open_registered();
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("s", "one"), set("r", "")));
    const struct fixture_answer *answer =
        ask(f, (struct event_query){.kind = QUERY_STATES, .address = fixture_address("t/a", "1")});
    struct reader in = reader_of(buffer_span(&answer->body));
    int count = 0;
    while (reader_left(&in) > 0) {
        cr_expect(span_equal(reader_string(&in), TEXT("t/a")));
        cr_expect(span_equal(reader_string(&in), TEXT("1")));
        struct span name = reader_string(&in);
        cr_expect(span_equal(reader_string(&in), TEXT("t/v")));
        cr_expect_gt(reader_varint(&in), 0);
        cr_expect_eq(reader_varint(&in), (uint64_t)f->clock.wall_ms);
        cr_expect(
            span_equal(reader_string(&in), span_equal(name, TEXT("s")) ? TEXT("one") : TEXT("")));
        count++;
    }
    cr_expect_eq(count, 2);
    cr_expect_not(in.failed);
    fixture_close(f);
}

/* Each id once, whatever the pages. */
static void expect_all_keys(struct fixture *f, uint32_t limit, int expected)
{
    static bool seen[1000];
    memset(seen, 0, sizeof seen);
    char after[64] = "";
    int count = 0;
    for (int pages = 0;; pages++) {
        cr_assert_lt(pages, 1000);
        const struct fixture_answer *answer =
            ask(f, (struct event_query){.kind = QUERY_KEYS,
                                        .address = fixture_address("t/a", ""),
                                        .after = span_text(after),
                                        .limit = limit});
        buffer_byte((struct buffer *)(uintptr_t)&answer->body, 0);
        int lines = 0;
        for (const char *at = (const char *)answer->body.at;
             (at = strstr(at, "{\"id\":\"")) != NULL; at++) {
            int id = atoi(at + 7);
            cr_assert_not(seen[id], "%d twice", id);
            seen[id] = true;
            count++;
            lines++;
        }
        if (limit > 0) cr_assert_leq(lines, (int)limit);
        if (answer->next[0] == 0) break;
        cr_assert_eq(lines, (int)limit);
        snprintf(after, sizeof after, "%s", answer->next);
    }
    cr_expect_eq(count, expected);
}

Test(query, keys_page_by_page)
{
    struct fixture *f = open_registered();
    f->quiet = true;
    expect_all_keys(f, 10, 0);
    for (int i = 0; i < 300; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        write_value(f, id, "v");
    }
    expect_all_keys(f, 0, 300);
    expect_all_keys(f, 1, 300);
    expect_all_keys(f, 7, 300);
    expect_all_keys(f, 300, 300);
    cr_expect_eq(ask(f, (struct event_query){.kind = QUERY_KEYS,
                                             .address = fixture_address("t/unknown", "")})
                     ->body.size,
                 0);
    fixture_close(f);
}

Test(query, export_page_by_page)
{
    struct fixture *f = open_registered();
    f->quiet = true;
    for (int i = 0; i < 300; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        write_value(f, id, "v");
    }
    char after[64] = "";
    int rows = 0, pages = 0;
    do {
        const struct fixture_answer *answer = ask(
            f, (struct event_query){.kind = QUERY_EXPORT, .after = span_text(after), .limit = 40});
        struct reader in = reader_of(buffer_span(&answer->body));
        while (reader_left(&in) > 0) {
            for (int i = 0; i < 4; i++) reader_string(&in);
            reader_varint(&in);
            reader_varint(&in);
            reader_string(&in);
            rows++;
        }
        cr_assert_not(in.failed);
        snprintf(after, sizeof after, "%s", answer->next);
        cr_assert_lt(pages++, 20);
    } while (after[0] != 0);
    cr_expect_eq(rows, 300);
    cr_expect_geq(pages, 7);
    cr_expect_eq(ask(f, (struct event_query){.kind = QUERY_EXPORT,
                                             .address = fixture_address("t/unknown", "")})
                     ->body.size,
                 0);
    fixture_close(f);
}

Test(query, parked_page_by_page_and_by_type)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    for (int i = 0; i < 25; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        fixture_send(f, i % 5 == 0 ? "t/b" : "t/a", id, "x");
        fixture_fail(f, f->calls[0], OUTCOME_BAD_ANSWER, "no");
    }
    int lines = 0;
    char after[32] = "";
    do {
        const struct fixture_answer *answer =
            ask(f, (struct event_query){.kind = QUERY_PARKED,
                                        .address = fixture_address("t/a", ""),
                                        .after = span_text(after),
                                        .limit = 6});
        int here = 0;
        for (size_t i = 0; i < answer->body.size; i++) here += answer->body.at[i] == '\n';
        cr_expect(!fixture_contains(answer, "t/b"));
        cr_assert_gt(here, 0);
        cr_assert_leq(here, 6);
        lines += here;
        snprintf(after, sizeof after, "%s", answer->next);
    } while (after[0] != 0);
    cr_expect_eq(lines, 20);
    const struct fixture_answer *one = ask(
        f, (struct event_query){.kind = QUERY_PARKED_ONE, .address = fixture_address("t/a", "1")});
    cr_expect(fixture_contains(one, "\"type\":\"t/v\",\"base64\":\"eA==\""), "%.*s",
              (int)one->body.size, one->body.at);
    fixture_close(f);
}

Test(query, functions_status_egress)
{
    struct fixture *f = open_registered();
    write_value(f, "1", "v");
    fixture_send(f, "t/a", "2", "x");
    fixture_fail(f, CALL("t/a", "2"), OUTCOME_UNREACHABLE, "refused");
    const struct fixture_answer *answer = ask(f, (struct event_query){.kind = QUERY_FUNCTIONS});
    cr_expect(
        fixture_contains(answer, "\"function\":\"t/a\",\"keys\":1,\"messages\":1,\"ready\":1"),
        "%.*s", (int)answer->body.size, answer->body.at);
    cr_expect(fixture_contains(answer, "\"states\":[\"s\",\"r\"]"));
    cr_expect(fixture_contains(answer, "\"circuit\":\"open\""));
    f->endpoints[0].pattern = TEXT("u/*");
    fixture_configure(f);
    answer = ask(f, (struct event_query){.kind = QUERY_FUNCTIONS});
    cr_expect(fixture_contains(answer, "\"held\":1"));
    answer = ask(f, (struct event_query){.kind = QUERY_STATUS});
    cr_expect(fixture_contains(answer, "\"mailboxMessages\":1"));
    cr_expect(fixture_contains(answer, "\"epoch\":1"));
    answer = ask(f, (struct event_query){.kind = QUERY_EGRESS});
    cr_expect_eq(answer->body.size, 0);
    fixture_close(f);
}

static void skip_address(struct fixture *f, const char *id)
{
    struct shard_event event = {
        .kind = EVENT_OPERATOR,
        .operate = {.verb = VERB_SKIP, .address = fixture_address("t/a", id)}};
    cr_assert_neq(fixture_ask(f, &event), 0);
}

/* As an operator does who reads a page and deals with what is on it. */
Test(query, parked_rows_that_leave_hide_no_others)
{
    struct fixture *f = fixture_open();
    char after[48] = "", id[16];
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "%d", i);
        fixture_send(f, "t/a", id, "x");
        fixture_fail(f, f->calls[0], OUTCOME_BAD_ANSWER, "no");
    }
    int lines = 0;
    do {
        const struct fixture_answer *answer = ask(
            f, (struct event_query){.kind = QUERY_PARKED, .after = span_text(after), .limit = 4});
        int first = lines;
        for (size_t i = 0; i < answer->body.size; i++) lines += answer->body.at[i] == '\n';
        snprintf(after, sizeof after, "%s", answer->next);
        for (int i = first; i < lines; i++) {
            snprintf(id, sizeof id, "%d", i);
            skip_address(f, id);
        }
    } while (after[0] != 0);
    cr_expect_eq(lines, 20);
    cr_expect_eq(fixture_metrics(f).parked_now, 0);
    fixture_close(f);
}

/* So many types that have an address with a message each. */
static struct fixture *open_with_types(int count)
{
    enum { MOST = 10000 };
    static struct effect_message sends[MOST];
    static char types[MOST][16];
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "go");
    for (int i = 0; i < count; i++) {
        snprintf(types[i], sizeof types[i], "t/f%d", i);
        sends[i] = to(types[i], "1", "x");
    }
    RESULT(CALL("t/a", "1"), .messages = sends, .message_count = (size_t)count);
    return f;
}

/* Microseconds of the processor for /v1/functions. */
static double functions_cost(int count)
{
    struct fixture *f = open_with_types(count);
    clock_t begin = clock();
    const struct fixture_answer *answer = ask(f, (struct event_query){.kind = QUERY_FUNCTIONS});
    double cost = (double)(clock() - begin) * 1e6 / CLOCKS_PER_SEC;
    size_t rows = 0;
    for (size_t i = 0; i < answer->body.size; i++) rows += answer->body.at[i] == '\n';
    cr_expect_eq(rows, (size_t)count + 1);
    fixture_close(f);
    return cost;
}

Test(query, functions_cost_what_there_are)
{
    double few = functions_cost(1000), many = functions_cost(10000);
    cr_expect_lt(many, 30 * few, "ten times as many cost %.0f us instead of %.0f", many, few);
}

/* Microseconds of the processor for what /metrics asks, when there are so many endpoints. */
static double metrics_cost(size_t endpoints)
{
    static const char *const patterns[] = {"b/*", "c/*", "d/*", "e/*", "g/*", "h/*", "i/*"};
    struct shard_endpoint_metrics metrics[8];
    struct fixture *f = open_with_types(5000);
    for (size_t i = 1; i < endpoints; i++) {
        f->endpoints[i] = f->endpoints[0];
        f->endpoints[i].pattern = span_text(patterns[i - 1]);
    }
    fixture_configure(f);
    cr_expect_eq(shard_endpoint_metrics(f->shard, metrics, 8), endpoints);
    clock_t begin = clock();
    for (int i = 0; i < 100; i++) (void)shard_endpoint_metrics(f->shard, metrics, 8);
    double cost = (double)(clock() - begin) * 1e6 / CLOCKS_PER_SEC;
    cr_expect_eq(metrics[0].messages, 5000);
    fixture_close(f);
    return cost;
}

Test(query, metrics_look_at_each_type_once)
{
    double one = metrics_cost(1), eight = metrics_cost(8);
    cr_expect_lt(eight, 4 * one, "eight endpoints cost %.0f us instead of %.0f", eight, one);
}

Test(query, metrics_of_endpoints_and_lanes)
{
    struct fixture *f = open_registered();
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), EGRESS(out("t/out", "12345")));
    fixture_send(f, "t/a", "2", "x");
    fixture_fail(f, CALL("t/a", "2"), OUTCOME_BAD_ANSWER, "no");
    struct shard_endpoint_metrics endpoint;
    cr_assert_eq(shard_endpoint_metrics(f->shard, &endpoint, 1), 1);
    cr_expect_eq(endpoint.parked, 1);
    cr_expect_eq(endpoint.messages, 1);
    cr_expect_eq(endpoint.results[OUTCOME_BAD_ANSWER], 1);
    cr_expect_eq(endpoint.results[7], 1, "the handshake");
    cr_expect_eq(shard_endpoint_metrics(f->shard, &endpoint, 0), 0);
    struct shard_lane_metrics lane;
    cr_assert(shard_lane_metrics(f->shard, 0, &lane));
    cr_expect(span_equal(lane.name, TEXT("t/out")));
    cr_expect_eq(lane.waiting, 1);
    cr_expect_not(shard_lane_metrics(f->shard, 1, &lane));
    cr_expect_eq(shard_epoch(f->shard), 1);
    cr_expect_eq(shard_lineage(f->shard), 77);
    fixture_close(f);
}
