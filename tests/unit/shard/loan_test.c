/* Large values that are read without a copy, for as long as somebody holds them. */
#include "common.h"

enum { LARGE = 100000, SMALL = 1000 };

/* Of an answer, which holds it like the room that sends it out. */
static struct shard_loan *loan;
static size_t body_size;

static void write_value(struct fixture *f, size_t size, char letter)
{
    char *text = malloc(size + 1);
    memset(text, letter, size);
    text[size] = 0;
    fixture_send(f, "t/a", "1", "x");
    RESULT(CALL("t/a", "1"), WRITES(set("s", text)));
    free(text);
}

static struct fixture *open_with(size_t size, char letter)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "1", specs, 1);
    write_value(f, size, letter);
    loan = NULL;
    body_size = 0;
    return f;
}

static void keep_answers(struct fixture *f)
{
    for (size_t i = 0; i < f->update.answer_count; i++) {
        struct shard_answer answer = shard_update_answer(&f->update, i);
        if (answer.kind != ANSWER_VALUE) continue;
        body_size = answer.body.size;
        loan = answer.loan;
        if (loan == NULL) continue;
        cr_assert(loan->bytes.at == answer.body.at && loan->bytes.size == answer.body.size);
        shard_loan_keep(loan);
    }
    shard_update_clear(&f->update);
}

/* Past the fixture, which would copy the answer. */
static void step(struct fixture *f, struct shard_event *event)
{
    event->clock = f->clock;
    cr_assert_eq(shard_step(f->shard, event, &f->update), 0);
    keep_answers(f);
}

static void read_value(struct fixture *f, waiter_t lend_to)
{
    struct shard_event event = {.kind = EVENT_QUERY,
                                .waiter = 77,
                                .query = {.kind = QUERY_STATE,
                                          .address = fixture_address("t/a", "1"),
                                          .name = TEXT("s"),
                                          .lend_to = lend_to}};
    step(f, &event);
}

static void assert_all(struct span bytes, char letter)
{
    cr_assert_eq(bytes.size, LARGE);
    for (size_t i = 0; i < bytes.size; i++) cr_assert_eq(bytes.at[i], letter);
}

Test(loan, a_large_value_stays_while_it_is_held)
{
    struct fixture *f = open_with(LARGE, 'a');
    read_value(f, 77);
    cr_assert_not_null(loan);
    size_t before = fixture_metrics(f).memory_bytes;
    write_value(f, LARGE, 'b');
    assert_all(loan->bytes, 'a');
    cr_expect_geq(fixture_metrics(f).memory_bytes, before + LARGE, "what is lent counts");
    shard_loan_return(loan);
    cr_expect_lt(fixture_metrics(f).memory_bytes, before + LARGE);
    read_value(f, 77);
    assert_all(loan->bytes, 'b');
    shard_loan_return(loan);
    fixture_close(f);
}

Test(loan, several_readers_share_it)
{
    struct fixture *f = open_with(LARGE, 'a');
    read_value(f, 77);
    struct shard_loan *first = loan;
    size_t before = fixture_metrics(f).memory_bytes;
    read_value(f, 77);
    cr_assert_not_null(first);
    cr_expect_eq(loan->bytes.at, first->bytes.at);
    cr_expect_eq(fixture_metrics(f).memory_bytes, before);
    shard_loan_return(first);
    assert_all(loan->bytes, 'a');
    shard_loan_return(loan);
    fixture_close(f);
}

Test(loan, a_value_that_waits_for_its_record_is_lent_too)
{
    struct fixture *f = open_with(LARGE, 'a');
    f->hold_durable = true;
    write_value(f, LARGE, 'b');
    read_value(f, 77);
    cr_expect_eq(body_size, 0, "not before it is durable");
    struct shard_event durable = {.kind = EVENT_DURABLE, .durable_seq = f->ledger.count};
    f->ledger.durable = f->ledger.count;
    step(f, &durable);
    cr_assert_not_null(loan);
    assert_all(loan->bytes, 'b');
    shard_loan_return(loan);
    fixture_close(f);
}

Test(loan, who_is_answered_in_the_place_of_another_is_given_a_copy)
{
    struct fixture *f = open_with(LARGE, 'a');
    read_value(f, 76);
    cr_expect_null(loan);
    cr_expect_eq(body_size, LARGE);
    read_value(f, 0);
    cr_expect_null(loan);
    cr_expect_eq(body_size, LARGE);
    fixture_close(f);
}

Test(loan, small_values_are_copied)
{
    struct fixture *f = open_with(SMALL, 'a');
    read_value(f, 77);
    cr_expect_null(loan);
    cr_expect_eq(body_size, SMALL);
    fixture_close(f);
}

/* Of a reader that goes away before it is told, and of one that never returns. */
Test(loan, ends_with_the_shard)
{
    struct fixture *f = open_with(LARGE, 'a');
    read_value(f, 77);
    cr_assert_not_null(loan);
    f->hold_durable = true;
    write_value(f, LARGE, 'b');
    struct shard_loan *kept = loan;
    read_value(f, 77); /* waits, and nobody comes for it */
    f->hold_durable = false;
    fixture_close(f);
    cr_expect_eq(kept->bytes.size, 0);
    shard_loan_return(kept);
}
