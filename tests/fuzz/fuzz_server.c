/*
 * The HTTP side of the gateway against a client that sends any bytes: net, ingress, the
 * playground's two ports, egress and admin, with a port that answers everything at once. The first
 * byte says which listener; pieces go out in turns, then the client ends.
 */
#include "fuzz.h"

#include "admin/admin.h"
#include "egress/egress.h"
#include "egress/playground.h"
#include "ingress/ingress.h"
#include "wire/function.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTENERS = 4, TURNS_MAX = 200, WAITERS_MAX = 4096, TICK_US = 2000 };

/* Keeps who asked until the end of the turn. */
struct prompt_port {
    struct port port; /* first */
    struct loop_turn_end turn_end;
    struct shard_answer answers[WAITERS_MAX];
    size_t count;
};

static struct loop loop;
static struct server *server;
static struct prompt_port prompt;
static struct ingress ingress;
static struct egress egress;
static struct playground playground;
static struct admin admin;
static struct loop_timer tick; /* so that a turn of the server ends */
static unsigned char kind_byte;

static struct span rows(void)
{
    static struct buffer bytes, value;
    if (bytes.size == 0) {
        typed_value_encode(&value, SPAN_LITERAL("t/v"), SPAN_LITERAL("hello"));
        buffer_varint(&bytes, 7);
        buffer_string(&bytes, buffer_span(&value));
    }
    return buffer_span(&bytes);
}

static enum answer_kind kind_for(const struct shard_event *event)
{
    if (kind_byte & 128) return (enum answer_kind)(kind_byte % (ANSWER_UNKNOWN_EGRESS + 1));
    switch (event->kind) {
    case EVENT_MESSAGE: return event->message.reply_token.size > 0 ? ANSWER_REPLY : ANSWER_ACCEPTED;
    case EVENT_QUERY: return event->query.kind == QUERY_STATE ? ANSWER_VALUE : ANSWER_ROWS;
    case EVENT_PULL: return ANSWER_ROWS;
    default: return ANSWER_DONE;
    }
}

static struct span body_for(const struct shard_event *event, enum answer_kind kind)
{
    static struct buffer reply;
    if (event->kind == EVENT_PULL) return rows();
    if (kind == ANSWER_VALUE) return SPAN_LITERAL("value");
    if (kind != ANSWER_REPLY) return SPAN_EMPTY;
    if (reply.size == 0) typed_value_encode(&reply, SPAN_LITERAL("t/v"), SPAN_LITERAL("r"));
    return buffer_span(&reply);
}

static void submit(struct port *port, struct shard_event *event)
{
    if (event->kind == EVENT_MESSAGE) fuzz_touch(event->message.argument);
    if (event->kind == EVENT_STATE) fuzz_touch(event->state.value);
    if (event->kind == EVENT_DETACH) {
        for (size_t i = 0; i < prompt.count; i++)
            if (prompt.answers[i].waiter == event->waiter) prompt.answers[i].waiter = 0;
        return;
    }
    (void)port;
    if (event->waiter == 0) return;
    FUZZ_CHECK(prompt.count < WAITERS_MAX);
    enum answer_kind kind = kind_for(event);
    prompt.answers[prompt.count++] = (struct shard_answer){.waiter = event->waiter,
                                                           .kind = kind,
                                                           .number = 3,
                                                           .message_id = SPAN_LITERAL("1.1.0.1.0"),
                                                           .type_name = SPAN_LITERAL("t/v"),
                                                           .text = SPAN_LITERAL("why"),
                                                           .body = body_for(event, kind)};
}

static void answer_all(struct loop_turn_end *turn_end)
{
    (void)turn_end;
    for (size_t i = 0; i < prompt.count; i++) {
        struct shard_answer answer = prompt.answers[i];
        struct port_waiter *waiter = (struct port_waiter *)(uintptr_t)answer.waiter;
        prompt.answers[i].waiter = 0;
        if (waiter != NULL) waiter->answer(waiter, &answer);
    }
    prompt.count = 0;
}

/* ---- What admin shows ---- */

static void sample(void *context, struct admin_sample *out)
{
    (void)context, (void)out;
}

static bool yes(void *context, struct errmsg *why)
{
    (void)context, (void)why;
    return true;
}

static void object(void *context, struct buffer *out)
{
    (void)context;
    buffer_append(out, SPAN_LITERAL("{}"));
}

static void list(void *context, struct buffer *out)
{
    (void)context;
    buffer_append(out, SPAN_LITERAL("[]"));
}

static void snapshot_now(void *context, struct admin_waiter *waiter)
{
    (void)context, (void)waiter; /* never: the client goes first */
}

static const struct admin_sources sources = {
    .sample = sample,
    .live = yes,
    .ready = yes,
    .config_json = object,
    .snapshot_list = list,
    .snapshot_now = snapshot_now,
    .snapshot_leave = snapshot_now,
};

/* ---- The world, made once ---- */

static void ticked(struct loop_timer *timer)
{
    loop_timer_set(&loop, timer, loop_now_us(&loop) + TICK_US);
}

static void socket_path(char *path, size_t size, unsigned number)
{
    snprintf(path, size, "%.80s/%u.sock", fuzz_directory(), number);
}

static void open_listener(unsigned number, http_handler *handler, void *context)
{
    char path[100], address[110];
    struct listener *listener;
    struct errmsg errmsg;
    socket_path(path, sizeof path, number);
    snprintf(address, sizeof address, "unix:%s", path);
    struct listener_options options = {.address = address, .handler = handler, .context = context};
    FUZZ_CHECK(server_listen(server, &options, &listener, &errmsg) == 0);
}

static void open_world(void)
{
    static const struct span topics[] = {{(const uint8_t *)"news", 4}};
    struct server_limits limits = {.body_max = 50000,
                                   .connections_max = 10,
                                   .head_timeout_ms = 5000,
                                   .idle_timeout_ms = 5000,
                                   .bodies_max = 200000};
    struct errmsg errmsg;
    FUZZ_CHECK(loop_init(&loop) == 0);
    FUZZ_CHECK(server_open(&server, &loop, &limits, &errmsg) == 0);
    prompt.port.submit = submit;
    prompt.turn_end.run = answer_all;
    loop_at_turn_end(&loop, &prompt.turn_end);
    egress_init(&egress, &prompt.port, &loop);
    ingress_init(&ingress, &(struct ingress_options){.port = &prompt.port,
                                                     .loop = &loop,
                                                     .next = egress_handle_last,
                                                     .next_context = &egress});
    playground = (struct playground){.port = &prompt.port, .topics = topics, .topic_count = 1};
    admin.port = &prompt.port;
    admin.sources = &sources;
    admin.build = (struct admin_build){"0", "c", "clang", "fuzz", 1, 1};
    open_listener(0, ingress_handle, &ingress);
    open_listener(1, ingress_playground_handle, &ingress);
    open_listener(2, playground_handle, &playground);
    open_listener(3, admin_handle, &admin);
    tick.expired = ticked;
    loop_touch(&loop);
    ticked(&tick);
}

static int dial(unsigned number)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socket_path(address.sun_path, sizeof address.sun_path, number);
    FUZZ_CHECK(connect(fd, (struct sockaddr *)(void *)&address, sizeof address) == 0);
    return fd;
}

static bool hear(int fd)
{
    uint8_t heard[8192];
    ssize_t got;
    while ((got = recv(fd, heard, sizeof heard, 0)) > 0) continue;
    return got != 0;
}

void fuzz_one(struct span input)
{
    if (server == NULL) open_world();
    unsigned how = fuzz_byte(&input);
    kind_byte = fuzz_byte(&input);
    size_t piece = how & 4 ? 1 + fuzz_byte(&input) : 65536;
    int fd = dial(how & 3);
    for (int i = 0; i < TURNS_MAX; i++) {
        size_t size = piece < input.size ? piece : input.size;
        ssize_t sent = size == 0 ? 0 : send(fd, input.at, size, MSG_NOSIGNAL);
        if (sent > 0) input = span_from(input, (size_t)sent);
        if (i == TURNS_MAX / 4) piece = 65536;
        FUZZ_CHECK(server_turn(server) == 0);
        if (!hear(fd)) break;
        if (input.size == 0 && i > 2) shutdown(fd, SHUT_WR);
        if (input.size == 0 && i > 8) break;
    }
    close(fd);
    for (int i = 0; i < TURNS_MAX && server_connections(server) > 0; i++)
        FUZZ_CHECK(server_turn(server) == 0);
    FUZZ_CHECK(server_connections(server) == 0);
    FUZZ_CHECK(server_body_bytes(server) == 0 && ingress.waiting == 0);
}
