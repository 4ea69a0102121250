#include "app/bridge.h"

#include "base/check.h"

#include <stdlib.h>

enum { SPANS_MAX = 8 };

struct crossing {
    struct errand errand; /* first */
    struct bridge *bridge;
    uint64_t ticket; /* 0: nobody waits */
    union {
        struct shard_event event;
        struct shard_answer answer;
    };
    uint8_t bytes[]; /* what their spans point to */
};

/* ---- Copies ---- */

/* Every span of an event, so that they can be moved. */
static size_t event_spans(struct shard_event *event, struct span *spans[SPANS_MAX])
{
    size_t count = 0;
    switch (event->kind) {
    case EVENT_MESSAGE:
        spans[count++] = &event->message.target.type;
        spans[count++] = &event->message.target.id;
        spans[count++] = &event->message.argument;
        spans[count++] = &event->message.key;
        spans[count++] = &event->message.reply_token;
        spans[count++] = &event->message.cancel_token;
        spans[count++] = &event->message.traceparent;
        return count;
    case EVENT_ATTACH:
        spans[count++] = &event->reply_token;
        spans[count++] = &event->call_target.type;
        spans[count++] = &event->call_target.id;
        spans[count++] = &event->call_key;
        return count;
    case EVENT_CANCEL:
        spans[count++] = &event->cancel.id;
        spans[count++] = &event->cancel.token;
        return count;
    case EVENT_QUERY:
        spans[count++] = &event->query.address.type;
        spans[count++] = &event->query.address.id;
        spans[count++] = &event->query.name;
        spans[count++] = &event->query.after;
        return count;
    case EVENT_OPERATOR:
        spans[count++] = &event->operate.address.type;
        spans[count++] = &event->operate.address.id;
        spans[count++] = &event->operate.who;
        return count;
    case EVENT_STATE:
        spans[count++] = &event->state.address.type;
        spans[count++] = &event->state.address.id;
        spans[count++] = &event->state.name;
        spans[count++] = &event->state.type_name;
        spans[count++] = &event->state.value;
        return count;
    case EVENT_PULL:
    case EVENT_PULL_ACK:
        spans[count++] = &event->pull.egress;
        spans[count++] = &event->pull.topic;
        return count;
    case EVENT_DETACH: return 0;
    case EVENT_CONFIG: /* these stay in the engine's thread */
    case EVENT_SOURCE:
    case EVENT_RESPONSE:
    case EVENT_DURABLE:
    case EVENT_SIGNAL:
    case EVENT_TICK:
    case EVENT_CUT: break;
    }
    CHECK(false);
    return 0;
}

static size_t answer_spans(struct shard_answer *answer, struct span *spans[SPANS_MAX])
{
    spans[0] = &answer->message_id;
    spans[1] = &answer->type_name;
    spans[2] = &answer->text;
    spans[3] = &answer->body;
    spans[4] = &answer->next;
    return 5;
}

static size_t total(struct span *const *spans, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) size += spans[i]->size;
    return size;
}

static void move(struct span **spans, size_t count, uint8_t *at)
{
    for (size_t i = 0; i < count; i++) {
        if (spans[i]->size > 0) memcpy(at, spans[i]->at, spans[i]->size);
        spans[i]->at = at;
        at += spans[i]->size;
    }
}

static struct crossing *pack_event(const struct shard_event *event)
{
    struct shard_event original = *event;
    struct span *spans[SPANS_MAX];
    size_t count = event_spans(&original, spans);
    struct crossing *crossing = malloc(sizeof *crossing + total(spans, count));
    if (crossing == NULL) return NULL;
    crossing->event = *event;
    event_spans(&crossing->event, spans);
    move(spans, count, crossing->bytes);
    return crossing;
}

static struct crossing *pack_answer(const struct shard_answer *answer)
{
    struct shard_answer original = *answer;
    struct span *spans[SPANS_MAX];
    size_t count = answer_spans(&original, spans);
    struct crossing *crossing = malloc(sizeof *crossing + total(spans, count));
    if (crossing == NULL) return NULL;
    crossing->answer = *answer;
    answer_spans(&crossing->answer, spans);
    move(spans, count, crossing->bytes);
    return crossing;
}

/* ---- In the I/O thread ---- */

struct seat {
    struct table_node node;
    uint64_t ticket;
    struct port_waiter *waiter;
};

static uint64_t ticket_hash(uint64_t ticket)
{
    return ticket * 0x9e3779b97f4a7c15u;
}

static struct seat *find_seat(struct bridge *bridge, uint64_t ticket)
{
    struct table_node *node = table_chain(&bridge->waiting, ticket_hash(ticket));
    while (node != NULL && CONTAINER_OF(node, struct seat, node)->ticket != ticket)
        node = node->next;
    return node == NULL ? NULL : CONTAINER_OF(node, struct seat, node);
}

static struct port_waiter *leave_seat(struct bridge *bridge, uint64_t ticket)
{
    struct seat *seat = find_seat(bridge, ticket);
    if (seat == NULL) return NULL;
    struct port_waiter *waiter = seat->waiter;
    table_remove(&bridge->waiting, &seat->node);
    free(seat);
    return waiter;
}

static void drop(struct errand *errand)
{
    free(CONTAINER_OF(errand, struct crossing, errand));
}

static void event_arrived(struct errand *errand);
static void answer_arrived(struct errand *errand);

/* Without memory for a seat or a crossing the waiter hears nothing, and its own time-out ends it.
 */
static void submit(struct port *port, struct shard_event *event)
{
    struct bridge *bridge = CONTAINER_OF(port, struct bridge, port);
    struct port_waiter *waiter = (struct port_waiter *)(uintptr_t)event->waiter;
    struct crossing *crossing = pack_event(event);
    if (crossing == NULL) return;
    crossing->errand = (struct errand){.arrive = event_arrived, .drop = drop};
    crossing->bridge = bridge;
    crossing->ticket = 0;
    if (event->kind == EVENT_DETACH) {
        crossing->ticket = waiter->ticket;
        leave_seat(bridge, waiter->ticket);
    } else if (waiter != NULL) {
        struct seat *seat = calloc(1, sizeof *seat);
        if (seat == NULL) {
            free(crossing);
            return;
        }
        waiter->ticket = seat->ticket = crossing->ticket = bridge->next_ticket++;
        seat->waiter = waiter;
        table_insert(&bridge->waiting, &bridge->io_memory, &seat->node, ticket_hash(seat->ticket));
    }
    inbox_put(bridge->engine_inbox, &crossing->errand);
    bridge->asked = true;
    loop_touch(bridge->io->loop);
}

static void answer_arrived(struct errand *errand)
{
    struct crossing *crossing = CONTAINER_OF(errand, struct crossing, errand);
    struct port_waiter *waiter = leave_seat(crossing->bridge, crossing->ticket);
    if (waiter != NULL) waiter->answer(waiter, &crossing->answer);
    free(crossing);
}

static void io_turn_ended(struct loop_turn_end *turn_end)
{
    struct bridge *bridge = CONTAINER_OF(turn_end, struct bridge, io_turn_end);
    if (bridge->asked) inbox_wake(bridge->engine_inbox);
    bridge->asked = false;
}

/* ---- In the engine's thread ---- */

/* Stands for a waiter of the other thread. */
struct proxy {
    struct port_waiter waiter; /* first */
    struct table_node node;
    struct bridge *bridge;
    uint64_t ticket;
};

static struct proxy *find_proxy(struct bridge *bridge, uint64_t ticket)
{
    struct table_node *node = table_chain(&bridge->proxies, ticket_hash(ticket));
    while (node != NULL && CONTAINER_OF(node, struct proxy, node)->ticket != ticket)
        node = node->next;
    return node == NULL ? NULL : CONTAINER_OF(node, struct proxy, node);
}

static void free_proxy(struct proxy *proxy)
{
    table_remove(&proxy->bridge->proxies, &proxy->node);
    free(proxy);
}

static void answered(struct port_waiter *waiter, const struct shard_answer *answer)
{
    struct proxy *proxy = CONTAINER_OF(waiter, struct proxy, waiter);
    struct bridge *bridge = proxy->bridge;
    struct crossing *crossing = pack_answer(answer);
    if (crossing != NULL) {
        crossing->errand = (struct errand){.arrive = answer_arrived, .drop = drop};
        crossing->bridge = bridge;
        crossing->ticket = proxy->ticket;
        inbox_put(bridge->io, &crossing->errand);
        bridge->answered = true;
    }
    free_proxy(proxy);
}

static struct proxy *make_proxy(struct bridge *bridge, uint64_t ticket)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);
    if (proxy == NULL) return NULL;
    proxy->waiter.answer = answered;
    proxy->bridge = bridge;
    proxy->ticket = ticket;
    table_insert(&bridge->proxies, &bridge->engine_memory, &proxy->node, ticket_hash(ticket));
    return proxy;
}

static void deliver(struct crossing *crossing)
{
    struct bridge *bridge = crossing->bridge;
    struct shard_event *event = &crossing->event;
    struct proxy *proxy = NULL;
    if (event->kind == EVENT_DETACH) {
        proxy = find_proxy(bridge, crossing->ticket);
        if (proxy == NULL) return; /* its answer is on the way: nobody sits there any more */
    } else if (crossing->ticket != 0) {
        proxy = make_proxy(bridge, crossing->ticket);
        if (proxy == NULL) return;
    }
    event->waiter = proxy == NULL ? 0 : waiter_of(&proxy->waiter);
    port_submit(bridge->engine, event);
    if (event->kind == EVENT_DETACH) free_proxy(proxy);
}

static void event_arrived(struct errand *errand)
{
    struct crossing *crossing = CONTAINER_OF(errand, struct crossing, errand);
    deliver(crossing);
    free(crossing);
}

static void engine_turn_ended(struct loop_turn_end *turn_end)
{
    struct bridge *bridge = CONTAINER_OF(turn_end, struct bridge, engine_turn_end);
    if (bridge->answered) inbox_wake(bridge->io);
    bridge->answered = false;
}

/* ---- */

void bridge_open(struct bridge *bridge, struct inbox *io, struct inbox *engine_inbox,
                 struct port *engine)
{
    *bridge = (struct bridge){.port = {submit},
                              .io = io,
                              .engine = engine,
                              .engine_inbox = engine_inbox,
                              .next_ticket = 1};
    memory_init(&bridge->io_memory);
    memory_init(&bridge->engine_memory);
    bridge->io_turn_end.run = io_turn_ended;
    bridge->engine_turn_end.run = engine_turn_ended;
    loop_at_turn_end(io->loop, &bridge->io_turn_end);
    loop_at_turn_end(engine_inbox->loop, &bridge->engine_turn_end);
}

/* The engine lives on, and must not answer what is no more. */
static void dismiss(struct proxy *proxy)
{
    struct shard_event event = {.kind = EVENT_DETACH, .waiter = waiter_of(&proxy->waiter)};
    port_submit(proxy->bridge->engine, &event);
    free_proxy(proxy);
}

static void close_seats(struct bridge *bridge)
{
    struct table_node *node;
    while ((node = table_next(&bridge->waiting, NULL)) != NULL) {
        table_remove(&bridge->waiting, node);
        free(CONTAINER_OF(node, struct seat, node));
    }
    while ((node = table_next(&bridge->proxies, NULL)) != NULL)
        dismiss(CONTAINER_OF(node, struct proxy, node));
    table_close(&bridge->waiting, &bridge->io_memory);
    table_close(&bridge->proxies, &bridge->engine_memory);
}

void bridge_close(struct bridge *bridge)
{
    inbox_empty(bridge->io);
    inbox_empty(bridge->engine_inbox);
    close_seats(bridge);
    list_remove(&bridge->io_turn_end.link);
    list_remove(&bridge->engine_turn_end.link);
    memory_close(&bridge->io_memory);
    memory_close(&bridge->engine_memory);
}
