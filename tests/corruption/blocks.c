/*
 * Blocks of a snapshot whose bytes are as they were written, by somebody who was wrong: their
 * checksums are right, each object in them is well formed, and together they contradict themselves.
 * A shard has to refuse them as damaged (I12): what it takes in once, it acts on for ever.
 */
#include "base/check.h"
#include "base/slot.h"
#include "lib/shard_fixture.h"

#include <stdio.h>
#include <stdlib.h>

enum expected { REFUSED, TAKEN };

/* In the globals: the type 1, shard time and the numbers that were given out so far. */
static struct buffer globals[2]; /* of the only shard; of shard 0 of 2 */
static uint64_t newest_seq;
static char here[16], near[16], other[16], far[16]; /* ids: of one slot, of another, of shard 1 */
static struct buffer out;

static void string(const char *text)
{
    buffer_string(&out, span_text(text));
}

static void number(uint64_t value)
{
    buffer_varint(&out, value);
}

/* ---- Objects; docs/formats.md ---- */

static void cell(const char *id, uint64_t seq, uint64_t values)
{
    number(1);
    string(id);
    number(seq);
    number(0);
    number(values);
    for (uint64_t i = 0; i < values; i++) {
        for (int field = 0; field < 2; field++) number(1); /* name, type */
        number(0);
        number(seq);
        string("v");
    }
}

static void message(uint64_t seq)
{
    number(0); /* a message */
    number(seq);
    for (int field = 0; field < 3; field++) number(field == 1);
    for (int text = 0; text < 4; text++) string("");
}

static void box(const char *id, uint64_t seq)
{
    number(1);
    string(id);
    for (int field = 0; field < 4; field++) number(0);
    string("");
    number(1);
    message(seq);
}

static void timer(const char *scope, uint64_t timer_number, const char *token)
{
    number(timer_number);
    number(1700000100000);
    number(1);
    string(here);
    string(scope);
    string(token);
    message(1);
}

static void entry(const char *id, const char *key, const char *token, uint64_t seq)
{
    number(1);
    string(id);
    string(key);
    string(token);
    buffer_u64(&out, 7);
    number(seq);
    number(1);
    number(0);
    number(0);
}

/* ---- Cases: cells, boxes, timers, entries; each list begins with its count ---- */

static void nothing(int lists)
{
    while (lists-- > 0) number(0);
}

static void whole(void)
{
    number(2), cell(here, 1, 1), cell(near, 1, 1);
    number(1), box(here, 1);
    number(1), timer(here, 1, "t");
    number(1), entry(here, "k", "", 1);
}

static void cell_of_another_slot(void)
{
    number(1), cell(other, 1, 1), nothing(3);
}

static void box_of_another_slot(void)
{
    nothing(1), number(1), box(other, 1), nothing(2);
}

static void timer_of_another_slot(void)
{
    nothing(2), number(1), timer(other, 1, "t"), nothing(1);
}

static void entry_of_another_slot(void)
{
    nothing(3), number(1), entry(other, "k", "", 1);
}

static void cell_of_another_shard(void)
{
    number(1), cell(far, 1, 1), nothing(3);
}

static void cell_twice(void)
{
    number(2), cell(here, 1, 1), cell(here, 1, 1), nothing(3);
}

static void value_twice(void)
{
    number(1), cell(here, 1, 2), nothing(3);
}

static void box_twice(void)
{
    nothing(1), number(2), box(here, 1), box(here, 1), nothing(2);
}

static void timer_twice(void)
{
    nothing(2), number(2), timer(here, 1, ""), timer(here, 1, ""), nothing(1);
}

static void token_twice(void)
{
    nothing(2), number(2), timer(here, 1, "t"), timer(here, 2, "t"), nothing(1);
}

static void timer_of_the_future(void)
{
    nothing(2), number(1), timer(here, 1000, ""), nothing(1);
}

static void key_twice(void)
{
    nothing(3), number(2), entry(here, "k", "", 1), entry(here, "k", "", 1);
}

static void reply_token_twice(void)
{
    nothing(3), number(2), entry(here, "k", "x", 1), entry(here, "l", "x", 1);
}

static void cell_of_the_future(void)
{
    number(1), cell(here, newest_seq + 1, 1), nothing(3);
}

static void message_of_the_future(void)
{
    nothing(1), number(1), box(here, newest_seq + 1), nothing(2);
}

static void entry_of_the_future(void)
{
    nothing(3), number(1), entry(here, "k", "", newest_seq + 1);
}

static const struct {
    const char *name;
    void (*make)(void);
    const char *slot; /* of this id is the block */
    uint32_t shards;
    enum expected expected;
} cases[] = {
    {"all that there is", whole, here, 1, TAKEN},
    {"a cell of another slot", cell_of_another_slot, here, 1, REFUSED},
    {"a mailbox of another slot", box_of_another_slot, here, 1, REFUSED},
    {"a timer of another slot", timer_of_another_slot, here, 1, REFUSED},
    {"an entry of another slot", entry_of_another_slot, here, 1, REFUSED},
    {"a block of another shard's slot", cell_of_another_shard, far, 2, REFUSED},
    {"a cell twice", cell_twice, here, 1, REFUSED},
    {"a value twice", value_twice, here, 1, REFUSED},
    {"a mailbox twice", box_twice, here, 1, REFUSED},
    {"a timer's number twice", timer_twice, here, 1, REFUSED},
    {"a cancel token twice", token_twice, here, 1, REFUSED},
    {"a timer with a number not given out yet", timer_of_the_future, here, 1, REFUSED},
    {"a key twice", key_twice, here, 1, REFUSED},
    {"a reply token twice", reply_token_twice, here, 1, REFUSED},
    {"a cell of a later record", cell_of_the_future, here, 1, REFUSED},
    {"a message of a later record", message_of_the_future, here, 1, REFUSED},
    {"an entry of a later record", entry_of_the_future, here, 1, REFUSED},
};

/* ---- */

static void find_id(char id[16], uint32_t slot, uint32_t shards, uint32_t owner, const char *unlike)
{
    for (unsigned i = 0;; i++) {
        snprintf(id, 16, "k%u", i);
        uint32_t of = slot_of(span_text(id));
        if (slot_owner(of, shards) != owner || strcmp(id, unlike) == 0) continue;
        if (slot == SLOTS || of == slot) return;
    }
}

/* A shard that knows the type 1 and has given out two timers. */
static void make_globals(uint32_t shards)
{
    struct fixture *fixture = fixture_open_at(0, shards);
    struct cut_block block;
    struct shard_event event = {.kind = EVENT_MESSAGE,
                                .message = {.target = fixture_address("t/a", here),
                                            .argument = fixture_value("x"),
                                            .delay_ms = 1000}};
    for (int i = 0; i < 2; i++) fixture_ask(fixture, &event);
    newest_seq = shard_seq(fixture->shard);
    MUST(shard_cut_begin(fixture->shard, 0) == 0 && shard_cut_next(fixture->shard, &block));
    MUST(block.block == SHARD_BLOCK_GLOBALS);
    buffer_init(&globals[shards - 1]);
    buffer_append(&globals[shards - 1], block.bytes);
    shard_cut_end(fixture->shard);
    fixture_close(fixture);
}

static int load(size_t number_of_case)
{
    struct shard *shard;
    uint32_t shards = cases[number_of_case].shards;
    MUST(shard_open(&shard) == 0 && shard_place(shard, 0, shards) == 0);
    MUST(shard_load(shard, SHARD_BLOCK_GLOBALS, buffer_span(&globals[shards - 1])) == 0);
    buffer_clear(&out);
    cases[number_of_case].make();
    int error =
        shard_load(shard, slot_of(span_text(cases[number_of_case].slot)), buffer_span(&out));
    shard_close(shard);
    return error;
}

static bool is_right(size_t i)
{
    int error = load(i);
    if (error == (cases[i].expected == TAKEN ? 0 : ERROR_DAMAGED)) return true;
    printf("%s: %s\n", cases[i].name, error == 0 ? "taken in" : error_text(error));
    return false;
}

int main(void)
{
    unsigned passed = 0;
    size_t count = sizeof cases / sizeof cases[0];
    find_id(here, SLOTS, 2, 0, "");
    find_id(near, slot_of(span_text(here)), 2, 0, here);
    find_id(other, SLOTS, 2, 0, here);
    find_id(far, SLOTS, 2, 1, "");
    make_globals(1);
    make_globals(2);
    buffer_init(&out);
    for (size_t i = 0; i < count; i++) passed += is_right(i);
    printf("blocks that contradict themselves: %zu\n", count - 1);
    printf("%u passed, %zu failed\n", passed, count - passed);
    for (int i = 0; i < 2; i++) buffer_close(&globals[i]);
    buffer_close(&out);
    return passed < count;
}
