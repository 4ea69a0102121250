/* Savepoints over HTTP: asked for, refused, told when there is one, and what those do who leave. */
#include "admin/admin.h"
#include "lib/http_client.h"
#include "lib/server_thread.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct server_thread thread;
static struct http_reply reply;
static struct admin_waiter *_Atomic wish;
static atomic_uint left;
static char directory_told[64];
static int outcome;

static int begin(void *context, struct span directory, struct admin_waiter *waiter,
                 struct errmsg *errmsg)
{
    (void)context;
    if (span_equal(directory, SPAN_LITERAL("/busy")))
        return errmsg_set(errmsg, ERROR_IN_USE, "one is being taken");
    snprintf(directory_told, sizeof directory_told, "%.*s", SPAN_PRINT(directory));
    wish = waiter;
    return 0;
}

static void leave(void *context, struct admin_waiter *waiter)
{
    (void)context;
    cr_assert_eq(wish, waiter);
    atomic_fetch_add(&left, 1);
}

static const struct admin_sources sources = {.savepoint_begin = begin, .savepoint_leave = leave};
static struct admin admin = {.sources = &sources};

static void set_up(void)
{
    server_thread_start(&thread, SERVER_LIMITS, admin_handle, &admin);
}

static void tear_down(void)
{
    reply_close(&reply);
    server_thread_stop(&thread);
}

TestSuite(savepoint, .init = set_up, .fini = tear_down, .timeout = 60);

static int say(const char *body)
{
    char request[300];
    int fd = client_connect(thread.port);
    snprintf(request, sizeof request,
             "POST /v1/savepoint HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    client_say(fd, request);
    return fd;
}

static void hear(int fd)
{
    reply_close(&reply);
    client_reply(fd, &reply);
    close(fd);
}

static void must_refuse(const char *body, int status, const char *words)
{
    hear(say(body));
    cr_assert_eq(reply.status, status, "%d %s", reply.status, reply.body);
    cr_assert_not_null(strstr(reply.body, words), "%s", reply.body);
}

static int start(void)
{
    wish = NULL;
    int fd = say("{\"directory\":\"/a/b\"}");
    for (int i = 0; i < 500 && wish == NULL; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cr_assert_neq(wish, NULL);
    cr_assert_str_eq(directory_told, "/a/b");
    return fd;
}

static void finish(void *context)
{
    (void)context;
    struct admin_waiter *waiter = wish;
    waiter->done(waiter, outcome,
                 outcome == 0 ? SPAN_LITERAL("{\"cut\":10}") : SPAN_LITERAL("disk says no"));
}

static void must_end(int error, int status, const char *words)
{
    int fd = start();
    outcome = error;
    server_thread_run(&thread, finish, NULL);
    hear(fd);
    cr_assert_eq(reply.status, status, "%d %s", reply.status, reply.body);
    cr_assert_not_null(strstr(reply.body, words), "%s", reply.body);
}

Test(savepoint, what_it_says_when_there_is_one)
{
    must_end(0, 200, "{\"cut\":10}");
    cr_assert_str_eq(reply_header(&reply, "content-type"), "application/json");
}

Test(savepoint, why_there_is_none)
{
    must_end(ERROR_IO, 500, "disk says no");
    must_end(ERROR_EXISTS, 409, "disk says no");
    must_end(ERROR_INVALID, 400, "disk says no");
    must_end(ERROR_TIMEOUT, 504, "disk says no");
    must_end(ERROR_FULL, 503, "disk says no");
    cr_assert_not_null(reply_header(&reply, "retry-after"));
}

Test(savepoint, what_is_not_begun)
{
    must_refuse("", 400, "directory");
    must_refuse("[1]", 400, "directory");
    must_refuse("{\"directory\":7}", 400, "directory");
    must_refuse("{\"directory\":\"/busy\"}", 409, "one is being taken");
}

Test(savepoint, who_leaves_is_not_told)
{
    client_vanish(start());
    for (int i = 0; i < 500 && left == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cr_assert_eq(left, 1);
}
