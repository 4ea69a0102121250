#include "shard/shard.h"

#include "base/check.h"
#include "shard/budget.h"
#include "shard/channel.h"
#include "shard/cut.h"
#include "shard/decide.h"
#include "shard/replay_ahead.h"

#include <stdlib.h>

int shard_open(struct shard **opened)
{
    struct shard *shard = calloc(1, sizeof *shard);
    if (shard == NULL) return ERROR_MEMORY;
    int error = image_init(&shard->image);
    if (error != 0) goto free_shard;
    error = overlay_init(&shard->overlay);
    if (error != 0) goto close_image;
    buffer_init(&shard->body);
    buffer_init(&shard->scratch);
    buffer_init(&shard->numbers);
    buffer_init(&shard->id_text);
    *opened = shard;
    return 0;
close_image:
    image_close(&shard->image);
free_shard:
    free(shard);
    return error;
}

void shard_close(struct shard *shard)
{
    if (shard == NULL) return;
    if (shard->cut != NULL) shard_cut_end(shard);
    overlay_close(&shard->overlay, &shard->image);
    image_close(&shard->image);
    buffer_close(&shard->body);
    buffer_close(&shard->scratch);
    buffer_close(&shard->numbers);
    buffer_close(&shard->id_text);
    free(shard);
}

int shard_place(struct shard *shard, uint32_t number, uint32_t count)
{
    return image_place(&shard->image, number, count);
}

uint32_t shard_number(const struct shard *shard)
{
    return shard->image.shard;
}

uint32_t shard_count(const struct shard *shard)
{
    return shard->image.shard_count == 0 ? 1 : shard->image.shard_count;
}

static bool knows_less(const struct shard *sender, const struct shard *receiver)
{
    const struct channel *from = channel_of(&sender->image, receiver->image.shard);
    const struct channel *to = channel_of(&receiver->image, sender->image.shard);
    return from != NULL && to != NULL &&
           (to->accepted < from->out.taken || to->accepted > from->out.last);
}

bool shard_agrees(const struct shard *a, const struct shard *b)
{
    return !knows_less(a, b) && !knows_less(b, a);
}

void shard_encode_open(const struct shard *shard, struct buffer *out, uint32_t epoch,
                       uint64_t lineage, struct span version)
{
    struct buffer body;
    buffer_init(&body);
    record_open_write(&body, &(struct record_open){epoch, lineage, RECORD_FORMAT, version,
                                                   shard_number(shard), shard_count(shard)});
    if (body.failed)
        out->failed = true;
    else
        record_write(out, RECORD_OPEN, 0, buffer_span(&body));
    buffer_close(&body);
}

int shard_replay(struct shard *shard, struct span records, uint64_t first_seq, uint32_t count)
{
    if (first_seq > shard->image.seq + 1) return ERROR_DAMAGED; /* a hole */
    struct reader in = reader_of(records);
    struct replay_ahead ahead;
    replay_ahead_init(&ahead, records);
    for (uint32_t i = 0; i < count; i++) {
        struct record record;
        replay_ahead_of(&ahead, &shard->image, i);
        record_read(&in, &record);
        if (in.failed) return ERROR_DAMAGED;
        if (first_seq + i <= shard->image.seq) continue;
        int error = fold_prepare(&shard->image, &record);
        if (error != 0) return error;
        fold(&shard->image, &record);
        memory_unreserve(&shard->image.memory);
    }
    return reader_done(&in) ? 0 : ERROR_DAMAGED;
}

int shard_start(struct shard *shard)
{
    struct image *image = &shard->image;
    shard->overlay.durable_seq = image->seq;
    shard->overlay.now_ms = image->time_ms;
    LIST_EACH (&image->answered, link) {
        list_remove(link); /* nobody waits yet */
    }
    for (uint32_t i = 0; i < SLOTS; i++) {
        struct table_node *node = table_next(&image->slots[i].boxes, NULL);
        for (; node != NULL; node = table_next(&image->slots[i].boxes, node))
            box_wake(image, CONTAINER_OF(node, struct box, node));
    }
    return peers_open(shard);
}

static void configure(struct shard *shard, const struct shard_config *config)
{
    struct overlay *overlay = &shard->overlay;
    if (endpoints_configure(shard, config) != 0) {
        shard->failed = true;
        return;
    }
    overlay->swept_seq = UINT64_MAX; /* windows may be shorter now: see decide_time.c */
    static const enum flight_state unsettled[] = {FLIGHT_READY, FLIGHT_HELD};
    for (size_t i = 0; i < sizeof unsettled / sizeof unsettled[0]; i++) {
        struct list *list = &overlay->states[unsettled[i]];
        uint64_t count = overlay->state_counts[unsettled[i]];
        for (; count > 0 && !list_empty(list); count--) {
            struct flight *flight = LIST_FIRST(list, struct flight, link);
            flight->endpoint = UINT32_MAX;
            flight_settle(shard, flight);
        }
    }
}

/* A box that fold has changed: its flight goes where it belongs now. */
static void settle(struct shard *shard, struct box *box, struct shard_update *update)
{
    list_remove(&box->woken);
    if (box->flight != NULL && box->flight->state == FLIGHT_SENT) return;
    if (box_first_write(box) != NULL) {
        decide_write(shard, box, update); /* wakes the box again when there is more in it */
        return;
    }
    struct flight *flight = flight_get(shard, box);
    if (flight == NULL) return;
    if (flight->state == FLIGHT_HELD || flight->state == FLIGHT_PARKED)
        flight_settle(shard, flight);
}

static void settle_first(struct shard *shard, struct list *boxes, uint32_t most,
                         struct shard_update *update)
{
    for (uint32_t i = 0; i < most && !shard->failed && !list_empty(boxes); i++)
        settle(shard, LIST_FIRST(boxes, struct box, woken), update);
}

/* A result that sends to thousands does not hold up everybody else: most of them stand in line for
 * the steps that follow. */
static void settle_some(struct shard *shard, struct shard_update *update)
{
    settle_first(shard, &shard->overlay.unsettled, SETTLE_MAX, update);
    settle_first(shard, &shard->image.woken, SETTLE_MAX, update);
    list_append_all(&shard->overlay.unsettled, &shard->image.woken);
}

static void settle_all(struct shard *shard, struct shard_update *update)
{
    do settle_some(shard, update);
    while (!shard->failed && overlay_is_unsettled(&shard->overlay));
}

static void forget_durable(struct shard *shard)
{
    struct overlay *overlay = &shard->overlay;
    if (overlay->durable_seq < overlay->counted_seq) return;
    overlay->undurable_old = overlay->undurable_new;
    overlay->undurable_new = 0;
    overlay->counted_seq = shard->image.seq;
    if (overlay->durable_seq == overlay->counted_seq) overlay->undurable_old = 0;
}

static void became_durable(struct shard *shard, uint64_t seq, struct shard_update *update)
{
    struct overlay *overlay = &shard->overlay;
    CHECK(seq <= shard->image.seq);
    if (seq <= overlay->durable_seq) return;
    overlay->durable_seq = seq;
    forget_durable(shard);
    waits_release(shard, update);
    uint64_t count = overlay->state_counts[FLIGHT_WAIT_DURABLE];
    for (; count > 0; count--)
        flight_settle(shard,
                      LIST_FIRST(&overlay->states[FLIGHT_WAIT_DURABLE], struct flight, link));
    pulls_release(shard, update);
}

/* Those that are in no state yet would be missing. */
static bool asks_for_flights(const struct shard_event *event)
{
    return event->kind == EVENT_OPERATOR ||
           (event->kind == EVENT_QUERY &&
            (event->query.kind == QUERY_PARKED || event->query.kind == QUERY_FUNCTIONS));
}

static void decide(struct shard *shard, const struct shard_event *event,
                   struct shard_update *update)
{
    switch (event->kind) {
    case EVENT_CONFIG: configure(shard, &event->config); return;
    case EVENT_MESSAGE: decide_message(shard, event, update); return;
    case EVENT_ATTACH: decide_attach(shard, event, update); return;
    case EVENT_DETACH: wait_forget(shard, event->waiter); return;
    case EVENT_CANCEL: decide_cancel(shard, event, update); return;
    case EVENT_SOURCE: decide_source(shard, event, update); return;
    case EVENT_RESPONSE: decide_response(shard, &event->response, update); return;
    case EVENT_DURABLE: became_durable(shard, event->durable_seq, update); return;
    case EVENT_TICK: decide_tick(shard, update); return;
    case EVENT_QUERY: decide_query(shard, event, update); return;
    case EVENT_OPERATOR: decide_operator(shard, event, update); return;
    case EVENT_STATE: decide_state(shard, event, update); return;
    case EVENT_PULL: decide_pull(shard, event, update); return;
    case EVENT_PULL_ACK: decide_pull_ack(shard, event, update); return;
    case EVENT_SIGNAL: decide_signal(shard, &event->signal, update); return;
    case EVENT_CUT: decide_cut(shard, event->cut, update); return;
    }
    CHECK(false);
}

int shard_step(struct shard *shard, const struct shard_event *event, struct shard_update *update)
{
    if (shard->failed) return ERROR_MEMORY;
    overlay_tell_time(shard, &event->clock);
    if (asks_for_flights(event)) settle_all(shard, update);
    decide(shard, event, update);
    replies_release(shard, update);
    settle_some(shard, update);
    dispatch(shard, update);
    wake_blocked(shard, update);
    send_pioneer(shard, update);
    signals_release(shard, update);
    if (!list_empty(&shard->overlay.lane_waits) &&
        shard->image.letter_seq > shard->overlay.durable_seq)
        update->commit_wanted = true;
    memory_unreserve(&shard->image.memory);
    reuse_buffer(&shard->scratch);
    reuse_buffer(&shard->body);
    return shard->failed || update->records.failed ? ERROR_MEMORY : 0;
}

static struct shard_endpoint_metrics endpoint_gauges(const struct shard *shard, size_t index)
{
    const struct endpoint *endpoint = &shard->overlay.endpoints[index];
    struct shard_endpoint_metrics metrics = {.pattern = endpoint->config.pattern,
                                             .in_flight = endpoint->in_flight,
                                             .is_open =
                                                 shard->overlay.now_ms < endpoint->open_until_ms,
                                             .failures = endpoint->failures};
    memcpy(metrics.results, endpoint->results, sizeof metrics.results);
    return metrics;
}

/* Of all in one go: for each alone all types and parked addresses would be looked at again. */
size_t shard_endpoint_metrics(struct shard *shard, struct shard_endpoint_metrics *metrics,
                              size_t most)
{
    size_t count = shard->overlay.endpoint_count < most ? shard->overlay.endpoint_count : most;
    for (size_t i = 0; i < count; i++) metrics[i] = endpoint_gauges(shard, i);
    for (uint32_t type = 1; type < shard->image.function_capacity; type++) {
        const struct function *function = shard->image.functions[type];
        int32_t index = function == NULL ? -1 : endpoint_of(shard, type);
        if (index < 0 || (size_t)index >= count) continue;
        metrics[index].messages += function->message_count;
        metrics[index].keys += function->cell_count;
    }
    LIST_EACH (&shard->overlay.states[FLIGHT_PARKED], link) {
        const struct flight *flight = CONTAINER_OF(link, struct flight, link);
        int32_t index = endpoint_of(shard, flight->box->type);
        if (index >= 0 && (size_t)index < count) metrics[index].parked++;
    }
    return count;
}

bool shard_lane_metrics(const struct shard *shard, size_t index, struct shard_lane_metrics *metrics)
{
    LIST_EACH (&shard->image.lanes, link) {
        const struct lane *lane = CONTAINER_OF(link, struct lane, link);
        if (index-- > 0) continue;
        *metrics = (struct shard_lane_metrics){dictionary_name(&shard->image, lane->name),
                                               lane->count, lane->bytes};
        return true;
    }
    return false;
}

bool shard_only_waits(const struct shard *shard, uint64_t most)
{
    const struct overlay *overlay = &shard->overlay;
    return overlay->gate_count > 0 && overlay->gate_count == overlay->wait_count &&
           overlay->gate_count <= most && overlay->state_counts[FLIGHT_SENT] == 0 &&
           overlay->state_counts[FLIGHT_READY] == 0 && !overlay_is_unsettled(overlay);
}

uint64_t shard_seq(const struct shard *shard)
{
    return shard->image.seq;
}

uint32_t shard_epoch(const struct shard *shard)
{
    return shard->image.epoch;
}

uint64_t shard_lineage(const struct shard *shard)
{
    return shard->image.lineage;
}

int64_t shard_time_ms(const struct shard *shard)
{
    return shard->overlay.now_ms;
}

void shard_metrics(const struct shard *shard, struct shard_metrics *metrics)
{
    const struct image *image = &shard->image;
    const struct overlay *overlay = &shard->overlay;
    *metrics = shard->metrics;
    metrics->replies_dropped = image->replies_dropped;
    metrics->seq = image->seq;
    metrics->durable_seq = overlay->durable_seq;
    metrics->epoch = image->epoch;
    metrics->lineage = image->lineage;
    metrics->keys = image->cell_count;
    metrics->mailbox_messages = image->message_count;
    metrics->delayed = image->timer_count;
    metrics->entries = image->entry_count;
    metrics->parked_now = image->parked_count;
    metrics->parcels_waiting = channels_waiting(image, &metrics->parcel_bytes);
    metrics->egress_waiting = image->letter_count - metrics->parcels_waiting;
    metrics->waiters = overlay->wait_count;
    metrics->ready = overlay->state_counts[FLIGHT_READY];
    metrics->sent = overlay->state_counts[FLIGHT_SENT];
    metrics->retry_wait = overlay->state_counts[FLIGHT_RETRY_WAIT];
    metrics->blocked_now = overlay->state_counts[FLIGHT_BLOCKED];
    metrics->held = overlay->state_counts[FLIGHT_HELD];
    metrics->wait_durable = overlay->state_counts[FLIGHT_WAIT_DURABLE];
    metrics->state_bytes = image->cell_bytes;
    metrics->mailbox_bytes = image->message_bytes;
    metrics->delayed_bytes = image->timer_bytes;
    metrics->entry_bytes = image->entry_bytes;
    metrics->egress_bytes = image->letter_bytes - metrics->parcel_bytes;
    metrics->memory_bytes = image->memory.used;
}
