/* The small parts: suggestions, URLs, addresses, arena, problems. */
#include "support.h"

#include "config/suggest.h"
#include "config/url.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(suggest, distance)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {{"", "", 0},        {"abc", "", 3},           {"", "abc", 3},
                 {"abc", "abc", 0},  {"data", "dta", 1},       {"data", "adta", 1},
                 {"ab", "ba", 1},    {"kitten", "sitting", 3}, {"http", "htpp", 1},
                 {"flaw", "lawn", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t got = suggest_distance(span_text(cases[i].a), span_text(cases[i].b));
        cr_expect_eq(got, cases[i].distance, "%s %s: %zu", cases[i].a, cases[i].b, got);
    }
    char long_word[100];
    memset(long_word, 'x', sizeof long_word);
    cr_expect_eq(suggest_distance(span_of(long_word, 100), SPAN_LITERAL("x")), SIZE_MAX);
}

Test(suggest, nearest_wins_and_strangers_do_not)
{
    struct suggestion suggestion = suggestion_for(SPAN_LITERAL("listne"));
    suggestion_offer(&suggestion, "admin");
    cr_expect_null(suggestion.best);
    suggestion_offer(&suggestion, "listed");
    suggestion_offer(&suggestion, "listen");
    suggestion_offer(&suggestion, "lists");
    cr_expect_str_eq(suggestion.best, "listen");
}

Test(url, templates)
{
    static const char *const good[] = {"http://f",
                                       "https://f:8443/x/{function.name}?a=b",
                                       "http://{function.name}.fns.svc:80/",
                                       "http://10.0.0.1:1",
                                       "http://[fe80::1]",
                                       "http://[::1]:8000/x",
                                       "http://a_b-c.d?x",
                                       "http+unix:///x.sock",
                                       "https+unix:///run/a.sock/path/{function.name}"};
    static const char *const bad[] = {"",
                                      "http",
                                      "http://",
                                      "http:///x",
                                      "ftp://f",
                                      "http://f:x",
                                      "http://f:65536",
                                      "http://f:0",
                                      "http://f:",
                                      "http://:80",
                                      "http://a@f",
                                      "http://f/{name}",
                                      "http://f/{function.name",
                                      "http://f/}",
                                      "http://[::1",
                                      "http://[x]",
                                      "http://[::1]x",
                                      "http://f g",
                                      "http://f/\xc3\xa9",
                                      "http+unix://x.sock",
                                      "http+unix:///x",
                                      "http+unix:///.socks",
                                      "http://f/#",
                                      "HTTP://f"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect_null(url_template_fault(span_text(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not_null(url_template_fault(span_text(bad[i])), "%s", bad[i]);
}

Test(url, addresses)
{
    static const struct {
        const char *text;
        bool good, local;
        uint16_t port;
    } cases[] = {{"127.0.0.1:7400", true, true, 7400},
                 {"127.8.0.1:0", true, true, 0},
                 {"0.0.0.0:1", true, false, 1},
                 {"[::1]:2", true, true, 2},
                 {"[::]:3", true, false, 3},
                 {"localhost:4", true, true, 4},
                 {"host:65535", true, false, 65535},
                 {"unix:/run/x", true, true, 0},
                 {"unix:", false, true, 0},
                 {"host", false, false, 0},
                 {"host:", false, false, 0},
                 {":80", false, false, 0},
                 {"host:65536", false, false, 0},
                 {"::1:80", false, false, 0},
                 {"", false, false, 0},
                 {"1270.0.0.1:5", true, false, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span text = span_text(cases[i].text);
        cr_expect_eq(listen_address_fault(text) == NULL, cases[i].good, "%s", cases[i].text);
        cr_expect_eq(listen_address_local(text), cases[i].local, "%s", cases[i].text);
        cr_expect_eq(listen_address_port(text), cases[i].port, "%s", cases[i].text);
    }
}

Test(arena, blocks_are_zeroed_aligned_and_apart)
{
    struct arena arena;
    arena_init(&arena);
    uint8_t *before = NULL;
    for (size_t size = 1; size < 40000; size += 997) {
        uint8_t *block = arena_alloc(&arena, size);
        cr_assert(block);
        cr_expect_eq((uintptr_t)block % 16, 0);
        for (size_t i = 0; i < size; i++) cr_assert_eq(block[i], 0);
        memset(block, 0xff, size);
        cr_expect_neq(block, before);
        before = block;
    }
    cr_expect_null(arena_array(&arena, SIZE_MAX / 4, 16));
    cr_expect(arena.failed);
    arena_close(&arena);
}

Test(problems, more_than_twenty_are_counted)
{
    struct problems problems;
    problems_init(&problems);
    for (int i = 0; i < 25; i++) {
        struct place place = {"f\x1b.yaml", (uint32_t)i, 7};
        problem_hint(problem_add(&problems, place, "wrong\n%d", i), "try %d", i);
    }
    cr_expect_eq(problems_total(&problems), 25);
    char *text = problems_text(&problems);
    cr_expect(
        strstr(text, "f?.yaml: error: wrong?0\n  hint: try 0\nf?.yaml:1:7: error: wrong?1\n"));
    cr_expect(strstr(text, "\n... and 5 more errors\n"));
    cr_expect_not(strstr(text, "wrong?20"));
    free(text);
}
