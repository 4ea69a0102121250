#include "app/switchboard.h"

#include "base/buffer.h"
#include "base/check.h"
#include "base/slot.h"

/* Which shard an event went to is kept in the upper bits of its waiter's ticket, whose lower ones
 * are the bridge's. */
enum { SHARD_SHIFT = 48 };

#define TICKET_MASK ((UINT64_C(1) << SHARD_SHIFT) - 1)

static uint32_t owner_of(const struct switchboard *board, struct span id)
{
    return slot_owner(slot_of(id), board->count);
}

/* A lane lives where its name says. */
static uint32_t owner_of_lane(const struct switchboard *board, const struct event_pull *pull)
{
    if (pull->topic.size == 0) return owner_of(board, pull->egress);
    struct buffer name;
    buffer_init(&name);
    buffer_append(&name, pull->egress);
    buffer_byte(&name, '/');
    buffer_append(&name, pull->topic);
    uint32_t owner = owner_of(board, buffer_span(&name));
    buffer_close(&name);
    return owner;
}

static uint32_t owner_of_call(const struct switchboard *board, const struct shard_event *event)
{
    return event->reply_token.size == 0
               ? owner_of(board, event->call_target.id)
               : slot_owner(reply_token_slot(event->reply_token), board->count);
}

static uint32_t route(const struct switchboard *board, const struct shard_event *event)
{
    switch (event->kind) {
    case EVENT_MESSAGE: return owner_of(board, event->message.target.id);
    case EVENT_ATTACH: return owner_of_call(board, event);
    case EVENT_CANCEL: return owner_of(board, event->cancel.id);
    case EVENT_SOURCE: return owner_of(board, event->source.source);
    case EVENT_QUERY: return owner_of(board, event->query.address.id);
    case EVENT_OPERATOR: return owner_of(board, event->operate.address.id);
    case EVENT_STATE: return owner_of(board, event->state.address.id);
    case EVENT_PULL:
    case EVENT_PULL_ACK: return owner_of_lane(board, &event->pull);
    case EVENT_DETACH: /* goes where its waiter's event went */
    case EVENT_CONFIG: /* these do not come from outside */
    case EVENT_RESPONSE:
    case EVENT_DURABLE:
    case EVENT_TICK:
    case EVENT_SIGNAL:
    case EVENT_CUT: break;
    }
    CHECK(false);
    return 0;
}

static void detach(struct switchboard *board, struct shard_event *event)
{
    struct port_waiter *waiter = (struct port_waiter *)(uintptr_t)event->waiter;
    uint64_t shard = waiter->ticket >> SHARD_SHIFT;
    if (shard == 0 || shard > board->count) {
        gather_leave(board, waiter);
        return;
    }
    waiter->ticket &= TICKET_MASK;
    port_submit(board->ports[shard - 1], event);
}

static void submit(struct port *port, struct shard_event *event)
{
    struct switchboard *board = CONTAINER_OF(port, struct switchboard, port);
    struct port_waiter *waiter = (struct port_waiter *)(uintptr_t)event->waiter;
    if (event->kind == EVENT_DETACH) {
        detach(board, event);
        return;
    }
    if (waiter != NULL) waiter->ticket = 0;
    if (gather_wanted(event)) {
        gather_begin(board, event);
        return;
    }
    uint32_t shard = route(board, event);
    port_submit(board->ports[shard], event);
    if (waiter != NULL) waiter->ticket |= (uint64_t)(shard + 1) << SHARD_SHIFT;
}

void switchboard_init(struct switchboard *board, struct port **ports, uint32_t count)
{
    *board = (struct switchboard){.port = {submit}, .ports = ports, .count = count};
    list_init(&board->gathers);
}
