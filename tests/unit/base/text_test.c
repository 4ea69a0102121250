/* text.h and check.h: what is written for people and for JSON parsers. */
#include <criterion/criterion.h>

#include "base/check.h"
#include "base/text.h"
#include "base/utf8.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct buffer out;

static void open_out(void)
{
    buffer_init(&out);
}

static void close_out(void)
{
    buffer_close(&out);
}

TestSuite(text, .init = open_out, .fini = close_out, .timeout = 20);

static void is(const char *expected)
{
    cr_assert(span_equal(buffer_span(&out), span_text(expected)), "%.*s instead of %s",
              SPAN_PRINT(buffer_span(&out)), expected);
    buffer_clear(&out);
}

Test(text, numbers)
{
    text_decimal(&out, 0);
    is("0");
    text_decimal(&out, UINT64_MAX);
    is("18446744073709551615");
    text_signed(&out, INT64_MIN);
    is("-9223372036854775808");
    text_signed(&out, INT64_MAX);
    is("9223372036854775807");
    text_signed(&out, -1);
    is("-1");
    text_hex(&out, 0xabc, 8);
    is("00000abc");
    text_hex(&out, 0, 1);
    is("0");
    text_hex(&out, UINT64_MAX, 4);
    is("ffffffffffffffff");
    text_hex(&out, 1, 99); /* no wider than a number can be */
    is("0000000000000001");
}

/* RFC 4648, section 10. */
Test(text, base64)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"},
                                           {"\xff\xfe\xfb", "//77"},
                                           {"\xfb\xf0", "+/A="}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        text_base64(&out, span_text(pairs[i][0]));
        is(pairs[i][1]);
    }
}

Test(text, json_strings)
{
    text_json_string(&out, SPAN_LITERAL("plain \xc3\xbc \xf0\x9f\x8c\x8d"));
    is("\"plain \xc3\xbc \xf0\x9f\x8c\x8d\"");
    text_json_string(&out, SPAN_LITERAL("q\" b\\ n\n r\r t\t"));
    is("\"q\\\" b\\\\ n\\n r\\r t\\t\"");
    text_json_string(&out, SPAN_LITERAL("\0\x1f\x7f"));
    is("\"\\u0000\\u001f\\u007f\"");
    text_json_string(&out, SPAN_EMPTY);
    is("\"\"");
}

/* Every byte that begins no character becomes one U+FFFD; what follows is not swallowed. */
Test(text, json_strings_of_broken_utf8)
{
    text_json_string(&out, SPAN_LITERAL("\xff"
                                        "a\xc3"));
    is("\"\xef\xbf\xbd"
       "a\xef\xbf\xbd\"");
    text_json_string(&out, SPAN_LITERAL("\xed\xa0\x80"));
    is("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

Test(text, json_members)
{
    text_append(&out, "{");
    text_json_member(&out, "a");
    text_decimal(&out, 1);
    text_json_member(&out, "b");
    text_append(&out, "{");
    text_json_member(&out, "c");
    text_append(&out, "[]}}");
    is("{\"a\":1,\"b\":{\"c\":[]}}");
}

Test(check, a_true_condition_is_nothing)
{
    CHECK(1 + 1 == 2);
}

Test(check, a_false_one_aborts, .signal = SIGABRT)
{
    CHECK(1 + 1 == 3);
}

/* The last words of a process: condition, file and line, in one glance. */
Test(check, it_says_what_failed)
{
    int from[2];
    cr_assert_eq(pipe(from), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(from[1], STDERR_FILENO);
        check_failed("a == b", "room/noun.c", 1203);
    }
    close(from[1]);
    char text[200];
    size_t size = 0;
    ssize_t got;
    while ((got = read(from[0], text + size, sizeof text - size)) > 0) size += (size_t)got;
    cr_assert(span_equal(span_of(text, size),
                         SPAN_LITERAL("holdfast: check failed: a == b at room/noun.c:1203\n")),
              "%.*s", (int)size, text);
}

Test(text, printable_is_every_byte_from_space_to_tilde_and_no_other)
{
    uint8_t bytes[20];
    for (size_t size = 1; size <= sizeof bytes; size++) {
        for (size_t at = 0; at < size; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memset(bytes, 'x', sizeof bytes);
                bytes[at] = (uint8_t)byte;
                cr_assert_eq(ascii_printable(span_of(bytes, size)), byte >= ' ' && byte <= '~',
                             "%d at %zu of %zu", byte, at, size);
            }
        }
    }
    cr_assert(ascii_printable(SPAN_EMPTY));
}
