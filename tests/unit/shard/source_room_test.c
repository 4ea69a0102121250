/* What a source may fill: it waits for room like everybody else, and what it fills is counted. */
enum { SHARDS = 2 };

#include "shards.h"

#include "shard/channel.h"
#include "shard/overlay.h"

#include <stdlib.h>

TestSuite(source_room, .init = open_shards, .fini = close_shards);

/* A source of the first shard. */
static struct span source_name(void)
{
    static char name[32];
    int n = 0;
    do {
        snprintf(name, sizeof name, "orders/%d", n++);
    } while (slot_owner(slot_of(span_text(name)), SHARDS) != 0);
    return span_text(name);
}

static int take(const char *previous, const char *position, const struct source_message *messages,
                size_t count)
{
    struct shard_event event = {.kind = EVENT_SOURCE,
                                .source = {.source = source_name(),
                                           .previous = span_text(previous),
                                           .position = span_text(position),
                                           .messages = messages,
                                           .message_count = count}};
    return kind_of(shards[0], fixture_ask(shards[0], &event));
}

/* The same message to `count` addresses, whose ids are so long; nothing in it. */
static int take_empty(size_t count, size_t id_size)
{
    struct source_message *messages = calloc(count, sizeof *messages);
    char *names = malloc(count * id_size);
    cr_assert(messages != NULL && names != NULL);
    memset(names, 'x', count * id_size);
    for (size_t i = 0; i < count; i++) {
        char number[16];
        int size = snprintf(number, sizeof number, "%zu", i);
        memcpy(names + i * id_size, number, (size_t)size);
        messages[i].target = fixture_address("t/a", "");
        messages[i].target.id = span_of(names + i * id_size, id_size);
    }
    int kind = take("", "1", messages, count);
    free(names);
    free(messages);
    return kind;
}

Test(source_room, what_addresses_and_messages_take_is_counted)
{
    struct fixture *f = shards[0];
    f->config.memory_max = fixture_metrics(f).memory_bytes + 1000000;
    fixture_configure(f);
    cr_expect_eq(take_empty(10000, 16), ANSWER_FULL);
    cr_expect_eq(take_empty(100, 16), ANSWER_DONE);
}

Test(source_room, ids_are_part_of_what_is_taken_at_once)
{
    cr_expect_eq(take_empty(20000, 1000), ANSWER_TOO_LARGE);
}

/* A reader cannot split it, and a caller may send it. */
Test(source_room, one_large_message_is_taken)
{
    size_t size = SOURCE_BYTES_MAX + 1;
    char *bytes = calloc(1, size);
    cr_assert_not_null(bytes);
    struct source_message message = {.target = fixture_address("t/a", ids[0]),
                                     .argument = span_of(bytes, size)};
    struct source_message both[2] = {message, message};
    cr_expect_eq(take("", "1", both, 2), ANSWER_TOO_LARGE);
    cr_expect_eq(take("", "1", &message, 1), ANSWER_DONE);
    free(bytes);
}

/* Else the positions would be the same before and behind, and the messages be taken again. */
Test(source_room, messages_move_the_position)
{
    struct source_message message = {.target = fixture_address("t/a", ids[0]),
                                     .argument = fixture_value("a")};
    cr_expect_eq(take("", "1", &message, 1), ANSWER_DONE);
    cr_expect_eq(take("1", "1", &message, 1), ANSWER_INVALID);
    cr_expect_eq(take("1", "1", NULL, 0), ANSWER_DONE);
}

enum { MESSAGE_SIZE = 100000 };

static size_t waiting(void)
{
    size_t bytes;
    channels_waiting(&shards[0]->shard->image, &bytes);
    return bytes;
}

/* A shard that is slow, or away, does not fill the memory of the one that reads. */
Test(source_room, what_waits_for_another_shard_is_bounded)
{
    struct fixture *f = shards[0];
    f->config.memory_max = 16 << 20;
    fixture_configure(f);
    char large[MESSAGE_SIZE] = {0}, before[16] = "", behind[16];
    struct source_message message = {.target = fixture_address("t/a", ids[1]),
                                     .argument = span_of(large, sizeof large)};
    int kind = ANSWER_DONE;
    for (int i = 1; i < 200 && kind == ANSWER_DONE; i++) {
        snprintf(behind, sizeof behind, "%d", i);
        kind = take(before, behind, &message, 1);
        if (kind == ANSWER_DONE) memcpy(before, behind, sizeof before);
    }
    cr_expect_eq(kind, ANSWER_FULL);
    cr_expect_leq(waiting(), f->config.memory_max / 8);
    cr_expect_geq(waiting(), f->config.memory_max / 8 - 2 * MESSAGE_SIZE);
    message.target.id = span_text(ids[0]);
    cr_expect_eq(take(before, behind, &message, 1), ANSWER_DONE, "that stays here");
    memcpy(before, behind, sizeof before);
    carry_all();
    message.target.id = span_text(ids[1]);
    cr_expect_eq(take(before, "x", &message, 1), ANSWER_DONE);
}
