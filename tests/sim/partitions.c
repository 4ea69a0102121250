/*
 * Partitions of a log outside, and their reader: it goes on from where it believes to be, sends
 * again what it has sent, begins anew and is wrong about its position. The shard says how far it
 * has come, and each record counts once.
 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

enum { READ_MAX = 4, LOG_MAX = 400 };

static const char *const names[PARTITIONS] = {"t/in log/0", "t/in log/1"};

static struct host *owner_of(struct world *world, uint32_t number)
{
    return host_of_id(world, span_text(names[number]));
}

static void append(struct world *world, struct partition *partition)
{
    struct history *history = &world->history;
    if (partition->notes_count == LOG_MAX) return;
    *ADD(partition, notes) = history->notes_count;
    struct note *note = ADD(history, notes);
    *note = (struct note){.target = pick(world, history->address_count),
                          .hops = pick(world, 3),
                          .partition = (uint32_t)(partition - world->partitions) + 1,
                          .due_ms = NEVER_MS};
}

static struct span write_position(char text[16], uint32_t position)
{
    snprintf(text, 16, "%u", position);
    return position == 0 ? SPAN_EMPTY : span_text(text);
}

/* The next records behind `known`; none: only the question. */
static void ask(struct world *world, uint32_t number, uint32_t count)
{
    struct partition *partition = &world->partitions[number];
    struct host *host = owner_of(world, number);
    struct source_message messages[READ_MAX];
    struct buffer arguments[READ_MAX];
    char previous[16], position[16];
    if (!host_runs(host)) return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t note = partition->notes[partition->known + i];
        buffer_init(&arguments[i]);
        messages[i] =
            (struct source_message){.target = address_of(world, world->history.notes[note].target),
                                    .argument = pair_value(world, &arguments[i], note, 0)};
        note_try(world, &world->history.notes[note], host);
    }
    struct shard_event event = {
        .kind = EVENT_SOURCE,
        .source = {.source = span_text(names[number]),
                   .previous = write_position(previous, partition->known),
                   .position =
                       count == 0 ? SPAN_EMPTY : write_position(position, partition->known + count),
                   .messages = messages,
                   .message_count = count}};
    if (world_ask(world, host, &event, WAIT_PARTITION, number))
        partition->asked = (uint32_t)event.waiter;
    for (uint32_t i = 0; i < count; i++) buffer_close(&arguments[i]);
}

static void read_on(struct world *world, uint32_t number)
{
    const struct partition *partition = &world->partitions[number];
    uint32_t left = partition->notes_count - partition->known;
    ask(world, number, left == 0 ? 0 : 1 + pick(world, left < READ_MAX ? left : READ_MAX));
}

/* Another reader, or this one after a restart: it knows nothing, or something old. */
static void rewind_reader(struct world *world, struct partition *partition)
{
    world->faults++;
    partition->known = pick(world, partition->shown + 1);
}

void partition_acts(struct world *world)
{
    uint32_t number = pick(world, PARTITIONS);
    struct partition *partition = &world->partitions[number];
    if (chance(world, 60))
        for (uint32_t i = 1 + pick(world, 3); i > 0; i--) append(world, partition);
    if (has(world, FAULT_REWINDS) && chance(world, 30)) rewind_reader(world, partition);
    if (has(world, FAULT_REWINDS) && chance(world, 10))
        ask(world, number, 0);
    else
        read_on(world, number);
}

/* What is shown stays, and all before it is promised. */
void take_partition(struct world *world, const struct host *host, uint32_t number,
                    const struct shard_answer *answer)
{
    struct partition *partition = &world->partitions[number];
    char text[16] = {0};
    partition->refused = answer->kind == ANSWER_FULL || answer->kind == ANSWER_UNKNOWN_FUNCTION;
    if (partition->refused) return;
    HOLDS(3, answer->kind == ANSWER_DONE || answer->kind == ANSWER_VALUE ||
                 answer->kind == ANSWER_MISMATCH);
    HOLDS(3, answer->body.size < sizeof text);
    if (answer->body.size > 0) memcpy(text, answer->body.at, answer->body.size);
    uint32_t position = (uint32_t)strtoul(text, NULL, 10);
    HOLDS(14, position >= partition->shown && position <= partition->notes_count);
    partition->shown = partition->known = position;
    for (uint32_t i = 0; i < position; i++) {
        struct note *note = &world->history.notes[partition->notes[i]];
        HOLDS(3, note->tries > 0);
        if (note->acked.order == 0) note->acked = moment_now(&world->history, host->number);
    }
}

bool partitions_are_read(const struct world *world)
{
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        const struct partition *partition = &world->partitions[i];
        if (partition->known < partition->notes_count && !partition->refused) return false;
    }
    return true;
}

void partitions_settle(struct world *world)
{
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        const struct partition *partition = &world->partitions[i];
        bool waits =
            partition->asked != 0 && world->waiters[partition->asked].what == WAIT_PARTITION;
        if (partition->known < partition->notes_count && !waits) read_on(world, i);
    }
}

void partitions_go_back(struct world *world)
{
    for (uint32_t i = 0; i < PARTITIONS; i++) world->partitions[i].shown = 0;
}

void partitions_close(struct world *world)
{
    for (uint32_t i = 0; i < PARTITIONS; i++) free(world->partitions[i].notes);
}
