#include "shard/channel.h"

#include "base/check.h"

#include <stdlib.h>

int image_place(struct image *image, uint32_t number, uint32_t count)
{
    if (image->shard_count != 0)
        return image->shard == number && image->shard_count == count ? 0 : ERROR_REFUSED;
    if (count == 0 || count > SHARDS_MAX || number >= count) return ERROR_DAMAGED;
    if (count > 1) {
        image->channels = calloc(count, sizeof image->channels[0]);
        if (image->channels == NULL) return ERROR_MEMORY;
    }
    image->shard = number;
    image->shard_count = count;
    for (uint32_t i = 0; count > 1 && i < count; i++) lane_init(&image->channels[i].out, 0);
    return 0;
}

void image_leave(struct image *image)
{
    for (uint32_t i = 0; image->channels != NULL && i < image->shard_count; i++)
        lane_take(image, &image->channels[i].out, UINT64_MAX);
    free(image->channels);
    image->channels = NULL;
}

struct channel *channel_of(const struct image *image, uint32_t peer)
{
    if (image->channels == NULL || peer >= image->shard_count || peer == image->shard) return NULL;
    return &image->channels[peer];
}

uint32_t image_owner(const struct image *image, uint32_t slot)
{
    return image->shard_count <= 1 ? image->shard : slot_owner(slot, image->shard_count);
}

uint64_t channels_waiting(const struct image *image, size_t *bytes)
{
    uint64_t count = 0;
    *bytes = 0;
    for (uint32_t i = 0; i < image->shard_count; i++) {
        const struct channel *channel = channel_of(image, i);
        if (channel == NULL) continue;
        count += channel->out.count;
        *bytes += channel->out.bytes;
    }
    return count;
}

size_t channel_letter_size(const struct parcel *parcel)
{
    return sizeof(struct letter) + parcel_size(parcel);
}

void channel_put(struct image *image, uint32_t peer, const struct parcel *parcel)
{
    struct channel *channel = channel_of(image, peer);
    CHECK(channel != NULL);
    struct lane *lane = &channel->out;
    struct letter *letter =
        lane_put_empty(image, lane, lane->last + 1, image->seq, parcel_size(parcel));
    struct buffer bytes = {.at = letter->bytes, .capacity = letter->size}; /* it never grows */
    parcel_write(&bytes, parcel);
    CHECK(bytes.size == letter->size && !bytes.failed);
    image->parcel_seq = image->seq;
}

struct parcel parcel_of_item(const struct image *image, const struct record_item *item,
                             uint32_t caller_type, struct span caller_id)
{
    struct parcel parcel = {.kind = item->kind,
                            .id = item->id,
                            .argument = item->argument,
                            .traceparent = item->traceparent};
    if (item->kind == ITEM_REPLY) return parcel;
    parcel.type = dictionary_name(image, item->type);
    if (caller_type == 0) return parcel;
    parcel.caller_type = dictionary_name(image, caller_type);
    parcel.caller_id = caller_id;
    return parcel;
}

struct parcel parcel_of_timer(const struct image *image, const struct timer *timer)
{
    const struct message *message = timer->message;
    struct parcel parcel = {.kind = ITEM_MESSAGE,
                            .type = dictionary_name(image, timer->target_type),
                            .id = timer_target_id(timer),
                            .argument = message_argument(message),
                            .traceparent = message_traceparent(message)};
    if (message->caller_type == 0) return parcel;
    parcel.caller_type = dictionary_name(image, message->caller_type);
    parcel.caller_id = message_caller_id(message);
    return parcel;
}

struct parcel parcel_of_letter(const struct image *image, uint32_t lane, struct span bytes)
{
    return (struct parcel){
        .kind = ITEM_EGRESS, .type = dictionary_name(image, lane), .argument = bytes};
}
