/* The small parsers: URL templates, dates, header fields. */
#include "invoke/answer.h"
#include "invoke/date.h"
#include "invoke/field.h"
#include "invoke/request.h"
#include "invoke/url.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(text, .timeout = 30);

struct url_case {
    const char *template;
    const char *name;
    const char *host;
    unsigned port;
    const char *target;
    const char *authority;
};

static const struct url_case good_urls[] = {
    {"http://h", "f", "h", 80, "/", "h"},
    {"HTTP://h", "f", "h", 80, "/", "h"},
    {"https://h/", "f", "h", 443, "/", "h"},
    {"http://h:443/a", "f", "h", 443, "/a", "h:443"},
    {"https://h:443/a", "f", "h", 443, "/a", "h"},
    {"http://h:8000/statefun", "f", "h", 8000, "/statefun", "h:8000"},
    {"http://h?q={function.name}", "f", "h", 80, "/?q=f", "h"},
    {"http://h/{function.name}/x/{function.name}", "greeter", "h", 80, "/greeter/x/greeter", "h"},
    {"http://h/{function.name}", "a b/\xc3\xbc#\x7f", "h", 80, "/a%20b/%c3%bc%23%7f", "h"},
    {"http://{function.name}.svc:81/", "greeter", "greeter.svc", 81, "/", "greeter.svc:81"},
    {"http://[::1]:8080/x", "f", "::1", 8080, "/x", "[::1]:8080"},
    {"http://10.0.0.1/x%7B", "f", "10.0.0.1", 80, "/x%7B", "10.0.0.1"},
    {"http+unix:///run/fn.sock/serve/it", "f", "/run/fn.sock", 80, "/serve/it", "localhost"},
    {"https+unix:///run/fn.sock", "f", "/run/fn.sock", 443, "/", "localhost"},
    {"http+unix:///a.sock/b.sock", "f", "/a.sock", 80, "/b.sock", "localhost"},
    {"http+unix:///a.socket/{function.name}.sock?q", "f", "/a.socket/f.sock", 80, "/?q",
     "localhost"},
};

Test(text, urls_are_taken_apart)
{
    for (size_t i = 0; i < sizeof good_urls / sizeof good_urls[0]; i++) {
        const struct url_case *given = &good_urls[i];
        struct url url;
        struct errmsg errmsg;
        struct buffer out;
        buffer_init(&out);
        cr_assert_eq(url_parse(span_text(given->template), &url, &errmsg), 0, "%s: %s",
                     given->template, errmsg.text);
        cr_expect_eq(url.port, given->port);
        cr_expect_eq(url_host(&out, &url, span_text(given->name)), 0);
        cr_expect(span_equal(buffer_span(&out), span_text(given->host)), "%s: %.*s",
                  given->template, SPAN_PRINT(buffer_span(&out)));
        buffer_clear(&out);
        url_target(&out, &url, span_text(given->name));
        cr_expect(span_equal(buffer_span(&out), span_text(given->target)), "%s: %.*s",
                  given->template, SPAN_PRINT(buffer_span(&out)));
        buffer_clear(&out);
        request_authority(&out, &url, given->host);
        cr_expect(span_equal(buffer_span(&out), span_text(given->authority)), "%s: %.*s",
                  given->template, SPAN_PRINT(buffer_span(&out)));
        buffer_close(&out);
    }
}

Test(text, bad_urls_are_refused)
{
    static const char *const bad[] = {"",
                                      "h",
                                      "http:/h",
                                      "ftp://h",
                                      "http://",
                                      "http:///p",
                                      "http://:80/",
                                      "http://h:/",
                                      "http://h:0/",
                                      "http://h:65536/",
                                      "http://h:8a/",
                                      "http://h:123456/",
                                      "http://u@h/",
                                      "http://[::1/",
                                      "http://[::1]x/",
                                      "http://[g]/",
                                      "http://h h/",
                                      "http://h/a b",
                                      "http://h/\xc3\xbc",
                                      "http://h/#x",
                                      "http://h/{function.namespace}",
                                      "http://h/{id}",
                                      "http://h/}",
                                      "http://h/{",
                                      "http+unix://run/fn.sock",
                                      "http+unix:///run/fn",
                                      "http+unix:///x/.sock.d/"};
    char longest[400] = "http+unix:///";
    struct url url;
    struct errmsg errmsg;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errmsg.text[0] = 0;
        int error = url_parse(span_text(bad[i]), &url, &errmsg);
        cr_expect_eq(error, ERROR_INVALID, "%s", bad[i]);
        cr_expect_gt(strlen(errmsg.text), 8, "%s", bad[i]);
    }
    memset(longest + strlen(longest), 'x', 120);
    strcat(longest, ".sock");
    cr_expect_eq(url_parse(span_text(longest), &url, &errmsg), ERROR_INVALID);
    snprintf(longest, sizeof longest, "http://%0260d/", 1);
    cr_expect_eq(url_parse(span_text(longest), &url, &errmsg), ERROR_INVALID);
}

Test(text, names_that_make_no_host)
{
    struct url url;
    struct errmsg errmsg;
    struct buffer out;
    char name[200];
    buffer_init(&out);
    cr_assert_eq(url_parse(SPAN_LITERAL("http://{function.name}/"), &url, &errmsg), 0);
    cr_expect_eq(url_host(&out, &url, SPAN_LITERAL("a/b")), ERROR_INVALID);
    cr_expect_eq(url_host(&out, &url, SPAN_LITERAL("a:1")), ERROR_INVALID);
    cr_expect_eq(url_host(&out, &url, SPAN_LITERAL("a@b")), ERROR_INVALID);
    memset(name, 'x', sizeof name);
    cr_assert_eq(url_parse(SPAN_LITERAL("http+unix:///{function.name}.sock"), &url, &errmsg), 0);
    cr_expect_eq(url_host(&out, &url, span_of(name, sizeof name)), ERROR_INVALID);
    cr_expect_eq(url_host(&out, &url, SPAN_LITERAL("a\0b")), ERROR_INVALID);
    buffer_close(&out);
}

Test(text, dates)
{
    int64_t seconds;
    cr_assert(date_parse(SPAN_LITERAL("Sun, 06 Nov 1994 08:49:37 GMT"), &seconds));
    cr_expect_eq(seconds, 784111777);
    cr_assert(date_parse(SPAN_LITERAL("Thu, 01 Jan 1970 00:00:00 GMT"), &seconds));
    cr_expect_eq(seconds, 0);
    static const char *const bad[] = {"",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nuv 1994 08:49:37 GMT",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 0x Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 08-49-37 GMT"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(date_parse(span_text(bad[i]), &seconds), "%s", bad[i]);
}

Test(text, retry_after_takes_seconds_and_dates)
{
    struct answer answer;
    int64_t now_us = INT64_C(784111777) * 1000000;
    answer_init(&answer);
    static const struct {
        const char *value;
        int64_t ms;
    } cases[] = {{"0", 0},
                 {"12", 12000},
                 {"3601", 3600000},
                 {"Sun, 06 Nov 1994 08:50:07 GMT", 30000},
                 {"Sun, 06 Nov 1994 08:00:00 GMT", 0},
                 {"Sun, 06 Nov 2094 08:00:00 GMT", 3600000},
                 {"-1", -1},
                 {"", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        answer_begin(&answer, 0);
        answer_header(&answer, SPAN_LITERAL("Retry-After"), span_text(cases[i].value), now_us);
        cr_expect_eq(answer.retry_after_ms, cases[i].ms, "%s", cases[i].value);
    }
    answer_close(&answer);
}

Test(text, fields)
{
    struct span list = SPAN_LITERAL("a, b ,,\tc"), element;
    const char *const elements[] = {"a", "b", "", "c"};
    for (int i = 0; i < 4; i++) {
        cr_assert(field_element(&list, &element));
        cr_expect(span_equal(element, span_text(elements[i])), "%d", i);
    }
    cr_expect_not(field_element(&list, &element));
    cr_expect(field_equal(SPAN_LITERAL("Content-LENGTH"), SPAN_LITERAL("content-length")));
    cr_expect_not(field_equal(SPAN_LITERAL("a"), SPAN_LITERAL("ab")));
    cr_expect_not(field_equal(SPAN_LITERAL("@"), SPAN_LITERAL("`")), "case is for letters only");
    cr_expect_not(field_is_token(SPAN_EMPTY));
    for (int c = 0; c < 256; c++) {
        uint8_t byte = (uint8_t)c;
        bool token = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     (c != 0 && c < 128 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        cr_expect_eq(field_is_token(span_of(&byte, 1)), token, "%d", c);
        cr_expect_eq(field_is_value(span_of(&byte, 1)), (c >= ' ' || c == '\t') && c != 127, "%d",
                     c);
    }
    uint64_t number;
    cr_expect_not(field_number(SPAN_LITERAL("1234567890123456789"), &number));
    cr_expect_not(field_number(SPAN_LITERAL("+1"), &number));
    cr_expect(field_number(SPAN_LITERAL("123456789012345678"), &number));
    cr_expect_eq(number, 123456789012345678u);
}
