/* Messages from outside: ACCEPT, duplicates, waiters for replies, cancellations. */
#include "shard/budget.h"
#include "shard/channel.h"
#include "shard/decide.h"
#include "shard/key.h"

static const char *invalid(const struct event_message *message)
{
    if (!name_valid(message->target.type)) return "the function type must be \"namespace/name\"";
    if (!id_valid(message->target.id)) return "the id must be 1 to 1024 bytes of UTF-8 without NUL";
    if (message->key.size > KEY_SIZE_MAX) return "the idempotency key is longer than 255 bytes";
    if (message->cancel_token.size > TOKEN_SIZE_MAX)
        return "the cancel token is longer than 1024 bytes";
    if (message->cancel_token.size > 0 && message->delay_ms < 0)
        return "a cancel token needs a delay";
    if (message->delay_ms > FUNCTION_TIME_MS_MAX) return "the delay is too long";
    return NULL;
}

/* 0, or the refusal. */
static enum answer_kind refusal(struct shard *shard, const struct event_message *message,
                                uint32_t type)
{
    if (span_starts_with(message->target.type, NAME_RESERVED)) return ANSWER_RESERVED;
    int32_t endpoint = type != 0 ? endpoint_of(shard, type)
                                 : endpoint_match(&shard->overlay, message->target.type);
    if (endpoint < 0) return ANSWER_UNKNOWN_FUNCTION;
    const struct shard_endpoint *config = &shard->overlay.endpoints[endpoint].config;
    if (!config->expose) return ANSWER_INTERNAL;
    if (message->argument.size > config->payload_bytes_max) return ANSWER_TOO_LARGE;
    return ANSWER_ACCEPTED;
}

static void set_reply(struct shard *shard, struct wait *wait, struct entry *entry,
                      struct shard_update *update)
{
    wait->kind = ANSWER_REPLY;
    wait->entry = entry;
    entry->gated++;
    wait_gate(shard, wait, entry->answer_seq, update);
}

static struct wait *wait_for(struct shard *shard, waiter_t waiter, const struct entry *entry)
{
    struct wait *wait = wait_new(shard, waiter);
    if (wait == NULL) return NULL;
    wait->id_seq = entry->seq;
    wait->id_epoch = entry->epoch;
    return wait;
}

static void join_reply(struct shard *shard, waiter_t waiter, struct entry *entry, bool asks,
                       struct shard_update *update)
{
    struct wait *wait = wait_for(shard, waiter, entry);
    if (wait == NULL) {
        answer_text(update, waiter, ANSWER_FULL, "out of memory");
        return;
    }
    wait->asks = asks;
    if (entry->has_answer)
        set_reply(shard, wait, entry, update);
    else
        wait_on(shard, wait, WAIT_REPLY, &entry->waiters);
}

/* The same key before: the second gets the first one's answer. */
static void repeat(struct shard *shard, const struct shard_event *event, struct entry *entry,
                   uint64_t body_hash, struct shard_update *update)
{
    bool is_call = event->message.reply_token.size > 0;
    shard->metrics.messages_duplicate++;
    if (entry_body_hash(entry) != body_hash) {
        answer_text(
            update, event->waiter, ANSWER_CONFLICT,
            "the idempotency key was used with another body: use a new key for a new message");
        return;
    }
    if (is_call && entry->token_size == 0) {
        answer_text(update, event->waiter, ANSWER_CONFLICT,
                    "the idempotency key was used by a send, which has no reply");
        return;
    }
    if (is_call) {
        join_reply(shard, event->waiter, entry, false, update);
        return;
    }
    struct wait *wait = wait_for(shard, event->waiter, entry);
    if (wait == NULL) {
        answer_text(update, event->waiter, ANSWER_FULL, "out of memory");
        return;
    }
    wait->kind = ANSWER_DUPLICATE;
    wait_gate(shard, wait, entry->seq, update);
}

static int write_accept(struct shard *shard, const struct event_message *message, uint32_t type,
                        struct span token, uint64_t body_hash, struct shard_update *update)
{
    struct record_item item = {.kind = ITEM_MESSAGE,
                               .type = type,
                               .id = message->target.id,
                               .argument = message->argument,
                               .reply_token = token,
                               .traceparent = message->traceparent,
                               .delayed = message->delay_ms >= 0,
                               .delay_ms =
                                   (uint64_t)(message->delay_ms < 0 ? 0 : message->delay_ms),
                               .cancel_token = message->cancel_token};
    struct buffer *body = emit_begin(shard);
    record_accept_write(body, &(struct record_accept){message->key, body_hash});
    record_item_write(body, &item);
    return emit(shard, update, RECORD_ACCEPT);
}

/* The message waits for an operator; its caller does not have to. */
static void tell_if_parked(struct shard *shard, uint32_t type, struct span id,
                           struct shard_update *update)
{
    const struct box *box = box_find(&shard->image, type, id);
    if (box == NULL || !box->parked) return;
    const struct message *last = CONTAINER_OF(box->messages.prev, struct message, link);
    tell_callers(shard, box, last, shard->image.seq, update);
}

static void accept(struct shard *shard, const struct shard_event *event, uint32_t type,
                   uint64_t body_hash, struct shard_update *update)
{
    const struct event_message *message = &event->message;
    struct wait *wait = wait_new(shard, event->waiter);
    bool is_call = message->reply_token.size > 0;
    uint8_t packed[REPLY_TOKEN_PACKED];
    struct span token = reply_token_pack(packed, message->reply_token);
    if (wait == NULL || write_accept(shard, message, type, token, body_hash, update) != 0) {
        if (wait != NULL) wait_free(shard, wait);
        answer_text(update, event->waiter, ANSWER_FULL, "out of memory");
        return;
    }
    shard->metrics.messages_accepted++;
    if (message->delay_ms >= 0) shard->metrics.messages_delayed++;
    wait->id_seq = shard->image.seq;
    wait->id_epoch = shard->image.epoch;
    if (is_call) {
        struct entry *entry = entry_find_token(&shard->image, token);
        wait_on(shard, wait, WAIT_REPLY, &entry->waiters);
        tell_if_parked(shard, type, message->target.id, update);
        return;
    }
    wait->kind = ANSWER_ACCEPTED;
    wait_gate(shard, wait, shard->image.seq, update);
}

/* The entry of a key, unless its window is over: then the key means nothing any more, whether or
 * not it has been evicted. */
static struct entry *find_remembered(struct shard *shard, uint32_t type,
                                     const struct event_message *message,
                                     struct shard_update *update)
{
    struct entry *entry = entry_find_key(&shard->image, type, message->target.id, message->key);
    uint64_t evicted = shard->metrics.evicted;
    while (entry != NULL &&
           shard->overlay.now_ms - entry->created_ms >= shard->overlay.config.dedup_window_ms) {
        evict(shard, slot_of(message->target.id), 1, update);
        entry = entry_find_key(&shard->image, type, message->target.id, message->key);
        if (shard->metrics.evicted == evicted) break; /* somebody still waits for its answer */
        evicted = shard->metrics.evicted;
    }
    return entry;
}

void decide_message(struct shard *shard, const struct shard_event *event,
                    struct shard_update *update)
{
    const struct event_message *message = &event->message;
    const char *why = invalid(message);
    if (why == NULL && !image_owns_id(&shard->image, message->target.id))
        why = "the address belongs to another shard";
    if (why != NULL) {
        answer_text(update, event->waiter, ANSWER_INVALID, why);
        return;
    }
    uint32_t type = dictionary_find(&shard->image, message->target.type);
    enum answer_kind refused = refusal(shard, message, type);
    if (refused != ANSWER_ACCEPTED) {
        shard->metrics.messages_refused++;
        answer_text(update, event->waiter, refused, "");
        return;
    }
    uint64_t body_hash = hash_seeded(message->argument, (uint64_t)message->delay_ms);
    struct entry *entry = NULL;
    if (type != 0 && message->key.size > 0) entry = find_remembered(shard, type, message, update);
    if (entry != NULL) {
        repeat(shard, event, entry, body_hash, update);
        return;
    }
    if (message->cancel_token.size > 0 &&
        timer_find_token(&shard->image, message->target.id, message->cancel_token) != NULL) {
        answer_text(update, event->waiter, ANSWER_CONFLICT,
                    "a delayed message with this cancel token waits already: cancel it, or use "
                    "another token");
        return;
    }
    if (!budget_admits(shard, message->argument.size)) {
        shard->metrics.messages_refused++;
        answer_text(update, event->waiter, ANSWER_FULL, "the gateway's memory budget is used up");
        return;
    }
    if (message->key.size > 0 || message->reply_token.size > 0)
        evict(shard, slot_of(message->target.id), EVICT_LOT, update);
    type = intern_from_outside(shard, update, message->target.type);
    if (type == 0)
        answer_text(update, event->waiter, ANSWER_FULL, "too many different names");
    else
        accept(shard, event, type, body_hash, update);
}

/* "No reply yet" says that the call is accepted: only when it is durable. */
static void answer_pending(struct shard *shard, waiter_t waiter, const struct entry *entry,
                           struct shard_update *update)
{
    struct wait *wait = wait_for(shard, waiter, entry);
    if (wait == NULL) {
        answer_text(update, waiter, ANSWER_FULL, "out of memory");
        return;
    }
    wait->kind = ANSWER_PENDING;
    wait_gate(shard, wait, entry->seq, update);
}

/* By its key even when its window is over: whoever asks may have waited for longer than that. */
static struct entry *find_call(const struct shard *shard, const struct shard_event *event)
{
    struct address target = event->call_target;
    struct entry *entry = entry_find_token(&shard->image, event->reply_token);
    if (entry != NULL || event->call_key.size == 0) return entry;
    uint32_t type = dictionary_find(&shard->image, target.type);
    if (type == 0) return NULL;
    entry = entry_find_key(&shard->image, type, target.id, event->call_key);
    return entry == NULL || entry->token_size == 0 ? NULL : entry;
}

void decide_attach(struct shard *shard, const struct shard_event *event,
                   struct shard_update *update)
{
    struct entry *entry = find_call(shard, event);
    if (entry != NULL) entry->asked = true;
    if (entry == NULL) {
        answer_text(update, event->waiter, ANSWER_NOT_FOUND,
                    "no such reply: unknown, or kept no longer");
    } else if (!entry->has_answer) {
        answer_pending(shard, event->waiter, entry, update);
    } else {
        join_reply(shard, event->waiter, entry, true, update);
    }
}

void decide_cancel(struct shard *shard, const struct shard_event *event,
                   struct shard_update *update)
{
    struct span id = event->cancel.id, token = event->cancel.token;
    if (!id_valid(id) || token.size == 0 || timer_find_token(&shard->image, id, token) == NULL) {
        answer_text(
            update, event->waiter, ANSWER_NOT_FOUND,
            "no delayed message with this id and token: it was delivered, cancelled, or never was");
        return;
    }
    struct wait *wait = wait_new(shard, event->waiter);
    struct buffer *body = emit_begin(shard);
    buffer_string(body, id);
    buffer_string(body, token);
    if (wait == NULL || emit(shard, update, RECORD_CANCEL) != 0) {
        if (wait != NULL) wait_free(shard, wait);
        answer_text(update, event->waiter, ANSWER_FULL, "out of memory");
        return;
    }
    shard->metrics.messages_cancelled++;
    wait->kind = ANSWER_DONE;
    wait->number = 1;
    wait_gate(shard, wait, shard->image.seq, update);
}

void replies_release(struct shard *shard, struct shard_update *update)
{
    LIST_EACH (&shard->image.answered, link) {
        struct entry *entry = CONTAINER_OF(link, struct entry, answered);
        list_remove(link);
        while (!list_empty(&entry->waiters))
            set_reply(shard, LIST_FIRST(&entry->waiters, struct wait, link), entry, update);
    }
}
