#include "base/slot.h"

#include "base/check.h"
#include "base/hash.h"

uint32_t slot_of(struct span id)
{
    return slot_of_hash(hash_bytes(id));
}

uint32_t slot_of_hash(uint64_t id_hash)
{
    return (uint32_t)id_hash & (SLOTS - 1);
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

static void write_digits(char text[REPLY_TOKEN_SIZE], const uint8_t bytes[REPLY_TOKEN_PACKED])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < REPLY_TOKEN_PACKED; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
}

void reply_token_make(char token[REPLY_TOKEN_SIZE], struct span target_id, const uint8_t random[16])
{
    uint8_t bytes[REPLY_TOKEN_PACKED];
    uint32_t slot = slot_of(target_id);
    memcpy(bytes, random, sizeof bytes);
    bytes[0] = (uint8_t)(slot >> 4);
    bytes[1] = (uint8_t)((slot & 15) << 4 | (bytes[1] & 15));
    write_digits(token, bytes);
}

/* One more than what a digit says; 0: it is none. A call has its token packed three times. */
static const uint8_t digit_values[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

struct span reply_token_pack(uint8_t bytes[REPLY_TOKEN_PACKED], struct span token)
{
    if (token.size != REPLY_TOKEN_SIZE) return token;
    for (size_t i = 0; i < REPLY_TOKEN_PACKED; i++) {
        unsigned high = digit_values[token.at[2 * i]], low = digit_values[token.at[2 * i + 1]];
        if (high == 0 || low == 0) return token;
        bytes[i] = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    return span_of(bytes, REPLY_TOKEN_PACKED);
}

struct span reply_token_text(char text[REPLY_TOKEN_SIZE], struct span token)
{
    if (token.size != REPLY_TOKEN_PACKED) return token;
    write_digits(text, token.at);
    return span_of(text, REPLY_TOKEN_SIZE);
}

uint32_t reply_token_slot(struct span token)
{
    uint8_t bytes[REPLY_TOKEN_PACKED];
    token = reply_token_pack(bytes, token);
    if (token.size < 2) return 0;
    return (uint32_t)token.at[0] << 4 | token.at[1] >> 4;
}
