#include "app/bridge.h"

#include "base/check.h"

#include <stdlib.h>

enum { SPANS_MAX = 8 };

struct parcel {
    struct parcel *next;
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
    case EVENT_RESPONSE:
    case EVENT_DURABLE:
    case EVENT_TICK: break;
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

static struct parcel *pack_event(const struct shard_event *event)
{
    struct shard_event original = *event;
    struct span *spans[SPANS_MAX];
    size_t count = event_spans(&original, spans);
    struct parcel *parcel = malloc(sizeof *parcel + total(spans, count));
    if (parcel == NULL) return NULL;
    parcel->event = *event;
    event_spans(&parcel->event, spans);
    move(spans, count, parcel->bytes);
    return parcel;
}

static struct parcel *pack_answer(const struct shard_answer *answer)
{
    struct shard_answer original = *answer;
    struct span *spans[SPANS_MAX];
    size_t count = answer_spans(&original, spans);
    struct parcel *parcel = malloc(sizeof *parcel + total(spans, count));
    if (parcel == NULL) return NULL;
    parcel->answer = *answer;
    answer_spans(&parcel->answer, spans);
    move(spans, count, parcel->bytes);
    return parcel;
}

/* ---- Handing over ---- */

static void push(struct parcels *parcels, struct parcel *parcel)
{
    parcel->next = atomic_load_explicit(&parcels->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&parcels->newest, &parcel->next, parcel,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    parcels->unsent = true;
}

/* In the order in which they were pushed. */
static struct parcel *take_all(struct parcels *parcels)
{
    struct parcel *newest = atomic_exchange_explicit(&parcels->newest, NULL, memory_order_acquire);
    struct parcel *oldest = NULL;
    while (newest != NULL) {
        struct parcel *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static void wake(struct parcels *parcels)
{
    if (!parcels->unsent) return;
    parcels->unsent = false;
    loop_signal_send(&parcels->arrived);
}

static void drop_all(struct parcels *parcels)
{
    for (struct parcel *parcel = take_all(parcels), *next; parcel != NULL; parcel = next) {
        next = parcel->next;
        free(parcel);
    }
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

/* Without memory for a seat or a parcel the waiter hears nothing, and its own time-out ends it. */
static void submit(struct port *port, struct shard_event *event)
{
    struct bridge *bridge = CONTAINER_OF(port, struct bridge, port);
    struct port_waiter *waiter = (struct port_waiter *)(uintptr_t)event->waiter;
    struct parcel *parcel = pack_event(event);
    if (parcel == NULL) return;
    parcel->ticket = 0;
    if (event->kind == EVENT_DETACH) {
        parcel->ticket = waiter->ticket;
        leave_seat(bridge, waiter->ticket);
    } else if (waiter != NULL) {
        struct seat *seat = calloc(1, sizeof *seat);
        if (seat == NULL) {
            free(parcel);
            return;
        }
        waiter->ticket = seat->ticket = parcel->ticket = bridge->next_ticket++;
        seat->waiter = waiter;
        table_insert(&bridge->waiting, &bridge->io_memory, &seat->node, ticket_hash(seat->ticket));
    }
    push(&bridge->events, parcel);
    loop_touch(bridge->answers.loop);
}

static void answers_arrived(struct loop_signal *signal)
{
    struct bridge *bridge = CONTAINER_OF(signal, struct bridge, answers.arrived);
    for (struct parcel *parcel = take_all(&bridge->answers), *next; parcel != NULL; parcel = next) {
        next = parcel->next;
        struct port_waiter *waiter = leave_seat(bridge, parcel->ticket);
        if (waiter != NULL) waiter->answer(waiter, &parcel->answer);
        free(parcel);
    }
}

static void io_turn_ended(struct loop_turn_end *turn_end)
{
    wake(&CONTAINER_OF(turn_end, struct bridge, io_turn_end)->events);
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
    struct parcel *parcel = pack_answer(answer);
    if (parcel != NULL) {
        parcel->ticket = proxy->ticket;
        push(&proxy->bridge->answers, parcel);
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

static void deliver(struct bridge *bridge, struct parcel *parcel)
{
    struct shard_event *event = &parcel->event;
    struct proxy *proxy = NULL;
    if (event->kind == EVENT_DETACH) {
        proxy = find_proxy(bridge, parcel->ticket);
        if (proxy == NULL) return; /* its answer is on the way: nobody sits there any more */
    } else if (parcel->ticket != 0) {
        proxy = make_proxy(bridge, parcel->ticket);
        if (proxy == NULL) return;
    }
    event->waiter = proxy == NULL ? 0 : waiter_of(&proxy->waiter);
    port_submit(bridge->engine, event);
    if (event->kind == EVENT_DETACH) free_proxy(proxy);
}

static void events_arrived(struct loop_signal *signal)
{
    struct bridge *bridge = CONTAINER_OF(signal, struct bridge, events.arrived);
    for (struct parcel *parcel = take_all(&bridge->events), *next; parcel != NULL; parcel = next) {
        next = parcel->next;
        deliver(bridge, parcel);
        free(parcel);
    }
}

static void engine_turn_ended(struct loop_turn_end *turn_end)
{
    wake(&CONTAINER_OF(turn_end, struct bridge, engine_turn_end)->answers);
}

/* ---- */

static int open_parcels(struct parcels *parcels, struct loop *loop,
                        void (*arrived)(struct loop_signal *))
{
    parcels->loop = loop;
    return loop_signal_init(loop, &parcels->arrived, arrived);
}

int bridge_open(struct bridge *bridge, struct loop *io_loop, struct loop *engine_loop,
                struct port *engine)
{
    *bridge = (struct bridge){.port = {submit}, .engine = engine, .next_ticket = 1};
    memory_init(&bridge->io_memory);
    memory_init(&bridge->engine_memory);
    int error = open_parcels(&bridge->answers, io_loop, answers_arrived);
    if (error != 0) return error;
    error = open_parcels(&bridge->events, engine_loop, events_arrived);
    if (error != 0) {
        loop_signal_close(io_loop, &bridge->answers.arrived);
        return error;
    }
    bridge->io_turn_end.run = io_turn_ended;
    bridge->engine_turn_end.run = engine_turn_ended;
    loop_at_turn_end(io_loop, &bridge->io_turn_end);
    loop_at_turn_end(engine_loop, &bridge->engine_turn_end);
    return 0;
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
    drop_all(&bridge->answers);
    drop_all(&bridge->events);
    close_seats(bridge);
    list_remove(&bridge->io_turn_end.link);
    list_remove(&bridge->engine_turn_end.link);
    loop_signal_close(bridge->answers.loop, &bridge->answers.arrived);
    loop_signal_close(bridge->events.loop, &bridge->events.arrived);
    memory_close(&bridge->io_memory);
    memory_close(&bridge->engine_memory);
}
