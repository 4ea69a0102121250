/*
 * Names that mean one thing for ever: ids of invocations and of messages, handles of calls. The
 * oracle keeps all that were shown, over all lives of a world.
 */
#include "history.h"
#include "verdict.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a: two of some thousand ids will not meet. Never 0. */
static uint64_t key_of(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t key = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) key = (key ^ at[i]) * 0x100000001b3u;
    return key | 1;
}

static uint32_t place(const struct names *names, uint64_t key)
{
    uint32_t at = (uint32_t)(key >> 32) & (names->room - 1);
    while (names->at[at].key != 0 && names->at[at].key != key) at = (at + 1) & (names->room - 1);
    return at;
}

static void grow(struct names *names)
{
    struct names larger = {.room = names->room == 0 ? 256 : names->room * 2};
    larger.at = calloc(larger.room, sizeof *larger.at);
    if (larger.at == NULL) must_failed("memory for the history", __FILE__, __LINE__);
    for (uint32_t i = 0; i < names->room; i++)
        if (names->at[i].key != 0) larger.at[place(&larger, names->at[i].key)] = names->at[i];
    larger.count = names->count;
    free(names->at);
    *names = larger;
}

/* What it means: `meaning` from now on, when it is new. */
static uint32_t *meaning_of(struct names *names, uint64_t key, uint32_t meaning)
{
    if (names->count * 2 >= names->room) grow(names);
    struct name *name = &names->at[place(names, key)];
    if (name->key == 0) {
        *name = (struct name){key, meaning};
        names->count++;
    }
    return &name->meaning;
}

/* The first part of an id is the lineage: a new one for every savepoint that was gone back to. */
static void check_lineage(struct history *history, const void *id, size_t size)
{
    const char *end = memchr(id, '.', size);
    HOLDS(5, end != NULL);
    uint64_t key = key_of(id, (size_t)(end - (const char *)id));
    HOLDS(5, *meaning_of(&history->lineages, key, history->generation) == history->generation);
}

/*
 * A function may remember calls by their id and skip those that it has seen: so the same id comes
 * with the same messages in the same order, in whatever life, and with no others.
 */
void history_called(struct history *history, uint32_t shard, const void *id, size_t size,
                    const uint32_t *notes, uint32_t count)
{
    uint32_t number = history->called_count;
    check_lineage(history, id, size);
    uint32_t *meaning = meaning_of(&history->invocation_ids, key_of(id, size), number);
    if (*meaning != number && history->called[*meaning].is_void) *meaning = number;
    if (*meaning == number) {
        *ADD(history, called) = (struct called){
            .first = history->called_notes_count, .count = count, .at = moment_now(history, shard)};
        for (uint32_t i = 0; i < count; i++) *ADD(history, called_notes) = notes[i];
        return;
    }
    const struct called *called = &history->called[*meaning];
    HOLDS(2, called->count == count);
    for (uint32_t i = 0; i < count; i++)
        HOLDS(2, history->called_notes[called->first + i] == notes[i]);
}

void history_epoch_again(struct history *history, uint32_t shard, uint64_t since)
{
    for (uint32_t i = 0; i < history->called_count; i++) {
        struct called *called = &history->called[i];
        if (called->at.shard == shard && called->at.order > since) called->is_void = true;
    }
}

/* The id of a message that was accepted for good: its own, and for ever. */
void history_named(struct history *history, uint32_t number, const void *id, size_t size)
{
    struct note *note = &history->notes[number];
    if (size == 0) return;
    uint64_t key = key_of(id, size);
    check_lineage(history, id, size);
    HOLDS(2, note->name == 0 || note->name == key);
    note->name = key;
    HOLDS(2, *meaning_of(&history->message_ids, key, number) == number);
}

/* A call goes out under a handle that no call of this life of the shard has had. */
void history_handed(struct history *history, uint32_t shard, uint64_t life, uint64_t handle)
{
    const uint64_t name[3] = {shard, life, handle};
    uint32_t number = history->handle_count++;
    HOLDS(6, *meaning_of(&history->handles, key_of(name, sizeof name), number) == number);
}
