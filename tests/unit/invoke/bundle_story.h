/* What the stories of bundles share. Each story is told over HTTP/1.1 and over HTTP/2. */
#ifndef HOLDFAST_TESTS_INVOKE_BUNDLE_STORY_H
#define HOLDFAST_TESTS_INVOKE_BUNDLE_STORY_H

#include "bundle_server.h"

#include <criterion/criterion.h>

#define OFFER BUNDLE_CONTENT_TYPE ";max=64"

extern struct fixture f;
extern struct bundle_server s;

/* The suites are `suite` and `suite_h2`. */
#define STORY(suite, name)                                                                         \
    static void name(void);                                                                        \
    Test(suite, name)                                                                              \
    {                                                                                              \
        story_begin(false);                                                                        \
        name();                                                                                    \
        story_end();                                                                               \
    }                                                                                              \
    Test(suite##_h2, name)                                                                         \
    {                                                                                              \
        story_begin(true);                                                                         \
        name();                                                                                    \
        story_end();                                                                               \
    }                                                                                              \
    static void name(void)

void story_begin(bool h2);
/* HTTP/2 over TLS. */
void story_begin_tls(void);
void story_end(void);

struct invoke_metrics metrics_now(void);
void configure(void);
/* The same and one call alone, which brings the offer. */
void serve(void);
/* So many calls, which begin in the same turn; the number of the first. */
int call_many(int count);
/* A bundle of so many, which the script answers; the number of the first rider. */
int ride(visit_script *script, int count);

void expect_told(int from, int to, enum outcome outcome, const char *part);
void expect_result(int call);
void expect_results(int from, int to);
/* Everything has been told, and nothing comes after it. */
void all_told(void);
/* Each of them rode once and was then called alone so often. */
void expect_rode(int from, int to, int alone);
/* The origin gets no bundles now; or again. */
void expect_no_more_bundles(void);
void expect_bundles_again(void);

#endif
