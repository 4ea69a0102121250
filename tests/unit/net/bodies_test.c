/* What unfinished requests may hold together: the limit is 4 MiB here, and 1 MiB for each body. */
#include "echo.h"
#include "lib/http_client.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BODY_SIZE = 1000000, PART_SIZE = 900000, BODIES_MAX = 4 << 20, UPLOADS = 12 };
/* What is refused by h2o is refused with the next read. */
enum { READ_SIZE = 1 << 20 };

static struct echo echo;
static struct http_reply reply;
static char *body;

static void setup(void)
{
    struct server_limits limits = SERVER_LIMITS;
    limits.bodies_max = BODIES_MAX;
    body = calloc(1, BODY_SIZE);
    echo_start(&echo, limits);
}

static void teardown(void)
{
    reply_close(&reply);
    server_thread_stop(&echo.thread);
    free(body);
}

TestSuite(bodies, .init = setup, .fini = teardown, .timeout = 60);

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static size_t held;

static void ask_held(void *argument)
{
    held = server_body_bytes(argument);
}

static size_t bytes_held(void)
{
    server_thread_run(&echo.thread, ask_held, echo.thread.server);
    return held;
}

/* Waits until at least so many bytes are held and nothing has changed for a while. */
static size_t settled(size_t least)
{
    size_t before = 0;
    for (int i = 0, same = 0; i < 200 && same < 10; i++) {
        size_t now = bytes_held();
        same = now == before && now >= least ? same + 1 : 0;
        before = now;
        pause_ms(30);
    }
    return before;
}

static bool falls_to(size_t most)
{
    for (int i = 0; i < 250; i++) {
        if (bytes_held() <= most) return true;
        pause_ms(20);
    }
    return false;
}

#define HEAD "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n"

static int stall(const char *head)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, head);
    client_send(fd, body, PART_SIZE);
    return fd;
}

/* Those that had an answer. */
static int count_refused(const int *fds, int count)
{
    int refused = 0;
    for (int i = 0; i < count; i++) {
        char byte;
        if (recv(fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1) continue;
        refused++;
        client_reply(fds[i], &reply);
        cr_assert_eq(reply.status, 503);
        cr_assert_str_eq(reply_header(&reply, "content-type"), "application/problem+json");
        cr_assert_str_eq(reply_header(&reply, "retry-after"), "1");
        cr_assert_not_null(strstr(reply.body, "\"code\":\"full\""));
        reply_close(&reply);
    }
    return refused;
}

/* So that it is held for a while. */
static void upload_in_two_parts(void)
{
    int fd = stall(HEAD);
    cr_assert_geq(settled(4 * PART_SIZE), 4 * PART_SIZE);
    client_send(fd, body, BODY_SIZE - PART_SIZE);
    client_reply(fd, &reply);
    cr_assert_eq(reply.status, 200, "%d: %s", reply.status, reply.head);
    reply_close(&reply);
    close(fd);
}

static void stall_many(const char *head)
{
    int fds[UPLOADS];
    for (int i = 0; i < UPLOADS; i++) fds[i] = stall(head);
    size_t now = settled(3 * PART_SIZE);
    cr_assert(now > 3 * PART_SIZE && now <= BODIES_MAX, "%zu bytes are held", now);
    cr_assert_eq(count_refused(fds, UPLOADS), UPLOADS - 4);
    cr_assert_eq(atomic_load(&echo.handled), 0);
    cr_assert(server_thread_wait_connections(&echo.thread, 4), "the refused stay for ever");
    for (int i = 0; i < UPLOADS; i++) close(fds[i]);
    cr_assert(falls_to(0));
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
}

Test(bodies, bounds_what_stalled_uploads_hold)
{
    stall_many(HEAD);
}

Test(bodies, bounds_what_stalled_chunked_uploads_hold)
{
    stall_many("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nF4240\r\n");
}

Test(bodies, bounds_uploads_that_were_told_to_continue)
{
    int fds[UPLOADS];
    for (int i = 0; i < UPLOADS; i++) {
        fds[i] = client_connect(echo.thread.port);
        client_say(fds[i], "POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n"
                           "Content-Length: 1000000\r\n\r\n");
        char text[25];
        cr_assert_eq(recv(fds[i], text, sizeof text, MSG_WAITALL), 25);
        cr_assert_eq(memcmp(text, "HTTP/1.1 100 Continue\r\n\r\n", 25), 0);
    }
    for (int i = 0; i < UPLOADS; i++) client_send(fds[i], body, PART_SIZE);
    size_t now = settled(3 * PART_SIZE);
    cr_assert(now > 3 * PART_SIZE && now <= BODIES_MAX, "%zu bytes are held", now);
    cr_assert_eq(count_refused(fds, UPLOADS), UPLOADS - 4);
    for (int i = 0; i < UPLOADS; i++) close(fds[i]);
    cr_assert(falls_to(0));
}

Test(bodies, lets_the_oldest_go_on)
{
    int fds[UPLOADS];
    fds[0] = stall(HEAD);
    cr_assert_geq(settled(PART_SIZE), PART_SIZE);
    for (int i = 1; i < UPLOADS; i++) fds[i] = stall(HEAD);
    client_send(fds[0], body, BODY_SIZE - PART_SIZE);
    client_reply(fds[0], &reply);
    cr_assert_eq(reply.status, 200, "%d: %s", reply.status, reply.head);
    for (int i = 0; i < UPLOADS; i++) close(fds[i]);
}

Test(bodies, lets_new_ones_in_where_others_have_gone_quiet)
{
    int fds[4];
    for (int i = 0; i < 4; i++) fds[i] = stall(HEAD);
    cr_assert_geq(settled(4 * PART_SIZE), 4 * PART_SIZE);
    pause_ms(1200);
    upload_in_two_parts();
    cr_assert_eq(count_refused(fds, 4), 1);
    for (int i = 0; i < 4; i++) close(fds[i]);
}

Test(bodies, lets_small_requests_through)
{
    int fds[UPLOADS];
    for (int i = 0; i < UPLOADS; i++) {
        fds[i] = stall(HEAD);
        client_request(echo.thread.port, "POST", "/echo", NULL, body, 1000, &reply);
        cr_assert_eq(reply.status, 200);
        reply_close(&reply);
    }
    for (int i = 0; i < UPLOADS; i++) close(fds[i]);
}

Test(bodies, counts_on_after_an_answer)
{
    int fd = client_connect(echo.thread.port);
    for (int i = 0; i < 20; i++) {
        client_say(fd, HEAD);
        client_send(fd, body, PART_SIZE);
        cr_assert_geq(settled(PART_SIZE), PART_SIZE);
        client_send(fd, body, BODY_SIZE - PART_SIZE);
        client_reply(fd, &reply);
        cr_assert_eq(reply.status, 200);
        reply_close(&reply);
        cr_assert_eq(bytes_held(), 0);
    }
    close(fd);
}

/* -- HTTP/2 -- */

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4 };
enum { END_STREAM = 1, END_HEADERS = 4, FRAME_SIZE = 16384 };
enum { PROTOCOL_ERROR = 1, STREAM_CLOSED = 5, REFUSED_STREAM = 7 };

static void frame(int fd, int type, int flags, uint32_t stream, const void *payload, size_t size)
{
    uint8_t bytes[9 + FRAME_SIZE] = {
        (uint8_t)(size >> 16),   (uint8_t)(size >> 8),   (uint8_t)size,
        (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    if (size > 0) memcpy(bytes + 9, payload, size);
    client_send(fd, bytes, 9 + size);
}

static int h2_start(void)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(fd, SETTINGS, 0, 0, NULL, 0);
    return fd;
}

static void h2_post(int fd, uint32_t stream)
{
    static const uint8_t block[] = {0x83, 0x86, 0x84, 0x01, 0x01, 'x'}; /* POST / of x */
    frame(fd, HEADERS, END_HEADERS, stream, block, sizeof block);
}

static void h2_send(int fd, uint32_t stream, size_t size, bool whole)
{
    for (size_t sent = 0; sent < size; sent += FRAME_SIZE) {
        size_t left = size - sent;
        frame(fd, DATA, whole && left <= FRAME_SIZE ? END_STREAM : 0, stream, body,
              left < FRAME_SIZE ? left : FRAME_SIZE);
    }
}

/* Reads until DATA of the stream comes; counts the streams that were refused. False: the end. */
static bool h2_await(int fd, uint32_t stream, int *refused)
{
    uint8_t head[9];
    uint8_t payload[20000];
    while (recv(fd, head, 9, MSG_WAITALL) == 9) {
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (size > sizeof payload) return false;
        if (size > 0 && recv(fd, payload, size, MSG_WAITALL) != (ssize_t)size) return false;
        if (head[3] == RST_STREAM && payload[3] == REFUSED_STREAM) (*refused)++;
        if (head[3] == DATA && head[8] == stream) return true;
    }
    return false;
}

Test(bodies, bounds_what_an_http2_connection_holds)
{
    int refused = 0;
    int fd = h2_start();
    for (uint32_t i = 0; i < 20; i++) h2_post(fd, 1 + 2 * i);
    for (int part = 0; part < 9; part++)
        for (uint32_t i = 0; i < 20; i++) h2_send(fd, 1 + 2 * i, PART_SIZE / 9, false);
    cr_assert_leq(settled(1), BODIES_MAX + READ_SIZE);
    h2_post(fd, 101);
    h2_send(fd, 101, 100, true);
    cr_assert(h2_await(fd, 101, &refused) || refused > 0);
    cr_assert_geq(refused, 10);
    close(fd);
    cr_assert(falls_to(0));
}

Test(bodies, bounds_what_http2_connections_hold)
{
    int fds[UPLOADS];
    for (int i = 0; i < UPLOADS; i++) {
        fds[i] = h2_start();
        h2_post(fds[i], 1);
        h2_send(fds[i], 1, PART_SIZE, false);
    }
    size_t now = settled(1);
    cr_assert(now > 0 && now <= BODIES_MAX + READ_SIZE, "%zu bytes are held", now);
    for (int i = 0; i < UPLOADS; i++) close(fds[i]);
    cr_assert(falls_to(0));
}

Test(bodies, reads_whole_bodies_of_http2)
{
    int refused = 0;
    int fd = h2_start();
    for (uint32_t i = 0; i < 60; i++) {
        h2_post(fd, 1 + 2 * i);
        h2_send(fd, 1 + 2 * i, BODY_SIZE, true);
        cr_assert(h2_await(fd, 1 + 2 * i, &refused));
    }
    cr_assert_eq(refused, 0);
    cr_assert_eq(bytes_held(), 0);
    close(fd);
}

/* The answer to the stream: its status, or minus the code of its reset. */
static int h2_outcome(int fd, uint32_t stream)
{
    uint8_t head[9];
    uint8_t payload[20000];
    while (recv(fd, head, 9, MSG_WAITALL) == 9) {
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (size > sizeof payload) return 0;
        if (size > 0 && recv(fd, payload, size, MSG_WAITALL) != (ssize_t)size) return 0;
        if (head[8] != stream) continue;
        if (head[3] == RST_STREAM) return -payload[3];
        if (head[3] == HEADERS) return size > 5 && memcmp(payload + 2, "413", 3) == 0 ? 413 : 200;
    }
    return 0;
}

/* An upload over the limit of 1 MiB; what becomes of it. The connection goes on. */
static int outcome_of(const uint8_t *block, size_t block_size, size_t size)
{
    int fd = h2_start(), refused = 0;
    frame(fd, HEADERS, END_HEADERS, 1, block, block_size);
    h2_send(fd, 1, size, false);
    int outcome = h2_outcome(fd, 1);
    h2_post(fd, 3);
    h2_send(fd, 3, 100, true);
    cr_assert(h2_await(fd, 3, &refused));
    cr_assert_eq(refused, 0);
    close(fd);
    cr_assert(falls_to(0));
    return outcome;
}

/* REFUSED_STREAM would invite to send all of it again. */
Test(bodies, does_not_invite_to_repeat_what_is_over_the_limit_over_http2)
{
    static const uint8_t plain[] = {0x83, 0x86, 0x84, 0x01, 0x01, 'x'};
    static const uint8_t with_length[] = {0x83, 0x86, 0x84, 0x01, 0x01, 'x', /* content-length: */
                                          0x0f, 0x0d, 0x07, '2',  '0',  '0', '0', '0', '0', '0'};
    cr_assert_eq(outcome_of(plain, sizeof plain, (1 << 20) + 1), 413);
    int outcome = outcome_of(plain, sizeof plain, 2000000);
    cr_assert(outcome == 413 || outcome == -STREAM_CLOSED, "%d", outcome);
    outcome = outcome_of(with_length, sizeof with_length, 2000000);
    cr_assert(outcome == -PROTOCOL_ERROR || outcome == -STREAM_CLOSED, "%d", outcome);
}

Test(bodies, cuts_http2_uploads_that_have_gone_quiet)
{
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = h2_start();
        h2_post(fds[i], 1);
        h2_send(fds[i], 1, PART_SIZE, false);
        cr_assert_geq(settled((size_t)(i + 1) * PART_SIZE), (size_t)(i + 1) * PART_SIZE);
    }
    pause_ms(1200);
    upload_in_two_parts();
    cr_assert(server_thread_wait_connections(&echo.thread, 3));
    for (int i = 0; i < 4; i++) close(fds[i]);
}
