/* Each event goes to the shard that owns what it names; what all are asked is answered as by one.
 */
#include "app/gather.h"
#include "app/switchboard.h"
#include "base/slot.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { PORTS = 4, KEPT = 64 };

/* ---- Shards that answer what they are told to ---- */

struct fake {
    struct port port; /* first */
    unsigned events, detached;
    enum shard_event_kind kind;
    struct port_waiter *waiter;
    uint32_t limit;
    char after[KEPT], type[KEPT];
};

static struct fake fakes[PORTS];
static struct port *ports[PORTS];
static struct switchboard board;

static void keep(char kept[KEPT], struct span text)
{
    snprintf(kept, KEPT, "%.*s", SPAN_PRINT(text));
}

static void submit(struct port *port, struct shard_event *event)
{
    struct fake *fake = (struct fake *)port;
    struct port_waiter *waiter = (struct port_waiter *)(uintptr_t)event->waiter;
    if (event->kind == EVENT_DETACH) {
        cr_assert_eq(waiter, fake->waiter);
        cr_assert_eq(waiter->ticket >> 40, 0, "what the bridge is shown is its own");
        fake->detached++;
        return;
    }
    fake->events++;
    fake->kind = event->kind;
    fake->waiter = waiter;
    if (waiter != NULL) waiter->ticket = 7;
    if (event->kind != EVENT_QUERY) return;
    fake->limit = event->query.limit;
    keep(fake->after, event->query.after);
    keep(fake->type, event->query.address.type);
}

static void set_up(void)
{
    memset(fakes, 0, sizeof fakes);
    for (int i = 0; i < PORTS; i++) {
        fakes[i].port.submit = submit;
        ports[i] = &fakes[i].port;
    }
    switchboard_init(&board, ports, PORTS);
}

static void tear_down(void)
{
    switchboard_close(&board);
}

TestSuite(switchboard, .init = set_up, .fini = tear_down, .timeout = 30);

static void answer(uint32_t shard, enum answer_kind kind, uint64_t number, const char *rows,
                   const char *next)
{
    struct shard_answer given = {
        .kind = kind, .number = number, .body = span_text(rows), .next = span_text(next)};
    struct port_waiter *waiter = fakes[shard].waiter;
    cr_assert_not_null(waiter, "shard %u was asked", shard);
    fakes[shard].waiter = NULL;
    waiter->answer(waiter, &given);
}

/* ---- Somebody who asks ---- */

struct guest {
    struct port_waiter waiter; /* first */
    unsigned answers;
    enum answer_kind kind;
    uint64_t number;
    char body[512], next[KEPT];
};

static void answered(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct guest *guest = (struct guest *)waiter;
    guest->answers++;
    guest->kind = answer->kind;
    guest->number = answer->number;
    snprintf(guest->body, sizeof guest->body, "%.*s", SPAN_PRINT(answer->body));
    keep(guest->next, answer->next);
}

static struct guest guest_new(void)
{
    return (struct guest){.waiter = {.answer = answered}};
}

static void give(struct guest *guest, struct shard_event event)
{
    if (guest != NULL) event.waiter = waiter_of(&guest->waiter);
    port_submit(&board.port, &event);
}

static void leave(struct guest *guest)
{
    give(guest, (struct shard_event){.kind = EVENT_DETACH});
}

/* The one shard that has got an event since the last look. */
static uint32_t only_one(void)
{
    uint32_t found = PORTS;
    for (uint32_t i = 0; i < PORTS; i++) {
        if (fakes[i].events == 0) continue;
        cr_assert_eq(found, PORTS, "shards %u and %u", found, i);
        cr_assert_eq(fakes[i].events, 1);
        found = i;
        fakes[i].events = 0;
    }
    cr_assert_lt(found, PORTS);
    return found;
}

static void must_go(struct shard_event event, struct span id)
{
    give(NULL, event);
    cr_assert_eq(only_one(), slot_owner(slot_of(id), PORTS), "event %d of %.*s", event.kind,
                 SPAN_PRINT(id));
}

/* ---- Routes ---- */

Test(switchboard, what_has_an_id_goes_to_its_owner)
{
    bool seen[PORTS] = {false};
    for (int i = 0; i < 100; i++) {
        char text[KEPT];
        snprintf(text, sizeof text, "id-%d", i);
        struct span id = span_text(text);
        struct address address = {SPAN_LITERAL("a/f"), id};
        must_go((struct shard_event){.kind = EVENT_MESSAGE, .message = {.target = address}}, id);
        must_go((struct shard_event){.kind = EVENT_STATE, .state = {.address = address}}, id);
        must_go((struct shard_event){.kind = EVENT_CANCEL, .cancel = {.id = id}}, id);
        must_go((struct shard_event){.kind = EVENT_OPERATOR, .operate = {.address = address}}, id);
        enum query_kind kinds[] = {QUERY_STATE, QUERY_STATES, QUERY_PARKED_ONE};
        for (int j = 0; j < 3; j++)
            must_go((struct shard_event){.kind = EVENT_QUERY,
                                         .query = {.kind = kinds[j], .address = address}},
                    id);
        seen[slot_owner(slot_of(id), PORTS)] = true;
    }
    for (int i = 0; i < PORTS; i++) cr_assert(seen[i]);
}

Test(switchboard, a_reply_is_looked_for_where_its_call_went)
{
    for (int i = 0; i < 50; i++) {
        char text[KEPT], token[REPLY_TOKEN_SIZE];
        uint8_t random[16] = {(uint8_t)i, 77, 1};
        snprintf(text, sizeof text, "id-%d", i);
        reply_token_make(token, span_text(text), random);
        struct shard_event event = {.kind = EVENT_ATTACH,
                                    .reply_token = span_of(token, sizeof token)};
        must_go(event, span_text(text));
        event.call_target = (struct address){SPAN_LITERAL("a/f"), span_text(text)};
        must_go(event, span_text(text));
        event.reply_token = SPAN_EMPTY;
        must_go(event, span_text(text));
    }
}

Test(switchboard, a_lane_lives_where_its_name_says)
{
    struct shard_event pull = {.kind = EVENT_PULL, .pull = {.egress = SPAN_LITERAL("t/out")}};
    must_go(pull, SPAN_LITERAL("t/out"));
    pull.kind = EVENT_PULL_ACK;
    must_go(pull, SPAN_LITERAL("t/out"));
    pull.pull.topic = SPAN_LITERAL("bills");
    must_go(pull, SPAN_LITERAL("t/out/bills"));
}

Test(switchboard, who_leaves_leaves_where_he_waits)
{
    struct guest guest = guest_new();
    for (int i = 0; i < 40; i++) {
        char text[KEPT];
        snprintf(text, sizeof text, "id-%d", i);
        struct address address = {SPAN_LITERAL("a/f"), span_text(text)};
        give(&guest, (struct shard_event){.kind = EVENT_MESSAGE, .message = {.target = address}});
        uint32_t shard = only_one();
        leave(&guest);
        cr_assert_eq(fakes[shard].detached, 1);
        fakes[shard].detached = 0;
    }
}

/* ---- All at once ---- */

static void ask(struct guest *guest, enum query_kind kind, const char *after, uint32_t limit)
{
    char lent[KEPT], type[] = "a/f"; /* they live only as long as the submit */
    snprintf(lent, sizeof lent, "%s", after);
    give(guest, (struct shard_event){.kind = EVENT_QUERY,
                                     .query = {.kind = kind,
                                               .address = {.type = span_text(type)},
                                               .after = span_text(lent),
                                               .limit = limit}});
    memset(lent, 'x', sizeof lent);
}

Test(switchboard, rows_of_all_shards_come_in_their_order)
{
    struct guest guest = guest_new();
    ask(&guest, QUERY_STATUS, "", 0);
    answer(2, ANSWER_ROWS, 0, "{\"shard\":2}\n", "");
    answer(0, ANSWER_ROWS, 0, "{\"shard\":0}\n", "");
    answer(3, ANSWER_ROWS, 0, "{\"shard\":3}\n", "");
    cr_assert_eq(guest.answers, 0);
    answer(1, ANSWER_ROWS, 0, "{\"shard\":1}\n", "");
    cr_assert_eq(guest.answers, 1);
    cr_assert_str_eq(guest.body, "{\"shard\":0}\n{\"shard\":1}\n{\"shard\":2}\n{\"shard\":3}\n");
}

Test(switchboard, functions_are_summed)
{
    struct guest guest = guest_new();
    ask(&guest, QUERY_FUNCTIONS, "", 0);
    answer(0, ANSWER_ROWS, 0,
           "{\"function\":\"a/f\",\"keys\":3,\"circuit\":\"closed\",\"states\":[\"x\"]}\n", "");
    answer(1, ANSWER_ROWS, 0, "", "");
    answer(2, ANSWER_ROWS, 0,
           "{\"function\":\"a/g\",\"keys\":1}\n"
           "{\"function\":\"a/f\",\"keys\":4,\"circuit\":\"open\",\"states\":[\"x\",\"y\"]}\n",
           "");
    answer(3, ANSWER_ROWS, 0, "{\"function\":\"a/f\",\"keys\":5,\"circuit\":\"half-open\"}\n", "");
    cr_assert_str_eq(
        guest.body,
        "{\"function\":\"a/f\",\"keys\":12,\"circuit\":\"open\",\"states\":[\"x\",\"y\"]}\n"
        "{\"function\":\"a/g\",\"keys\":1}\n");
}

static void operate_all(struct guest *guest)
{
    give(guest, (struct shard_event){.kind = EVENT_OPERATOR,
                                     .operate = {.address = {.type = SPAN_LITERAL("a/f")}}});
}

Test(switchboard, a_verb_on_all_touches_the_sum)
{
    struct guest guest = guest_new();
    operate_all(&guest);
    for (uint32_t i = 0; i < PORTS; i++) answer(i, ANSWER_DONE, i + 1, "", "");
    cr_assert_eq(guest.answers, 1);
    cr_assert_eq(guest.kind, ANSWER_DONE);
    cr_assert_eq(guest.number, 10);
}

Test(switchboard, a_shard_without_room_is_told_one_that_knows_nothing_is_not)
{
    struct guest guest = guest_new();
    operate_all(&guest);
    answer(0, ANSWER_UNKNOWN_FUNCTION, 0, "", "");
    for (uint32_t i = 1; i < PORTS; i++) answer(i, ANSWER_DONE, 1, "", "");
    cr_assert_eq(guest.kind, ANSWER_DONE);
    cr_assert_eq(guest.number, 3);
    operate_all(&guest);
    for (uint32_t i = 0; i < PORTS - 1; i++) answer(i, ANSWER_DONE, 1, "", "");
    answer(PORTS - 1, ANSWER_FULL, 0, "", "");
    cr_assert_eq(guest.kind, ANSWER_FULL);
}

Test(switchboard, who_leaves_a_question_to_all_leaves_those_who_have_not_answered)
{
    struct guest guest = guest_new();
    ask(&guest, QUERY_EGRESS, "", 0);
    answer(1, ANSWER_ROWS, 0, "", "");
    leave(&guest);
    cr_assert_eq(fakes[1].detached, 0);
    for (int i = 0; i < PORTS; i++)
        if (i != 1) cr_assert_eq(fakes[i].detached, 1);
    cr_assert(list_empty(&board.gathers));
    cr_assert_eq(guest.answers, 0);
}

/* ---- Pages ---- */

static uint32_t must_ask(uint32_t shard, const char *after, uint32_t limit)
{
    cr_assert_eq(only_one(), shard);
    cr_assert_str_eq(fakes[shard].after, after);
    cr_assert_str_eq(fakes[shard].type, "a/f");
    cr_assert_eq(fakes[shard].limit, limit);
    return shard;
}

Test(switchboard, a_page_of_keys_goes_over_shards_and_ends_with_an_id)
{
    struct guest guest = guest_new();
    ask(&guest, QUERY_KEYS, "", 3);
    answer(must_ask(0, "", 3), ANSWER_ROWS, 0, "{\"id\":\"a\"}\n", "");
    answer(must_ask(1, "", 2), ANSWER_ROWS, 0, "", "");
    answer(must_ask(2, "", 2), ANSWER_ROWS, 0, "{\"id\":\"b\"}\n{\"id\":\"c\\\"\\\\n\"}\n", "");
    cr_assert_eq(guest.answers, 1);
    cr_assert_str_eq(guest.next, "c\"\\n");
    ask(&guest, QUERY_KEYS, guest.next, 3);
    uint32_t owner = slot_owner(slot_of(span_text(guest.next)), PORTS);
    must_ask(owner, guest.next, 3);
    for (uint32_t i = owner; i < PORTS; i++) answer(i, ANSWER_ROWS, 0, "", "");
    cr_assert_eq(guest.answers, 2);
    cr_assert_str_eq(guest.next, "");
}

Test(switchboard, a_shard_with_more_ends_the_page)
{
    struct guest guest = guest_new();
    ask(&guest, QUERY_KEYS, "", 1);
    answer(must_ask(0, "", 1), ANSWER_ROWS, 0, "{\"id\":\"a\"}\n", "a");
    cr_assert_str_eq(guest.next, "a");
    ask(&guest, QUERY_PARKED, "", 1);
    answer(must_ask(0, "", 1), ANSWER_ROWS, 0, "{}\n", "1");
    cr_assert_str_eq(guest.next, "0:1");
    ask(&guest, QUERY_PARKED, guest.next, 2);
    answer(must_ask(0, "1", 2), ANSWER_ROWS, 0, "{}\n", "");
    answer(must_ask(1, "", 1), ANSWER_ROWS, 0, "{}\n", "");
    cr_assert_str_eq(guest.next, "2:0");
    ask(&guest, QUERY_PARKED, "3:5", 2);
    answer(must_ask(3, "5", 2), ANSWER_ROWS, 0, "{}\n", "");
    cr_assert_str_eq(guest.next, "");
    cr_assert_eq(guest.answers, 4);
}

Test(switchboard, an_export_goes_by_slots)
{
    struct guest guest = guest_new();
    char slot[KEPT];
    ask(&guest, QUERY_EXPORT, "", 10);
    answer(must_ask(0, "", 10), ANSWER_ROWS, 0, "", "");
    answer(must_ask(1, "", 10), ANSWER_ROWS, 0, "rows", "");
    snprintf(slot, sizeof slot, "%u", slot_first(2, PORTS));
    cr_assert_str_eq(guest.next, slot);
    ask(&guest, QUERY_EXPORT, slot, 10);
    answer(must_ask(2, slot, 10), ANSWER_ROWS, 0, "rows", "4000");
    cr_assert_str_eq(guest.next, "4000");
    ask(&guest, QUERY_EXPORT, "4000", 10);
    answer(must_ask(3, "4000", 10), ANSWER_ROWS, 0, "rows", "");
    cr_assert_str_eq(guest.next, "");
    ask(&guest, QUERY_EXPORT, "99999999", 10);
    answer(must_ask(3, "99999999", 10), ANSWER_ROWS, 0, "", "");
    cr_assert_eq(guest.answers, 4);
}

Test(switchboard, a_page_that_fails_is_told)
{
    struct guest guest = guest_new();
    ask(&guest, QUERY_KEYS, "", 5);
    answer(must_ask(0, "", 5), ANSWER_ROWS, 0, "{\"id\":\"a\"}\n", "");
    answer(must_ask(1, "", 4), ANSWER_FULL, 0, "", "");
    cr_assert_eq(guest.kind, ANSWER_FULL);
    ask(&guest, QUERY_KEYS, "", 5);
    must_ask(0, "", 5);
    leave(&guest);
    cr_assert_eq(fakes[0].detached, 1);
    cr_assert(list_empty(&board.gathers));
}
