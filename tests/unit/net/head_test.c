/* The strict second reading of HTTP/1 heads, and percent-encoding. */
#include "net/head.h"
#include "net/percent.h"

#include <criterion/criterion.h>

struct head_case {
    const char *head;
    int status;
};

Test(head, accepts_what_has_one_meaning)
{
    static const char *const heads[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\nHost: a\nContent-Length: 12\n\nbody follows",
        "POST / HTTP/1.1\r\nHost:a\r\nTransfer-Encoding:\tchunked \r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nX-Content-Length: 1\r\nContent-Length: 0\r\n\r\nHost: b",
        "GET / HTTP/1.1\r\nHost: a\r\nEmpty:\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct head_verdict verdict = head_check(span_text(heads[i]));
        cr_assert_eq(verdict.status, 0, "%s: %s", heads[i], verdict.detail);
    }
}

Test(head, refuses_what_has_two)
{
    static const char *const heads[] = {
        "",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
        "chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
        "chunked\r\n\r\n",
        "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\tfolded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\rContent-Length: 5\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct head_verdict verdict = head_check(span_text(heads[i]));
        cr_assert_eq(verdict.status, 400, "accepted: %s", heads[i]);
        cr_assert_not_null(verdict.detail);
    }
    static const char nul[] = "GET / HTTP/1.1\r\nHost: a\r\nX: 1\0002\r\n\r\n";
    cr_assert_eq(head_check(span_of(nul, sizeof nul - 1)).status, 400);
}

/* No prefix of a head may be read beyond its end, nor be taken for a whole one. */
Test(head, reads_no_further_than_it_has)
{
    const char *head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n";
    for (size_t size = 0; size < strlen(head); size++) {
        uint8_t *copy = malloc(size + (size == 0));
        memcpy(copy, head, size);
        cr_assert_eq(head_check(span_of(copy, size)).status, 400, "%zu bytes", size);
        free(copy);
    }
}

Test(percent, decodes)
{
    uint8_t out[64];
    size_t size;
    cr_assert_eq(percent_decode(SPAN_LITERAL("a%2fb%2Fc+d"), false, out, &size), 0);
    cr_assert(span_equal(span_of(out, size), SPAN_LITERAL("a/b/c+d")));
    cr_assert_eq(percent_decode(SPAN_LITERAL("a+b%2B"), true, out, &size), 0);
    cr_assert(span_equal(span_of(out, size), SPAN_LITERAL("a b+")));
    cr_assert_eq(percent_decode(SPAN_LITERAL("%00"), false, out, &size), 0);
    cr_assert_eq(size, 1);
    static const char *const bad[] = {"%", "%1", "a%", "%g0", "%0g", "%%%", "% 1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(percent_decode(span_text(bad[i]), false, out, &size), ERROR_MALFORMED, "%s",
                     bad[i]);
}
