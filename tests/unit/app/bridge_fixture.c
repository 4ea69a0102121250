#include "unit/app/bridge_fixture.h"

#include <criterion/criterion.h>

static void arrived(struct port *port, struct shard_event *event)
{
    struct far_port *far = (struct far_port *)port;
    cr_assert_lt(far->count, ARRIVALS_MAX);
    far->kinds[far->count] = event->kind;
    far->waiters[far->count] = (struct port_waiter *)(uintptr_t)event->waiter;
    far->limits[far->count] = event->kind == EVENT_QUERY ? event->query.limit : 0;
    far->count++;
    if (far->check != NULL) far->check(event);
}

void two_sides_open(struct two_sides *sides)
{
    memset(sides, 0, sizeof *sides);
    sides->far.port.submit = arrived;
    cr_assert_eq(loop_init(&sides->io), 0);
    cr_assert_eq(loop_init(&sides->engine), 0);
    cr_assert_eq(inbox_open(&sides->io_inbox, &sides->io), 0);
    cr_assert_eq(inbox_open(&sides->engine_inbox, &sides->engine), 0);
    bridge_open(&sides->bridge, &sides->io_inbox, &sides->engine_inbox, &sides->far.port);
}

void two_sides_close(struct two_sides *sides)
{
    bridge_close(&sides->bridge);
    inbox_close(&sides->engine_inbox);
    inbox_close(&sides->io_inbox);
    loop_close(&sides->engine);
    loop_close(&sides->io);
}

void io_turn(struct two_sides *sides)
{
    cr_assert_eq(loop_turn(&sides->io, 0), 0);
}

void engine_turn(struct two_sides *sides)
{
    cr_assert_eq(loop_turn(&sides->engine, 0), 0);
}

static void answered(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct guest *guest = (struct guest *)waiter;
    guest->answers++;
    guest->kind = answer->kind;
    guest->number = answer->number;
    if (guest->then != NULL) guest->then(guest);
}

struct guest guest_new(void)
{
    return (struct guest){.waiter = {.answer = answered}};
}

void ask(struct two_sides *sides, struct guest *guest, uint32_t number)
{
    struct shard_event event = {.kind = EVENT_QUERY, .query = {.limit = number}};
    if (guest != NULL) event.waiter = waiter_of(&guest->waiter);
    port_submit(&sides->bridge.port, &event);
}

void detach(struct two_sides *sides, struct guest *guest)
{
    struct shard_event event = {.kind = EVENT_DETACH, .waiter = waiter_of(&guest->waiter)};
    port_submit(&sides->bridge.port, &event);
}

void answer_arrival(struct two_sides *sides, size_t index, uint64_t number)
{
    struct port_waiter *waiter = sides->far.waiters[index];
    struct shard_answer answer = {.kind = ANSWER_DONE, .number = number};
    cr_assert_lt(index, sides->far.count);
    cr_assert_not_null(waiter);
    loop_touch(&sides->engine);
    waiter->answer(waiter, &answer);
}
