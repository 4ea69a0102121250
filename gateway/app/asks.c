/* What operators want done that takes a while: snapshots of all shards, savepoints. */
#include "app/state.h"

#include "base/text.h"

#include <stdlib.h>

static void snapshot_members(const struct snapshot_info *info, struct buffer *out)
{
    text_json_member(out, "seq");
    text_decimal(out, info->seq);
    text_json_member(out, "epoch");
    text_decimal(out, info->epoch);
    text_json_member(out, "createdAt");
    text_signed(out, info->created_ms);
    text_json_member(out, "bytes");
    text_decimal(out, info->block_bytes);
    text_json_member(out, "blocks");
    text_decimal(out, info->block_count);
}

static void shard_member(const struct gateway *gateway, uint32_t shard, struct buffer *out)
{
    if (gateway->crew.count == 1) return;
    text_json_member(out, "shard");
    text_decimal(out, shard);
}

/* ---- Which there are ---- */

void asks_snapshot_list(void *context, struct buffer *out)
{
    struct gateway *gateway = context;
    bool first = true;
    buffer_byte(out, '[');
    bool still = crew_pause(&gateway->crew);
    for (uint32_t i = 0; still && i < gateway->crew.count; i++) {
        const struct snapshot_info *newest = &gateway->crew.stations[i].engine.snapshotter.newest;
        if (newest->seq == 0) continue;
        if (!first) buffer_byte(out, ',');
        first = false;
        buffer_byte(out, '{');
        shard_member(gateway, i, out);
        snapshot_members(newest, out);
        buffer_byte(out, '}');
    }
    if (still) crew_resume(&gateway->crew);
    buffer_byte(out, ']');
}

/* ---- One of each shard, now ---- */

struct snapshot_ask;

struct snapshot_part {
    struct snapshot_waiter waiter; /* first; in the engine's thread */
    struct snapshot_ask *ask;
    struct station *station;
    struct errand order, report;
    int error;
    struct snapshot_info info;
    struct errmsg why;
};

struct snapshot_ask {
    struct list link; /* in gateway.snapshot_asks */
    struct gateway *gateway;
    struct admin_waiter *admin; /* NULL: it has left */
    uint32_t out;
    uint32_t count;
    struct snapshot_part parts[];
};

/* The ask is freed at the end of the gateway, when all stand still. */
static void drop(struct errand *errand)
{
    (void)errand;
}

static void all_json(const struct snapshot_ask *ask, struct buffer *out)
{
    struct snapshot_info sum = {0};
    buffer_byte(out, '{');
    text_json_member(out, "shards");
    buffer_byte(out, '[');
    for (uint32_t i = 0; i < ask->count; i++) {
        const struct snapshot_info *info = &ask->parts[i].info;
        if (i > 0) buffer_byte(out, ',');
        buffer_byte(out, '{');
        shard_member(ask->gateway, i, out);
        snapshot_members(info, out);
        buffer_byte(out, '}');
        sum.block_bytes += info->block_bytes;
        sum.block_count += info->block_count;
    }
    buffer_byte(out, ']');
    text_json_member(out, "bytes");
    text_decimal(out, sum.block_bytes);
    text_json_member(out, "blocks");
    text_decimal(out, sum.block_count);
    buffer_byte(out, '}');
}

static int result(const struct snapshot_ask *ask, struct buffer *text)
{
    for (uint32_t i = 0; i < ask->count; i++) {
        const struct snapshot_part *part = &ask->parts[i];
        if (part->error == 0) continue;
        text_append(text, part->why.text);
        return part->error;
    }
    if (ask->count > 1) {
        all_json(ask, text);
        return 0;
    }
    buffer_byte(text, '{');
    snapshot_members(&ask->parts[0].info, text);
    buffer_byte(text, '}');
    return 0;
}

static void reported(struct errand *errand)
{
    struct snapshot_ask *ask = CONTAINER_OF(errand, struct snapshot_part, report)->ask;
    struct buffer text;
    if (--ask->out > 0) return;
    list_remove(&ask->link);
    buffer_init(&text);
    int error = result(ask, &text);
    if (ask->admin != NULL) ask->admin->done(ask->admin, error, buffer_span(&text));
    buffer_close(&text);
    free(ask);
}

static void snapshot_done(struct snapshot_waiter *waiter, int error,
                          const struct snapshot_info *info, const char *why)
{
    struct snapshot_part *part = (struct snapshot_part *)waiter;
    struct inbox *inbox = &part->ask->gateway->inbox;
    part->error = error;
    part->info = *info;
    errmsg_set(&part->why, error, "%s", why);
    part->report = (struct errand){.arrive = reported, .drop = drop};
    inbox_put(inbox, &part->report);
    inbox_wake(inbox);
}

static void order_came(struct errand *errand)
{
    struct snapshot_part *part = CONTAINER_OF(errand, struct snapshot_part, order);
    snapshotter_now(&part->station->engine.snapshotter, &part->waiter);
}

void asks_snapshot_now(void *context, struct admin_waiter *admin)
{
    struct gateway *gateway = context;
    uint32_t count = gateway->crew.count;
    struct snapshot_ask *ask = calloc(1, sizeof *ask + count * sizeof ask->parts[0]);
    if (ask == NULL) return; /* the client's own time-out ends it */
    ask->gateway = gateway;
    ask->admin = admin;
    ask->out = ask->count = count;
    list_append(&gateway->snapshot_asks, &ask->link);
    for (uint32_t i = 0; i < count; i++) {
        struct station *station = &gateway->crew.stations[i];
        ask->parts[i] = (struct snapshot_part){.waiter = {.done = snapshot_done},
                                               .ask = ask,
                                               .station = station,
                                               .order = {.arrive = order_came, .drop = drop}};
        inbox_put(station->inbox, &ask->parts[i].order);
        inbox_wake(station->inbox);
    }
}

void asks_snapshot_leave(void *context, struct admin_waiter *admin)
{
    struct gateway *gateway = context;
    LIST_EACH (&gateway->snapshot_asks, link) {
        struct snapshot_ask *ask = CONTAINER_OF(link, struct snapshot_ask, link);
        if (ask->admin == admin) ask->admin = NULL;
    }
}

/* ---- Savepoints ---- */

/* Ties the admin's waiter to the savepoint's: there is one at a time. */
static void savepoint_done(struct savepoint_waiter *waiter, int error, struct span text)
{
    struct gateway *gateway = CONTAINER_OF(waiter, struct gateway, savepoint_waiter);
    gateway->savepoint_admin->done(gateway->savepoint_admin, error, text);
}

int asks_savepoint_begin(void *context, struct span directory, struct admin_waiter *admin,
                         struct errmsg *errmsg)
{
    struct gateway *gateway = context;
    int error = savepoint_begin(&gateway->savepoint, directory, &gateway->savepoint_waiter, errmsg);
    if (error == 0) gateway->savepoint_admin = admin;
    return error;
}

void asks_savepoint_leave(void *context, struct admin_waiter *admin)
{
    struct gateway *gateway = context;
    if (gateway->savepoint_admin == admin)
        savepoint_leave(&gateway->savepoint, &gateway->savepoint_waiter);
}

/* ---- */

void asks_init(struct gateway *gateway)
{
    list_init(&gateway->snapshot_asks);
    gateway->savepoint_waiter.done = savepoint_done;
}

void asks_close(struct gateway *gateway)
{
    while (!list_empty(&gateway->snapshot_asks)) {
        struct snapshot_ask *ask = LIST_FIRST(&gateway->snapshot_asks, struct snapshot_ask, link);
        list_remove(&ask->link);
        free(ask);
    }
}
