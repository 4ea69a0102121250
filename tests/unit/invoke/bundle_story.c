/* See bundle_story.h. */
#include "bundle_story.h"

#include "lib/server_tls.h"

#include <stdio.h>
#include <string.h>

struct fixture f;
struct bundle_server s;
static struct certificates certificates;

void story_begin(bool h2)
{
    memset(&s, 0, sizeof s);
    s.h2 = h2;
    s.offer = OFFER;
    cr_assert(bundle_server_open(&s));
    fixture_open(&f);
    f.endpoint.h2_prior_knowledge = h2;
    f.attempt = 1;
    f.numbered = true;
}

void story_begin_tls(void)
{
    cr_assert(certificates_make(&certificates));
    story_begin(true);
    s.tls = server_tls_context(&certificates, SERVER_TLS_PLAIN, true);
    f.endpoint.trust_cacerts = certificates_path(&certificates, "ca.pem");
}

void story_end(void)
{
    fixture_close(&f);
    bundle_server_close(&s);
    if (s.tls == NULL) return;
    SSL_CTX_free(s.tls);
    certificates_remove(&certificates);
}

void configure(void)
{
    char url[64];
    snprintf(url, sizeof url, "http%s://127.0.0.1:%u/", s.tls != NULL ? "s" : "", s.server.port);
    fixture_serve_url(&f, url);
}

struct invoke_metrics metrics_now(void)
{
    struct invoke_metrics metrics;
    invoke_metrics(f.invoke, &metrics);
    return metrics;
}

void serve(void)
{
    configure();
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_assert_eq(atomic_load(&s.singles), 1);
}

int call_many(int count)
{
    int first = f.called;
    for (int i = 0; i < count; i++) fixture_call(&f);
    return first;
}

int ride(visit_script *script, int count)
{
    s.bundle = script;
    serve();
    return call_many(count);
}

void expect_told(int from, int to, enum outcome outcome, const char *part)
{
    for (int call = from; call < to; call++) cr_assert_told(&f.told[call], outcome, part);
}

void expect_result(int call)
{
    const struct told *told = &f.told[call];
    cr_assert_eq(told->count, 1, "call %d was told %d times", call, told->count);
    cr_assert_eq(told->outcome, OUTCOME_RESULT, "call %d: %d %s", call, told->outcome, told->text);
    cr_assert_eq(told->egress_bytes, bundle_result_size(&s, call), "call %d got another's", call);
}

void expect_results(int from, int to)
{
    for (int call = from; call < to; call++) expect_result(call);
}

void all_told(void)
{
    cr_assert(fixture_wait(&f, f.called, 10000), "%d of %d", f.told_count, f.called);
    fixture_idle(&f, 20);
    for (int call = 0; call < f.called; call++)
        cr_assert_eq(f.told[call].count, 1, "call %d was told %d times", call, f.told[call].count);
}

void expect_rode(int from, int to, int alone)
{
    for (int call = from; call < to; call++) {
        cr_assert_eq(atomic_load(&s.rode[call]), 1, "call %d rode %d times", call,
                     atomic_load(&s.rode[call]));
        cr_assert_eq(atomic_load(&s.alone[call]), alone, "call %d was called alone %d times", call,
                     atomic_load(&s.alone[call]));
    }
}

void expect_no_more_bundles(void)
{
    int bundles = atomic_load(&s.bundles), singles = atomic_load(&s.singles);
    s.single = NULL;
    call_many(4);
    all_told();
    expect_results(f.called - 4, f.called);
    cr_assert_eq(atomic_load(&s.bundles), bundles);
    cr_assert_eq(atomic_load(&s.singles), singles + 4);
}

void expect_bundles_again(void)
{
    int bundles = atomic_load(&s.bundles);
    s.bundle = s.single = NULL;
    call_many(4);
    all_told();
    expect_results(f.called - 4, f.called);
    cr_assert_eq(atomic_load(&s.bundles), bundles + 1);
}
