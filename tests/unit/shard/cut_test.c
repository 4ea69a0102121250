/* Snapshots while the shard goes on, incremental ones, and replays of what does not fit. */
#include "common.h"

#include "base/prng.h"
#include "wire/record.h"

#include <malloc.h>
#include <stdlib.h>

static void use(struct fixture *f, int i)
{
    char id[16], token[32];
    snprintf(id, sizeof id, "%d", i % 400);
    snprintf(token, sizeof token, "token%d", i);
    fixture_message(f, &(struct event_message){.target = fixture_address("t/a", id),
                                               .argument = fixture_value("x"),
                                               .key = span_text(token),
                                               .reply_token = span_text(token),
                                               .cancel_token = span_text(i % 3 == 0 ? token : ""),
                                               .delay_ms = i % 3 == 0 ? 100000 : -1});
    if (f->call_count == 0) return;
    const struct shard_invocation *call = f->calls[0];
    struct effect_message reply = {call->request.messages[0].caller, fixture_value("r")};
    RESULT(call, .messages = &reply, .message_count = reply.target.type.size > 0,
           EGRESS(out("t/out", "e")), WRITES(set("s", token)));
}

Test(cut, while_the_shard_goes_on)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "0", specs, 1);
    f->cutting = true;
    f->quiet = true;
    for (int i = 0; i < 1000; i++) {
        use(f, i);
        if (i % 250 == 249) ledger_check(&f->ledger, f->shard);
    }
    cr_expect_gt(f->ledger.cuts_published, 10);
    fixture_crash(f);
    fixture_close(f);
}

static void snapshot(struct fixture *f)
{
    uint64_t before = f->ledger.cuts_published;
    while (f->ledger.cuts_published == before) ledger_cut(&f->ledger, f->shard, 5000);
    ledger_check(&f->ledger, f->shard);
}

/* Each kind of change to a slot that nothing else touches must be in the next incremental snapshot.
 */
Test(cut, every_kind_of_change_is_seen_by_an_incremental_snapshot)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s"), spec_expiring("e", EXPIRE_AFTER_WRITE, 10000)};
    f->endpoints[0].attempts_max = 2;
    f->config.dedup_window_ms = 400000;
    f->config.reply_keep_ms = 500000;
    fixture_configure(f);
    fixture_register(f, "t/a", "1", specs, 2);
    snapshot(f);
    waiter_t waiter =
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", "caller"),
                                                   .argument = fixture_value("x"),
                                                   .reply_token = TEXT("tok"),
                                                   .key = TEXT("key"),
                                                   .delay_ms = -1});
    snapshot(f);
    RESULT(CALL("t/a", "caller"), SENDS(to("t/b", "replies", "tok")));
    snapshot(f);
    RESULT(CALL("t/b", "replies"), SENDS(to("holdfast/reply", "tok", "r")));
    snapshot(f); /* the entry alone */
    cr_expect_eq(KIND(waiter), ANSWER_REPLY);
    fixture_send(f, "t/a", "2", "x");
    snapshot(f);
    RESULT(CALL("t/a", "2"), DELAYED(later("t/b", "target", "x", 1000, "k")),
           WRITES(set("e", "v")));
    snapshot(f);
    fixture_pass(f, 1000);
    snapshot(f); /* the timer left its slot, mail came into another */
    fixture_fail(f, CALL("t/b", "target"), OUTCOME_BAD_ANSWER, "no");
    snapshot(f);
    fixture_pass(f, 100);
    fixture_fail(f, CALL("t/b", "target"), OUTCOME_BAD_ANSWER, "no");
    snapshot(f);
    struct shard_event event = {
        .kind = EVENT_OPERATOR,
        .operate = {.verb = VERB_DEAD_LETTER, .address = fixture_address("t/b", "target")}};
    fixture_ask(f, &event);
    snapshot(f);
    fixture_message(f, &(struct event_message){.target = fixture_address("t/b", "late"),
                                               .argument = fixture_value("x"),
                                               .cancel_token = TEXT("c"),
                                               .delay_ms = 100000});
    snapshot(f);
    struct shard_event cancel = {.kind = EVENT_CANCEL,
                                 .cancel = {.id = TEXT("late"), .token = TEXT("c")}};
    fixture_ask(f, &cancel);
    snapshot(f);
    struct shard_event write = {.kind = EVENT_STATE,
                                .state = {.address = fixture_address("t/a", "3"),
                                          .name = TEXT("s"),
                                          .type_name = TEXT("t/v"),
                                          .value = TEXT("w")}};
    fixture_ask(f, &write);
    snapshot(f);
    fixture_pass(f, 200000); /* purges the expired value */
    cr_expect_eq(fixture_metrics(f).keys, 1);
    snapshot(f);
    fixture_pass(f, 500000); /* forgets the key */
    cr_expect_eq(fixture_metrics(f).entries, 0);
    snapshot(f);
    fixture_crash(f);
    fixture_close(f);
}

Test(cut, keeps_what_did_not_change)
{
    struct fixture *f = fixture_open();
    for (int i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        fixture_message(f, &(struct event_message){.target = fixture_address("t/a", id),
                                                   .argument = fixture_value("x"),
                                                   .delay_ms = 100000});
    }
    snapshot(f);
    fixture_send(f, "t/a", "7", "x");
    cr_assert_eq(shard_cut_begin(f->shard, f->ledger.published.seq), 0);
    cr_expect_eq(shard_cut_begin(f->shard, 0), ERROR_EXISTS, "one at a time");
    struct cut_block block;
    int given = 0, kept = 0;
    while (shard_cut_next(f->shard, &block)) {
        kept += block.keep;
        given += !block.keep;
    }
    cr_expect_not(shard_cut_failed(f->shard));
    cr_expect_eq(kept, 4095);
    cr_expect_eq(given, 2, "the globals and one slot");
    shard_cut_end(f->shard);
    shard_cut_end(f->shard);
    cr_expect_eq(shard_cut_seq(f->shard), 0);
    fixture_close(f);
}

Test(cut, an_abandoned_cut_leaves_nothing)
{
    struct fixture *f = fixture_open();
    fixture_send(f, "t/a", "1", "x");
    cr_assert_eq(shard_cut_begin(f->shard, 0), 0);
    struct cut_block block;
    cr_expect(shard_cut_next(f->shard, &block));
    fixture_send(f, "t/a", "1", "saved first");
    cr_expect(shard_cut_next(f->shard, &block));
    shard_cut_end(f->shard);
    cr_assert_eq(shard_cut_begin(f->shard, 0), 0);
    fixture_send(f, "t/a", "2", "x");
    f->quiet = true;
    fixture_close(f); /* closes the shard with a cut under way */
}

/* ---- A slot that changes is saved first ---- */

enum { LARGE = 100000 };

static void write_large(struct fixture *f, const char *id, char byte)
{
    static uint8_t value[LARGE];
    memset(value, byte, sizeof value);
    struct shard_event write = {.kind = EVENT_STATE,
                                .state = {.address = fixture_address("t/a", id),
                                          .name = TEXT("s"),
                                          .type_name = TEXT("t/v"),
                                          .value = span_of(value, sizeof value)}};
    fixture_ask(f, &write);
}

/* Another id of the slot. */
static const char *neighbour_of(const char *id)
{
    static char other[16];
    for (int i = 0;; i++) {
        snprintf(other, sizeof other, "n%d", i);
        if (slot_of(span_text(other)) == slot_of(span_text(id))) return other;
    }
}

static unsigned times_in(struct span bytes, char byte)
{
    unsigned count = 0;
    for (size_t i = 0; i < bytes.size; i++) count += bytes.at[i] == (uint8_t)byte;
    return count;
}

static struct cut_block next_of_slot(struct fixture *f, const char *id)
{
    struct cut_block block;
    do cr_assert(shard_cut_next(f->shard, &block));
    while (block.block != slot_of(span_text(id)));
    return block;
}

Test(cut, cells_are_saved_by_reference)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "0", specs, 1);
    const char *neighbour = neighbour_of("1");
    write_large(f, "1", '#');
    write_large(f, neighbour, '~');
    cr_assert_eq(shard_cut_begin(f->shard, 0), 0);
    uint64_t before = fixture_metrics(f).memory_bytes;
    fixture_send(f, "t/a", "1", "mail");
    cr_expect_lt(fixture_metrics(f).memory_bytes - before, 10000, "neither of them is copied");
    RESULT(CALL("t/a", "1"), WRITES(set("s", "small")));
    struct cut_block block = next_of_slot(f, "1");
    cr_expect_geq(times_in(block.bytes, '#'), LARGE, "as it was");
    cr_expect_geq(times_in(block.bytes, '~'), LARGE);
    cr_expect_lt(fixture_metrics(f).memory_bytes + LARGE, before + 10000, "it is let go of");
    shard_cut_end(f->shard);
    fixture_close(f);
}

Test(cut, an_abandoned_cut_lets_go_of_what_was_saved)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", "0", specs, 1);
    write_large(f, "1", '#');
    uint64_t before = fixture_metrics(f).memory_bytes;
    cr_assert_eq(shard_cut_begin(f->shard, 0), 0);
    fixture_send(f, "t/a", "1", "mail");
    RESULT(CALL("t/a", "1"), WRITES(set("s", "small")));
    cr_expect_gt(fixture_metrics(f).memory_bytes + 10000, before);
    shard_cut_end(f->shard);
    cr_expect_lt(fixture_metrics(f).memory_bytes + LARGE, before + 10000);
    fixture_close(f);
}

/* ---- What does not fit is refused, never folded ---- */

static int replay_bytes(struct shard *shard, struct span bytes, uint32_t count)
{
    return shard_replay(shard, bytes, shard_seq(shard) + 1, count);
}

Test(replay, holes_and_unknown_kinds)
{
    struct fixture *f = fixture_open();
    struct shard *shard = ledger_recover(&f->ledger, false);
    struct buffer records;
    buffer_init(&records);
    shard_encode_open(shard, &records, 2, 77, TEXT("v"));
    cr_expect_eq(shard_replay(shard, buffer_span(&records), shard_seq(shard) + 2, 1),
                 ERROR_DAMAGED);
    cr_expect_eq(shard_replay(shard, buffer_span(&records), shard_seq(shard) + 1, 2),
                 ERROR_DAMAGED);
    cr_expect_eq(shard_replay(shard, span_of(records.at, records.size - 1), 2, 1), ERROR_DAMAGED);
    buffer_clear(&records);
    record_write(&records, 77, 0, TEXT("?"));
    cr_expect_eq(replay_bytes(shard, buffer_span(&records), 1), ERROR_NEWER_FORMAT);
    buffer_clear(&records);
    record_write(&records, 0x80 | 77, 5, TEXT("?"));
    uint64_t seq = shard_seq(shard);
    cr_expect_eq(replay_bytes(shard, buffer_span(&records), 1), 0, "optional: skipped");
    cr_expect_eq(shard_seq(shard), seq + 1);
    cr_expect_eq(shard_load(shard, 5000, TEXT("x")), ERROR_DAMAGED);
    shard_close(shard);
    buffer_close(&records);
    fixture_close(f);
}

/* Records of a life with everything in it, each with bytes changed: refused or folded, never worse.
 */
Test(replay, changed_bytes_never_break_the_fold)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_register(f, "t/a", "0", specs, 1);
    for (int i = 0; i < 12; i++) use(f, i);
    fixture_pass(f, 100000);
    for (int i = 0; i < 6 && f->call_count > 0; i++)
        fixture_fail(f, f->calls[0], OUTCOME_BAD_ANSWER, "no");
    for (int verb = VERB_RETRY; verb <= VERB_PURGE; verb++) {
        struct shard_event event = {.kind = EVENT_OPERATOR,
                                    .operate = {.verb = (enum operator_verb)verb}};
        fixture_ask(f, &event);
        while (f->call_count > 0 && verb < VERB_PURGE)
            fixture_fail(f, f->calls[0], OUTCOME_BAD_ANSWER, "no");
    }
    struct prng prng = {7};
    int refused = 0, folded = 0;
    for (int round = 0; round < 3000; round++) {
        uint64_t seq = 1 + prng_below(&prng, f->ledger.count);
        struct span record = ledger_records(&f->ledger, seq - 1, seq);
        struct buffer changed;
        buffer_init(&changed);
        buffer_append(&changed, record);
        for (uint64_t i = prng_below(&prng, 3); i < 3; i++)
            changed.at[prng_below(&prng, changed.size)] = (uint8_t)prng_next(&prng);
        struct shard *shard;
        cr_assert_eq(shard_open(&shard), 0);
        cr_assert_eq(
            shard_replay(shard, ledger_records(&f->ledger, 0, seq - 1), 1, (uint32_t)(seq - 1)), 0);
        int error = replay_bytes(shard, buffer_span(&changed), 1);
        refused += error != 0;
        folded += error == 0;
        shard_close(shard);
        buffer_close(&changed);
    }
    cr_expect_gt(refused, 100);
    cr_expect_gt(folded, 100);
    f->quiet = true;
    fixture_close(f);
}

Test(replay, changed_bytes_of_a_block_never_break_the_load)
{
    struct fixture *f = fixture_open();
    struct state_spec specs[] = {spec("s")};
    f->endpoints[0].attempts_max = 1;
    fixture_configure(f);
    fixture_register(f, "t/a", "0", specs, 1);
    for (int i = 0; i < 40; i++) use(f, i);
    snapshot(f);
    struct prng prng = {11};
    struct ledger_snapshot *published = &f->ledger.published;
    for (int round = 0; round < 2000; round++) {
        struct shard *shard;
        cr_assert_eq(shard_open(&shard), 0);
        uint32_t bad = SHARD_BLOCK_GLOBALS;
        while (round % 4 != 0 && (bad == SHARD_BLOCK_GLOBALS || published->blocks[bad].size == 0))
            bad = (uint32_t)prng_below(&prng, SHARD_BLOCK_GLOBALS);
        struct buffer changed;
        buffer_init(&changed);
        buffer_append(&changed, buffer_span(&published->blocks[bad]));
        changed.at[prng_below(&prng, changed.size)] = (uint8_t)prng_next(&prng);
        int error = shard_load(shard, SHARD_BLOCK_GLOBALS,
                               bad == SHARD_BLOCK_GLOBALS
                                   ? buffer_span(&changed)
                                   : buffer_span(&published->blocks[SHARD_BLOCK_GLOBALS]));
        if (error == 0 && bad != SHARD_BLOCK_GLOBALS)
            error = shard_load(shard, bad, buffer_span(&changed));
        shard_close(shard);
        buffer_close(&changed);
    }
    f->quiet = true;
    fixture_close(f);
}

Test(replay, a_recovery_holds_no_more_than_the_image)
{
    struct fixture *f = fixture_open();
    f->quiet = true;
    static char text[10001];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 300; i++) {
        text[9000 + i] = 0; /* each of another size */
        fixture_send(f, "t/a", "1", text);
        text[9000 + i] = 'x';
        RESULT(CALL("t/a", "1"), 0);
    }
    cr_expect_eq(fixture_metrics(f).mailbox_messages, 0);
    /* What was reserved for one record is not kept for all. (Sanitizers do not count here.) */
    size_t before = mallinfo2().uordblks;
    struct shard *shard = ledger_recover(&f->ledger, false);
    cr_expect_lt(mallinfo2().uordblks - before, 1000000);
    shard_close(shard);
    fixture_close(f);
}
