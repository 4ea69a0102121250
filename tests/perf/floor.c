/*
 * The floor of this machine: the least that a durable call can cost. An HTTP responder on one
 * thread with group commit: what one turn of the loop brings is appended to a file, 100 bytes for
 * each request, and answered after one fdatasync for all. With --function each request first calls
 * the function of the benchmarks, as the gateway does.
 *     floor --file PATH [--function PORT]
 * Prints its port, then serves until it is killed. It keeps no state and recovers nothing.
 */
#include "perf/http.h"
#include "wire/function.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    RECORD_SIZE = 100,
    BLOCK = 4096,
    STAGE_SIZE = 1 << 20,
    FILE_SIZE = 64 << 20, /* then it begins at its front again */
    EVENTS_MAX = 512
};

/* A connection of a client, or one to the function. */
struct side {
    struct http_pipe pipe;
    struct side *next; /* of those that wait for the sync, or of the idle ones */
    struct side *client;
    bool is_function;
};

struct floor {
    int epoll, file;
    uint16_t function_port; /* 0: none */
    struct buffer request;  /* to the function, always the same */
    struct side *waiting;
    struct side *idle; /* connections to the function */
    uint8_t *stage;
    size_t staged;
    off_t offset;
};

static const char ANSWER[] = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
                             "content-length: 9\r\n\r\n123456789";

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- The file ---- */

/* Written once from end to end, so that later writes change no block maps. */
static void open_file(struct floor *floor, const char *path)
{
    floor->stage = aligned_alloc(BLOCK, STAGE_SIZE);
    floor->file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    if (floor->file < 0) floor->file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (floor->stage == NULL || floor->file < 0) fail("floor: open");
    memset(floor->stage, 0, STAGE_SIZE);
    for (off_t at = 0; at < FILE_SIZE; at += STAGE_SIZE)
        if (pwrite(floor->file, floor->stage, STAGE_SIZE, at) != STAGE_SIZE) fail("floor: write");
    if (fsync(floor->file) != 0) fail("floor: fsync");
}

static void append(struct floor *floor)
{
    if (floor->staged + RECORD_SIZE + BLOCK > STAGE_SIZE) fail("floor: too much in one turn");
    memset(floor->stage + floor->staged, 'r', RECORD_SIZE);
    floor->staged += RECORD_SIZE;
}

/* The last block is not full: the next turn writes it again, with more in it. */
static void commit(struct floor *floor)
{
    size_t whole = floor->staged / BLOCK * BLOCK, size = whole + BLOCK;
    if (floor->offset + (off_t)size > FILE_SIZE) floor->offset = 0;
    if (pwrite(floor->file, floor->stage, size, floor->offset) != (ssize_t)size)
        fail("floor: write");
    if (fdatasync(floor->file) != 0) fail("floor: fdatasync");
    memmove(floor->stage, floor->stage + whole, floor->staged - whole);
    floor->staged -= whole;
    floor->offset += (off_t)whole;
}

/* ---- Connections ---- */

static struct side *watch(struct floor *floor, int fd, bool is_function)
{
    struct side *side = calloc(1, sizeof *side);
    if (side == NULL || fd < 0) fail("floor: connection");
    http_pipe_init(&side->pipe, fd);
    side->is_function = is_function;
    epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd,
              &(struct epoll_event){.events = EPOLLIN, .data.ptr = side});
    return side;
}

static void wait_for_sync(struct floor *floor, struct side *client)
{
    append(floor);
    client->next = floor->waiting;
    floor->waiting = client;
}

static void call_function(struct floor *floor, struct side *client)
{
    struct side *side = floor->idle;
    if (side != NULL)
        floor->idle = side->next;
    else
        side = watch(floor, http_connect(floor->function_port), true);
    side->client = client;
    buffer_append(&side->pipe.out, buffer_span(&floor->request));
    if (!http_pipe_write(&side->pipe)) fail("floor: send to the function");
}

static void function_answered(struct floor *floor, struct side *side)
{
    wait_for_sync(floor, side->client);
    side->client = NULL;
    side->next = floor->idle;
    floor->idle = side;
}

static void ready(struct floor *floor, struct side *side)
{
    if (!http_pipe_read(&side->pipe)) {
        if (side->is_function) fail("floor: the function has gone");
        http_pipe_close(&side->pipe);
        free(side);
        return;
    }
    struct http_message message = http_pipe_message(&side->pipe);
    if (message.size == 0) return;
    http_pipe_drop(&side->pipe, message.size);
    if (side->is_function)
        function_answered(floor, side);
    else if (floor->function_port != 0)
        call_function(floor, side);
    else
        wait_for_sync(floor, side);
}

static void answer_all(struct floor *floor)
{
    if (floor->waiting == NULL) return;
    commit(floor);
    for (struct side *side = floor->waiting; side != NULL; side = side->next) {
        buffer_append(&side->pipe.out, span_of(ANSWER, sizeof ANSWER - 1));
        (void)http_pipe_write(&side->pipe); /* who has gone is noticed when reading */
    }
    floor->waiting = NULL;
}

/* ---- The request to the function: as the gateway's, one message to an address with state ---- */

static void make_request(struct buffer *out)
{
    static const uint8_t seven[] = {0x09, 7, 0, 0, 0, 0, 0, 0, 0};
    struct span name_long = SPAN_LITERAL("io.statefun.types/long");
    struct buffer argument = {0}, body = {0};
    char head[256];
    string_wrapper_encode(&body, SPAN_LITERAL("1"));
    typed_value_encode(&argument, TYPE_STRING, buffer_span(&body));
    buffer_clear(&body);
    struct function_state state = {.name = SPAN_LITERAL("count"),
                                   .type_name = name_long,
                                   .value = span_of(seven, sizeof seven),
                                   .present = true};
    struct function_message message = {.caller = {SPAN_LITERAL("holdfast/reply"),
                                                  SPAN_LITERAL("0123456789abcdef0123456789abcdef")},
                                       .argument = buffer_span(&argument)};
    function_request_encode(
        &body,
        &(struct function_request){.target = {SPAN_LITERAL("bench/counter"), SPAN_LITERAL("k1234")},
                                   .states = &state,
                                   .state_count = 1,
                                   .messages = &message,
                                   .message_count = 1});
    int size = snprintf(head, sizeof head,
                        "POST /statefun HTTP/1.1\r\nhost: localhost\r\ncontent-type: "
                        "application/octet-stream\r\ncontent-length: %zu\r\n\r\n",
                        body.size);
    buffer_append(out, span_of(head, (size_t)size));
    buffer_append(out, buffer_span(&body));
    buffer_close(&argument);
    buffer_close(&body);
}

static void welcome(struct floor *floor, int listener)
{
    for (int fd; (fd = http_accept(listener)) >= 0;) watch(floor, fd, false);
}

static void run(struct floor *floor, int listener)
{
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int got = epoll_wait(floor->epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < got; i++) {
            if (events[i].data.ptr == NULL)
                welcome(floor, listener);
            else
                ready(floor, events[i].data.ptr);
        }
        answer_all(floor);
    }
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"file", 1, NULL, 'f'}, {"function", 1, NULL, 'u'}, {NULL, 0, NULL, 0}};
    struct floor floor = {0};
    const char *path = NULL;
    uint16_t port = 0;
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (name == '?') return 2;
        if (name == 'f') path = optarg;
        if (name == 'u') floor.function_port = (uint16_t)atoi(optarg);
    }
    if (path == NULL) return 2;
    open_file(&floor, path);
    make_request(&floor.request);
    int listener = http_listen(&port);
    floor.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0 || floor.epoll < 0) fail("floor: listen");
    epoll_ctl(floor.epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
    printf("%u\n", port);
    fflush(stdout);
    run(&floor, listener);
}
