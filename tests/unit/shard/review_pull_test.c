/* A pull finds its place from any cursor, before and after records were taken. */
#include "common.h"

#include "base/reader.h"

/* Cursor of the first record after `after`; 0: none. */
static uint64_t first_after(struct fixture *f, uint64_t after)
{
    struct shard_event event = {.kind = EVENT_PULL,
                                .pull = {.egress = TEXT("t/out"), .after = after, .max = 1}};
    const struct fixture_answer *answer = fixture_answer(f, fixture_ask(f, &event));
    cr_assert_not_null(answer);
    if (answer->body.size == 0) return 0;
    struct reader in = reader_of(buffer_span(&answer->body));
    return reader_varint(&in);
}

Test(pull, every_cursor_leads_to_the_next_record)
{
    struct fixture *f = fixture_open();
    for (int i = 0; i < 20; i++) {
        fixture_send(f, "t/a", "1", "x");
        RESULT(CALL("t/a", "1"), EGRESS(out("t/out", "e")));
    }
    for (uint64_t after = 0; after < 20; after++) cr_expect_eq(first_after(f, after), after + 1);
    cr_expect_eq(first_after(f, 20), 0);
    cr_expect_eq(first_after(f, 1000), 0);
    struct shard_event ack = {.kind = EVENT_PULL_ACK,
                              .pull = {.egress = TEXT("t/out"), .after = 7}};
    fixture_ask(f, &ack);
    for (uint64_t after = 0; after < 20; after++)
        cr_expect_eq(first_after(f, after), after < 7 ? 8 : after + 1);
    fixture_close(f);
}
