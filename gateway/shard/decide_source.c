/*
 * Sources: logs outside that can be read again, such as the partitions of a topic. What comes from
 * one comes with its position, and with the position before it: it is taken only when that is how
 * far the source has been taken. So whoever reads the log may fall back, be restarted or be there
 * twice, and each record counts once, without a memory of keys.
 */
#include "base/text.h"
#include "base/utf8.h"
#include "shard/budget.h"
#include "shard/channel.h"
#include "shard/decide.h"

static const char *invalid(const struct shard *shard, const struct event_source *event)
{
    if (event->source.size == 0 || event->source.size > NAME_SIZE_MAX)
        return "the name of a source must be 1 to 256 bytes";
    if (!image_owns_id(&shard->image, event->source)) return "the source belongs to another shard";
    if (event->position.size > SOURCE_POSITION_MAX || event->previous.size > SOURCE_POSITION_MAX)
        return "the position of a source is longer than 64 bytes";
    if (event->position.size == 0 && event->message_count > 0)
        return "messages of a source need its position";
    if (event->message_count > 0 && span_equal(event->position, event->previous))
        return "messages of a source need another position than those before";
    return NULL;
}

/* 0, or the refusal of the message; why, for people. */
static enum answer_kind refusal(struct shard *shard, const struct source_message *message,
                                const char **why)
{
    *why = "";
    if (span_starts_with(message->target.type, NAME_RESERVED)) return ANSWER_RESERVED;
    if (!name_valid(message->target.type)) {
        *why = "the function type must be \"namespace/name\"";
        return ANSWER_INVALID;
    }
    if (!id_valid(message->target.id)) {
        *why = "the id must be 1 to 1024 bytes of UTF-8 without NUL";
        return ANSWER_INVALID;
    }
    int32_t endpoint = endpoint_match(&shard->overlay, message->target.type);
    if (endpoint < 0) return ANSWER_UNKNOWN_FUNCTION;
    const struct shard_endpoint *config = &shard->overlay.endpoints[endpoint].config;
    return message->argument.size > config->payload_bytes_max ? ANSWER_TOO_LARGE : ANSWER_ACCEPTED;
}

static void refuse(struct shard *shard, waiter_t waiter, enum answer_kind kind, size_t index,
                   const char *why, struct shard_update *update)
{
    struct shard_answer answer = {
        .waiter = waiter, .kind = kind, .number = index, .text = span_text(why)};
    shard->metrics.messages_refused++;
    if (waiter != 0) answer_now(update, &answer);
}

/* The first message that cannot be taken stands for all. False: it has been answered. */
static bool check_messages(struct shard *shard, const struct shard_event *event,
                           struct shard_update *update)
{
    const struct event_source *source = &event->source;
    for (size_t i = 0; i < source->message_count; i++) {
        const char *why;
        enum answer_kind refused = refusal(shard, &source->messages[i], &why);
        if (refused == ANSWER_ACCEPTED) continue;
        refuse(shard, event->waiter, refused, i, why, update);
        return false;
    }
    return true;
}

/* False: it has been answered. */
static bool check_room(struct shard *shard, const struct shard_event *event,
                       struct shard_update *update)
{
    const struct event_source *source = &event->source;
    size_t bytes = 0, crossing = 0;
    for (size_t i = 0; i < source->message_count; i++) {
        size_t more = source_message_bytes(&source->messages[i]);
        bytes += more;
        if (!image_owns_id(&shard->image, source->messages[i].target.id)) crossing += more;
    }
    if (bytes > SOURCE_BYTES_MAX && source->message_count > 1) { /* one cannot be split */
        refuse(shard, event->waiter, ANSWER_TOO_LARGE, source->message_count,
               "more than 16 MiB at once", update);
        return false;
    }
    if (budget_admits_source(shard, bytes, crossing)) return true;
    refuse(shard, event->waiter, ANSWER_FULL, 0, "the gateway's memory budget is used up", update);
    return false;
}

/* False: too many names, or no memory. */
static bool intern_names(struct shard *shard, const struct event_source *source,
                         struct shard_update *update)
{
    if (intern(shard, update, source->source) == 0) return false;
    for (size_t i = 0; i < source->message_count; i++)
        if (intern_from_outside(shard, update, source->messages[i].target.type) == 0) return false;
    return true;
}

/* It will be a header of the call. As the trace context asks: one that is not valid is left out. */
static struct span traceparent_of(const struct source_message *message)
{
    bool fits = message->traceparent.size <= SOURCE_TRACEPARENT_MAX &&
                ascii_printable(message->traceparent);
    return fits ? message->traceparent : SPAN_EMPTY;
}

static int write_source(struct shard *shard, const struct event_source *event,
                        struct shard_update *update)
{
    const struct image *image = &shard->image;
    struct buffer *body = emit_begin(shard);
    record_source_write(body, &(struct record_source){.name = dictionary_find(image, event->source),
                                                      .position = event->position,
                                                      .count = event->message_count});
    for (size_t i = 0; i < event->message_count; i++) {
        const struct source_message *message = &event->messages[i];
        record_item_write(
            body, &(struct record_item){.kind = ITEM_MESSAGE,
                                        .type = dictionary_find(image, message->target.type),
                                        .id = message->target.id,
                                        .argument = message->argument,
                                        .traceparent = traceparent_of(message)});
    }
    return emit(shard, update, RECORD_SOURCE);
}

/* How far the source has been taken, when that is durable. */
static void tell_position(struct shard *shard, const struct shard_event *event,
                          const struct source *source, enum answer_kind kind,
                          struct shard_update *update)
{
    struct wait *wait = wait_new(shard, event->waiter);
    if (wait == NULL ||
        wait_set_bytes(shard, wait, source_position(source), SPAN_EMPTY, SPAN_EMPTY) != 0) {
        if (wait != NULL) wait_free(shard, wait);
        answer_text(update, event->waiter, ANSWER_FULL, "out of memory");
        return;
    }
    wait->kind = kind;
    wait->number = event->source.message_count;
    wait_gate(shard, wait, source == NULL ? 0 : source->seq, update);
}

void decide_source(struct shard *shard, const struct shard_event *event,
                   struct shard_update *update)
{
    const struct event_source *given = &event->source;
    const char *why = invalid(shard, given);
    if (why != NULL) {
        answer_text(update, event->waiter, ANSWER_INVALID, why);
        return;
    }
    uint32_t name = dictionary_find(&shard->image, given->source);
    const struct source *source = name == 0 ? NULL : source_find(&shard->image, name);
    if (given->position.size == 0) {
        tell_position(shard, event, source, ANSWER_VALUE, update);
        return;
    }
    if (!span_equal(given->previous, source_position(source))) {
        tell_position(shard, event, source, ANSWER_MISMATCH, update);
        return;
    }
    if (!check_messages(shard, event, update) || !check_room(shard, event, update)) return;
    if (!intern_names(shard, given, update)) {
        answer_text(update, event->waiter, ANSWER_FULL, "too many different names");
        return;
    }
    if (write_source(shard, given, update) != 0) {
        answer_text(update, event->waiter, ANSWER_FULL, "out of memory");
        return;
    }
    shard->metrics.messages_accepted += given->message_count;
    name = dictionary_find(&shard->image, given->source);
    tell_position(shard, event, source_find(&shard->image, name), ANSWER_DONE, update);
}
