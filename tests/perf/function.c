/*
 * The function of the benchmarks, in C: bench/counter adds one per message to its state `count` (a
 * long) and sends the new value to whoever called. Prints its port, then serves until it is killed.
 *     function [PORT | /path/of/a/unix/socket] [N]
 * With N it takes up to N addresses per request (docs/protocol.md).
 */
#include "perf/http.h"
#include "wire/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

enum { MESSAGES_MAX = 10000, EVENTS_MAX = 256, STATES_MAX = 8 };

#define LONG SPAN_LITERAL("io.statefun.types/long")
#define COUNT SPAN_LITERAL("count")

struct work {
    struct function_names names;
    struct function_state states[STATES_MAX];
    struct function_message messages[MESSAGES_MAX];
    struct effect_message replies[MESSAGES_MAX];
    struct buffer values;  /* typed values of the replies */
    struct buffer body;    /* one FromFunction */
    struct buffer answers; /* of a bundle */
    char offer[80];        /* a header line, or nothing */
};

static uint64_t read_long(struct span bytes)
{
    uint64_t value = 0;
    for (size_t i = 1; i < 9 && i < bytes.size; i++)
        value |= (uint64_t)bytes.at[i] << (8 * (i - 1));
    return value;
}

static size_t write_long(uint8_t bytes[9], uint64_t value)
{
    if (value == 0) return 0;
    bytes[0] = 0x09;
    for (int i = 0; i < 8; i++) bytes[1 + i] = (uint8_t)(value >> (8 * i));
    return 9;
}

static void ask_for_state(struct buffer *body)
{
    struct state_spec spec = {.name = COUNT, .type_name = LONG, .mode = EXPIRE_NEVER};
    function_response_encode(
        body, &(struct function_response){.incomplete = true, .specs = &spec, .spec_count = 1});
}

static void count(struct work *work, const struct function_request *request)
{
    if (request->state_count == 0) {
        ask_for_state(&work->body);
        return;
    }
    uint64_t total = request->states[0].present ? read_long(request->states[0].value) : 0;
    uint8_t bytes[9];
    size_t reply_count = 0, offsets[2];
    buffer_clear(&work->values);
    if (buffer_reserve(&work->values, request->message_count * 48 + 64) != 0) abort();
    for (size_t i = 0; i < request->message_count; i++) {
        total++;
        if (request->messages[i].caller.type.size == 0) continue;
        offsets[0] = work->values.size;
        typed_value_encode(&work->values, LONG, span_of(bytes, write_long(bytes, total)));
        offsets[1] = work->values.size;
        work->replies[reply_count++] =
            (struct effect_message){request->messages[i].caller,
                                    span_of(work->values.at + offsets[0], offsets[1] - offsets[0])};
    }
    struct effect_mutation mutation = {
        .name = COUNT, .type_name = LONG, .value = span_of(bytes, write_long(bytes, total))};
    function_response_encode(&work->body,
                             &(struct function_response){.mutations = &mutation,
                                                         .mutation_count = 1,
                                                         .messages = work->replies,
                                                         .message_count = reply_count});
}

/* One ToFunction; its FromFunction is in `body` then. */
static void invoke(struct work *work, struct span to_function)
{
    struct function_request request;
    buffer_clear(&work->body);
    if (function_request_parse(to_function, &request, &work->names, work->states, STATES_MAX,
                               work->messages, MESSAGES_MAX) != 0)
        abort();
    count(work, &request);
}

static void invoke_all(struct work *work, struct span bundle)
{
    struct bundle_invocation invocation;
    struct errmsg why;
    int got;
    buffer_clear(&work->answers);
    for (uint32_t i = 0; (got = bundle_invocation_take(&bundle, &invocation, &why)) > 0; i++) {
        invoke(work, invocation.to_function);
        bundle_outcome_encode(&work->answers,
                              &(struct bundle_outcome){.index = i,
                                                       .kind = BUNDLE_RESULT,
                                                       .result = buffer_span(&work->body)});
    }
    if (got < 0) abort();
}

static void send_answer(const struct work *work, struct http_pipe *pipe, const char *type,
                        struct span body)
{
    char head[240];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 200 OK\r\ncontent-type: %s\r\n%scontent-length: %zu\r\n\r\n",
                        type, work->offer, body.size);
    buffer_append(&pipe->out, span_of(head, (size_t)size));
    buffer_append(&pipe->out, body);
}

static bool is_bundle(struct span head)
{
    static const char line[] = "\r\ncontent-type: " BUNDLE_CONTENT_TYPE "\r\n";
    return memmem(head.at, head.size, line, sizeof line - 1) != NULL;
}

static void answer(struct work *work, struct http_pipe *pipe, const struct http_message *message)
{
    if (work->offer[0] != 0 && is_bundle(message->head)) {
        invoke_all(work, message->body);
        send_answer(work, pipe, BUNDLE_CONTENT_TYPE, buffer_span(&work->answers));
    } else {
        invoke(work, message->body);
        send_answer(work, pipe, "application/octet-stream", buffer_span(&work->body));
    }
}

static bool serve(struct work *work, struct http_pipe *pipe)
{
    if (!http_pipe_read(pipe)) return false;
    struct http_message message;
    while ((message = http_pipe_message(pipe)).size != 0) {
        answer(work, pipe, &message);
        http_pipe_drop(pipe, message.size);
    }
    return http_pipe_write(pipe);
}

static void welcome(int epoll, int listener)
{
    for (int fd; (fd = http_accept(listener)) >= 0;) {
        struct http_pipe *pipe = calloc(1, sizeof *pipe);
        if (pipe == NULL) abort();
        http_pipe_init(pipe, fd);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd,
                  &(struct epoll_event){.events = EPOLLIN, .data.ptr = pipe});
    }
}

int main(int argc, char **argv)
{
    const char *where = argc > 1 ? argv[1] : "0";
    uint16_t port = (uint16_t)atoi(where); /* 0 for a path */
    struct work *work = calloc(1, sizeof *work);
    int listener = where[0] == '/' ? http_listen_at(where) : http_listen(&port);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (work == NULL || listener < 0 || epoll < 0) return 1;
    if (argc > 2)
        snprintf(work->offer, sizeof work->offer, "accept-post: " BUNDLE_CONTENT_TYPE ";max=%d\r\n",
                 atoi(argv[2]));
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
    printf("%u\n", port);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int got = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < got; i++) {
            struct http_pipe *pipe = events[i].data.ptr;
            if (pipe == NULL) {
                welcome(epoll, listener);
            } else if (!serve(work, pipe)) {
                http_pipe_close(pipe);
                free(pipe);
            }
        }
    }
}
