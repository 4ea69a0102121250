#include "base/slot.h"

#include "base/check.h"
#include "base/hash.h"

enum { SLOT_DIGITS = 3 };

uint32_t slot_of(struct span id)
{
    return (uint32_t)hash_bytes(id) & (SLOTS - 1);
}

/* Shares that differ by one slot at most: the range of a shard starts at number * SLOTS / count,
 * rounded up. */
uint32_t slot_owner(uint32_t slot, uint32_t shard_count)
{
    return (uint32_t)((uint64_t)slot * shard_count / SLOTS);
}

uint32_t slot_first(uint32_t shard, uint32_t shard_count)
{
    CHECK(shard_count > 0);
    return (uint32_t)(((uint64_t)shard * SLOTS + shard_count - 1) / shard_count);
}

static const char digits[] = "0123456789abcdef";

void reply_token_make(char token[REPLY_TOKEN_SIZE], struct span target_id, const uint8_t random[16])
{
    reply_token_unpack(token, random);
    uint32_t slot = slot_of(target_id);
    for (int i = SLOT_DIGITS; i-- > 0; slot >>= 4) token[i] = digits[slot & 15];
}

uint32_t reply_token_slot(struct span token)
{
    uint32_t slot = 0;
    for (size_t i = 0; i < SLOT_DIGITS && i < token.size; i++) {
        uint8_t c = token.at[i];
        uint32_t digit = c <= '9' ? (uint32_t)c - '0' : (uint32_t)(c | 32) - 'a' + 10;
        slot = slot << 4 | (digit & 15);
    }
    return slot;
}

static int digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool reply_token_pack(uint8_t packed[REPLY_TOKEN_PACKED], struct span token)
{
    if (token.size != REPLY_TOKEN_SIZE) return false;
    for (size_t i = 0; i < REPLY_TOKEN_PACKED; i++) {
        int high = digit_value(token.at[2 * i]), low = digit_value(token.at[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        packed[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void reply_token_unpack(char token[REPLY_TOKEN_SIZE], const uint8_t packed[REPLY_TOKEN_PACKED])
{
    for (size_t i = 0; i < REPLY_TOKEN_SIZE; i++)
        token[i] = digits[packed[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
}
