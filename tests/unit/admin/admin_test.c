/* Every route of the operations side over a real socket, with a fake shard and fake sources behind
 * it. */
#include "admin/admin.h"
#include "lib/http_client.h"
#include "unit/egress/fake_port.h"

#include <criterion/criterion.h>
#include <unistd.h>

static struct server_thread thread;
static struct fake_port fake;
static struct http_reply reply;
static struct tokens tokens;
static bool is_ready, is_live;
static struct admin_waiter *_Atomic wish;
static atomic_uint left;
static struct sample_function function = {.target = {(const uint8_t *)"<b>&/\"x\"", 8},
                                          .mailbox_messages = 42};

static void sample(void *context, struct admin_sample *out)
{
    cr_assert_eq(context, &thread);
    cr_assert_eq(out->ready, 0, "starts from zeros");
    out->messages_accepted = 7;
    out->functions = &function;
    out->function_count = 1;
}

static bool live(void *context, struct errmsg *why)
{
    (void)context;
    if (!is_live) errmsg_set(why, 0, "the journal hangs since 12 s");
    return is_live;
}

static bool ready(void *context, struct errmsg *why)
{
    (void)context;
    if (!is_ready) errmsg_set(why, 0, "recovering: <3 of 9>");
    return is_ready;
}

static void config_json(void *context, struct buffer *out)
{
    (void)context;
    buffer_append(out, SPAN_LITERAL("{\"listen\":\"127.0.0.1:7400\",\"token_file\":\"***\"}"));
}

static void snapshot_list(void *context, struct buffer *out)
{
    (void)context;
    buffer_append(out, SPAN_LITERAL("[{\"seq\":9}]"));
}

static void snapshot_now(void *context, struct admin_waiter *waiter)
{
    (void)context;
    wish = waiter;
}

static void snapshot_leave(void *context, struct admin_waiter *waiter)
{
    (void)context;
    cr_assert_eq(wish, waiter);
    wish = NULL;
    atomic_fetch_add(&left, 1);
}

static const struct admin_sources sources = {
    &thread,       sample,       live,           ready, config_json,
    snapshot_list, snapshot_now, snapshot_leave, NULL,  NULL}; /* savepoint_test.c has those */
static struct admin admin;

static void set_up(void)
{
    is_ready = is_live = true;
    server_thread_start(&thread, SERVER_LIMITS, admin_handle, &admin);
    fake_port_init(&fake, &thread.loop);
    tokens_init(&tokens);
    admin = (struct admin){&fake.port, &sources, {"0.1.0", "abc123", "gcc", "release", 3, 4}, NULL};
}

static void tear_down(void)
{
    reply_close(&reply);
    server_thread_stop(&thread);
    tokens_close(&tokens);
}

TestSuite(admin, .init = set_up, .fini = tear_down);

static void ask_with(const char *method, const char *path, const char *headers)
{
    reply_close(&reply);
    bool post = strcmp(method, "POST") == 0;
    client_request(thread.port, method, path, headers, post ? "" : NULL, 0, &reply);
}

static void ask(const char *method, const char *path)
{
    ask_with(method, path, "");
}

static void answers(int status, const char *body)
{
    cr_assert_eq(reply.status, status, "%d %s", reply.status, reply.body);
    cr_assert_str_eq(reply.body, body);
}

static void answers_json(const char *body)
{
    answers(200, body);
    cr_assert_str_eq(reply_header(&reply, "content-type"), "application/json");
    cr_assert_str_eq(reply_header(&reply, "cache-control"), "no-store");
}

static void problem(int status, const char *words)
{
    cr_assert_eq(reply.status, status, "%d %s", reply.status, reply.body);
    cr_assert_str_eq(reply_header(&reply, "content-type"), "application/problem+json");
    cr_assert_not_null(strstr(reply.body, words), "%s", reply.body);
}

static void expect_rows(const char *rows, const char *next)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = ANSWER_ROWS,
                                                  .body = span_text(rows),
                                                  .next = span_text(next)});
}

static void expect(enum answer_kind kind, uint64_t number)
{
    fake_port_expect(&fake, (struct shard_answer){.kind = kind, .number = number});
}

Test(admin, health)
{
    ask("GET", "/livez");
    answers(200, "ok\n");
    ask("GET", "/readyz?verbose");
    answers(200, "[+]ready ok\nok\n");
    is_ready = is_live = false;
    ask("GET", "/readyz");
    answers(503, "recovering: <3 of 9>\n");
    cr_assert_str_eq(reply_header(&reply, "content-type"), "text/plain; charset=utf-8");
    ask("GET", "/readyz?verbose");
    answers(503, "[-]ready failed: recovering: <3 of 9>\n");
    ask("GET", "/livez");
    answers(503, "the journal hangs since 12 s\n");
    ask("HEAD", "/livez");
    cr_assert_eq(reply.status, 503);
    cr_assert_str_eq(fake.log, "", "no question to the shard");
}

Test(admin, version_metrics_config)
{
    ask("GET", "/version");
    answers_json(
        "{\"version\":\"0.1.0\",\"commit\":\"abc123\",\"compiler\":\"gcc\",\"options\":\"release\","
        "\"journal_format\":3,\"snapshot_format\":4}");
    ask("GET", "/metrics");
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply_header(&reply, "content-type"),
                     "text/plain; version=0.0.4; charset=utf-8");
    cr_assert_not_null(strstr(reply.body, "\nholdfast_messages_accepted_total 7\n"));
    ask("GET", "/v1/config");
    answers_json("{\"listen\":\"127.0.0.1:7400\",\"token_file\":\"***\"}");
}

Test(admin, the_page)
{
    ask("GET", "/");
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply_header(&reply, "content-type"), "text/html; charset=utf-8");
    cr_assert_not_null(strstr(reply.body, "<td>ready</td>"), "%s", reply.body);
    cr_assert_not_null(strstr(reply.body, "<td>&lt;b&gt;&amp;/&quot;x&quot;</td>"), "%s",
                       reply.body);
    cr_assert_not_null(strstr(reply.body, "<td class=n>42</td>"), "%s", reply.body);
    cr_assert_null(strstr(reply.body, "<script"));
    is_ready = false;
    ask("GET", "/");
    cr_assert_not_null(strstr(reply.body, "<td>recovering: &lt;3 of 9&gt;</td>"), "%s", reply.body);
}

Test(admin, rows_become_arrays)
{
    expect_rows("{\"a\":1}\n{\"a\":2}\n", "");
    ask("GET", "/v1/functions");
    answers_json("{\"functions\":[{\"a\":1},{\"a\":2}]}");
    expect_rows("{\"seq\":1}", "");
    ask("GET", "/v1/shards");
    answers_json("{\"shards\":[{\"seq\":1}]}");
    cr_assert_str_eq(fake.log, "QUERY_STATUS   after= limit=1000\n");
    expect_rows("", "");
    ask("GET", "/v1/egress");
    answers_json("{\"egress\":[]}");
    cr_assert_str_eq(fake.log, "QUERY_EGRESS   after= limit=1000\n");
    expect_rows("{\"a\":3}\n", "b\"c");
    ask("GET", "/v1/functions?after=a%2Fb");
    answers_json("{\"functions\":[{\"a\":3}],\"next\":\"b\\\"c\"}");
    cr_assert_str_eq(fake.log, "QUERY_FUNCTIONS   after=a/b limit=1000\n");
}

Test(admin, parked_list)
{
    expect_rows("{\"address\":\"a/b/c\"}\n", "a/b/c");
    ask("GET", "/v1/parked");
    answers_json("{\"parked\":[{\"address\":\"a/b/c\"}],\"next\":\"a/b/c\"}");
    cr_assert_str_eq(fake.log, "QUERY_PARKED   after= limit=100\n");
    expect_rows("", "");
    ask("GET", "/v1/parked?function=shop%2Fcart&after=a/b/c&limit=5");
    answers_json("{\"parked\":[]}");
    cr_assert_str_eq(fake.log, "QUERY_PARKED shop/cart  after=a/b/c limit=5\n");
    expect_rows("", "");
    ask("GET", "/v1/parked?limit=99999999999999999999");
    answers_json("{\"parked\":[]}");
    cr_assert_str_eq(fake.log, "QUERY_PARKED   after= limit=1000\n");
}

Test(admin, parked_one)
{
    expect_rows("{\"address\":\"shop/cart/1\",\"error\":\"HTTP 500\"}\n", "");
    ask("GET", "/v1/parked/shop/cart/a%2Fb%20%C3%A9");
    answers_json("{\"address\":\"shop/cart/1\",\"error\":\"HTTP 500\"}");
    cr_assert_str_eq(fake.log, "QUERY_PARKED_ONE shop/cart a/b \xc3\xa9 after= limit=0\n");
    expect_rows("", "");
    ask("GET", "/v1/parked/shop/cart/1");
    problem(404, "not-parked");
    problem(404, "\"address\":\"shop/cart/1\"");
    expect(ANSWER_NOT_FOUND, 0);
    ask("GET", "/v1/parked/shop/cart/1");
    problem(404, "not-parked");
}

Test(admin, verbs_on_one)
{
    static const char *const verbs[] = {"retry", "skip", "dead-letter"};
    char path[128], log[128];
    for (size_t i = 0; i < 3; i++) {
        expect(ANSWER_DONE, 1);
        snprintf(path, sizeof path, "/v1/parked/shop/cart/1/%s", verbs[i]);
        snprintf(log, sizeof log, "%s shop/cart 1 who=admin\n", verbs[i]);
        ask("POST", path);
        answers_json("{\"touched\":1}");
        cr_assert_str_eq(fake.log, log);
    }
    expect(ANSWER_DONE, 0);
    ask("POST", "/v1/parked/shop/cart/1/retry");
    problem(404, "not-parked");
    expect(ANSWER_NOT_FOUND, 0);
    ask("POST", "/v1/parked/shop/cart/1/retry");
    problem(404, "shop/cart/1");
}

Test(admin, verbs_in_bulk)
{
    expect(ANSWER_DONE, 12);
    ask("POST", "/v1/parked/skip?function=shop/cart");
    answers_json("{\"touched\":12}");
    cr_assert_str_eq(fake.log, "skip shop/cart  who=admin\n");
    expect(ANSWER_DONE, 0);
    ask("POST", "/v1/parked/dead-letter?all=true");
    answers_json("{\"touched\":0}");
    cr_assert_str_eq(fake.log, "dead-letter   who=admin\n");
    expect(ANSWER_DONE, 2);
    ask("POST", "/v1/parked/retry");
    answers_json("{\"touched\":2}");
}

Test(admin, nothing_is_given_up_by_a_forgotten_filter)
{
    expect(ANSWER_DONE, 12);
    static const char *const paths[] = {"/v1/parked/skip", "/v1/parked/dead-letter",
                                        "/v1/parked/skip?all=yes"};
    for (size_t i = 0; i < 3; i++) {
        ask("POST", paths[i]);
        problem(400, "filter-needed");
    }
    cr_assert_str_eq(fake.log, "");
}

Test(admin, bad_requests_reach_no_shard)
{
    expect_rows("", "");
    static const struct {
        const char *method, *path;
        int status;
        const char *words;
    } bad[] = {
        {"GET", "/v1/nothing", 404, "not-found"},
        {"GET", "/v1/parkedx", 404, "not-found"},
        {"GET", "//", 404, "not-found"},
        {"GET", "/v1/functions/", 404, "not-found"},
        {"GET", "/v1/parked/shop/cart", 404, "%2F"},
        {"GET", "/v1/parked/shop/cart/1/2/3", 404, "%2F"},
        {"POST", "/v1/parked/shop/cart/1/explode", 404, "retry, skip and dead-letter"},
        {"POST", "/v1/parked/explode", 404, "retry, skip and dead-letter"},
        {"GET", "/v1/parked/", 404, "not-found"},
        {"GET", "/v1/parked?limit=0", 400, "limit"},
        {"GET", "/v1/parked?limit=-1", 400, "limit"},
        {"GET", "/v1/parked?limit=", 400, "limit"},
        {"GET", "/v1/parked?limit=1x", 400, "limit"},
        {"GET", "/v1/parked?function=shop", 400, "ns/name"},
        {"GET", "/v1/parked?function=", 400, "ns/name"},
        {"POST", "/v1/parked/retry?function=a/b/c", 400, "ns/name"},
        {"GET", "/v1/parked/shop/cart/%ff", 400, "invalid-address"},
        {"GET", "/v1/parked/shop/cart/", 400, "invalid-address"},
        {"GET", "/v1/parked/sh%2Fop/cart/1", 400, "invalid-address"},
        {"GET", "/v1/parked/shop/ca%zzrt/1", 400, "invalid-address"},
        {"POST", "/v1/parked//cart/1/skip", 400, "invalid-address"},
        {"GET", "/v1/parked/retry", 405, "method-not-allowed"},
        {"GET", "/v1/parked/shop/cart/1/skip", 405, "method-not-allowed"},
        {"DELETE", "/v1/parked/shop/cart/1", 405, "method-not-allowed"},
        {"PUT", "/v1/parked", 405, "method-not-allowed"},
        {"POST", "/livez", 405, "method-not-allowed"},
        {"POST", "/metrics", 405, "method-not-allowed"},
        {"DELETE", "/v1/snapshot", 405, "method-not-allowed"},
        {"GET", "/v1/savepoint", 405, "method-not-allowed"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ask(bad[i].method, bad[i].path);
        cr_expect_eq(reply.status, bad[i].status, "%s %s: %d", bad[i].method, bad[i].path,
                     reply.status);
        problem(bad[i].status, bad[i].words);
        if (bad[i].status == 405) cr_assert_not_null(reply_header(&reply, "allow"));
    }
    cr_assert_str_eq(fake.log, "");
}

Test(admin, refusals_of_the_shard)
{
    expect(ANSWER_FULL, 0);
    ask("POST", "/v1/parked/retry");
    problem(503, "full");
    cr_assert_str_eq(reply_header(&reply, "retry-after"), "1");
    expect(ANSWER_UNKNOWN_FUNCTION, 0);
    ask("POST", "/v1/parked/retry?function=a/b");
    problem(404, "\"address\":\"a/b\"");
    fake_port_expect(
        &fake, (struct shard_answer){.kind = ANSWER_INVALID, .text = SPAN_LITERAL("bad cursor")});
    ask("GET", "/v1/parked?after=x");
    problem(400, "bad cursor");
    expect(ANSWER_REPLY, 0);
    ask("GET", "/v1/functions");
    problem(500, "unexpected");
}

Test(admin, a_client_that_goes_is_forgotten)
{
    expect_rows("", "");
    fake.hold = true;
    int fd = client_connect(thread.port);
    client_say(fd, "GET /v1/functions HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 500 && fake.waiter == NULL; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    client_vanish(fd);
    cr_assert(fake_port_wait_detached(&fake, 1));
}

/* ---- Snapshots ---- */

static int start_snapshot(void)
{
    wish = NULL;
    int fd = client_connect(thread.port);
    client_say(fd, "POST /v1/snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    for (int i = 0; i < 500 && wish == NULL; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cr_assert_neq(wish, NULL);
    return fd;
}

static int outcome;

static void finish_snapshot(void *context)
{
    (void)context;
    struct admin_waiter *waiter = wish;
    wish = NULL;
    waiter->done(waiter, outcome,
                 outcome == 0 ? SPAN_LITERAL("{\"seq\":10}") : SPAN_LITERAL("disk says no"));
}

static void snapshot_ends(int error)
{
    int fd = start_snapshot();
    outcome = error;
    server_thread_run(&thread, finish_snapshot, NULL);
    reply_close(&reply);
    client_reply(fd, &reply);
    close(fd);
}

Test(admin, snapshots)
{
    ask("GET", "/v1/snapshot");
    answers_json("{\"snapshots\":[{\"seq\":9}]}");
    snapshot_ends(0);
    answers_json("{\"seq\":10}");
    snapshot_ends(ERROR_IO);
    problem(500, "disk says no");
    snapshot_ends(ERROR_FULL);
    problem(503, "disk says no");
    cr_assert_not_null(reply_header(&reply, "retry-after"));
    client_vanish(start_snapshot());
    for (int i = 0; i < 500 && left == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cr_assert_eq(left, 1);
}

/* ---- Who may ---- */

Test(admin, tokens_guard_all_but_the_probes)
{
    struct errmsg errmsg;
    cr_assert_eq(tokens_parse(&tokens, SPAN_LITERAL("root\nshopper admin shop\nsender send\n"),
                              "tokens", &errmsg),
                 0);
    admin.tokens = &tokens;
    static const char *const open[] = {"/livez", "/readyz"};
    for (size_t i = 0; i < 2; i++) {
        ask("GET", open[i]);
        cr_assert_eq(reply.status, 200);
    }
    static const char *const closed[] = {
        "/",          "/metrics",   "/version",     "/v1/functions", "/v1/shards",
        "/v1/egress", "/v1/config", "/v1/snapshot", "/v1/parked",    "/v1/parked/a/b/c"};
    expect_rows("{}", "");
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        ask("GET", closed[i]);
        problem(401, "token-missing");
        ask_with("GET", closed[i], "Authorization: Bearer sender\r\n");
        problem(403, "token-forbidden");
        ask_with("GET", closed[i], "Authorization: Bearer root\r\n");
        cr_assert_eq(reply.status, 200, "%s: %s", closed[i], reply.body);
    }
}

Test(admin, tokens_of_a_namespace)
{
    struct errmsg errmsg;
    cr_assert_eq(tokens_parse(&tokens, SPAN_LITERAL("shopper admin shop\n"), "tokens", &errmsg), 0);
    admin.tokens = &tokens;
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {
        {"GET", "/v1/parked", 403},
        {"GET", "/v1/parked?function=other/f", 403},
        {"GET", "/v1/parked?function=shop/f", 200},
        {"GET", "/v1/parked/other/f/1", 403},
        {"GET", "/v1/parked/shop/f/1", 200},
        {"POST", "/v1/parked/retry", 403},
        {"POST", "/v1/parked/skip?all=true", 403},
        {"POST", "/v1/parked/other/f/1/skip", 403},
        {"POST", "/v1/snapshot", 403},
    };
    expect_rows("{}", "");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask_with(cases[i].method, cases[i].path, "Authorization: Bearer shopper\r\n");
        cr_assert_eq(reply.status, cases[i].status, "%s: %s", cases[i].path, reply.body);
    }
    expect(ANSWER_DONE, 1);
    ask_with("POST", "/v1/parked/shop/f/1/skip", "Authorization: Bearer shopper\r\n");
    answers_json("{\"touched\":1}");
}

Test(admin, pages_of_other_sites_change_nothing)
{
    expect(ANSWER_DONE, 1);
    ask_with("POST", "/v1/parked/retry", "Origin: http://evil.example\r\n");
    problem(403, "foreign-origin");
    ask_with("POST", "/v1/parked/a/b/c/skip", "Origin: null\r\n");
    problem(403, "foreign-origin");
    ask_with("POST", "/v1/snapshot", "Origin: http://evil.example\r\n");
    problem(403, "foreign-origin");
    cr_assert_str_eq(fake.log, "");
    cr_assert_eq(wish, NULL);
    ask_with("POST", "/v1/parked/retry", "Origin: http://test\r\n");
    answers_json("{\"touched\":1}");
}
