/* utf8.h, name.h, quantity.h, span.h, error.h: what people write. */
#include <criterion/criterion.h>

#include "base/error.h"
#include "base/name.h"
#include "base/quantity.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

TestSuite(forms, .timeout = 30);

/* -- UTF-8 -- */

/* RFC 3629 from the other side: decode, then ask whether the number may be written so. */
static bool naive_utf8(const uint8_t *at, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    while (size > 0) {
        size_t length = at[0] < 0x80       ? 1
                        : at[0] >> 5 == 6  ? 2
                        : at[0] >> 4 == 14 ? 3
                        : at[0] >> 3 == 30 ? 4
                                           : 0;
        if (length == 0 || length > size) return false;
        uint32_t code = length == 1 ? at[0] : at[0] & (0x7fu >> length);
        for (size_t i = 1; i < length; i++) {
            if (at[i] >> 6 != 2) return false;
            code = code << 6 | (at[i] & 0x3fu);
        }
        if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
        at += length;
        size -= length;
    }
    return true;
}

Test(forms, utf8_agrees_with_a_naive_decoder_on_all_short_inputs)
{
    for (uint32_t code = 0; code < 1 << 24; code++) {
        uint8_t bytes[3] = {(uint8_t)(code >> 16), (uint8_t)(code >> 8), (uint8_t)code};
        if (utf8_valid(span_of(bytes, 3)) != naive_utf8(bytes, 3)) cr_assert_fail("%06x", code);
    }
}

Test(forms, utf8_agrees_on_four_byte_sequences)
{
    static const uint8_t thirds[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    for (uint32_t lead = 0xe0; lead <= 0xff; lead++)
        for (uint32_t second = 0; second <= 0xff; second++)
            for (size_t i = 0; i < sizeof thirds; i++)
                for (size_t j = 0; j < sizeof thirds; j++) {
                    uint8_t bytes[4] = {(uint8_t)lead, (uint8_t)second, thirds[i], thirds[j]};
                    if (utf8_valid(span_of(bytes, 4)) != naive_utf8(bytes, 4))
                        cr_assert_fail("%02x %02x %02x %02x", bytes[0], bytes[1], bytes[2],
                                       bytes[3]);
                }
}

Test(forms, utf8_is_checked_at_every_place_of_a_long_text)
{
    for (size_t at = 0; at < 40; at++) {
        uint8_t *text = malloc(40);
        memset(text, 'a', 40);
        text[at] = 0x80;
        cr_assert_not(utf8_valid(span_of(text, 40)), "place %zu", at);
        text[at] = 0xc3; /* unfinished */
        cr_assert_not(utf8_valid(span_of(text, at + 1)), "end at %zu", at);
        free(text);
    }
    cr_assert(utf8_valid(SPAN_EMPTY));
    cr_assert(utf8_valid(SPAN_LITERAL("Gr\xc3\xbc\xc3\x9f"
                                      "e, \xe4\xb8\x96\xe7\x95\x8c \xf0\x9f\x8c\x8d")));
    cr_assert(utf8_valid(SPAN_LITERAL("nul\0inside")));
}

/* -- Names -- */

static struct span filled(char *text, size_t size, char byte)
{
    memset(text, byte, size);
    return span_of(text, size);
}

Test(forms, names)
{
    const char *good[] = {"a/b", "example/person", "io.statefun.types/string",
                          "\xc3\xbc/\xe4\xb8\x96", "a /b "};
    const char *bad[] = {"",     "/",     "a",     "a/",      "/b",         "a/b/c",      "//",
                         "a//b", "a/b\n", "\ta/b", "a\x7f/b", "a/\xc2\x85", "a/\xc3\x28", "\xff/b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert(name_valid(span_text(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(name_valid(span_text(bad[i])), "bad %zu", i);
    cr_assert_not(name_valid(SPAN_LITERAL("a/\0b")));
    cr_assert(name_valid(SPAN_LITERAL("a/\xc2\xa0")), "no-break space is no control character");
}

Test(forms, sizes_of_names_and_ids)
{
    char text[ID_SIZE_MAX + 1];
    struct span name = filled(text, NAME_SIZE_MAX, 'n');
    text[3] = '/';
    cr_assert(name_valid(name));
    text[NAME_SIZE_MAX] = 'n';
    cr_assert_not(name_valid(span_of(text, NAME_SIZE_MAX + 1)));
    cr_assert(id_valid(filled(text, ID_SIZE_MAX, 'i')));
    cr_assert_not(id_valid(filled(text, ID_SIZE_MAX + 1, 'i')));
}

Test(forms, ids)
{
    cr_assert(id_valid(SPAN_LITERAL("user/42 \n\xc3\xa9")));
    cr_assert_not(id_valid(SPAN_EMPTY));
    cr_assert_not(id_valid(SPAN_LITERAL("a\0b")));
    cr_assert_not(id_valid(SPAN_LITERAL("\xed\xa0\x80")), "a surrogate");
}

/* -- Quantities -- */

struct case_of {
    const char *text;
    int error;
    uint64_t value;
};

Test(forms, durations)
{
    static const struct case_of cases[] = {
        {"0", 0, 0},
        {"15", 0, 15},
        {"15ms", 0, 15},
        {"7 milli", 0, 7},
        {"7millis", 0, 7},
        {"1 millisecond", 0, 1},
        {"2 milliseconds", 0, 2},
        {"5s", 0, 5000},
        {"5 sec", 0, 5000},
        {"5secs", 0, 5000},
        {"1second", 0, 1000},
        {"3 seconds", 0, 3000},
        {"2m", 0, 120000},
        {"2min", 0, 120000},
        {"1 minute", 0, 60000},
        {"15 minutes", 0, 900000},
        {"1h", 0, 3600000},
        {"1 hour", 0, 3600000},
        {"25hours", 0, 90000000},
        {"1d", 0, 86400000},
        {"1day", 0, 86400000},
        {"2 days", 0, 172800000},
        {"1us", 0, 1},
        {"1000us", 0, 1},
        {"1001us", 0, 2},
        {"1 \xc2\xb5s", 0, 1},
        {"5000\xce\xbcs", 0, 5},
        {"1micro", 0, 1},
        {"3000 micros", 0, 3},
        {"3000 microseconds", 0, 3},
        {"1ns", 0, 1},
        {"0ns", 0, 0},
        {"1000000nano", 0, 1},
        {"1000001 nanoseconds", 0, 2},
        {"5 S", 0, 5000},
        {" 10 MIN ", 0, 600000},
        {"9223372036854775807", 0, INT64_MAX},
        {"9223372036854775808", ERROR_TOO_LARGE, 0},
        {"18446744073709551616", ERROR_TOO_LARGE, 0},
        {"106751991168d", ERROR_TOO_LARGE, 0},
        {"99999999999999999999999 parsecs", ERROR_MALFORMED, 0},
        {"", ERROR_MALFORMED, 0},
        {" ", ERROR_MALFORMED, 0},
        {"s", ERROR_MALFORMED, 0},
        {"-1s", ERROR_MALFORMED, 0},
        {"+1s", ERROR_MALFORMED, 0},
        {"1.5s", ERROR_MALFORMED, 0},
        {"1 s s", ERROR_MALFORMED, 0},
        {"1h30m", ERROR_MALFORMED, 0},
        {"1\ns", ERROR_MALFORMED, 0},
        {"5 fortnightsfortnights", ERROR_MALFORMED, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 0;
        cr_assert_eq(duration_parse(span_text(cases[i].text), &value), cases[i].error, "%s",
                     cases[i].text);
        cr_assert_eq((uint64_t)value, cases[i].value, "%s", cases[i].text);
    }
    int64_t value;
    cr_assert_eq(duration_parse(SPAN_LITERAL("5s\0"), &value), ERROR_MALFORMED);
}

Test(forms, sizes)
{
    static const struct case_of cases[] = {
        {"0", 0, 0},
        {"4096", 0, 4096},
        {"1B", 0, 1},
        {"64KiB", 0, 65536},
        {"64 K", 0, 65536},
        {"64KB", 0, 64000},
        {"1M", 0, 1048576},
        {"1MB", 0, 1000000},
        {"32 MiB", 0, 33554432},
        {"1G", 0, 1073741824},
        {"2gb", 0, 2000000000},
        {"1GiB", 0, 1073741824},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", ERROR_TOO_LARGE, 0},
        {"17179869183G", 0, 17179869183u * 1073741824ull},
        {"17179869184G", ERROR_TOO_LARGE, 0},
        {"", ERROR_MALFORMED, 0},
        {"K", ERROR_MALFORMED, 0},
        {"1T", ERROR_MALFORMED, 0},
        {"-1", ERROR_MALFORMED, 0},
        {"0x10", ERROR_MALFORMED, 0},
        {"1 KiB ", 0, 1024},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t value = 0;
        int error = size_parse(span_text(cases[i].text), &value);
        cr_assert_eq(error, cases[i].error, "%s", cases[i].text);
        if (error == 0) cr_assert_eq(value, cases[i].value, "%s", cases[i].text);
    }
}

/* -- Spans and errors -- */

Test(forms, spans_compare_as_bytes)
{
    cr_assert(span_equal(SPAN_EMPTY, SPAN_LITERAL("")));
    cr_assert_lt(span_compare(SPAN_LITERAL("ab"), SPAN_LITERAL("abc")), 0);
    cr_assert_gt(span_compare(SPAN_LITERAL("b"), SPAN_LITERAL("abc")), 0);
    cr_assert_gt(span_compare(SPAN_LITERAL("\xff"), SPAN_LITERAL("\x01")), 0, "unsigned");
    cr_assert_eq(span_compare(SPAN_EMPTY, SPAN_EMPTY), 0);
    cr_assert(span_starts_with(SPAN_LITERAL("holdfast/reply"), NAME_RESERVED));
    cr_assert_not(span_starts_with(SPAN_LITERAL("hold"), NAME_RESERVED));
    cr_assert_eq(span_from(SPAN_LITERAL("abc"), 4).size, 0);
    cr_assert(span_equal(span_from(SPAN_LITERAL("abc"), 1), SPAN_LITERAL("bc")));
}

Test(forms, every_error_has_its_own_text)
{
    static const int errors[] = {
#define ERROR_NAME(name, value, text) name,
        ERROR_LIST(ERROR_NAME)
#undef ERROR_NAME
    };
    size_t count = sizeof errors / sizeof *errors;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) {
            cr_assert_neq(errors[i], errors[j]);
            cr_assert_str_neq(error_text(errors[i]), error_text(errors[j]));
        }
    cr_assert_str_eq(error_text(0), "ok");
    cr_assert_str_eq(error_text(-9999), "unknown error");
}

Test(forms, an_errmsg_gives_the_error_back_and_is_cut_at_its_size)
{
    struct errmsg errmsg;
    cr_assert_eq(errmsg_set(NULL, ERROR_DAMAGED, "%s at %d", "journal", 7), ERROR_DAMAGED);
    cr_assert_eq(errmsg_set(&errmsg, ERROR_DAMAGED, "%s at %d", "journal", 7), ERROR_DAMAGED);
    cr_assert_str_eq(errmsg.text, "journal at 7");
    char *word = malloc(2000);
    memset(word, 'x', 1999);
    word[1999] = '\0';
    cr_assert_eq(errmsg_set(&errmsg, ERROR_IO, "%s", word), ERROR_IO);
    cr_assert_eq(strlen(errmsg.text), sizeof errmsg.text - 1);
    free(word);
}
