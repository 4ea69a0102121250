/*
 * Slots: where things live. An id belongs to one of SLOTS slots for ever, a shard owns a range of
 * slots. A reply token carries the slot of the address that was called, so that a reply finds its
 * way from any shard.
 */
#ifndef HOLDFAST_BASE_SLOT_H
#define HOLDFAST_BASE_SLOT_H

#include "base/span.h"

enum {
    SLOTS = 4096, /* of ids; fixed for ever */
    SHARDS_MAX = 256,
    REPLY_TOKEN_SIZE = 32, /* hex characters: 3 of the slot, 116 random bits */
    REPLY_TOKEN_PACKED = REPLY_TOKEN_SIZE / 2,
};

uint32_t slot_of(struct span id);
uint32_t slot_of_hash(uint64_t id_hash); /* hash_bytes of the id */
/* The shard, of `shard_count`, that owns a slot. */
uint32_t slot_owner(uint32_t slot, uint32_t shard_count);
/* The first slot of a shard; that of shard_count is SLOTS. */
uint32_t slot_first(uint32_t shard, uint32_t shard_count);

/* random: 16 bytes that nobody can guess. */
void reply_token_make(char token[REPLY_TOKEN_SIZE], struct span target_id,
                      const uint8_t random[16]);
/* Within a shard and in its records a token is the bytes that its digits say, put into `bytes`. Any
 * other text, or a token that is packed already, comes back as it is. */
struct span reply_token_pack(uint8_t bytes[REPLY_TOKEN_PACKED], struct span token);
/* The digits again, put into `text`; what is not packed comes back as it is. */
struct span reply_token_text(char text[REPLY_TOKEN_SIZE], struct span token);
/* Of the address that was called, by either form; for what is no token some slot. */
uint32_t reply_token_slot(struct span token);

#endif
