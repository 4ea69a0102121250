/* slot.h: reply tokens as digits and as bytes, and the slot that they carry. */
#include <criterion/criterion.h>

#include "base/slot.h"

#include <stdio.h>

#define TEXT(literal) SPAN_LITERAL(literal)

Test(slot, a_reply_token_is_the_same_in_both_forms)
{
    for (int i = 0; i < 1000; i++) {
        char id[16], token[REPLY_TOKEN_SIZE], text[REPLY_TOKEN_SIZE];
        uint8_t random[16], bytes[REPLY_TOKEN_PACKED];
        snprintf(id, sizeof id, "id%d", i);
        for (int j = 0; j < 16; j++) random[j] = (uint8_t)(i * 7 + j * 29);
        reply_token_make(token, span_text(id), random);
        struct span digits = span_of(token, sizeof token);
        struct span packed = reply_token_pack(bytes, digits);
        cr_assert_eq(packed.size, 16);
        cr_assert(span_equal(reply_token_text(text, packed), digits));
        cr_assert_eq(reply_token_slot(digits), slot_of(span_text(id)));
        cr_assert_eq(reply_token_slot(packed), slot_of(span_text(id)));
        cr_assert_eq(packed.at[1] & 15, random[1] & 15);
        cr_assert(memcmp(packed.at + 2, random + 2, 14) == 0, "the rest is random");
        uint8_t again[REPLY_TOKEN_PACKED];
        cr_assert(span_equal(reply_token_pack(again, packed), packed), "it is packed already");
    }
}

Test(slot, what_is_no_token_stays_as_it_is)
{
    static const char *const texts[] = {
        "",
        "x",
        "0123456789ABCDEF0123456789ABCDEF",
        "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdefa",
        "0123456789abcdef0123456789abcdeg",
        "g123456789abcdef0123456789abcdef",
        "0123456789abcdef/123456789abcdef",
        "0123456789abcdef:123456789abcdef",
        "0123456789abcdef`123456789abcdef",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t bytes[REPLY_TOKEN_PACKED];
        char text[REPLY_TOKEN_SIZE];
        struct span token = span_text(texts[i]);
        cr_expect(span_equal(reply_token_pack(bytes, token), token), "%s", texts[i]);
        cr_expect(span_equal(reply_token_text(text, token), token), "%s", texts[i]);
        cr_expect_lt(reply_token_slot(token), SLOTS);
    }
}
