/* Items of records with reply tokens: half as many bytes as digits, and any other text as it is. */
#include "wire/record.h"

#include <criterion/criterion.h>

#define TEXT(literal) SPAN_LITERAL(literal)
#define TOKEN "0123456789abcdef0123456789abcdef"

/* Writes and reads an item with the token; the bytes that it took. */
static size_t pass(enum item_kind kind, struct span token)
{
    struct record_item item = {.kind = kind, .id = TEXT("id"), .argument = TEXT("argument")};
    *(kind == ITEM_REPLY ? &item.id : &item.reply_token) = token;
    struct record_item read;
    struct buffer bytes;
    buffer_init(&bytes);
    record_item_write(&bytes, &item);
    size_t size = bytes.size;
    struct reader in = reader_of(buffer_span(&bytes));
    record_item_read(&in, &read);
    cr_assert(reader_done(&in));
    cr_assert_eq(read.kind, kind);
    cr_assert(span_equal(read.id, item.id) && span_equal(read.reply_token, item.reply_token),
              "%.*s became %.*s %.*s", SPAN_PRINT(token), SPAN_PRINT(read.id),
              SPAN_PRINT(read.reply_token));
    for (size_t cut = 0; cut < size; cut++) {
        in = reader_of(span_of(bytes.at, cut));
        record_item_read(&in, &read);
        cr_assert(in.failed, "%zu bytes of it", cut);
    }
    buffer_close(&bytes);
    return size;
}

Test(record, a_reply_token_takes_half_of_its_digits)
{
    size_t least = pass(ITEM_REPLY, SPAN_EMPTY);
    cr_expect_eq(pass(ITEM_REPLY, TEXT(TOKEN)), least + 16);
    cr_expect_eq(pass(ITEM_MESSAGE, TEXT(TOKEN)), pass(ITEM_MESSAGE, SPAN_EMPTY) + 1 + 16);
}

Test(record, what_is_no_token_stays_as_it_is)
{
    static const char *const texts[] = {
        "x",
        "sixteen letters.",
        "0123456789abcdef",
        "0123456789ABCDEF0123456789ABCDEF",
        "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdefa",
        "0123456789abcdef0123456789abcdeg",
        "g123456789abcdef0123456789abcdef",
        "0123456789abcdef/123456789abcdef",
        "0123456789abcdef:123456789abcdef",
        "0123456789abcdef`123456789abcdef",
    };
    size_t least = pass(ITEM_REPLY, SPAN_EMPTY);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cr_expect_eq(pass(ITEM_REPLY, span_text(texts[i])), least + strlen(texts[i]), "%s",
                     texts[i]);
        pass(ITEM_MESSAGE, span_text(texts[i]));
    }
}

Test(record, half_a_token_has_sixteen_bytes)
{
    enum { REPLY = 32 };
    for (unsigned size = 0; size < 40; size++) {
        uint8_t bytes[64] = {REPLY, (uint8_t)(size << 1 | 1)}; /* then an empty argument */
        struct reader in = reader_of(span_of(bytes, 2 + size + 1));
        struct record_item item;
        record_item_read(&in, &item);
        cr_expect_eq(in.failed, size != 16, "%u bytes", size);
    }
}
