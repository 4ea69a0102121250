/*
 * The whole caller of functions against a peer that sends any bytes: over a Unix socket, HTTP/1.1
 * or (by the first byte) HTTP/2, with all calls but the first in one request or not. Each of the
 * calls is owed exactly one outcome, whatever comes.
 */
#include "fuzz.h"

#include "invoke/room.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CALLS_MAX = 4, TURNS_MAX = 40, CONNECTIONS_MAX = 8 };

struct run {
    struct loop loop;
    struct invoke *invoke;
    struct shard_invocation calls[CALLS_MAX];
    struct function_message message;
    unsigned told[CALLS_MAX];
    unsigned count;
};

static int listener = -1;
static char url[200];

static void listen_once(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (listener >= 0) return;
    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/f.sock", fuzz_directory());
    snprintf(url, sizeof url, "http+unix://%.100s/x", address.sun_path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    FUZZ_CHECK(bind(listener, (struct sockaddr *)(void *)&address, sizeof address) == 0);
    FUZZ_CHECK(listen(listener, CONNECTIONS_MAX) == 0);
    signal(SIGPIPE, SIG_IGN);
}

static void done(void *context, struct shard_event *event)
{
    struct run *run = context;
    const struct event_response *response = &event->response;
    FUZZ_CHECK(event->kind == EVENT_RESPONSE && response->flight < run->count);
    FUZZ_CHECK(++run->told[response->flight] == 1);
    FUZZ_CHECK((response->outcome == OUTCOME_RESULT) == (response->response != NULL));
    FUZZ_CHECK(response->outcome == OUTCOME_RESULT || response->text.size > 0);
    fuzz_touch(response->text);
}

static bool all_told(const struct run *run)
{
    for (unsigned i = 0; i < run->count; i++)
        if (run->told[i] == 0) return false;
    return true;
}

static void call(struct run *run, unsigned flight)
{
    run->calls[flight] = (struct shard_invocation){
        .flight = flight,
        .attempt = 1,
        .invocation_id = SPAN_LITERAL("1.2"),
        .request = {{SPAN_LITERAL("t/f"), SPAN_LITERAL("a")}, NULL, 0, &run->message, 1}};
    invoke_call(run->invoke, &run->calls[flight]);
}

/* As if an answer had offered that: what is called now shares a request. */
static void offer(struct run *run)
{
    FUZZ_CHECK(loop_turn(&run->loop, 0) == 0);
    struct list *origins = &run->invoke->endpoints[0]->origins;
    LIST_FIRST(origins, struct origin, link)->offer.max = CALLS_MAX;
}

static void begin(struct run *run, bool h2, unsigned count, bool offered)
{
    static const uint8_t argument[] = "\x0a\x03n/t\x10\x01\x1a\x02hi";
    struct invoke_endpoint endpoint = {.pattern = SPAN_LITERAL("t/*"),
                                       .url_template = span_text(url),
                                       .call_ms = 2000,
                                       .connect_ms = 1000,
                                       .idle_ms = 1000,
                                       .pool_max = 2,
                                       .payload_bytes_max = 100000,
                                       .h2_prior_knowledge = h2};
    struct errmsg errmsg;
    *run = (struct run){.count = count};
    run->message.argument = span_of(argument, sizeof argument - 1);
    FUZZ_CHECK(loop_init(&run->loop) == 0);
    FUZZ_CHECK(invoke_open(&run->invoke, &run->loop, done, run, &errmsg) == 0);
    FUZZ_CHECK(invoke_configure(run->invoke, &endpoint, 1, &errmsg) == 0);
    loop_touch(&run->loop);
    for (unsigned i = 0; i < count; i++) {
        call(run, i);
        if (i == 0 && offered) offer(run);
    }
}

/* What the peer does in one turn: takes connections, reads what comes, sends the next piece. */
static size_t peer(int *fds, size_t count, struct span *input, size_t piece)
{
    uint8_t heard[4096];
    int fd;
    while (count < CONNECTIONS_MAX && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        fds[count++] = fd;
    for (size_t i = 0; i < count; i++)
        while (read(fds[i], heard, sizeof heard) > 0) continue;
    if (count == 0) return count;
    size_t size = piece < input->size ? piece : input->size;
    ssize_t sent = size == 0 ? 0 : send(fds[count - 1], input->at, size, MSG_NOSIGNAL);
    if (sent > 0) *input = span_from(*input, (size_t)sent);
    if (sent < 0 && errno != EAGAIN) *input = SPAN_EMPTY;
    if (input->size == 0) /* no more will come */
        for (size_t i = 0; i < count; i++) shutdown(fds[i], SHUT_RDWR);
    return count;
}

void fuzz_one(struct span input)
{
    static struct run run;
    int fds[CONNECTIONS_MAX];
    size_t count = 0;
    unsigned how = fuzz_byte(&input);
    size_t piece = how & 128 ? 65536 : 1 + fuzz_byte(&input);
    listen_once();
    begin(&run, how & 1, 1 + (how >> 1 & 3), (how & 64) != 0);
    for (int i = 0; i < TURNS_MAX && !all_told(&run); i++) {
        FUZZ_CHECK(loop_turn(&run.loop, 0) == 0);
        if (i > TURNS_MAX / 2) piece = 65536;
        count = peer(fds, count, &input, piece);
    }
    invoke_close(run.invoke);
    loop_close(&run.loop);
    while (count < CONNECTIONS_MAX && (fds[count] = accept(listener, NULL, NULL)) >= 0) count++;
    while (count > 0) close(fds[--count]);
}
