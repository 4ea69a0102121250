/* What grows has to shrink again, and what is asked for in pages comes in pages. */
#include "common.h"

#include "shard/image.h"

/* The nth id of slot 7. */
static const char *id_in_slot(int n)
{
    static char id[16];
    for (int i = 0;; i++) {
        snprintf(id, sizeof id, "%d", i);
        if (slot_of(span_text(id)) == 7 && n-- == 0) return id;
    }
}

static void write_state(struct fixture *f, const char *id, const char *value)
{
    fixture_send(f, "t/a", id, "x");
    RESULT(CALL("t/a", id), WRITES(set("s", value)));
}

static struct fixture *open_expiring(void)
{
    struct fixture *f = fixture_open();
    struct state_spec expiring = spec_expiring("s", EXPIRE_AFTER_WRITE, 1000);
    fixture_register(f, "t/a", "first", &expiring, 1);
    return f;
}

Test(growth, one_sweep_purges_all_that_has_expired_in_a_slot)
{
    struct fixture *f = open_expiring();
    for (int i = 0; i < 20; i++) write_state(f, id_in_slot(i), "v");
    cr_assert_eq(fixture_metrics(f).keys, 20);
    fixture_pass(f, 70000); /* once through all slots */
    cr_expect_eq(fixture_metrics(f).keys, 0);
    fixture_close(f);
}

Test(growth, more_than_a_lot_is_purged_soon)
{
    struct fixture *f = open_expiring();
    f->quiet = true;
    for (int i = 0; i < 150; i++) write_state(f, id_in_slot(i), "v");
    fixture_pass(f, 70000);
    cr_expect_eq(fixture_metrics(f).keys, 0);
    fixture_close(f);
}

Test(growth, an_export_of_large_values_comes_in_small_pages)
{
    struct fixture *f = open_expiring();
    static char large[1 << 20];
    memset(large, 'x', sizeof large - 1);
    f->quiet = true;
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        write_state(f, id, large);
    }
    char after[32] = "";
    int pages = 0;
    size_t bytes = 0;
    do {
        const struct fixture_answer *answer =
            fixture_query(f, (struct event_query){.kind = QUERY_EXPORT, .after = span_text(after)});
        cr_expect_lt(answer->body.size, 8u << 20);
        bytes += answer->body.size;
        snprintf(after, sizeof after, "%s", answer->next);
        pages++;
    } while (after[0] != 0);
    cr_expect_geq(pages, 4);
    cr_expect_gt(bytes, 20u * (sizeof large - 1));
    fixture_close(f);
}

/* By slot, then by bytes; each id once, whatever the size of a page. */
Test(growth, keys_come_in_order_and_once)
{
    enum { KEYS = 150 };
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "first", specs, 1);
    f->quiet = true;
    for (int i = 0; i < KEYS; i++) {
        const char *id = id_in_slot(i);
        fixture_send(f, "t/a", id, "x");
        RESULT(CALL("t/a", id), WRITES(set("s", "v")));
    }
    for (uint32_t limit = 1; limit <= KEYS + 1; limit += 37) {
        char all[KEYS * 32] = "", after[32] = "";
        int pages = 0;
        do {
            const struct fixture_answer *answer =
                fixture_query(f, (struct event_query){.kind = QUERY_KEYS,
                                                      .address.type = TEXT("t/a"),
                                                      .after = span_text(after),
                                                      .limit = limit});
            strncat(all, (const char *)answer->body.at, answer->body.size);
            snprintf(after, sizeof after, "%s", answer->next);
            pages++;
        } while (after[0] != 0);
        cr_expect_eq(pages, (int)((KEYS + limit - 1) / limit));
        int count = 0;
        const char *before = "";
        for (const char *line = strtok(all, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            cr_expect_lt(strcmp(before, line), 0);
            before = line;
            count++;
        }
        cr_expect_eq(count, KEYS);
    }
    fixture_close(f);
}

static waiter_t call_in_slot(struct fixture *f, int n, const char *token)
{
    return fixture_message(f,
                           &(struct event_message){.target = fixture_address("t/a", id_in_slot(n)),
                                                   .argument = fixture_value("x"),
                                                   .reply_token = span_text(token),
                                                   .delay_ms = -1});
}

static void reply(struct fixture *f, int n, const char *token)
{
    RESULT(CALL("t/a", id_in_slot(n)), SENDS(to("holdfast/reply", token, "answer")));
}

Test(growth, a_caller_who_waits_does_not_keep_what_came_after_it)
{
    struct fixture *f = fixture_open();
    f->endpoints[0].window_max = 100;
    fixture_configure(f);
    waiter_t patient = call_in_slot(f, 0, "patient");
    reply(f, 0, "somebody else");
    for (int i = 1; i <= 10; i++) {
        char token[32];
        snprintf(token, sizeof token, "token%d", i);
        cr_expect_eq(KIND(call_in_slot(f, i, token)), NO_ANSWER);
        reply(f, i, token);
        fixture_pass(f, 400); /* a delivered reply stays for a second */
    }
    cr_expect_lt(fixture_metrics(f).entries, 8, "delivered calls go");
    fixture_pass(f, 70000);
    cr_expect_eq(fixture_metrics(f).entries, 1, "who waits stays");
    cr_expect_eq(KIND(patient), NO_ANSWER);
    fixture_crash(f);
    fixture_pass(f, 800000);
    cr_expect_eq(fixture_metrics(f).entries, 0);
    fixture_close(f);
}
