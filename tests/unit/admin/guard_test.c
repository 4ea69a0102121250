/* Who gets through a listener, and who is told why not. */
#include "admin/guard.h"
#include "lib/http_client.h"
#include "lib/server_thread.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct server_thread thread;
static struct tokens tokens;
static struct http_reply reply;

static void handle(void *context, struct http_request *request)
{
    (void)context;
    if (!guard_request(&tokens, request, TOKEN_SEND, http_query(request, "ns"))) return;
    if (!guard_origin(request)) return;
    http_answer(request, 204, NULL, 0, SPAN_EMPTY);
}

static void set_up(void)
{
    struct errmsg errmsg;
    tokens_init(&tokens);
    cr_assert_eq(
        tokens_parse(&tokens, SPAN_LITERAL("alpha send shop\nbeta state\n"), "tokens", &errmsg), 0);
    server_thread_start(&thread, SERVER_LIMITS, handle, NULL);
}

static void tear_down(void)
{
    reply_close(&reply);
    server_thread_stop(&thread);
    tokens_close(&tokens);
}

TestSuite(guard_request, .init = set_up, .fini = tear_down);

static int ask(const char *query, const char *headers)
{
    char path[128];
    snprintf(path, sizeof path, "/?%s", query);
    reply_close(&reply);
    client_request(thread.port, "POST", path, headers, "x", 1, &reply);
    return reply.status;
}

Test(guard_request, tokens)
{
    cr_assert_eq(ask("ns=shop.eu", "Authorization: Bearer alpha\r\n"), 204);
    cr_assert_eq(ask("ns=other", "Authorization: Bearer alpha\r\n"), 403);
    cr_assert_not_null(strstr(reply.body, "\"code\":\"token-forbidden\""), "%s", reply.body);
    cr_assert_eq(ask("", "Authorization: Bearer alpha\r\n"), 403);
    cr_assert_eq(ask("ns=shop", "Authorization: Bearer beta\r\n"), 403);
    cr_assert_eq(ask("ns=shop", ""), 401);
    cr_assert_str_eq(reply_header(&reply, "www-authenticate"), "Bearer");
    cr_assert_str_eq(reply_header(&reply, "content-type"), "application/problem+json");
    cr_assert_not_null(strstr(reply.body, "token-missing"), "%s", reply.body);
    cr_assert_eq(ask("ns=shop", "Authorization: Bearer gamma\r\n"), 401);
    cr_assert_not_null(strstr(reply.body, "token-unknown"), "%s", reply.body);
    cr_assert_null(strstr(reply.body, "gamma"));
    cr_assert_str_eq(reply_header(&reply, "www-authenticate"), "Bearer");
}

Test(guard_request, without_a_token_file_everybody_may)
{
    tokens_close(&tokens);
    cr_assert_eq(ask("ns=shop", ""), 204);
}

Test(guard_request, pages_of_other_sites)
{
    tokens_close(&tokens);
    cr_assert_eq(ask("", "Origin: http://evil.example\r\n"), 403);
    cr_assert_not_null(strstr(reply.body, "foreign-origin"), "%s", reply.body);
    cr_assert_eq(ask("", "Origin: null\r\n"), 403);
    cr_assert_eq(ask("", "Origin: http://\r\n"), 403);
    cr_assert_eq(ask("", "Origin: http://test\r\n"), 204, "the client says Host: test");
    cr_assert_eq(ask("", ""), 204);
}
