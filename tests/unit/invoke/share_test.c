/* A turn of the loop does so much work and no more, whatever functions send. */
#include "fixture.h"

#include "invoke/body.h"
#include "os/clock.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

TestSuite(share, .timeout = 60);

enum { CALLS = 60, ANSWER = 1000000, TURN_MAX = 300000 };

static struct fixture f;
static struct server server;

static struct invoke_metrics metrics_now(void)
{
    struct invoke_metrics metrics;
    invoke_metrics(f.invoke, &metrics);
    return metrics;
}

static void begin(server_script *script, void *context)
{
    fixture_open(&f);
    cr_assert(server_open(&server, script, context));
    fixture_serve(&f, &server, "/");
}

static void end(void)
{
    fixture_close(&f);
    server_close(&server);
}

static void send_packed_of(int fd, const struct buffer *packed)
{
    char head[200];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
                        "content-encoding: gzip\r\ncontent-length: %zu\r\n\r\n",
                        packed->size);
    server_send(fd, head, (size_t)size);
    server_send(fd, packed->at, packed->size);
}

static void send_packed(struct server *from, int fd, int index)
{
    (void)index;
    struct server_request request;
    while (server_request(from, fd, &request)) {
        server_request_free(&request);
        send_packed_of(fd, from->context);
    }
}

static void send_plain(struct server *from, int fd, int index)
{
    (void)index;
    const struct buffer *body = from->context;
    struct server_request request;
    while (server_request(from, fd, &request)) {
        server_request_free(&request);
        server_send_result(fd, body->at, body->size);
    }
}

/* Each turn reads a part, however many connections have something. */
Test(share, many_large_answers_take_many_turns)
{
    struct buffer body;
    answer_encode(&body, ANSWER);
    begin(send_plain, &body);
    for (int i = 0; i < CALLS; i++) fixture_call(&f);
    while (f.told_count < CALLS) {
        uint64_t before = metrics_now().bytes_in;
        cr_assert_eq(loop_turn(&f.loop, 1000), 0);
        uint64_t read = metrics_now().bytes_in - before;
        cr_assert_leq(read, TURN_MAX, "%llu bytes in a turn", (unsigned long long)read);
        usleep(500); /* for the others to send */
    }
    for (int i = 0; i < CALLS; i++) cr_assert_told(&f.told[i], OUTCOME_RESULT, "");
    end();
    buffer_close(&body);
}

/* Who came first is read first: none waits for all of another's answer. */
Test(share, they_come_along_together)
{
    struct buffer body;
    answer_encode(&body, 4 * ANSWER);
    begin(send_plain, &body);
    for (int i = 0; i < 8; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 1, 20000));
    uint64_t read = metrics_now().bytes_in;
    cr_expect_gt(read, 8u * ANSWER, "%llu bytes when the first was whole",
                 (unsigned long long)read);
    cr_assert(fixture_wait(&f, 8, 20000));
    end();
    buffer_close(&body);
}

static void pack(struct buffer *packed, struct span plain)
{
    z_stream stream = {0};
    cr_assert_eq(deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    buffer_init(packed);
    cr_assert_eq(buffer_reserve(packed, plain.size + 1000), 0);
    stream.next_in = (Bytef *)(uintptr_t)plain.at;
    stream.avail_in = (uInt)plain.size;
    stream.next_out = packed->at;
    stream.avail_out = (uInt)packed->capacity;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed->size = packed->capacity - stream.avail_out;
    deflateEnd(&stream);
}

Test(share, an_answer_is_unpacked_bit_by_bit)
{
    struct buffer plain, packed;
    answer_encode(&plain, 8 * ANSWER);
    pack(&packed, buffer_span(&plain));
    begin(send_packed, &packed);
    fixture_call(&f);
    int turns = 0;
    while (f.told_count == 0) {
        cr_assert_eq(loop_turn(&f.loop, 1000), 0);
        if (metrics_now().bytes_in > packed.size) turns++; /* it has all come */
    }
    cr_assert_told(&f.told[0], OUTCOME_RESULT, "");
    cr_expect_eq(f.told[0].egress_bytes, 8 * ANSWER);
    cr_expect_geq(turns, 8 * ANSWER / TURN_MAX, "%d turns", turns);
    end();
    buffer_close(&plain);
    buffer_close(&packed);
}

Test(share, a_step_of_unpacking_is_bounded)
{
    struct buffer plain, packed;
    struct body body;
    bool done = false;
    answer_encode(&plain, ANSWER);
    pack(&packed, buffer_span(&plain));
    body_init(&body);
    body_begin(&body, 2 * ANSWER);
    body.coding = BODY_GZIP;
    cr_assert_eq(body_add(&body, buffer_span(&packed), true), 0);
    cr_expect_eq(body.copy.size, 0);
    for (size_t size = 0; !done; size = body.copy.size) {
        cr_assert_eq(body_unpack(&body, 50000, &done), 0);
        cr_assert_leq(body.copy.size - size, 50000 + 16384);
        cr_assert_eq(body.copy.size - size >= 50000 || done, true);
    }
    cr_expect(span_equal(body.bytes, buffer_span(&plain)));
    body_close(&body);
    buffer_close(&plain);
    buffer_close(&packed);
}

/* A large body has its place at once: one that moves as it grows makes ever longer turns. */
Test(share, a_large_body_does_not_move)
{
    static uint8_t piece[65536];
    struct body body;
    body_init(&body);
    body_begin(&body, 32u << 20);
    for (int i = 0; i < 8; i++)
        cr_assert_eq(body_add(&body, span_of(piece, sizeof piece), false), 0);
    const uint8_t *at = body.copy.at;
    while (body.sent < 32u << 20)
        cr_assert_eq(body_add(&body, span_of(piece, sizeof piece), false), 0);
    cr_expect_eq(body.copy.at, at);
    cr_expect_eq(body_held(&body), 32u << 20);
    /* And is given back in pieces. */
    for (size_t size = body.copy.size; body_shrink(&body, 1u << 20); size = body.copy.size)
        cr_assert_eq(size - body.copy.size, 1u << 20);
    cr_expect_leq(body.copy.capacity, 1u << 20);
    body_close(&body);
}

/* Hundreds of calls that are due together do not connect together. */
Test(share, many_calls_begin_over_many_turns)
{
    struct buffer body;
    answer_encode(&body, 10);
    begin(send_plain, &body);
    for (int i = 0; i < 300; i++) fixture_call(&f);
    cr_assert_leq(metrics_now().connections_open, 64);
    while (f.told_count < 300) {
        uint64_t before = metrics_now().connections_open;
        cr_assert_eq(loop_turn(&f.loop, 1000), 0);
        uint64_t after = metrics_now().connections_open;
        cr_assert_leq(after, before + 64, "%llu more", (unsigned long long)(after - before));
    }
    end();
    buffer_close(&body);
}

struct two {
    struct buffer large, small;
};

static void send_two(struct server *from, int fd, int index)
{
    const struct two *two = from->context;
    struct server_request request;
    while (server_request(from, fd, &request)) {
        server_request_free(&request);
        static int asked;
        if (index == 0 && asked++ > 0) server_sleep_ms(100); /* the large ones are here by then */
        send_packed_of(fd, index == 0 ? &two->small : &two->large);
    }
}

/* A small compressed answer does not wait until all large ones are unpacked. */
Test(share, a_small_packed_answer_does_not_wait_for_all_large_ones)
{
    enum { LARGE_ONES = 40 };
    struct buffer plain, little;
    struct two two;
    int before = -1;
    answer_encode(&plain, 8 * ANSWER);
    answer_encode(&little, 100);
    pack(&two.large, buffer_span(&plain));
    pack(&two.small, buffer_span(&little));
    begin(send_two, &two);
    fixture_call(&f); /* opens connection 0, which one of the others takes */
    cr_assert(fixture_wait(&f, 1, 5000));
    for (int i = 0; i < LARGE_ONES; i++) fixture_call(&f);
    while (before < 0 && f.told_count <= LARGE_ONES) {
        cr_assert_eq(loop_turn(&f.loop, 1000), 0);
        for (int i = 1; i <= LARGE_ONES && before < 0; i++)
            if (f.told[i].count > 0 && f.told[i].egress_bytes == 100) before = f.told_count - 2;
    }
    cr_expect_lt(before, LARGE_ONES / 2, "%d large ones were told before", before);
    end();
    buffer_close(&plain);
    buffer_close(&little);
    buffer_close(&two.large);
    buffer_close(&two.small);
}

/* The first answer is large, all others are small. */
static void send_large_first(struct server *from, int fd, int index)
{
    const struct two *two = from->context;
    struct server_request request;
    static atomic_bool begun;
    (void)index;
    while (server_request(from, fd, &request)) {
        server_request_free(&request);
        send_packed_of(fd, atomic_exchange(&begun, true) ? &two->small : &two->large);
    }
}

/* Nor does a large one wait as long as small ones come. */
Test(share, a_large_packed_answer_goes_on_whatever_small_ones_come)
{
    enum { OUT = 20, SMALL_ONES = 900 };
    struct buffer plain, little;
    struct two two;
    int calls = 1;
    answer_encode(&plain, 8 * ANSWER);
    answer_encode(&little, 100);
    pack(&two.large, buffer_span(&plain));
    pack(&two.small, buffer_span(&little));
    begin(send_large_first, &two);
    fixture_call(&f);
    while (f.told[0].count == 0 && calls < SMALL_ONES) {
        while (calls - f.told_count <= OUT) fixture_call(&f), calls++;
        cr_assert_eq(loop_turn(&f.loop, 1000), 0);
    }
    cr_expect_eq(f.told[0].count, 1, "%d small ones were told, and the large one was not", calls);
    cr_assert(fixture_wait(&f, calls, 20000));
    end();
    buffer_close(&plain);
    buffer_close(&little);
    buffer_close(&two.large);
    buffer_close(&two.small);
}
