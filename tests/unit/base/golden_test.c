/* Functions whose results are stored on disk: these values must never change. */
#include <criterion/criterion.h>

#include "base/crc.h"
#include "base/hash.h"
#include "base/prng.h"

#include <stdlib.h>

TestSuite(golden, .timeout = 20);

/* XXH64 with seed 0; the first two from its specification. The slot is hash & 4095. */
Test(golden, hash)
{
    cr_assert_eq(hash_bytes(SPAN_EMPTY), 0xef46db3751d8e999u);
    cr_assert_eq(hash_bytes(SPAN_LITERAL("a")), 0xd24ec4f1a98c6e5bu);
    cr_assert_eq(hash_bytes(SPAN_LITERAL("abc")), 0x44bc2cf5ad770999u);
    cr_assert_eq(hash_bytes(SPAN_LITERAL("user-1")) & 4095, 3048u);
    cr_assert_eq(hash_bytes(SPAN_LITERAL("The quick brown fox jumps over the lazy dog")),
                 0xb242d361fda71bcu);
    cr_assert_eq(hash_seeded(SPAN_LITERAL("abc"), 0), hash_bytes(SPAN_LITERAL("abc")));
    cr_assert_neq(hash_seeded(SPAN_LITERAL("abc"), 1), hash_bytes(SPAN_LITERAL("abc")));
}

/* Where the bytes lie in memory must not matter. */
Test(golden, hash_at_any_alignment)
{
    uint8_t bytes[80];
    for (size_t at = 0; at < 16; at++) {
        memcpy(bytes + at, "The quick brown fox jumps over the lazy dog", 43);
        cr_assert_eq(hash_bytes(span_of(bytes + at, 43)), 0xb242d361fda71bcu);
    }
}

/* RFC 3720 B.4 and the usual check value. */
Test(golden, crc)
{
    uint8_t bytes[32] = {0};
    cr_assert_eq(crc_of(SPAN_LITERAL("123456789")), 0xe3069283);
    cr_assert_eq(crc_of(SPAN_EMPTY), 0);
    cr_assert_eq(crc_of(span_of(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    cr_assert_eq(crc_of(span_of(bytes, 32)), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++) bytes[i] = i;
    cr_assert_eq(crc_of(span_of(bytes, 32)), 0x46dd794e);
}

static uint32_t naive_crc(const uint8_t *at, size_t size)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

Test(golden, crc_agrees_with_its_definition_and_can_be_continued)
{
    struct prng prng = {9};
    uint8_t bytes[700];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)prng_next(&prng);
    for (int round = 0; round < 500; round++) {
        size_t from = prng_below(&prng, 100), size = prng_below(&prng, 600);
        struct span whole = span_of(bytes + from, size);
        size_t cut = size == 0 ? 0 : prng_below(&prng, size);
        cr_assert_eq(crc_of(whole), naive_crc(whole.at, size));
        cr_assert_eq(crc_more(crc_of(span_of(whole.at, cut)), span_from(whole, cut)),
                     crc_of(whole));
    }
}

/* SplitMix64 from seed 1234567, as published with it. */
Test(golden, prng)
{
    static const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u,
                                        9817491932198370423u, 4593380528125082431u,
                                        16408922859458223821u};
    struct prng prng = {1234567};
    for (int i = 0; i < 5; i++) cr_assert_eq(prng_next(&prng), expected[i]);
    for (int i = 0; i < 1000; i++) cr_assert_lt(prng_below(&prng, 7), 7);
}
