/*
 * Blocks of a snapshot whose checksums are right and whose content does not fit: each is refused as
 * damaged.
 */
#include "common.h"

#include "base/slot.h"
#include "shard/block.h"
#include "shard/overlay.h"

#include <stdlib.h>

static struct fixture *f;
static struct buffer body;
static const char *const ours = "k1";
static uint32_t type;

/* With something of each kind in one slot. */
static void setup(void)
{
    f = fixture_open();
    buffer_init(&body);
    struct state_spec specs[] = {spec("s")};
    fixture_register(f, "t/a", ours, specs, 1);
    fixture_send(f, "t/a", ours, "x");
    RESULT(CALL("t/a", ours), SENDS(to("t/a", ours, "y")), EGRESS(out("t/out", "o")),
           WRITES(set("s", "v")), DELAYED(later("t/a", ours, "late", 50, "token")));
    type = dictionary_find(&f->shard->image, TEXT("t/a"));
    cr_assert_neq(type, 0);
}

static void teardown(void)
{
    buffer_close(&body);
    fixture_close(f);
}

TestSuite(refusal_block, .init = setup, .fini = teardown);

static struct buffer *begin(void)
{
    buffer_clear(&body);
    return &body;
}

/* A shard with the globals alone, and then one crafted block of a slot. */
static int load_slot(void)
{
    struct shard *shard;
    struct buffer globals;
    buffer_init(&globals);
    block_write_globals(&globals, &f->shard->image);
    cr_assert_eq(shard_open(&shard), 0);
    cr_assert_eq(shard_load(shard, SHARD_BLOCK_GLOBALS, buffer_span(&globals)), 0);
    int error = shard_load(shard, slot_of(span_text(ours)), buffer_span(&body));
    shard_close(shard);
    buffer_close(&globals);
    return error;
}

static void numbers(unsigned count, const uint64_t *values)
{
    for (unsigned i = 0; i < count; i++) buffer_varint(&body, values[i]);
}
#define NUMBERS(...)                                                                               \
    numbers(sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), (uint64_t[]){__VA_ARGS__})

static void cell(uint32_t cell_type, const char *id, uint64_t count, uint64_t name)
{
    begin();
    NUMBERS(1, cell_type);
    buffer_string(&body, span_text(id));
    NUMBERS(1, 0, count);
    for (uint64_t i = 0; i < count; i++) {
        NUMBERS(name, type, 0, 1);
        buffer_string(&body, TEXT("v"));
    }
    NUMBERS(0, 0, 0);
}

Test(refusal_block, with_a_cell)
{
    cell(type, ours, 1, type);
    cr_expect_eq(load_slot(), 0, "this one fits");
    cell(9999, ours, 1, type);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    cell(type, "", 1, type);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    cell(type, ours, 0, type);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    cell(type, ours, 2, 0);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    cell(type, ours, 1, 9999);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    cell(type, ours, 1, type);
    buffer_byte(&body, 0);
    cr_expect_eq(load_slot(), ERROR_DAMAGED, "bytes behind it");
}

static void message(enum item_kind kind, uint64_t caller, uint64_t state)
{
    buffer_byte(&body, (uint8_t)kind);
    NUMBERS(1, 0, 1, caller, 0, 0, 0, 0);
    if (kind == ITEM_MESSAGE) return;
    NUMBERS(state, type);
    buffer_byte(&body, 0);
    NUMBERS(0);
}

static void box(const char *id, uint64_t count, enum item_kind kind, uint64_t caller,
                uint64_t state)
{
    begin();
    NUMBERS(0, 1, type);
    buffer_string(&body, span_text(id));
    NUMBERS(0, 0, 0, 0, 0, count);
    for (uint64_t i = 0; i < count; i++) message(kind, caller, state);
    NUMBERS(0, 0);
}

Test(refusal_block, with_a_mailbox)
{
    box(ours, 1, ITEM_MESSAGE, 0, 0);
    cr_expect_eq(load_slot(), 0, "this one fits");
    box(ours, 1, ITEM_STATE_SET, 0, type);
    cr_expect_eq(load_slot(), 0, "nor is there anything wrong with this one");
    box("", 1, ITEM_MESSAGE, 0, 0);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    box(ours, 0, ITEM_MESSAGE, 0, 0);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    box(ours, 1, ITEM_MESSAGE, 9999, 0);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    box(ours, 1, ITEM_STATE_SET, 0, 9999);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    box(ours, 1, ITEM_REPLY, 0, type);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    box(ours, 1, ITEM_EGRESS, 0, type);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
}

static void timer(uint64_t number, const char *target, const char *scope, enum item_kind kind)
{
    begin();
    NUMBERS(0, 0, 1, number, 77, type);
    buffer_string(&body, span_text(target));
    buffer_string(&body, span_text(scope));
    NUMBERS(0);
    message(kind, 0, type);
    NUMBERS(0);
}

static void entry(const char *id, uint64_t entry_type)
{
    begin();
    NUMBERS(0, 0, 0, 1, entry_type);
    buffer_string(&body, span_text(id));
    buffer_string(&body, TEXT("key"));
    NUMBERS(0);
    buffer_u64(&body, 7);
    NUMBERS(1, 1, 1);
    buffer_byte(&body, 0);
}

Test(refusal_block, with_a_timer_or_an_entry)
{
    timer(1, ours, ours, ITEM_MESSAGE);
    cr_expect_eq(load_slot(), 0, "this one fits");
    timer(0, ours, ours, ITEM_MESSAGE);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    timer(1, "", ours, ITEM_MESSAGE);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    timer(1, ours, "", ITEM_MESSAGE);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    timer(1, ours, ours, ITEM_REPLY);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    entry(ours, type);
    cr_expect_eq(load_slot(), 0, "this one fits");
    entry("", type);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
    entry(ours, 9999);
    cr_expect_eq(load_slot(), ERROR_DAMAGED);
}

/* Every cut of a real block, and each of its bytes changed: an error, or a block that is another
 * one. Nothing worse. */
Test(refusal_block, changed_and_cut)
{
    struct buffer globals, slot;
    buffer_init(&globals);
    buffer_init(&slot);
    block_write_globals(&globals, &f->shard->image);
    block_write_slot(&slot, image_slot(&f->shard->image, span_text(ours)));
    unsigned refused = 0;
    for (int which = 0; which < 2; which++) {
        struct buffer *changed = which == 0 ? &globals : &slot;
        for (size_t at = 0; at < 2 * changed->size; at++) {
            size_t size = changed->size;
            struct shard *shard;
            cr_assert_eq(shard_open(&shard), 0);
            if (at < size)
                changed->at[at] ^= 0x41;
            else
                changed->size = at - size;
            int error = shard_load(shard, SHARD_BLOCK_GLOBALS, buffer_span(&globals));
            if (error == 0 && slot.size > 0)
                error = shard_load(shard, slot_of(span_text(ours)), buffer_span(&slot));
            refused += error != 0;
            shard_close(shard);
            changed->size = size;
            if (at < size) changed->at[at] ^= 0x41;
        }
    }
    cr_expect_gt(refused, slot.size + globals.size);
    buffer_close(&globals);
    buffer_close(&slot);
}
