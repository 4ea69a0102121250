/*
 * Records whose checksums are right and whose content does not fit: each is refused as damaged, and
 * the image stays what it was.
 */
#include "common.h"

#include "base/slot.h"
#include "shard/overlay.h"
#include "wire/record.h"

#include <stdlib.h>

/* One of two shards, with a bit of everything. */
static struct fixture *f;
static struct buffer body;
static char ours[16], theirs[16]; /* ids of this shard and of the other one */
static uint32_t type, lane;

static void find_ids(void)
{
    for (int n = 0; ours[0] == 0 || theirs[0] == 0; n++) {
        char id[16];
        snprintf(id, sizeof id, "k%d", n);
        memcpy(slot_owner(slot_of(span_text(id)), 2) == 0 ? ours : theirs, id, sizeof id);
    }
}

static void setup(void)
{
    f = fixture_open_at(0, 2);
    buffer_init(&body);
    find_ids();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", ours, specs, 1);
    fixture_send(f, "t/a", ours, "x");
    RESULT(CALL("t/a", ours), SENDS(to("t/a", ours, "y"), to("t/a", theirs, "z")),
           EGRESS(out("t/out", "o")), WRITES(set("s", "v")),
           DELAYED(later("t/a", ours, "late", 50, ""), later("t/a", ours, "late too", 50, "")));
    type = dictionary_find(&f->shard->image, TEXT("t/a"));
    lane = dictionary_find(&f->shard->image, TEXT("t/out"));
    cr_assert(type != 0 && lane != 0);
}

static void teardown(void)
{
    buffer_close(&body);
    fixture_close(f);
}

TestSuite(refusal, .init = setup, .fini = teardown);

static struct buffer *begin(void)
{
    buffer_clear(&body);
    return &body;
}

static int replay(uint8_t kind, uint64_t elapsed_ms)
{
    struct shard *shard = ledger_recover(&f->ledger, false);
    struct buffer records;
    buffer_init(&records);
    record_write(&records, kind, elapsed_ms, buffer_span(&body));
    uint64_t digest = shard_digest(shard), seq = shard_seq(shard);
    int error = shard_replay(shard, buffer_span(&records), seq + 1, 1);
    if (error != 0) {
        cr_assert_eq(shard_seq(shard), seq);
        cr_assert_eq(shard_digest(shard), digest, "it has changed the image");
    }
    shard_close(shard);
    buffer_close(&records);
    return error;
}

#define DAMAGED(kind) cr_expect_eq(replay(kind, 0), ERROR_DAMAGED)

static struct record_item item(enum item_kind kind, const char *id)
{
    return (struct record_item){.kind = kind,
                                .type = type,
                                .id = span_text(id),
                                .argument = TEXT("x"),
                                .state_name = type,
                                .state_type = type};
}

static void accept(struct record_item accepted)
{
    record_accept_write(begin(), &(struct record_accept){SPAN_EMPTY, 0});
    record_item_write(&body, &accepted);
}

Test(refusal, accept)
{
    accept(item(ITEM_MESSAGE, theirs));
    DAMAGED(RECORD_ACCEPT);
    accept(item(ITEM_REPLY, ours));
    DAMAGED(RECORD_ACCEPT);
    accept(item(ITEM_EGRESS, ours));
    DAMAGED(RECORD_ACCEPT);
    accept(item(ITEM_MESSAGE, ""));
    DAMAGED(RECORD_ACCEPT);
    struct record_item unknown = item(ITEM_MESSAGE, ours);
    unknown.type = 9999;
    accept(unknown);
    DAMAGED(RECORD_ACCEPT);
    unknown = item(ITEM_STATE_SET, ours);
    unknown.state_type = 9999;
    accept(unknown);
    DAMAGED(RECORD_ACCEPT);
    accept(item(ITEM_MESSAGE, ours));
    buffer_byte(&body, 0);
    DAMAGED(RECORD_ACCEPT);
    accept(item(ITEM_MESSAGE, ours));
    cr_expect_eq(replay(RECORD_ACCEPT, 0), 0, "this one fits");
    cr_expect_eq(replay(RECORD_ACCEPT, UINT64_MAX), ERROR_DAMAGED, "after the end of time");
}

/* Longer than anything that comes in, so that nothing of an image has to count further. */
Test(refusal, accept_of_something_too_long)
{
    static char text[ID_SIZE_MAX + 2];
    memset(text, 'x', ID_SIZE_MAX + 1);
    struct span id = span_of(text, ID_SIZE_MAX + 1);
    do { /* one that would be ours */
        text[0]++;
    } while (slot_owner(slot_of(id), 2) != 0);
    struct record_item long_one = item(ITEM_MESSAGE, "");
    long_one.id = id;
    accept(long_one);
    DAMAGED(RECORD_ACCEPT);
    long_one = item(ITEM_MESSAGE, ours);
    long_one.reply_token = span_of(text, REPLY_TOKEN_SIZE + 1);
    accept(long_one);
    DAMAGED(RECORD_ACCEPT);
    long_one.reply_token.size = REPLY_TOKEN_SIZE;
    accept(long_one);
    cr_expect_eq(replay(RECORD_ACCEPT, 0), 0, "this one fits");
    for (size_t size = KEY_SIZE_MAX; size <= KEY_SIZE_MAX + 1; size++) {
        record_accept_write(begin(), &(struct record_accept){span_of(text, size), 0});
        long_one = item(ITEM_MESSAGE, ours);
        record_item_write(&body, &long_one);
        cr_expect_eq(replay(RECORD_ACCEPT, 0), size > KEY_SIZE_MAX ? ERROR_DAMAGED : 0);
    }
}

/* An APPLY that fits but for what is changed in it. */
static void apply(uint32_t consumed, uint32_t wrong, const struct record_item *sent,
                  const struct record_item *delayed, uint32_t egress)
{
    struct box *box = box_find(&f->shard->image, type, span_text(ours));
    const struct message *first = LIST_FIRST(&box->messages, struct message, link);
    record_apply_write(begin(), &(struct record_apply){.type = type,
                                                       .id = span_text(ours),
                                                       .consumed = consumed,
                                                       .check = message_check(first) ^ wrong});
    buffer_varint(&body, sent != NULL);
    if (sent != NULL) record_item_write(&body, sent);
    buffer_varint(&body, delayed != NULL);
    if (delayed != NULL) record_delayed_write(&body, delayed);
    buffer_varint(&body, egress != 0);
    if (egress != 0) record_egress_write(&body, &(struct record_egress){egress, TEXT("o")});
    buffer_varint(&body, 0);
}

Test(refusal, apply)
{
    struct record_item egress = item(ITEM_EGRESS, ours), reply = item(ITEM_REPLY, ours);
    apply(1, 0, NULL, NULL, 0);
    cr_expect_eq(replay(RECORD_APPLY, 0), 0, "this one fits");
    apply(0, 0, NULL, NULL, 0);
    DAMAGED(RECORD_APPLY);
    apply(2, 0, NULL, NULL, 0);
    DAMAGED(RECORD_APPLY);
    apply(1, 1, NULL, NULL, 0);
    DAMAGED(RECORD_APPLY);
    apply(1, 0, &egress, NULL, 0);
    DAMAGED(RECORD_APPLY);
    apply(1, 0, NULL, &egress, 0);
    DAMAGED(RECORD_APPLY);
    apply(1, 0, NULL, &reply, 0);
    DAMAGED(RECORD_APPLY);
    apply(1, 0, NULL, NULL, 9999);
    DAMAGED(RECORD_APPLY);
    reply.id = SPAN_EMPTY;
    apply(1, 0, &reply, NULL, 0);
    DAMAGED(RECORD_APPLY); /* nobody waits for it */
}

Test(refusal, more_values_than_a_cell_may_have)
{
    const struct box *box = box_find(&f->shard->image, type, span_text(ours));
    const struct message *first = LIST_FIRST(&box->messages, struct message, link);
    uint32_t name = dictionary_find(&f->shard->image, TEXT("s"));
    for (uint32_t count = VALUES_MAX; count <= VALUES_MAX + 1; count++) {
        record_apply_write(begin(), &(struct record_apply){.type = type,
                                                           .id = span_text(ours),
                                                           .consumed = 1,
                                                           .check = message_check(first)});
        for (int list = 0; list < 3; list++) buffer_varint(&body, 0);
        buffer_varint(&body, count);
        for (uint32_t i = 0; i < count; i++)
            record_mutation_write(&body, &(struct record_mutation){name, false, type, TEXT("v")});
        cr_expect_eq(replay(RECORD_APPLY, 0), count > VALUES_MAX ? ERROR_DAMAGED : 0);
    }
}

Test(refusal, operator_and_fail)
{
    struct record_operator operate = {
        .type = type, .id = span_text(ours), .verb = RECORD_VERB_WRITE, .applied = true};
    record_operator_write(begin(), &operate);
    DAMAGED(RECORD_OPERATOR); /* no write waits */
    operate.verb = (enum record_verb)(RECORD_VERB_PURGE + 1);
    record_operator_write(begin(), &operate);
    DAMAGED(RECORD_OPERATOR);
    operate.verb = RECORD_VERB_DEAD_LETTER;
    operate.lane = 9999;
    record_operator_write(begin(), &operate);
    DAMAGED(RECORD_OPERATOR);
    operate.verb = RECORD_VERB_SKIP;
    operate.id = TEXT("nobody");
    record_operator_write(begin(), &operate);
    DAMAGED(RECORD_OPERATOR);
    record_fail_write(begin(), &(struct record_fail){.type = type, .id = TEXT("nobody")});
    DAMAGED(RECORD_FAIL);
}

static uint64_t due(size_t i)
{
    struct list *link = image_slot(&f->shard->image, span_text(ours))->timers.next;
    for (; i > 0; i--) link = link->next;
    return CONTAINER_OF(link, struct timer, link)->due.tie;
}

static void fire(uint64_t count, uint64_t first, uint64_t second)
{
    buffer_varint(begin(), count);
    buffer_varint(&body, first);
    if (count > 1) buffer_varint(&body, second);
}

Test(refusal, fire)
{
    fire(2, due(0), due(1));
    cr_expect_eq(replay(RECORD_FIRE, 0), 0, "this one fits");
    fire(2, due(1), due(0));
    DAMAGED(RECORD_FIRE); /* in the wrong order */
    fire(2, due(0), due(0));
    DAMAGED(RECORD_FIRE);
    fire(1, 9999, 0);
    DAMAGED(RECORD_FIRE);
}

static void three(uint64_t first, uint64_t second, uint64_t third)
{
    buffer_varint(begin(), first);
    buffer_varint(&body, second);
    if (third != UINT64_MAX) buffer_varint(&body, third);
}

Test(refusal, cursor_evict_and_purge)
{
    three(lane, 2, UINT64_MAX);
    DAMAGED(RECORD_CURSOR); /* there is one record */
    three(9999, 1, UINT64_MAX);
    DAMAGED(RECORD_CURSOR);
    three(SLOTS, 0, 0);
    DAMAGED(RECORD_EVICT);
    three(1, 4, 0);
    DAMAGED(RECORD_EVICT);
    three(1, 1, 1);
    DAMAGED(RECORD_EVICT); /* nothing is remembered */
    three(1, 3, UINT64_MAX - 1);
    buffer_varint(&body, 5);
    DAMAGED(RECORD_EVICT);
    buffer_varint(begin(), type);
    buffer_string(&body, TEXT("nobody"));
    DAMAGED(RECORD_PURGE);
}

Test(refusal, names_and_beginnings)
{
    buffer_string(begin(), SPAN_EMPTY);
    DAMAGED(RECORD_DEFINE);
    buffer_varint(begin(), 9999);
    buffer_varint(&body, 0);
    DAMAGED(RECORD_SPEC);
    struct record_open open = {.epoch = 9, .format = RECORD_FORMAT + 1, .shard_count = 2};
    record_open_write(begin(), &open);
    cr_expect_eq(replay(RECORD_OPEN, 0), ERROR_NEWER_FORMAT);
    open.format = RECORD_FORMAT;
    open.shard = 1;
    record_open_write(begin(), &open);
    cr_expect_eq(replay(RECORD_OPEN, 0), ERROR_REFUSED, "of the other shard");
    begin();
    cr_expect_eq(replay(0x70, 0), ERROR_NEWER_FORMAT);
    cr_expect_eq(replay(RECORD_OPTIONAL | 0x70, 0), 0, "may be skipped");
    buffer_varint(begin(), 0);
    DAMAGED(RECORD_CUT);
}

static void receive(uint32_t from, uint64_t first, uint64_t count, const struct record_item *one)
{
    record_receive_write(begin(), &(struct record_receive){from, first, count});
    if (one != NULL) record_item_write(&body, one);
}

Test(refusal, parcels)
{
    struct record_item good = item(ITEM_MESSAGE, ours), bad;
    receive(1, 1, 1, &good);
    cr_expect_eq(replay(RECORD_RECEIVE, 0), 0, "this one fits");
    receive(0, 1, 1, &good);
    DAMAGED(RECORD_RECEIVE); /* from itself */
    receive(2, 1, 1, &good);
    DAMAGED(RECORD_RECEIVE);
    receive(1, 2, 1, &good);
    DAMAGED(RECORD_RECEIVE); /* a gap */
    receive(1, 1, 0, NULL);
    DAMAGED(RECORD_RECEIVE);
    receive(1, 1, (uint64_t)UINT32_MAX + 1, &good);
    DAMAGED(RECORD_RECEIVE);
    receive(1, 1, 2, &good);
    DAMAGED(RECORD_RECEIVE); /* one is missing */
    static const enum item_kind states[] = {ITEM_STATE_SET, ITEM_STATE_DELETE};
    for (int i = 0; i < 2; i++) {
        bad = item(states[i], ours);
        receive(1, 1, 1, &bad);
        DAMAGED(RECORD_RECEIVE);
    }
    bad = item(ITEM_MESSAGE, theirs);
    receive(1, 1, 1, &bad);
    DAMAGED(RECORD_RECEIVE);
    bad = good;
    bad.delayed = true;
    receive(1, 1, 1, &bad);
    DAMAGED(RECORD_RECEIVE);
    bad = item(ITEM_EGRESS, "");
    bad.type = 9999;
    receive(1, 1, 1, &bad);
    DAMAGED(RECORD_RECEIVE);
    for (bad.type = 1; bad.type <= f->shard->image.dictionary.count; bad.type++) {
        struct span name = dictionary_name(&f->shard->image, bad.type);
        receive(1, 1, 1, &bad);
        cr_expect_eq(replay(RECORD_RECEIVE, 0),
                     slot_owner(slot_of(name), 2) == 0 ? 0 : ERROR_DAMAGED);
    }
    record_acked_write(begin(), &(struct record_acked){1, 99});
    DAMAGED(RECORD_ACKED);
    record_acked_write(begin(), &(struct record_acked){7, 1});
    DAMAGED(RECORD_ACKED);
}

static void source(uint32_t name, const char *position, uint64_t count,
                   const struct record_item *one)
{
    record_source_write(begin(), &(struct record_source){name, span_text(position), count});
    if (one != NULL) record_item_write(&body, one);
}

Test(refusal, sources)
{
    struct record_item good = item(ITEM_MESSAGE, ours), bad = item(ITEM_MESSAGE, theirs);
    source(lane, "1", 1, &good);
    cr_expect_eq(replay(RECORD_SOURCE, 0), 0, "any name may be one of a source");
    source(lane, "1", 1, &bad);
    cr_expect_eq(replay(RECORD_SOURCE, 0), 0, "and its messages may be for others");
    source(lane, "1", 0, NULL);
    cr_expect_eq(replay(RECORD_SOURCE, 0), 0);
    source(0, "1", 1, &good);
    DAMAGED(RECORD_SOURCE);
    source(9999, "1", 1, &good);
    DAMAGED(RECORD_SOURCE);
    source(lane, "", 1, &good);
    DAMAGED(RECORD_SOURCE);
    char long_position[SOURCE_POSITION_MAX + 2] = {0};
    memset(long_position, 'x', SOURCE_POSITION_MAX + 1);
    source(lane, long_position, 1, &good);
    DAMAGED(RECORD_SOURCE);
    source(lane, "1", 2, &good);
    DAMAGED(RECORD_SOURCE); /* one is missing */
    static const enum item_kind kinds[] = {ITEM_STATE_SET, ITEM_STATE_DELETE, ITEM_REPLY,
                                           ITEM_EGRESS};
    for (int i = 0; i < 4; i++) {
        bad = item(kinds[i], ours);
        source(lane, "1", 1, &bad);
        DAMAGED(RECORD_SOURCE);
    }
    bad = good;
    bad.delayed = true;
    source(lane, "1", 1, &bad);
    DAMAGED(RECORD_SOURCE);
    bad = good;
    bad.reply_token = TEXT("0123456789abcdef");
    source(lane, "1", 1, &bad);
    DAMAGED(RECORD_SOURCE);
    bad = good;
    bad.has_caller = true;
    bad.caller_type = type;
    bad.caller_id = TEXT("1");
    source(lane, "1", 1, &bad);
    DAMAGED(RECORD_SOURCE);
}
