/*
 * Slots: where things live. An id belongs to one of SLOTS slots for ever, a shard owns a range of
 * slots. A reply token carries the slot of the address that was called, so that a reply finds its
 * way from any shard.
 */
#ifndef HOLDFAST_BASE_SLOT_H
#define HOLDFAST_BASE_SLOT_H

#include "base/error.h"
#include "base/span.h"

enum {
    SLOTS = 4096, /* of ids; fixed for ever */
    SHARDS_MAX = 256,
    REPLY_TOKEN_SIZE = 32,                     /* hex characters: 3 of the slot, 116 random bits */
    REPLY_TOKEN_PACKED = REPLY_TOKEN_SIZE / 2, /* the same as bytes */
};

uint32_t slot_of(struct span id);
/* The shard, of `shard_count`, that owns a slot. */
uint32_t slot_owner(uint32_t slot, uint32_t shard_count);
/* The first slot of a shard; that of shard_count is SLOTS. */
uint32_t slot_first(uint32_t shard, uint32_t shard_count);

/* random: 16 bytes that nobody can guess. */
void reply_token_make(char token[REPLY_TOKEN_SIZE], struct span target_id,
                      const uint8_t random[16]);
/* Of the address that was called; for what is no token some slot. */
uint32_t reply_token_slot(struct span token);
/* False: it is no token, but some other text. */
bool reply_token_pack(uint8_t packed[REPLY_TOKEN_PACKED], struct span token) MUST_USE;
void reply_token_unpack(char token[REPLY_TOKEN_SIZE], const uint8_t packed[REPLY_TOKEN_PACKED]);

#endif
