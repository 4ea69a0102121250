/* See echo.h. */
#include "echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void gone(struct http_request *request)
{
    struct echo *echo = request->context;
    if (echo->held == request) echo->held = NULL;
    atomic_fetch_add(&echo->gone, 1);
}

static bool path_is(const struct http_request *request, const char *path)
{
    return span_equal(request->path, span_text(path));
}

static void answer_text(struct http_request *request, struct span text)
{
    struct http_header type = {SPAN_LITERAL("content-type"), SPAN_LITERAL("text/plain")};
    http_answer(request, 200, &type, 1, text);
}

static void answer_echo(struct http_request *request)
{
    char text[8192];
    int size = snprintf(text, sizeof text, "%.*s %.*s %.*s %s %.*s", SPAN_PRINT(request->method),
                        SPAN_PRINT(request->path), SPAN_PRINT(request->query),
                        request->secure ? "secure" : "open", SPAN_PRINT(request->body));
    answer_text(request, span_of(text, (size_t)size));
}

static void answer_big(struct http_request *request)
{
    struct span wanted = http_query(request, "size");
    char digits[32] = "";
    memcpy(digits, wanted.at, wanted.size < 31 ? wanted.size : 31);
    size_t size = strtoull(digits, NULL, 10);
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(i * 7);
    answer_text(request, span_of(bytes, size));
    free(bytes);
}

static void answer_decoded(struct http_request *request)
{
    struct span decoded;
    if (http_decode(request, span_from(request->path, strlen("/decode/")), &decoded) != 0)
        http_problem(request, 400, "malformed-path", "bad percent", span_text("a/b/c"), 0);
    else
        answer_text(request, decoded);
}

static void answer_header(struct http_request *request)
{
    char name[64] = "";
    struct span wanted = http_query(request, "name");
    if (wanted.size < sizeof name) memcpy(name, wanted.at, wanted.size);
    struct span value = http_header(request, name);
    answer_text(request, value.at == NULL ? SPAN_LITERAL("(none)") : value);
}

void echo_handle(void *context, struct http_request *request)
{
    struct echo *echo = context;
    struct http_header evil = {SPAN_LITERAL("x-evil"), SPAN_LITERAL("a\r\nset-cookie: b")};
    request->context = echo;
    atomic_fetch_add(&echo->handled, 1);
    if (path_is(request, "/hold")) {
        request->gone = gone;
        echo->held = request;
    } else if (path_is(request, "/big")) {
        answer_big(request);
    } else if (path_is(request, "/header")) {
        answer_header(request);
    } else if (path_is(request, "/problem")) {
        http_problem(request, 503, "draining", "say \"when\"", SPAN_EMPTY, 7);
    } else if (path_is(request, "/evil")) {
        http_answer(request, 200, &evil, 1, SPAN_EMPTY);
    } else if (path_is(request, "/nothing")) {
        http_answer(request, 204, NULL, 0, SPAN_EMPTY);
    } else if (span_starts_with(request->path, SPAN_LITERAL("/decode/"))) {
        atomic_store(&echo->decoded_at, atomic_load(&echo->handled));
        atomic_store(&echo->open_then, server_connections(echo->thread.server));
        answer_decoded(request);
    } else {
        answer_echo(request);
    }
}

static void turn_ended(struct loop_turn_end *turn_end)
{
    atomic_fetch_add(&CONTAINER_OF(turn_end, struct echo, turn_end)->turn_ends, 1);
}

void echo_start(struct echo *echo, struct server_limits limits)
{
    *echo = (struct echo){.turn_end = {.run = turn_ended}};
    server_thread_start(&echo->thread, limits, echo_handle, echo);
    loop_at_turn_end(&echo->thread.loop, &echo->turn_end);
}

static void release(void *argument)
{
    struct echo *echo = argument;
    if (echo->held == NULL) return;
    struct http_request *request = echo->held;
    echo->held = NULL;
    answer_text(request, SPAN_LITERAL("released"));
}

void echo_release(struct echo *echo)
{
    server_thread_run(&echo->thread, release, echo);
}

bool reaches(atomic_int *counter, int number)
{
    for (int i = 0; i < 500; i++) {
        if (atomic_load(counter) >= number) return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}
