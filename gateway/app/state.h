/* What the files of app/ share of the running gateway. */
#ifndef HOLDFAST_APP_STATE_H
#define HOLDFAST_APP_STATE_H

#include "admin/admin.h"
#include "app/crew.h"
#include "app/front.h"
#include "app/gateway.h"
#include "app/savepoint.h"
#include "os/signals.h"

enum { SAMPLE_FUNCTIONS_MAX = SETTINGS_ENDPOINTS_MAX, SAMPLE_EGRESSES_MAX = 1024 };

enum drain_phase {
    DRAIN_NOT,
    DRAIN_WAITERS, /* nothing new comes in; who waits gets an answer */
    DRAIN_CALLS,   /* no new calls; those that are out come back */
};

struct gateway {
    const struct gateway_options *options;
    struct settings settings;
    struct loop loop;
    struct inbox inbox;
    struct signals signals;
    struct server *server;
    struct lock *lock; /* of a data directory with several shards */
    struct crew crew;
    struct way way;    /* to several engines */
    struct port *port; /* for this thread's edges */
    struct savepoint savepoint;
    struct server_limits limits;
    struct front fronts[FRONTS_MAX];
    size_t front_count;
    struct admin admin;
    struct admin_sources sources;
    struct listener *admin_listener;
    /* What fronts in other threads read under `shared`, and a reload writes. */
    pthread_rwlock_t shared;
    struct tokens tokens;
    bool has_tokens;
    const struct span *topics; /* of the playground's egress */
    size_t topic_count;
    bool disk_full;
    bool disk_hangs;
    struct loop_timer
        look_timer; /* while it is: refused requests alone may not turn this thread's loop */
    struct loop_turn_end turn_end;
    int64_t looked_us; /* when the disk's room was looked at */
    enum drain_phase drain;
    int64_t drain_begun_us;
    struct loop_timer drain_timer;
    bool stop;
    struct list snapshot_asks;
    struct savepoint_waiter savepoint_waiter;
    struct admin_waiter *savepoint_admin;
    struct admin_sample sampled; /* of all shards, when they last stood still for it */
    struct shard_endpoint_metrics *sample_endpoints; /* of one shard */
    struct sample_function *sample_functions;
    struct sample_egress *sample_egresses;
    struct sample_shard *sample_shards;
    struct buffer sample_names;
};

/* Bytes of --memory, or the automatic ones. */
uint64_t wiring_memory_budget(const struct settings *settings);
/* wiring.c: settings as the rooms want them, in all engines, which stand still. Errors name the
 * thing in errmsg, and leave all as it was. */
int wiring_configure(struct gateway *gateway, const struct settings *settings,
                     struct errmsg *errmsg) MUST_USE;
/* Nothing is dispatched any more. False: an engine does not come to it now; try again. */
bool wiring_stop_dispatch(struct gateway *gateway) MUST_USE;
int wiring_listen(struct gateway *gateway, struct errmsg *errmsg) MUST_USE;
void wiring_order(struct gateway *gateway);

/* sources.c: what the operations side asks. */
void sources_init(struct gateway *gateway);
void sources_close(struct gateway *gateway);

/* asks.c: as in struct admin_sources. */
void asks_init(struct gateway *gateway);
void asks_close(struct gateway *gateway);
void asks_snapshot_list(void *gateway, struct buffer *out);
void asks_snapshot_now(void *gateway, struct admin_waiter *admin);
void asks_snapshot_leave(void *gateway, struct admin_waiter *admin);
int asks_savepoint_begin(void *gateway, struct span directory, struct admin_waiter *admin,
                         struct errmsg *errmsg) MUST_USE;
void asks_savepoint_leave(void *gateway, struct admin_waiter *admin);

/* drain.c */
void drain_begin(struct gateway *gateway);
void drain_turn(struct gateway *gateway);

#endif
