/*
 * Channels: what goes from this shard to another, exactly once and in order. Fold numbers the
 * parcels of each pair of shards from 1. They stay here until the other one has them durably, so
 * they survive the crash of either.
 */
#ifndef HOLDFAST_SHARD_CHANNEL_H
#define HOLDFAST_SHARD_CHANNEL_H

#include "shard/image.h"
#include "wire/parcel.h"

struct channel {
    struct lane out;   /* to the peer: parcels; `last` was numbered, `taken` is durable there */
    uint64_t accepted; /* from the peer: up to this number */
};

/* Takes a place among the shards. An image that has one keeps it: ERROR_REFUSED for another one.
 * ERROR_DAMAGED: there is no such place. ERROR_MEMORY. */
int image_place(struct image *image, uint32_t number, uint32_t count) MUST_USE;
void image_leave(struct image *image);

/* NULL: not a peer of this shard. */
struct channel *channel_of(const struct image *image, uint32_t peer);
/* The shard, if another one, that owns what has this slot; our own number otherwise. */
uint32_t image_owner(const struct image *image, uint32_t slot);
static inline bool image_owns(const struct image *image, uint32_t slot)
{
    return image->shard_count <= 1 || image_owner(image, slot) == image->shard;
}
/* The same of an id's slot, which nobody looks for where there is one shard. */
static inline bool image_owns_id(const struct image *image, struct span id)
{
    return image->shard_count <= 1 || image_owns(image, slot_of(id));
}

/* Parcels that are not durable at their peers yet, of all channels; and what they take, in bytes.
 */
uint64_t channels_waiting(const struct image *image, size_t *bytes);

/* Bytes that channel_put allocates for it. */
size_t channel_letter_size(const struct parcel *parcel);
/* The next number to that peer. Within a reservation. */
void channel_put(struct image *image, uint32_t peer, const struct parcel *parcel);

/* The parcels that items of records become. */
struct parcel parcel_of_item(const struct image *image, const struct record_item *item,
                             uint32_t caller_type, struct span caller_id);
struct parcel parcel_of_timer(const struct image *image, const struct timer *timer);
struct parcel parcel_of_letter(const struct image *image, uint32_t lane, struct span bytes);

#endif
