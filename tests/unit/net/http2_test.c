/* HTTP/2 with prior knowledge, spoken by hand: requests, resets, and the guard against too many of
 * them. */
#include "echo.h"
#include "lib/http_client.h"
#include "net/internal.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DATA = 0,
    HEADERS = 1,
    PRIORITY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    WINDOW_UPDATE = 8,
    CONTINUATION = 9,
    UNKNOWN = 0xfa
};
enum { END_STREAM = 1, END_HEADERS = 4 };

static struct echo echo;

static void setup(void)
{
    echo_start(&echo, SERVER_LIMITS);
}

static void teardown(void)
{
    server_thread_stop(&echo.thread);
}

TestSuite(http2, .init = setup, .fini = teardown, .timeout = 30);

static void frame(int fd, int type, int flags, uint32_t stream, const void *payload, size_t size)
{
    uint8_t bytes[2048] = {(uint8_t)(size >> 16),   (uint8_t)(size >> 8),   (uint8_t)size,
                           (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
                           (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    if (size > 0) memcpy(bytes + 9, payload, size);
    client_send(fd, bytes, 9 + size);
}

static int start(void)
{
    int fd = client_connect(echo.thread.port);
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    client_say(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(fd, SETTINGS, 0, 0, NULL, 0);
    return fd;
}

/* :method GET, :scheme http, :path literal, :authority "x" */
static void request(int fd, uint32_t stream, const char *path)
{
    uint8_t block[256] = {0x82, 0x86, 0x04, (uint8_t)strlen(path)};
    size_t size = 4 + strlen(path);
    memcpy(block + 4, path, strlen(path));
    memcpy(block + size, "\x01\x01x", 3);
    frame(fd, HEADERS, END_STREAM | END_HEADERS, stream, block, size + 3);
}

static void reset(int fd, uint32_t stream)
{
    frame(fd, RST_STREAM, 0, stream, "\0\0\0\x08", 4);
}

/* Reads frames until one of the type comes; its payload. -1: the connection ended first. */
static ssize_t await(int fd, int type, uint8_t *payload, size_t capacity)
{
    for (;;) {
        uint8_t head[9];
        if (recv(fd, head, 9, MSG_WAITALL) != 9) return -1;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        cr_assert_leq(size, capacity);
        if (size > 0 && recv(fd, payload, size, MSG_WAITALL) != (ssize_t)size) return -1;
        if (head[3] == type) return (ssize_t)size;
    }
}

Test(http2, answers)
{
    uint8_t payload[20000];
    int fd = start();
    request(fd, 1, "/echo?q");
    ssize_t size = await(fd, DATA, payload, sizeof payload);
    cr_assert_eq(size, 19);
    cr_assert_eq(memcmp(payload, "GET /echo q secure ", 19), 0);
    close(fd);
}

static void look_for_answers(void *found)
{
    *(bool *)found = !list_empty(&echo.thread.server->answers);
}

/* They take no room, however many of them are given before the first is out. */
Test(http2, many_answers_of_nothing_leave_nothing)
{
    /* HEADERS of a request for /nothing, whose stream is filled in: all come in one read. */
    uint8_t one[] = "\0\0\x0f\x01\x05\0\0\0\0\x82\x86\x04\x08/nothing\x01\x01x";
    uint8_t bytes[16 * sizeof one];
    size_t size = 0;
    bool found;
    int fd = start();
    for (uint8_t i = 0; i < 16; i++) {
        one[8] = (uint8_t)(1 + 2 * i);
        memcpy(bytes + size, one, sizeof one - 1);
        size += sizeof one - 1;
    }
    client_send(fd, bytes, size);
    uint8_t payload[20000];
    for (int i = 0; i < 16; i++) cr_assert_geq(await(fd, HEADERS, payload, sizeof payload), 0);
    close(fd);
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
    server_thread_run(&echo.thread, look_for_answers, &found);
    cr_assert_not(found);
}

Test(http2, tells_the_handler_of_a_reset)
{
    uint8_t payload[20000];
    int fd = start();
    request(fd, 1, "/hold");
    cr_assert(reaches(&echo.handled, 1));
    reset(fd, 1);
    cr_assert(reaches(&echo.gone, 1));
    request(fd, 3, "/echo");
    cr_assert_gt(await(fd, DATA, payload, sizeof payload), 0);
    close(fd);
}

Test(http2, tells_the_handler_that_the_connection_ended)
{
    int fd = start();
    request(fd, 1, "/hold");
    request(fd, 3, "/hold");
    cr_assert(reaches(&echo.handled, 2));
    close(fd);
    cr_assert(reaches(&echo.gone, 2));
}

Test(http2, cuts_a_rapid_reset)
{
    int fd = start();
    for (uint32_t i = 0; i < 5000; i++) {
        request(fd, 1 + 2 * i, "/hold");
        reset(fd, 1 + 2 * i);
    }
    cr_assert(client_closed(fd));
    cr_assert(server_thread_wait_connections(&echo.thread, 0));
    cr_assert_lt(atomic_load(&echo.handled), 300);
    cr_assert_eq(atomic_load(&echo.gone), atomic_load(&echo.handled));
    close(fd);
}

/* They come together, and h2o acts on none of them. */
Test(http2, a_flood_is_cut_before_it_is_acted_on)
{
    static uint8_t bytes[400 * 48];
    size_t size = 0;
    int fd = start();
    request(fd, 1, "/echo");
    cr_assert(reaches(&echo.handled, 1));
    for (uint32_t i = 1; i <= 400; i++) {
        uint8_t stream[2] = {(uint8_t)((1 + 2 * i) >> 8), (uint8_t)(1 + 2 * i)};
        uint8_t both[] = {0,    0,    12,        HEADERS,   END_STREAM | END_HEADERS,
                          0,    0,    stream[0], stream[1], 0x82,
                          0x86, 0x04, 5,         '/',       'h',
                          'o',  'l',  'd',       0x01,      0x01,
                          'x',  0,    0,         4,         RST_STREAM,
                          0,    0,    0,         stream[0], stream[1],
                          0,    0,    0,         8};
        memcpy(bytes + size, both, sizeof both);
        size += sizeof both;
    }
    client_send(fd, bytes, size);
    cr_assert(client_closed(fd));
    cr_assert_eq(atomic_load(&echo.handled), 1);
    close(fd);
}

/* A field that is named hundreds of times, in a byte each; a large one makes megabytes of it. */
Test(http2, a_block_of_too_many_fields_is_cut)
{
    enum { NAMED = 300, SIZE = 8 + NAMED };
    static uint8_t bytes[9 + SIZE] = {
        0,    SIZE >> 8, SIZE & 0xff, HEADERS, END_STREAM | END_HEADERS,
        0,    0,         0,           1,       0x82,
        0x86, 0x84,      0x40,        1,       'x',
        1,    'v'};
    int fd = start();
    memset(bytes + sizeof bytes - NAMED, 0xbe, NAMED);
    client_send(fd, bytes, sizeof bytes);
    cr_assert(client_closed(fd));
    cr_assert_eq(atomic_load(&echo.handled), 0);
    close(fd);
}

/* Each of them for ever: the connection is cut long before the end. */
static void expect_flood_cut(int type, int flags, uint32_t stream, const char *payload, size_t size)
{
    int fd = start();
    request(fd, 1, "/hold");
    for (int i = 0; i < 100000; i++) frame(fd, type, flags, stream, payload, size);
    cr_assert(client_closed(fd), "type %d", type);
    close(fd);
}

Test(http2, cuts_floods)
{
    expect_flood_cut(SETTINGS, 0, 0, NULL, 0);
    expect_flood_cut(PRIORITY, 0, 3, "\0\0\0\0\x10", 5);
    expect_flood_cut(WINDOW_UPDATE, 0, 0, "\0\0\0\x01", 4);
    expect_flood_cut(GOAWAY, 0, 0, "\0\0\0\0\0\0\0", 8);
    expect_flood_cut(RST_STREAM, 0, 1, "\0\0\0\x08", 4);
    expect_flood_cut(UNKNOWN, 0, 0, "whatever", 8);
}

Test(http2, cuts_a_flood_of_resets_that_we_are_provoked_to)
{
    int fd = start();
    for (uint32_t i = 0; i < 5000; i++) {
        request(fd, 1 + 2 * i, "/hold");
        frame(fd, WINDOW_UPDATE, 0, 1 + 2 * i, "\0\0\0\0", 4);
    }
    cr_assert(client_closed(fd));
    cr_assert_lt(atomic_load(&echo.handled), 300);
    close(fd);
}

/* h2o would write a line to stderr for each. */
Test(http2, passes_over_frames_of_unknown_types)
{
    uint8_t payload[20000];
    int saved = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    fflush(stderr);
    dup2(fileno(file), STDERR_FILENO);
    int fd = start();
    for (uint32_t i = 0; i < 20; i++) {
        frame(fd, UNKNOWN, 0xff, i, "whatever this may be", i);
        request(fd, 1 + 2 * i, "/echo");
        frame(fd, UNKNOWN + 1, 0, 1 + 2 * i, NULL, 0);
        cr_assert_gt(await(fd, DATA, payload, sizeof payload), 0, "request %u", i);
    }
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    cr_assert_eq(lseek(fileno(file), 0, SEEK_END), 0, "something was logged");
    fclose(file);
    close(saved);
    close(fd);
}

Test(http2, bears_many_requests_with_all_their_frames)
{
    uint8_t payload[20000];
    int fd = start();
    for (uint32_t i = 0; i < 4000; i++) {
        request(fd, 1 + 2 * i, "/echo");
        frame(fd, WINDOW_UPDATE, 0, 0, "\0\0\0\x10", 4);
        frame(fd, PING, 0, 0, "12345678", 8);
        cr_assert_gt(await(fd, DATA, payload, sizeof payload), 0, "request %u", i);
    }
    close(fd);
}

Test(http2, refuses_an_empty_path)
{
    int fd = start();
    request(fd, 1, "");
    cr_assert(client_closed(fd));
    cr_assert_eq(atomic_load(&echo.handled), 0);
    close(fd);
}

Test(http2, bears_a_client_that_changes_its_mind_now_and_then)
{
    uint8_t payload[20000];
    int fd = start();
    for (uint32_t i = 0; i < 50; i++) {
        request(fd, 1 + 2 * i, "/hold");
        reset(fd, 1 + 2 * i);
    }
    request(fd, 201, "/echo");
    cr_assert_gt(await(fd, DATA, payload, sizeof payload), 0);
    close(fd);
}

Test(http2, lets_nobody_upgrade_from_http1)
{
    int fd = client_connect(echo.thread.port);
    client_say(fd, "GET /echo HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                   "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
    cr_assert(client_closed(fd));
    cr_assert_eq(atomic_load(&echo.handled), 0);
    close(fd);
}

Test(http2, bounds_headers)
{
    uint8_t field[1006] = {0x00, 0x01, 'n',
                           0x7f, 0xe9, 0x06}; /* n: 1000 bytes (127 + 0x69 + 6 * 128) */
    uint8_t payload[20000];
    int fd = start();
    uint8_t block[] = {0x82, 0x86, 0x84, 0x01, 0x01, 'x'};
    frame(fd, HEADERS, END_STREAM, 1, block, sizeof block);
    memset(field + 6, 'v', 1000);
    for (int i = 0; i < 70; i++)
        frame(fd, CONTINUATION, i == 69 ? END_HEADERS : 0, 1, field, sizeof field);
    await(fd, GOAWAY, payload, sizeof payload);
    cr_assert_eq(atomic_load(&echo.handled), 0);
    close(fd);
}
