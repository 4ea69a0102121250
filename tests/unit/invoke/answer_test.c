/* What each kind of answer means, whether it comes in one piece or byte by byte. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

TestSuite(answer, .timeout = 60);

#define OCTETS "content-type: application/octet-stream\r\n"
#define LENGTH0 "content-length: 0\r\n"

/* Most cases leave the last field out. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum then { KEEP, CLOSE, RESET };

struct answer_case {
    const char *bytes;
    enum then then;
    enum outcome outcome;
    const char *text;       /* that the outcome's text contains */
    int64_t retry_after_ms; /* 0: not looked at */
};

static const struct answer_case cases[] = {
    /* Success: 2xx, the content type, complete. */
    {"HTTP/1.1 200 OK\r\n" OCTETS LENGTH0 "\r\n", KEEP, OUTCOME_RESULT, ""},
    {"HTTP/1.1 200\r\n" OCTETS LENGTH0 "\r\n", KEEP, OUTCOME_RESULT, ""},
    {"HTTP/1.1 201 Created\r\n" OCTETS LENGTH0 "\r\n", KEEP, OUTCOME_RESULT, ""},
    {"HTTP/1.1 200 OK\r\nContent-Type: Application/Octet-Stream; charset=utf-8\r\n" LENGTH0 "\r\n",
     KEEP, OUTCOME_RESULT, ""},
    {"HTTP/1.0 200 OK\r\n" OCTETS LENGTH0 "\r\n", CLOSE, OUTCOME_RESULT, ""},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\ncontent-length: 7\r\n\r\n"
     "HTTP/1.1 200 OK\r\n" OCTETS LENGTH0 "\r\n",
     KEEP, OUTCOME_RESULT, ""},
    {"HTTP/1.1 200 OK\r\n" OCTETS "transfer-encoding: Chunked\r\n\r\n0\r\nx-trailer: 1\r\n\r\n",
     KEEP, OUTCOME_RESULT, ""},
    /* The traps of a 200. */
    {"HTTP/1.1 200 OK\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_BAD_ANSWER,
     "HTTP 200 without content-type application/octet-stream"},
    {"HTTP/1.1 200 OK\r\nStatus: 500\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_BAD_ANSWER,
     "without content-type application/octet-stream; its Status header says 500"},
    {"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\n<h1>hi\n\n\n", KEEP,
     OUTCOME_BAD_ANSWER, "content-type text/html instead of application/octet-stream: <h1>hi"},
    {"HTTP/1.1 200 OK\r\n" OCTETS OCTETS LENGTH0 "\r\n", KEEP, OUTCOME_BAD_ANSWER, "content-type"},
    {"HTTP/1.1 204 No Content\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "HTTP 204 without content-type"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "content-length: 4\r\n\r\nabcd", KEEP, OUTCOME_BAD_ANSWER,
     "no FromFunction"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "content-encoding: br\r\n" LENGTH0 "\r\n", KEEP,
     OUTCOME_BAD_ANSWER, "content-encoding br, which was not asked for"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "content-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd", KEEP,
     OUTCOME_BAD_ANSWER, "compressed body is broken"},
    /* Failures by status. */
    {"HTTP/1.1 500 Oops\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nbad \x1b[31m "
     "\xff!!",
     KEEP, OUTCOME_BAD_ANSWER, "HTTP 500: bad ?[31m ?!!"},
    {"HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER,
     "HTTP 500"},
    {"HTTP/1.1 500 Oops\r\n\r\nby the way", CLOSE, OUTCOME_BAD_ANSWER, "HTTP 500: by the way"},
    {"HTTP/1.1 400 Bad\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_BAD_ANSWER, "HTTP 400"},
    {"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\n" LENGTH0 "\r\n", KEEP,
     OUTCOME_BAD_ANSWER, "HTTP 302: redirects are not followed, location: http://elsewhere/"},
    {"HTTP/1.1 413 Too Large\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_TOO_LARGE, "HTTP 413"},
    {"HTTP/1.1 404 Not Found\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_OVERLOADED, "HTTP 404", -1},
    {"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_OVERLOADED, "HTTP 429",
     7000},
    {"HTTP/1.1 502 Bad\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_OVERLOADED, "HTTP 502"},
    {"HTTP/1.1 503 Busy\r\nretry-after: 99999999999\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_OVERLOADED,
     "HTTP 503", 3600000},
    {"HTTP/1.1 503 Busy\r\nretry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n" LENGTH0 "\r\n", KEEP,
     OUTCOME_OVERLOADED, "HTTP 503"},
    {"HTTP/1.1 503 Busy\r\nretry-after: soon\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_OVERLOADED,
     "HTTP 503", -1},
    {"HTTP/1.1 504 Late\r\n" LENGTH0 "\r\n", KEEP, OUTCOME_OVERLOADED, "HTTP 504"},
    /* Broken off. */
    {"", CLOSE, OUTCOME_LOST, "closed before an answer"},
    {"", RESET, OUTCOME_LOST, "before an answer"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "content-length: 4\r\n", CLOSE, OUTCOME_LOST,
     "within the answer"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "content-length: 4\r\n\r\nab", CLOSE, OUTCOME_LOST,
     "within the answer"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "transfer-encoding: chunked\r\n\r\n", CLOSE, OUTCOME_LOST,
     "within the answer"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n", CLOSE,
     OUTCOME_LOST, "within the answer"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "\r\n", CLOSE, OUTCOME_LOST, "within the answer"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "\r\n\xa2\x06\x05", CLOSE, OUTCOME_LOST, "may have been cut"},
    {"HTTP/1.1 500 Oops\r\ncontent-length: 40\r\n\r\npartial", CLOSE, OUTCOME_LOST,
     "within the answer"},
    /* Not HTTP as it should be. */
    {"SSH-2.0-OpenSSH_9.2\r\n", KEEP, OUTCOME_BAD_ANSWER, "status line"},
    {"\r\n", KEEP, OUTCOME_BAD_ANSWER, "status line"},
    {"HTTP/2 200 OK\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "status line"},
    {"HTTP/1.1 99 x\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "status line"},
    {"HTTP/1.1 101 Switching\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "switches protocols"},
    {"HTTP/1.1 200 OK\n\n", KEEP, OUTCOME_BAD_ANSWER, "CR LF"},
    {"HTTP/1.1 200 OK\r\n" OCTETS " folded\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "folded"},
    {"HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "proper name"},
    {"HTTP/1.1 200 OK\r\nno-colon\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "proper name"},
    {"HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "control character"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER,
     "two content-length"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "no number"},
    {"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER, "no number"},
    {"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", KEEP,
     OUTCOME_BAD_ANSWER, "both content-length and chunks"},
    {"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER,
     "not just chunked"},
    {"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", KEEP, OUTCOME_BAD_ANSWER,
     "not just chunked"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "transfer-encoding: chunked\r\n\r\nxyz\r\n", KEEP,
     OUTCOME_BAD_ANSWER, "chunk without a proper size"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n", KEEP,
     OUTCOME_BAD_ANSWER, "longer than its size"},
    {"HTTP/1.1 200 OK\r\n" OCTETS "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n", KEEP,
     OUTCOME_BAD_ANSWER, "chunk without a proper size"},
};

struct playing {
    const struct answer_case *given;
    bool slowly;
};

static void play(struct server *server, int fd, int index)
{
    (void)index;
    const struct playing *playing = server->context;
    const char *bytes = playing->given->bytes;
    size_t size = strlen(bytes);
    struct server_request request;
    if (!server_request(server, fd, &request)) return;
    server_request_free(&request);
    if (!playing->slowly) {
        server_send(fd, bytes, size);
    } else {
        for (size_t i = 0; i < size && server_send(fd, bytes + i, 1); i++)
            if (i % 16 == 0) server_sleep_ms(1);
    }
    if (playing->given->then == RESET) server_reset(fd);
    if (playing->given->then == KEEP && server_request(server, fd, &request))
        server_request_free(&request);
}

static void check_case(const struct answer_case *given, bool slowly)
{
    struct fixture f;
    struct server server;
    struct playing playing = {given, slowly};
    fixture_open(&f);
    cr_assert(server_open(&server, play, &playing));
    fixture_serve(&f, &server, "/");
    const struct told *told = fixture_one(&f);
    cr_expect_eq(told->outcome, given->outcome, "%s\n-> outcome %d: %s", given->bytes,
                 (int)told->outcome, told->text);
    cr_expect_not_null(strstr(told->text, given->text), "%s\n-> text: %s", given->bytes,
                       told->text);
    if (given->retry_after_ms != 0)
        cr_expect_eq(told->retry_after_ms, given->retry_after_ms, "%lld",
                     (long long)told->retry_after_ms);
    fixture_idle(&f, 2);
    cr_expect_eq(told->count, 1);
    fixture_close(&f);
    server_close(&server);
}

Test(answer, each_kind_has_its_outcome)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_case(&cases[i], false);
}

Test(answer, byte_by_byte_nothing_changes)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) check_case(&cases[i], true);
}

/* -- Bodies -- */

enum body_form {
    PLAIN,
    CHUNKS,
    ONE_BYTE_CHUNKS,
    GZIP,
    ZLIB,
    BARE_DEFLATE,
    GZIP_CHUNKS,
    TO_THE_END
};

struct body_server {
    enum body_form form;
    size_t size; /* of the egress value */
    size_t cut;  /* bytes to leave out at the end of a compressed body */
};

static void compress_to(struct buffer *out, struct span in, int window)
{
    z_stream stream = {0};
    deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
    size_t bound = deflateBound(&stream, in.size);
    cr_assert_eq(buffer_reserve(out, bound), 0);
    stream.next_in = (Bytef *)(uintptr_t)in.at;
    stream.avail_in = (uInt)in.size;
    stream.next_out = out->at;
    stream.avail_out = (uInt)bound;
    deflate(&stream, Z_FINISH);
    out->size = bound - stream.avail_out;
    deflateEnd(&stream);
}

static bool send_chunks(int fd, const uint8_t *at, size_t size, size_t chunk)
{
    char line[32];
    while (size > 0) {
        size_t now = size < chunk ? size : chunk;
        int length = snprintf(line, sizeof line, "%zx\r\n", now);
        if (!server_send(fd, line, (size_t)length) || !server_send(fd, at, now) ||
            !server_send(fd, "\r\n", 2))
            return false;
        at += now;
        size -= now;
    }
    return server_send(fd, "0\r\n\r\n", 5);
}

static void send_form(int fd, const struct body_server *given, const struct buffer *plain)
{
    struct buffer packed;
    char head[256];
    buffer_init(&packed);
    const char *encoding = "";
    struct span body = buffer_span(plain);
    if (given->form == GZIP || given->form == GZIP_CHUNKS) {
        compress_to(&packed, body, 15 + 16);
        encoding = "content-encoding: gzip\r\n";
    } else if (given->form == ZLIB || given->form == BARE_DEFLATE) {
        compress_to(&packed, body, given->form == ZLIB ? 15 : -15);
        encoding = "content-encoding: deflate\r\n";
    }
    if (packed.size > 0) body = span_of(packed.at, packed.size - given->cut);
    bool chunks =
        given->form == CHUNKS || given->form == ONE_BYTE_CHUNKS || given->form == GZIP_CHUNKS;
    int length = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n" OCTETS "%s", encoding);
    if (chunks)
        length += snprintf(head + length, 64, "transfer-encoding: chunked\r\n\r\n");
    else if (given->form == TO_THE_END)
        length += snprintf(head + length, 64, "connection: close\r\n\r\n");
    else
        length += snprintf(head + length, 64, "content-length: %zu\r\n\r\n", body.size);
    server_send(fd, head, (size_t)length);
    if (chunks)
        send_chunks(fd, body.at, body.size, given->form == ONE_BYTE_CHUNKS ? 1 : 3000);
    else
        server_send(fd, body.at, body.size);
    buffer_close(&packed);
}

static void serve_form(struct server *server, int fd, int index)
{
    (void)index;
    const struct body_server *given = server->context;
    struct server_request request;
    struct buffer plain;
    answer_encode(&plain, given->size);
    while (server_request(server, fd, &request)) {
        server_request_free(&request);
        send_form(fd, given, &plain);
        if (given->form == TO_THE_END) break;
    }
    buffer_close(&plain);
}

static void check_form(struct body_server given, size_t body_max, enum outcome outcome,
                       const char *text, int connections)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    f.endpoint.payload_bytes_max = body_max;
    cr_assert(server_open(&server, serve_form, &given));
    fixture_serve(&f, &server, "/");
    for (int i = 0; i < 3; i++) {
        const struct told *told = fixture_one(&f);
        cr_assert_told(told, outcome, text);
        if (outcome == OUTCOME_RESULT) cr_expect_eq(told->egress_bytes, given.size);
    }
    cr_expect_eq(atomic_load(&server.accepted), connections, "form %d: %d connections",
                 (int)given.form, atomic_load(&server.accepted));
    fixture_close(&f);
    server_close(&server);
}

Test(answer, every_form_of_body_is_read)
{
    size_t sizes[] = {0, 1, 5000, 300000};
    for (size_t i = 0; i < 4; i++) {
        for (int form = PLAIN; form <= GZIP_CHUNKS; form++)
            if (form != ONE_BYTE_CHUNKS || sizes[i] <= 5000)
                check_form((struct body_server){(enum body_form)form, sizes[i], 0}, 1u << 20,
                           OUTCOME_RESULT, "", 1);
        check_form((struct body_server){TO_THE_END, sizes[i], 0}, 1u << 20, OUTCOME_RESULT, "", 3);
    }
}

static bool is_compressed(int form)
{
    return form == GZIP || form == GZIP_CHUNKS || form == ZLIB || form == BARE_DEFLATE;
}

/* What is too much only when it is unpacked has come whole: then the connection is as good as ever.
 */
Test(answer, a_body_over_the_limit_names_it_and_ends_the_connection)
{
    for (int form = PLAIN; form <= TO_THE_END; form++)
        if (form != ONE_BYTE_CHUNKS)
            check_form((struct body_server){(enum body_form)form, 2000000, 0}, 1000000,
                       OUTCOME_BAD_ANSWER, "more than 1000000 bytes", is_compressed(form) ? 1 : 3);
}

/* 20 MB of nothing in 20 KB: the first MB of it is enough to know. */
Test(answer, a_compression_bomb_is_refused)
{
    check_form((struct body_server){GZIP, 20000000, 0}, 1u << 25, OUTCOME_BAD_ANSWER,
               "beyond reason", 1);
}

Test(answer, a_cut_compressed_body_is_refused)
{
    check_form((struct body_server){GZIP, 5000, 4}, 1u << 20, OUTCOME_BAD_ANSWER, "compressed", 1);
    check_form((struct body_server){ZLIB, 5000, 4}, 1u << 20, OUTCOME_BAD_ANSWER, "compressed", 1);
}

/* -- Endless ones -- */

static void endless_body(struct server *server, int fd, int index)
{
    (void)index;
    static char junk[65536];
    struct server_request request;
    memset(junk, 'x', sizeof junk);
    if (!server_request(server, fd, &request)) return;
    server_request_free(&request);
    server_send_text(fd, server->context);
    while (server_send(fd, junk, sizeof junk)) {
    }
}

static void endless_lines(struct server *server, int fd, int index)
{
    (void)index;
    struct server_request request;
    if (!server_request(server, fd, &request)) return;
    server_request_free(&request);
    const char *const *texts = server->context;
    server_send_text(fd, texts[0]);
    while (server_send_text(fd, texts[1])) {
    }
}

static void check_endless(server_script *script, void *context, enum outcome outcome,
                          const char *text)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    f.endpoint.payload_bytes_max = 1u << 20;
    cr_assert(server_open(&server, script, context));
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), outcome, text);
    struct invoke_metrics metrics;
    invoke_metrics(f.invoke, &metrics);
    cr_expect_lt(metrics.bytes_in, (1u << 20) + 3 * 65536, "%llu",
                 (unsigned long long)metrics.bytes_in);
    cr_expect_eq(metrics.connections_open, 0);
    fixture_close(&f);
    server_close(&server);
}

Test(answer, endless_answers_are_cut_off)
{
    const char *headers[] = {"HTTP/1.1 200 OK\r\n", "x-more: 1\r\n"};
    const char *line[] = {"HTTP/1.1 200 OK\r\nx-long: ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    const char *interim[] = {"", "HTTP/1.1 102 Processing\r\n\r\n"};
    const char *extension[] = {"HTTP/1.1 200 OK\r\n" OCTETS "transfer-encoding: chunked\r\n\r\n1",
                               ";x=aaaaaaaaaaaaaaaaaaaaaaaa"};
    const char *extensions[] = {"HTTP/1.1 200 OK\r\n" OCTETS "transfer-encoding: chunked\r\n\r\n",
                                "1;xxxxxxxxxxxxxxxxxxxxxxxxxxx\r\na\r\n"};
    const char *trailers[] = {
        "HTTP/1.1 200 OK\r\n" OCTETS "transfer-encoding: chunked\r\n\r\n0\r\n", "x-more: 1\r\n"};
    check_endless(endless_lines, headers, OUTCOME_BAD_ANSWER, "too many headers");
    check_endless(endless_lines, line, OUTCOME_BAD_ANSWER, "no end");
    check_endless(endless_lines, interim, OUTCOME_BAD_ANSWER, "no end");
    check_endless(endless_lines, extension, OUTCOME_BAD_ANSWER, "no end");
    check_endless(endless_lines, extensions, OUTCOME_BAD_ANSWER, "no end");
    check_endless(endless_lines, trailers, OUTCOME_BAD_ANSWER, "too many headers");
    check_endless(endless_body, "HTTP/1.1 200 OK\r\n" OCTETS "connection: close\r\n\r\n",
                  OUTCOME_BAD_ANSWER, "more than 1048576 bytes (payload_max_bytes)");
    check_endless(endless_body, "HTTP/1.1 200 OK\r\n" OCTETS "content-length: 99999999999\r\n\r\n",
                  OUTCOME_BAD_ANSWER, "more than 1048576 bytes");
    check_endless(endless_body, "HTTP/1.1 503 Busy\r\n\r\n", OUTCOME_OVERLOADED, "HTTP 503: xxxx");
    check_endless(endless_body, "HTTP/1.1 500 Busy\r\ncontent-length: 99999999999\r\n\r\n",
                  OUTCOME_BAD_ANSWER, "HTTP 500: xxxx");
}
