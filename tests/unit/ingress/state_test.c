/* State, keys, export and import over HTTP. */
#include "gateway.h"

#include "base/buffer.h"

#include <unistd.h>

TestSuite(state, .init = gateway_start, .fini = gateway_stop, .timeout = 30);

static struct buffer rows;

static void row(const char *name, const char *type, struct span value)
{
    buffer_string(&rows, SPAN_LITERAL("a/b"));
    buffer_string(&rows, SPAN_LITERAL("c"));
    buffer_string(&rows, span_text(name));
    buffer_string(&rows, span_text(type));
    buffer_varint(&rows, 3);
    buffer_varint(&rows, 1700000000000);
    buffer_string(&rows, value);
}

Test(state, gives_one_value_with_type_and_version)
{
    answer_with((struct shard_answer){.kind = ANSWER_VALUE,
                                      .number = 12,
                                      .type_name = SPAN_LITERAL("example/User"),
                                      .body = SPAN_LITERAL("{\"n\": 1}")});
    ask("GET", "/v1/state/a/b/c/user", "", NULL);
    assert_status(200);
    cr_assert_str_eq(gateway.reply.body, "{\"n\": 1}");
    assert_header("etag", "\"12\"");
    assert_header("holdfast-type", "example/User");
    assert_saw("QUERY_STATE a/b/c name=user limit=0\n");
}

static uint8_t large[4 << 20];
static struct shard_loan loan = {.holders = 1};
static uint32_t holders_seen;

static struct shard_answer lend(const struct shard_event *event, uint64_t number)
{
    (void)number;
    cr_assert_eq(event->query.lend_to, event->waiter);
    loan.bytes = span_of(large, sizeof large);
    return (struct shard_answer){.kind = ANSWER_VALUE,
                                 .type_name = SPAN_LITERAL("example/User"),
                                 .body = loan.bytes,
                                 .loan = &loan};
}

static void look_at_holders(void *unused)
{
    (void)unused;
    holders_seen = loan.holders;
}

static bool holders_become(uint32_t count)
{
    for (int i = 0; i < 500; i++) {
        server_thread_run(&gateway.thread, look_at_holders, NULL);
        if (holders_seen == count) return true;
        usleep(10000);
    }
    return false;
}

Test(state, keeps_a_large_value_where_it_is_until_it_has_gone_out)
{
    memset(large, 'v', sizeof large);
    gateway.fake.answer = lend;
    int fd = client_connect(gateway.thread.port);
    client_say(fd, "GET /v1/state/a/b/c/user HTTP/1.1\r\nHost: t\r\n\r\n");
    cr_assert(holders_become(2));
    client_reply(fd, &gateway.reply);
    assert_status(200);
    cr_assert_eq(gateway.reply.body_size, sizeof large);
    cr_assert_eq(memcmp(gateway.reply.body, large, sizeof large), 0);
    cr_assert(holders_become(1));
    close(fd);
}

Test(state, gives_all_values_as_json)
{
    buffer_init(&rows);
    row("text", "io.statefun.types/string",
        SPAN_LITERAL("\n\x05"
                     "a\"b\xc3\xa9"));
    row("yes", "io.statefun.types/bool", SPAN_LITERAL("\x08\x01"));
    row("no", "io.statefun.types/bool", SPAN_EMPTY);
    row("int", "io.statefun.types/int", SPAN_LITERAL("\x0d\xfb\xff\xff\xff"));
    row("long", "io.statefun.types/long", SPAN_LITERAL("\x09\xff\xff\xff\xff\xff\xff\xff\x7f"));
    row("zero", "io.statefun.types/long", SPAN_EMPTY);
    row("float", "io.statefun.types/float", SPAN_LITERAL("\x0d\xcd\xcc\xcc\x3d"));
    row("double", "io.statefun.types/double", SPAN_LITERAL("\x09\x9a\x99\x99\x99\x99\x99\xb9\x3f"));
    row("json", "example/User",
        SPAN_LITERAL("{\"big\":123456789012345678901234567890,\"x\":0.10}"));
    row("raw", "example/Proto", SPAN_LITERAL("\x01\x02\x03"));
    row("nan", "io.statefun.types/double", SPAN_LITERAL("\x09\x00\x00\x00\x00\x00\x00\xf8\x7f"));
    row("odd", "io.statefun.types/int", SPAN_LITERAL("\x0d\x01"));
    answer_with((struct shard_answer){.kind = ANSWER_ROWS, .body = buffer_span(&rows)});
    ask("GET", "/v1/state/a/b/c", "", NULL);
    assert_status(200);
    assert_header("content-type", "application/json");
    assert_body_has("{\"values\":{\"text\":{\"type\":\"io.statefun.types/"
                    "string\",\"version\":\"3\",\"value\":\"a\\\"bé\"}");
    assert_body_has(
        "\"yes\":{\"type\":\"io.statefun.types/bool\",\"version\":\"3\",\"value\":true}");
    assert_body_has("\"value\":false}");
    assert_body_has("\"value\":-5}");
    assert_body_has("\"value\":9223372036854775807}");
    assert_body_has("\"zero\":{\"type\":\"io.statefun.types/long\",\"version\":\"3\",\"value\":0}");
    assert_body_has(
        "\"float\":{\"type\":\"io.statefun.types/float\",\"version\":\"3\",\"value\":0.1}");
    assert_body_has(
        "\"double\":{\"type\":\"io.statefun.types/double\",\"version\":\"3\",\"value\":0.1}");
    assert_body_has("\"value\":{\"big\":123456789012345678901234567890,\"x\":0.10}}");
    assert_body_has("\"base64\":\"AQID\"}");
    assert_body_has("\"nan\":{\"type\":\"io.statefun.types/"
                    "double\",\"version\":\"3\",\"base64\":\"CQAAAAAAAPh/\"}");
    assert_body_has(
        "\"odd\":{\"type\":\"io.statefun.types/int\",\"version\":\"3\",\"base64\":\"DQE=\"}");
    buffer_close(&rows);
}

Test(state, has_no_values)
{
    answer_with((struct shard_answer){.kind = ANSWER_ROWS});
    ask("GET", "/v1/state/a/b/c", "", NULL);
    cr_assert_str_eq(gateway.reply.body, "{\"values\":{}}\n");
}

Test(state, writes)
{
    ask("PUT", "/v1/state/a/b/c/name", "Content-Type: text/plain\r\n", "Bob");
    assert_status(204);
    assert_header("etag", "\"7\"");
    assert_saw("PUT a/b/c name=name type=io.statefun.types/string value=\\x0a\\x03Bob\n");
    ask("PUT", "/v1/state/a/b/c/name", "Holdfast-Type: x/y\r\nIf-Match: \"41\"\r\n", "1");
    assert_status(204);
    assert_saw("PUT a/b/c name=name type=x/y value=1 if_match=41\n");
    ask("PUT", "/v1/state/a/b/c/name", "Holdfast-Type: x/y\r\nIf-None-Match: *\r\n", "1");
    assert_saw("value=1 if_match=0\n");
    ask("DELETE", "/v1/state/a/b/c/name", "If-Match: \"5\"\r\n", NULL);
    assert_status(204);
    assert_saw("DELETE a/b/c name=name if_match=5\n");
}

Test(state, refuses_bad_versions_and_names)
{
    static char long_name[400] = "/v1/state/a/b/c/";
    memset(long_name + strlen(long_name), 'n', 257);
    const char *versions[] = {"If-Match: 5\r\n",          "If-Match: \"\"\r\n",
                              "If-Match: \"x\"\r\n",      "If-Match: *\r\n",
                              "If-None-Match: \"5\"\r\n", "If-Match: \"99999999999999999999\"\r\n"};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        ask("PUT", "/v1/state/a/b/c/name", versions[i], "x");
        assert_status(400);
    }
    ask("GET", long_name, "", NULL);
    assert_status(400);
    ask("GET", "/v1/state/a/b/c/%ff", "", NULL);
    assert_status(400);
    ask("GET", "/v1/state/a/b/c/", "", NULL);
    assert_status(400);
    cr_assert_eq(fake_port_events(&gateway.fake), 0);
}

Test(state, tells_of_a_mismatch)
{
    answer_with((struct shard_answer){.kind = ANSWER_MISMATCH});
    ask("PUT", "/v1/state/a/b/c/name", "If-Match: \"1\"\r\n", "x");
    assert_status(412);
}

Test(state, lists_keys)
{
    answer_with((struct shard_answer){.kind = ANSWER_ROWS,
                                      .body = SPAN_LITERAL("{\"id\":\"a\"}\n{\"id\":\"b\"}\n"),
                                      .next = SPAN_LITERAL("b")});
    ask("GET", "/v1/keys/a/b?after=x%2By&limit=2", "", NULL);
    assert_status(200);
    cr_assert_str_eq(gateway.reply.body,
                     "{\"keys\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"next\":\"b\"}\n");
    assert_saw("QUERY_KEYS a/b/ after=x+y limit=2\n");
    answer_with((struct shard_answer){.kind = ANSWER_ROWS});
    ask("GET", "/v1/keys/a/b", "", NULL);
    cr_assert_str_eq(gateway.reply.body, "{\"keys\":[]}\n");
    const char *bad[] = {"0", "x", "10001", "", "99999999999999999999", "-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[64] = "/v1/keys/a/b?limit=";
        ask("GET", strcat(path, bad[i]), "", NULL);
        assert_status(400);
    }
}

static struct shard_answer two_pages(const struct shard_event *event, uint64_t number)
{
    (void)number;
    struct shard_answer answer = {.kind = ANSWER_ROWS, .body = buffer_span(&rows)};
    if (event->query.after.size == 0) answer.next = SPAN_LITERAL("\x01n");
    return answer;
}

Test(state, exports_page_after_page)
{
    buffer_init(&rows);
    row("text", "io.statefun.types/string", SPAN_LITERAL("\n\x02hi"));
    gateway.fake.answer = two_pages;
    ask("GET", "/v1/export?type=a/b", "", NULL);
    assert_status(200);
    assert_header("content-type", "application/x-ndjson");
    assert_header("holdfast-next", "(none)");
    const char *line =
        "{\"type\":\"a/b\",\"id\":\"c\",\"name\":\"text\",\"value_type\":\"io.statefun.types/"
        "string\","
        "\"version\":\"3\",\"written_at\":1700000000000,\"value\":\"hi\"}\n";
    cr_assert_eq(gateway.reply.body_size, 2 * strlen(line), "%s", gateway.reply.body);
    assert_body_has(line);
    assert_saw("QUERY_EXPORT a/b/ limit=500\nQUERY_EXPORT a/b/ after=\\x01n limit=500\n");
    ask("GET", "/v1/export?limit=1", "", NULL);
    assert_header("holdfast-next", "016e");
    ask("GET", "/v1/export?after=016e", "", NULL);
    assert_header("holdfast-next", "(none)");
    ask("GET", "/v1/export?after=01g", "", NULL);
    assert_status(400);
    ask("GET", "/v1/export?after=016g", "", NULL);
    assert_status(400);
    ask("GET", "/v1/export?type=ab", "", NULL);
    assert_status(400);
    buffer_close(&rows);
}

Test(state, forgets_an_export_that_nobody_waits_for)
{
    answer_nobody();
    int fd = client_connect(gateway.thread.port);
    client_say(fd, "GET /v1/export HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_saw("QUERY_EXPORT");
    client_vanish(fd);
    assert_saw("DETACH");
}

Test(state, frees_an_export_that_is_refused)
{
    answer_with((struct shard_answer){.kind = ANSWER_FULL});
    ask("GET", "/v1/export?after=016e", "", NULL);
    assert_status(429);
}

Test(state, imports_what_was_exported)
{
    ask("POST", "/v1/import", "",
        "{\"type\":\"a/b\",\"id\":\"c\",\"name\":\"n\",\"value_type\":\"io.statefun.types/string\","
        "\"version\":\"3\",\"written_at\":1700000000000,\"value\":\"hi\"}\n"
        "{\"type\":\"a/b\",\"id\":\"d\",\"name\":\"n\",\"value_type\":\"x/"
        "y\",\"base64\":\"AQID\"}\n"
        "{\"type\":\"a/b\",\"id\":\"e\",\"value_type\":\"x/y\",\"value\":1}\n");
    assert_status(200);
    cr_assert_str_eq(gateway.reply.body, "{\"line\":1,\"status\":200,\"version\":\"7\"}\n"
                                         "{\"line\":2,\"status\":200,\"version\":\"7\"}\n"
                                         "{\"line\":3,\"status\":400,\"code\":\"invalid-line\","
                                         "\"detail\":\"name has to have 1 to 256 bytes\"}\n");
    assert_saw("PUT a/b/c name=n type=io.statefun.types/string value=\\x0a\\x02hi define\n");
    assert_saw("PUT a/b/d name=n type=x/y value=\\x01\\x02\\x03 define\n");
}
