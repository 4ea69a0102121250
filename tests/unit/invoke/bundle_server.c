/* See bundle_server.h. */
#include "bundle_server.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESULT_SIZE = 10 };

size_t bundle_result_size(const struct bundle_server *server, int call)
{
    return RESULT_SIZE + (size_t)call + server->extra;
}

/* -- What came -- */

static int call_of(struct span to_function)
{
    struct function_request request;
    struct function_names names;
    static _Thread_local struct function_message messages[4];
    static _Thread_local struct function_state states[4];
    char id[16];
    function_names_init(&names);
    int error = function_request_parse(to_function, &request, &names, states, 4, messages, 4);
    cr_assert_eq(error, 0, "no ToFunction");
    snprintf(id, sizeof id, "%.*s", SPAN_PRINT(request.target.id));
    function_names_close(&names);
    return atoi(id);
}

static void read_bundle(struct visit *visit, struct span body)
{
    struct bundle_invocation invocation;
    struct errmsg why;
    int got;
    while ((got = bundle_invocation_take(&body, &invocation, &why)) > 0) {
        cr_assert_lt(visit->count, VISIT_RIDERS_MAX);
        visit->calls[visit->count] = call_of(invocation.to_function);
        visit->attempts[visit->count++] = invocation.attempt;
    }
    cr_assert_eq(got, 0, "no Bundle: %s", why.text);
}

void visit_serve(struct visit *visit, const char *type, struct span body)
{
    struct bundle_server *server = visit->of;
    visit->bundle = strcmp(type, BUNDLE_CONTENT_TYPE) == 0;
    if (!visit->bundle) {
        visit->count = 1;
        visit->calls[0] = call_of(body);
        atomic_fetch_add(&server->alone[visit->calls[0]], 1);
        visit->number = atomic_fetch_add(&server->singles, 1);
        (server->single != NULL ? server->single : say_all_well)(visit);
        return;
    }
    read_bundle(visit, body);
    for (uint32_t i = 0; i < visit->count; i++) atomic_fetch_add(&server->rode[visit->calls[i]], 1);
    visit->number = atomic_fetch_add(&server->bundles, 1);
    if (visit->number < BUNDLES_KEPT) {
        memcpy(server->path[visit->number], visit->path, sizeof visit->path);
        atomic_store(&server->riders[visit->number], (int)visit->count);
    }
    (server->bundle != NULL ? server->bundle : say_all_well)(visit);
}

static void http1_serve(struct server *of, int fd, int index)
{
    struct bundle_server *server = of->context;
    struct server_request request;
    bool gone = false;
    if (server->h2) {
        h2_bundle_serve(server, fd, index);
        return;
    }
    while (!gone && server_request(of, fd, &request)) {
        struct visit visit = {.of = server, .fd = fd, .connection = index};
        char type[128] = "";
        server_header(&request, "content-type", type, sizeof type);
        sscanf(request.head, "POST %127s", visit.path);
        visit_serve(&visit, type, span_of(request.body, request.content_length));
        server_request_free(&request);
        gone = visit.gone;
    }
}

bool bundle_server_open(struct bundle_server *server)
{
    signal(SIGPIPE, SIG_IGN);
    return server_open(&server->server, http1_serve, server);
}

void bundle_server_close(struct bundle_server *server)
{
    server_close(&server->server);
}

void visit_wait(struct visit *visit, int gate)
{
    for (int i = 0; i < 5000 && !atomic_load(&visit->of->server.closing); i++) {
        if (atomic_load(&visit->of->gate) >= gate) return;
        server_sleep_ms(1);
    }
}

/* -- Outcomes -- */

void put_result(struct buffer *out, const struct visit *visit, uint32_t index)
{
    struct buffer result;
    answer_encode(&result, bundle_result_size(visit->of, visit->calls[index]));
    bundle_outcome_encode(out, &(struct bundle_outcome){.index = index,
                                                        .kind = BUNDLE_RESULT,
                                                        .result = buffer_span(&result),
                                                        .retry_after_ms = -1});
    buffer_close(&result);
}

void put_failure(struct buffer *out, uint32_t index, uint32_t status, const char *text,
                 int64_t retry_after_ms)
{
    bundle_outcome_encode(out, &(struct bundle_outcome){.index = index,
                                                        .kind = BUNDLE_FAILURE,
                                                        .status = status,
                                                        .text = span_text(text),
                                                        .retry_after_ms = retry_after_ms});
}

void put_undone(struct buffer *out, uint32_t index)
{
    bundle_outcome_encode(out, &(struct bundle_outcome){.index = index, .retry_after_ms = -1});
}

void put_results(struct buffer *out, const struct visit *visit)
{
    for (uint32_t i = 0; i < visit->count; i++) put_result(out, visit, i);
}

/* -- Answers -- */

static void send_head(struct visit *visit, int status, const char *type, const char *headers,
                      const char *framing)
{
    struct buffer head;
    char line[256];
    buffer_init(&head);
    snprintf(line, sizeof line, "HTTP/1.1 %d Said\r\n%s\r\n", status, framing);
    buffer_append(&head, span_text(line));
    if (type != NULL) {
        snprintf(line, sizeof line, "content-type: %s\r\n", type);
        buffer_append(&head, span_text(line));
    }
    if (visit->of->offer != NULL) {
        snprintf(line, sizeof line, "accept-post: %s\r\n", visit->of->offer);
        buffer_append(&head, span_text(line));
    }
    for (const char *at = headers; *at != 0; at++) {
        if (*at == '\n') buffer_byte(&head, '\r');
        buffer_byte(&head, (uint8_t)*at);
    }
    buffer_append(&head, SPAN_LITERAL("\r\n"));
    visit->gone |= !server_send(visit->fd, head.at, head.size);
    buffer_close(&head);
}

void say_head(struct visit *visit, int status, const char *type, const char *headers)
{
    if (visit->peer != NULL)
        h2_say_head(visit, status, type, headers);
    else
        send_head(visit, status, type, headers, "transfer-encoding: chunked");
}

void say(struct visit *visit, const void *bytes, size_t size)
{
    char line[32];
    if (visit->peer != NULL) {
        h2_say(visit, bytes, size, false);
        return;
    }
    if (size == 0) return; /* would be the end */
    snprintf(line, sizeof line, "%zx\r\n", size);
    struct buffer chunk;
    buffer_init(&chunk);
    buffer_append(&chunk, span_text(line));
    buffer_append(&chunk, span_of(bytes, size));
    buffer_append(&chunk, SPAN_LITERAL("\r\n"));
    visit->gone |= !server_send(visit->fd, chunk.at, chunk.size);
    buffer_close(&chunk);
}

void say_buffer(struct visit *visit, struct buffer *bytes)
{
    say(visit, bytes->at, bytes->size);
    buffer_close(bytes);
}

void say_end(struct visit *visit)
{
    if (visit->peer != NULL)
        h2_say(visit, NULL, 0, true);
    else
        visit->gone |= !server_send_text(visit->fd, "0\r\n\r\n");
}

void say_whole(struct visit *visit, int status, const char *type, const char *headers,
               const void *bytes, size_t size)
{
    char framing[64];
    if (visit->peer != NULL) {
        h2_say_head(visit, status, type, headers);
        h2_say(visit, bytes, size, true);
        return;
    }
    snprintf(framing, sizeof framing, "content-length: %zu", size);
    send_head(visit, status, type, headers, framing);
    visit->gone |= !server_send(visit->fd, bytes, size);
}

void say_outcomes(struct visit *visit, struct buffer *outcomes)
{
    say_whole(visit, 200, BUNDLE_CONTENT_TYPE, "", outcomes->at, outcomes->size);
    buffer_close(outcomes);
}

void say_all_well(struct visit *visit)
{
    struct buffer body;
    if (visit->bundle) {
        buffer_init(&body);
        put_results(&body, visit);
        say_outcomes(visit, &body);
        return;
    }
    answer_encode(&body, bundle_result_size(visit->of, visit->calls[0]));
    say_whole(visit, 200, "application/octet-stream", "", body.at, body.size);
    buffer_close(&body);
}

void hang_up(struct visit *visit)
{
    visit->gone = true;
}
