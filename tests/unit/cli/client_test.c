/* The client against servers that do as they are told: bodies of all kinds, and bad days. */
#include "cli/client.h"

#include "unit/cli/raw_server.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Answers each request of a connection with the next of the texts; NULL ends it. */
struct script {
    const char *answers[4];
    bool hang;
    char head[8192]; /* of the last request */
    size_t body_size;
};

static void play(struct server *server, int fd, int index)
{
    struct script *script = server->context;
    struct server_request request;
    (void)index;
    for (int i = 0; i < 4 && script->answers[i] != NULL; i++) {
        if (!server_request(server, fd, &request)) return;
        memcpy(script->head, request.head, sizeof script->head);
        script->body_size = request.content_length;
        server_request_free(&request);
        if (!server_send_text(fd, script->answers[i])) return;
    }
    for (int i = 0; script->hang && i < 50 && !server->closing; i++) server_sleep_ms(20);
}

static int ask(struct client *client, struct client_answer *answer, struct span body)
{
    struct client_request request = {.method = "POST",
                                     .path = "/p?q",
                                     .headers = {{"x-a", "1\r\nEvil: 2"}, {"x-b", NULL}},
                                     .body = body,
                                     .timeout_ms = 300};
    return client_ask(client, &request, answer);
}

static struct server server;

static void begin(struct script *script, struct client *client)
{
    static char address[32];
    cr_assert(server_open(&server, play, script));
    snprintf(address, sizeof address, "127.0.0.1:%u", server.port);
    cr_assert_eq(client_init(client, address, "secret"), 0);
}

static void end(struct client *client)
{
    client_close(client);
    server_close(&server);
}

static void expect(const char *text, int error, int status, const char *body)
{
    struct script script = {.answers = {text}};
    struct client client;
    struct client_answer answer;
    begin(&script, &client);
    int got = ask(&client, &answer, SPAN_LITERAL("hi"));
    cr_expect_eq(got, error, "%d for %s", got, text);
    if (error == 0) {
        cr_expect_eq(answer.status, status);
        cr_expect(span_equal(buffer_span(&answer.body), span_text(body)), "%s", text);
    }
    client_answer_close(&answer);
    end(&client);
}

Test(client, bodies_by_length_in_chunks_and_to_the_end)
{
    expect("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 0, 200, "abc");
    expect("HTTP/1.1 404 Not Found\r\ntransfer-encoding: "
           "chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n"
           "0\r\ntrailer: x\r\n\r\n",
           0, 404, "abc0123456789");
    expect("HTTP/1.1 200 OK\r\n\r\nto the end", 0, 200, "to the end");
    expect("HTTP/1.1 204 No Content\r\netag: \"1\"\r\n\r\n", 0, 204, "");
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\ncontent-length: 1\n\nx", 0, 200, "x");
}

Test(client, broken_answers)
{
    expect("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ERROR_CLOSED, 0, "");
    expect("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", ERROR_MALFORMED, 0, "");
    expect("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-3\r\nabc\r\n", ERROR_MALFORMED, 0,
           "");
    expect("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", ERROR_MALFORMED, 0, "");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", ERROR_TOO_LARGE, 0, "");
    expect("SSH-2.0-OpenSSH\r\n", ERROR_MALFORMED, 0, "");
    expect("HTTP/1.1 ok\r\n\r\n", ERROR_MALFORMED, 0, "");
}

Test(client, keeps_its_connection_and_finds_out_when_it_is_closed)
{
    static const char *const one = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
    struct script script = {.answers = {one, one}};
    struct client client;
    struct client_answer answer;
    begin(&script, &client);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(ask(&client, &answer, SPAN_LITERAL("hi")), 0, "%s", client.errmsg.text);
        client_answer_close(&answer);
        server_sleep_ms(30); /* the script has closed after two */
    }
    cr_assert_eq(server.accepted, 2);
    end(&client);
}

Test(client, sends_token_headers_and_large_bodies)
{
    static uint8_t large[300000];
    struct script script = {
        .answers = {"HTTP/1.1 202 Accepted\r\nX-Long-Name:  v \r\ncontent-length: 0\r\n\r\n"}};
    struct client client;
    struct client_answer answer;
    char value[8];
    begin(&script, &client);
    cr_assert_eq(ask(&client, &answer, span_of(large, sizeof large)), 0);
    cr_assert_eq(script.body_size, sizeof large);
    cr_assert_not_null(strstr(script.head, "POST /p?q HTTP/1.1\r\n"));
    cr_assert_not_null(strstr(script.head, "authorization: Bearer secret\r\n"));
    cr_assert_null(strstr(script.head, "\nEvil: 2"), "a value begins no header");
    cr_assert_null(strstr(script.head, "x-b"));
    cr_assert(client_header(&answer, "x-long-name", value, sizeof value));
    cr_assert_str_eq(value, "v ");
    cr_assert_not(client_header(&answer, "x-long", value, sizeof value));
    cr_assert_not(client_header(&answer, "x-long-name", value, 2), "too long for two bytes");
    client_answer_close(&answer);
    end(&client);
}

Test(client, time_is_limited)
{
    struct script script = {.answers = {"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na"},
                            .hang = true};
    struct client client;
    struct client_answer answer;
    begin(&script, &client);
    cr_assert_eq(ask(&client, &answer, SPAN_LITERAL("hi")), ERROR_TIMEOUT);
    cr_assert_not_null(strstr(client.errmsg.text, "unknown"));
    client_answer_close(&answer);
    end(&client);
}

Test(client, addresses)
{
    struct client client;
    struct client_answer answer;
    cr_assert_eq(client_init(&client, "https://127.0.0.1:1", NULL), ERROR_UNSUPPORTED);
    cr_assert_eq(client_init(&client, "nowhere", NULL), ERROR_INVALID);
    cr_assert_eq(client_init(&client, "host:", NULL), ERROR_INVALID);
    static const char *const nobody[] = {"127.0.0.1:1", "[::1]:1", "unix:/nonexistent/socket",
                                         "http://localhost:1", ":1"};
    for (size_t i = 0; i < sizeof nobody / sizeof nobody[0]; i++) {
        cr_assert_eq(client_init(&client, nobody[i], NULL), 0, "%s", nobody[i]);
        cr_assert_eq(ask(&client, &answer, SPAN_EMPTY), ERROR_UNREACHABLE, "%s", nobody[i]);
        client_answer_close(&answer);
        client_close(&client);
    }
}
