/*
 * Signals between shards: parcels come in once and in order, ours go out when they are durable, and
 * are forgotten when the other one has them durably. Whatever a signal loses is said again.
 */
#include "shard/budget.h"
#include "shard/channel.h"
#include "shard/decide.h"
#include "shard/shard.h"

#include <stdlib.h>

int peers_open(struct shard *shard)
{
    struct overlay *overlay = &shard->overlay;
    uint32_t count = shard->image.channels == NULL ? 0 : shard->image.shard_count;
    if (count == 0) return 0;
    overlay->peers = calloc(count, sizeof overlay->peers[0]);
    if (overlay->peers == NULL) return ERROR_MEMORY;
    overlay->peer_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct channel *channel = channel_of(&shard->image, i);
        if (channel == NULL) continue;
        struct peer *peer = &overlay->peers[i];
        peer->sent = channel->out.taken;
        peer->resend_at_ms = INT64_MAX;
        peer->acked = channel->accepted;    /* all there is, is durable */
        peer->tells = peer->rewinds = true; /* what it has sent to the one before us may be lost */
    }
    return 0;
}

/* ---- Savepoints ---- */

/* The image after the record is the shard's part of the savepoint. */
static bool join_cut(struct shard *shard, uint64_t cut, struct shard_update *update)
{
    buffer_varint(emit_begin(shard), cut);
    if (emit(shard, update, RECORD_CUT) != 0) return false;
    shard_cut_end(shard);
    update->cut_begun = cut;
    /* Without memory the savepoint fails, not the shard: the caller finds no cut. */
    if (shard_cut_begin(shard, 0) != 0) shard->metrics.cuts_lost++;
    return true;
}

void decide_cut(struct shard *shard, uint64_t cut, struct shard_update *update)
{
    if (cut > shard->image.cut) join_cut(shard, cut, update);
}

uint64_t shard_cut_known(const struct shard *shard)
{
    return shard->image.cut;
}

/* ---- Coming in ---- */

static void take_ack(struct shard *shard, uint32_t number, uint64_t through,
                     struct shard_update *update)
{
    struct lane *out = &channel_of(&shard->image, number)->out;
    struct peer *peer = &shard->overlay.peers[number];
    if (through <= out->taken) return;
    if (through > peer->sent) {
        /* From before our crash: only what was durable was sent, so it is still here. Anything
           beyond cannot be true. */
        if (through > out->last) {
            shard->metrics.signals_refused++;
            return;
        }
        peer->sent = through;
    }
    record_acked_write(emit_begin(shard), &(struct record_acked){number, through});
    if (emit(shard, update, RECORD_ACKED) != 0) return; /* it will be said again */
    peer->resends = 0;
    peer->resend_at_ms =
        peer->sent == out->taken ? INT64_MAX : shard->overlay.now_ms + SIGNAL_RESEND_MS;
}

/* Every name gets its number before the record is written. */
static bool intern_parcels(struct shard *shard, struct reader in, uint64_t skip, uint32_t count,
                           struct shard_update *update)
{
    struct parcel parcel;
    for (uint32_t i = 0; i < count; i++) {
        parcel_read(&in, &parcel);
        if (in.failed) return false;
        if (i < skip) continue;
        if (parcel.type.size > 0 && intern(shard, update, parcel.type) == 0) return false;
        if (parcel.caller_type.size > 0 && intern(shard, update, parcel.caller_type) == 0)
            return false;
    }
    return true;
}

static void write_parcels(const struct shard *shard, struct reader in, uint64_t skip,
                          uint32_t count, struct buffer *body)
{
    const struct image *image = &shard->image;
    struct parcel parcel;
    for (uint32_t i = 0; i < count; i++) {
        parcel_read(&in, &parcel);
        if (i < skip) continue;
        struct record_item item = {.kind = parcel.kind,
                                   .id = parcel.id,
                                   .argument = parcel.argument,
                                   .traceparent = parcel.traceparent,
                                   .has_caller = parcel.caller_type.size > 0,
                                   .caller_id = parcel.caller_id};
        if (parcel.type.size > 0) item.type = dictionary_find(image, parcel.type);
        if (item.has_caller) item.caller_type = dictionary_find(image, parcel.caller_type);
        record_item_write(body, &item);
    }
}

/* All of them are for slots of ours. */
static bool are_ours(const struct shard *shard, const struct shard_signal *signal)
{
    struct reader in = reader_of(signal->parcels);
    for (uint32_t i = 0; i < signal->count; i++) {
        struct parcel parcel;
        parcel_read(&in, &parcel);
        uint32_t slot = parcel.kind == ITEM_REPLY    ? reply_token_slot(parcel.id)
                        : parcel.kind == ITEM_EGRESS ? slot_of(parcel.type)
                                                     : slot_of(parcel.id);
        if (in.failed || !image_owns(&shard->image, slot)) return false;
    }
    return reader_done(&in);
}

static void accepted(struct shard *shard, struct peer *peer, uint64_t number)
{
    struct receipt *receipt = peer->first.seq == 0 ? &peer->first : &peer->second;
    *receipt = (struct receipt){.seq = shard->image.seq, .number = number};
}

/* What of a signal there is room for. */
struct portion {
    uint32_t count; /* parcels, from its first */
    size_t next;    /* bytes that the next one would take, 0: that was all … */
    size_t left;    /* … and all the others */
};

/* All of a signal may be more than there is room for, for ever. */
static struct portion measure_portion(const struct shard *shard, const struct shard_signal *signal,
                                      uint32_t known)
{
    struct portion portion = {.count = signal->count};
    struct reader in = reader_of(signal->parcels);
    size_t more = 0;
    for (uint32_t i = 0; i < signal->count; i++) {
        size_t before = reader_left(&in);
        struct parcel parcel;
        parcel_read(&in, &parcel);
        if (i < known) continue;
        size_t size = before - reader_left(&in) + PARCEL_OVERHEAD;
        more += size;
        if (portion.next == 0 && !budget_admits_parcels(shard, more)) {
            portion.next = size;
            portion.count = i;
        }
        if (portion.next > 0) portion.left += size;
    }
    return portion;
}

/* What finds no room, or no number for a name, is not taken: it comes again by its sender's clock,
 * and is asked for when there is room, of which a little is not worth it. */
static void refuse(struct shard *shard, struct peer *peer, const struct portion *portion)
{
    size_t worth = shard->overlay.config.memory_max / 32;
    if (worth > portion->left) worth = portion->left;
    shard->metrics.signals_refused++;
    peer->wants_bytes = worth > portion->next ? worth : portion->next;
    peer->full = true;
}

static void take_parcels(struct shard *shard, const struct shard_signal *signal,
                         struct shard_update *update)
{
    const struct channel *channel = channel_of(&shard->image, signal->peer);
    struct peer *peer = &shard->overlay.peers[signal->peer];
    if (signal->count == 0) return;
    if (signal->first > channel->accepted + 1) {
        /* While there is no room for what comes first, asking for it again would only cost. */
        if (!peer->full) peer->tells = peer->rewinds = true;
        shard->metrics.signals_ahead++;
        return;
    }
    uint64_t known = channel->accepted + 1 - signal->first;
    if (known >= signal->count) {
        peer->tells = true; /* our ack was lost */
        shard->metrics.parcels_doubled += signal->count;
        return;
    }
    if (!are_ours(shard, signal)) {
        shard->metrics.signals_refused++;
        return;
    }
    struct portion portion = measure_portion(shard, signal, (uint32_t)known);
    if (portion.count == known) {
        refuse(shard, peer, &portion);
        return;
    }
    const struct portion unmeasured = {0}; /* no room that comes would help */
    if (!intern_parcels(shard, reader_of(signal->parcels), known, portion.count, update)) {
        refuse(shard, peer, &unmeasured);
        return;
    }
    struct record_receive receive = {
        .from = signal->peer, .first = channel->accepted + 1, .count = portion.count - known};
    struct buffer *body = emit_begin(shard);
    record_receive_write(body, &receive);
    write_parcels(shard, reader_of(signal->parcels), known, portion.count, body);
    if (emit(shard, update, RECORD_RECEIVE) != 0) {
        refuse(shard, peer, &unmeasured);
        return;
    }
    peer->full = false;
    if (portion.next > 0) refuse(shard, peer, &portion);
    shard->metrics.parcels_doubled += known;
    shard->metrics.parcels_received += receive.count;
    accepted(shard, peer, channel->accepted);
}

static void take_rewind(struct shard *shard, const struct shard_signal *signal)
{
    const struct lane *out = &channel_of(&shard->image, signal->peer)->out;
    struct peer *peer = &shard->overlay.peers[signal->peer];
    if (!signal->rewind || signal->received >= peer->sent) return;
    peer->sent = signal->received > out->taken ? signal->received : out->taken;
}

void decide_signal(struct shard *shard, const struct shard_signal *signal,
                   struct shard_update *update)
{
    shard->metrics.signals_received++;
    if (channel_of(&shard->image, signal->peer) == NULL) {
        shard->metrics.signals_refused++;
        return;
    }
    /* First of all: nothing that its sender did after a cut may be in our image of before it. */
    if (signal->cut > shard->image.cut && !join_cut(shard, signal->cut, update)) return;
    take_ack(shard, signal->peer, signal->acked, update);
    take_rewind(shard, signal);
    take_parcels(shard, signal, update);
}

/* ---- Going out ---- */

/* What is durable of what came in may be told. */
static void settle_receipts(struct shard *shard, struct peer *peer)
{
    while (peer->first.seq != 0 && peer->first.seq <= shard->overlay.durable_seq) {
        peer->acked = peer->first.number;
        peer->tells = true;
        peer->first = peer->second;
        peer->second = (struct receipt){0};
    }
}

static bool is_durable(const struct shard *shard, const struct letter *letter)
{
    return letter->seq <= shard->overlay.durable_seq;
}

/* The first parcel after `sent`; the way back from the end is as long as what will be sent. */
static struct list *first_unsent(const struct lane *out, uint64_t sent)
{
    struct list *link = (struct list *)(uintptr_t)&out->letters;
    for (uint64_t left = out->last - sent; left > 0; left--) link = link->prev;
    return link;
}

/* One signal with as many parcels as may go, or none. */
static void say(struct shard *shard, uint32_t number, struct shard_update *update)
{
    const struct channel *channel = channel_of(&shard->image, number);
    const struct lane *out = &channel->out;
    struct peer *peer = &shard->overlay.peers[number];
    struct shard_signal signal = {.peer = number,
                                  .cut = shard->image.cut,
                                  .acked = peer->acked,
                                  .received = channel->accepted,
                                  .rewind = peer->rewinds,
                                  .first = peer->sent + 1};
    struct buffer *parcels = &shard->scratch;
    buffer_clear(parcels);
    struct list *link = peer->sent == out->last ? NULL : first_unsent(out, peer->sent);
    while (link != NULL && link != &out->letters && parcels->size < SIGNAL_BYTES_MAX &&
           peer->sent + signal.count - out->taken < SIGNAL_WINDOW) {
        const struct letter *letter = CONTAINER_OF(link, struct letter, link);
        if (!is_durable(shard, letter)) break;
        buffer_append(parcels, span_of(letter->bytes, letter->size));
        signal.count++;
        link = link->next;
    }
    if (parcels->failed) return;
    signal.parcels = buffer_span(parcels);
    if (signal_now(update, &signal) != 0) return;
    shard->metrics.signals_sent++;
    shard->metrics.parcels_sent += signal.count;
    peer->tells = peer->rewinds = false;
    if (signal.count == 0) return;
    peer->sent += signal.count;
    if (peer->resend_at_ms == INT64_MAX)
        peer->resend_at_ms = shard->overlay.now_ms + SIGNAL_RESEND_MS;
}

static bool may_send(const struct shard *shard, const struct peer *peer, const struct lane *out)
{
    if (peer->sent == out->last || peer->sent - out->taken >= SIGNAL_WINDOW) return false;
    return is_durable(shard, CONTAINER_OF(first_unsent(out, peer->sent), struct letter, link));
}

static void ask_again(const struct shard *shard, struct peer *peer)
{
    if (!peer->full || peer->wants_bytes == 0 || !budget_admits_parcels(shard, peer->wants_bytes))
        return;
    peer->full = false;
    peer->tells = peer->rewinds = true;
}

void signals_release(struct shard *shard, struct shard_update *update)
{
    for (uint32_t i = 0; i < shard->overlay.peer_count; i++) {
        const struct channel *channel = channel_of(&shard->image, i);
        struct peer *peer = &shard->overlay.peers[i];
        if (channel == NULL) continue;
        settle_receipts(shard, peer);
        ask_again(shard, peer);
        uint64_t sent;
        do {
            sent = peer->sent;
            if (peer->tells || may_send(shard, peer, &channel->out)) say(shard, i, update);
        } while (peer->sent != sent);
    }
    if (shard->image.parcel_seq > shard->overlay.durable_seq) update->commit_wanted = true;
}

/* A signal that has been lost is said again, from the first that is not acknowledged. */
void signals_repeat(struct shard *shard)
{
    int64_t now_ms = shard->overlay.now_ms;
    for (uint32_t i = 0; i < shard->overlay.peer_count; i++) {
        struct peer *peer = &shard->overlay.peers[i];
        if (channel_of(&shard->image, i) == NULL || peer->resend_at_ms > now_ms) continue;
        uint32_t doublings =
            peer->resends < SIGNAL_DOUBLINGS_MAX ? peer->resends : SIGNAL_DOUBLINGS_MAX;
        peer->resends++;
        peer->sent = channel_of(&shard->image, i)->out.taken;
        peer->resend_at_ms = now_ms + ((int64_t)SIGNAL_RESEND_MS << doublings);
        peer->tells = true;
    }
}
