/* How servers are found and reached, and what is said when they are not. */
#include "fixture.h"

#include "os/clock.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(dial, .timeout = 60);

static void serve_empty(struct server *server, int fd, int index)
{
    (void)index;
    struct server_request request;
    while (server_request(server, fd, &request)) {
        if (server->context != NULL) server_header(&request, "host", server->context, 128);
        server_request_free(&request);
        if (!server_send_result(fd, "", 0)) return;
    }
}

/* A port where nobody listens. */
static uint16_t closed_port(void)
{
    struct server server;
    cr_assert(server_open(&server, serve_empty, NULL));
    server_close(&server);
    return server.port;
}

static void check_url(const char *url, enum outcome outcome, const char *text)
{
    struct fixture f;
    fixture_open(&f);
    fixture_serve_url(&f, url);
    cr_assert_told(fixture_one(&f), outcome, text);
    fixture_close(&f);
}

static void check_port(const char *format, uint16_t port, enum outcome outcome, const char *text)
{
    char url[256];
    snprintf(url, sizeof url, format, port);
    check_url(url, outcome, text);
}

Test(dial, a_refused_connection_is_told_after_the_call)
{
    check_port("http://127.0.0.1:%u/", closed_port(), OUTCOME_UNREACHABLE, "Connection refused");
    check_port("http://localhost:%u/", closed_port(), OUTCOME_UNREACHABLE, "Connection refused");
    check_port("https://127.0.0.1:%u/", closed_port(), OUTCOME_UNREACHABLE, "Connection refused");
}

Test(dial, many_refused_calls_each_have_one_outcome)
{
    struct fixture f;
    char url[64];
    fixture_open(&f);
    f.endpoint.pool_max = 7;
    snprintf(url, sizeof url, "http://localhost:%u", closed_port());
    fixture_serve_url(&f, url);
    for (int i = 0; i < 100; i++) fixture_call(&f);
    f.follow_ups = 50;
    cr_assert(fixture_wait(&f, 150, 10000));
    for (int i = 0; i < 150; i++) cr_assert_told(&f.told[i], OUTCOME_UNREACHABLE, "refused");
    fixture_close(&f);
}

Test(dial, names_that_do_not_exist)
{
    check_url("http://no-such-host.invalid:80/", OUTCOME_UNREACHABLE, "no-such-host.invalid: ");
}

Test(dial, localhost_tries_both_families)
{
    struct server server;
    if (!server_open_ip6(&server, serve_empty, NULL)) cr_skip_test("no IPv6 here");
    check_port("http://localhost:%u/", server.port, OUTCOME_RESULT, "");
    check_port("http://[::1]:%u/", server.port, OUTCOME_RESULT, "");
    server_close(&server);
    cr_assert(server_open(&server, serve_empty, NULL));
    check_port("http://LOCALHOST:%u/", server.port, OUTCOME_RESULT, "");
    server_close(&server);
}

/* The machine's own name goes through getaddrinfo, in the helper's thread. */
Test(dial, names_are_looked_up_beside_the_loop)
{
    struct fixture f;
    struct server server;
    char url[512], name[256];
    cr_assert(server_open(&server, serve_empty, NULL));
    fixture_open(&f);
    if (gethostname(name, sizeof name) != 0 || strlen(name) > 100) cr_skip_test("no name");
    snprintf(url, sizeof url, "http://%s:%u/", name, server.port);
    fixture_serve_url(&f, url);
    for (int i = 0; i < 10; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 10, 10000));
    for (int i = 0; i < 10; i++) {
        cr_expect_eq(f.told[i].count, 1);
        /* It may have an address that is not the loopback's, where nobody listens. */
        cr_expect(f.told[i].outcome == OUTCOME_RESULT || f.told[i].outcome == OUTCOME_UNREACHABLE);
    }
    fixture_close(&f);
    server_close(&server);
}

Test(dial, closing_during_a_lookup_waits_for_nobody)
{
    struct fixture f;
    fixture_open(&f);
    fixture_serve_url(&f, "http://no-such-host-at-all.invalid:80/");
    for (int i = 0; i < 3; i++) fixture_call(&f);
    int64_t start_us = clock_mono_us();
    fixture_close(&f);
    cr_expect_lt(clock_mono_us() - start_us, 1000000);
    cr_expect_eq(f.told_count, 0);
    server_sleep_ms(200); /* let the thread end before the leak checker looks */
}

/* A listener whose queue is full answers no new connection. */
static int full_listener(uint16_t *port, int fillers[], int count)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    cr_assert_eq(listen(fd, 0), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    for (int i = 0; i < count; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&address, size);
    }
    server_sleep_ms(20);
    return fd;
}

Test(dial, connecting_has_a_time_out)
{
    struct fixture f;
    char url[64];
    int fillers[4];
    uint16_t port;
    int fd = full_listener(&port, fillers, 4);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    fixture_open(&f);
    f.endpoint.connect_ms = 150;
    fixture_serve_url(&f, url);
    int64_t start_us = clock_mono_us();
    cr_assert_told(fixture_one(&f), OUTCOME_UNREACHABLE, "timed out");
    cr_expect_geq(clock_mono_us() - start_us, 149000);
    cr_expect_lt(clock_mono_us() - start_us, 1500000);
    f.endpoint.connect_ms = 5000;
    f.endpoint.call_ms = 100;
    cr_assert_eq(fixture_configure(&f), 0);
    cr_assert_told(fixture_one(&f), OUTCOME_UNREACHABLE, "no connection within 100 ms");
    fixture_close(&f);
    for (int i = 0; i < 4; i++) close(fillers[i]);
    close(fd);
}

/* -- Unix sockets -- */

static void temporary(char *path, size_t size, const char *name)
{
    char folder[] = "/tmp/holdfast-test-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, size, "%s/%s", folder, name);
}

static void remove_temporary(char *path)
{
    unlink(path);
    *strrchr(path, '/') = 0;
    rmdir(path);
}

Test(dial, unix_sockets_work)
{
    struct fixture f;
    struct server server;
    char path[100], url[256], host[128] = "";
    temporary(path, sizeof path, "fn.sock");
    cr_assert(server_open_local(&server, path, serve_empty, host));
    fixture_open(&f);
    snprintf(url, sizeof url, "http+unix://%s/statefun", path);
    fixture_serve_url(&f, url);
    for (int i = 0; i < 3; i++) cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_str_eq(host, "localhost");
    cr_expect_eq(atomic_load(&server.accepted), 1);
    server_close(&server);
    fixture_idle(&f, 20); /* the pooled connection's end is noticed */
    cr_assert_told(fixture_one(&f), OUTCOME_UNREACHABLE, "Connection refused");
    unlink(path);
    cr_assert_told(fixture_one(&f), OUTCOME_UNREACHABLE, "No such file");
    fixture_close(&f);
    remove_temporary(path);
}

Test(dial, a_full_unix_listener_is_tried_again)
{
    struct fixture f;
    char path[100], url[256];
    int fillers[3];
    temporary(path, sizeof path, "fn.sock");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 0), 0);
    struct timeval wait = {.tv_sec = 3};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    for (int i = 0; i < 3; i++) {
        fillers[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    fixture_open(&f);
    f.endpoint.connect_ms = 100;
    snprintf(url, sizeof url, "http+unix://%s", path);
    fixture_serve_url(&f, url);
    cr_assert_told(fixture_one(&f), OUTCOME_UNREACHABLE, "temporarily unavailable");
    f.endpoint.connect_ms = 5000;
    cr_assert_eq(fixture_configure(&f), 0);
    int call = fixture_call(&f);
    fixture_idle(&f, 30);
    cr_expect_eq(f.told[call].count, 0);
    close(accept(fd, NULL, NULL)); /* the only one that found room */
    fixture_idle(&f, 50);
    int accepted = accept(fd, NULL, NULL);
    cr_assert_geq(accepted, 0);
    cr_assert(server_send_result(accepted, "", 0));
    cr_assert(fixture_wait(&f, 2, 3000));
    cr_assert_told(&f.told[call], OUTCOME_RESULT, "");
    fixture_close(&f);
    close(accepted);
    for (int i = 0; i < 3; i++) close(fillers[i]);
    close(fd);
    remove_temporary(path);
}

/* -- Hosts that hold the function's name -- */

Test(dial, each_host_of_a_template_has_its_own_pool)
{
    struct fixture f;
    struct server server;
    char url[128];
    cr_assert(server_open(&server, serve_empty, NULL));
    fixture_open(&f);
    f.endpoint.idle_ms = 100;
    snprintf(url, sizeof url, "http://127.0.0.{function.name}:%u/", server.port);
    fixture_serve_url(&f, url);
    int good = fixture_call_named(&f, "example/1");
    int other = fixture_call_named(&f, "example/9"); /* nobody listens there */
    int again = fixture_call_named(&f, "example/1");
    int bad = fixture_call_named(&f, "example/1 x");
    int dns = fixture_call_named(&f, "example/a/../b");
    cr_assert(fixture_wait(&f, 5, 10000));
    cr_assert_told(&f.told[good], OUTCOME_RESULT, "");
    cr_assert_told(&f.told[again], OUTCOME_RESULT, "");
    cr_assert_told(&f.told[other], OUTCOME_UNREACHABLE, "127.0.0.9");
    cr_assert_told(&f.told[bad], OUTCOME_UNREACHABLE, "makes no host");
    cr_expect_eq(f.told[dns].count, 1);
    fixture_idle(&f, 200); /* until all of them are gone */
    cr_assert_told(&f.told[good], OUTCOME_RESULT, "");
    good = fixture_call_named(&f, "example/1");
    cr_assert(fixture_wait(&f, 6, 5000));
    cr_assert_told(&f.told[good], OUTCOME_RESULT, "");
    fixture_close(&f);
    server_close(&server);
}

/* -- Configurations that cannot be -- */

static void check_refused(struct invoke_endpoint change, const char *url, const char *text)
{
    struct fixture f;
    fixture_open(&f);
    change.pattern = f.endpoint.pattern;
    f.endpoint = change;
    snprintf(f.url, sizeof f.url, "%s", url);
    cr_expect_eq(fixture_configure(&f), ERROR_INVALID, "%s", url);
    cr_expect_not_null(strstr(f.errmsg.text, text), "%s: %s", url, f.errmsg.text);
    cr_expect_not_null(strstr(f.errmsg.text, "example/*"), "%s", f.errmsg.text);
    fixture_close(&f);
}

Test(dial, bad_endpoints_are_refused_with_a_sentence)
{
    struct invoke_endpoint good = {.call_ms = 1000,
                                   .connect_ms = 1000,
                                   .idle_ms = 1000,
                                   .pool_max = 1,
                                   .payload_bytes_max = 1};
    struct invoke_endpoint zero = good, certified = good;
    zero.pool_max = 0;
    certified.trust_cacerts = "/nowhere";
    check_refused(good, "ftp://h/", "begins with none of");
    check_refused(good, "", "begins with none of");
    check_refused(good, "http:///x", "is no host");
    check_refused(zero, "http://h/", "pool_size");
    check_refused(certified, "http://h/", "has no TLS");
}

Test(dial, a_refused_configuration_leaves_the_old_one)
{
    struct fixture f;
    struct server server;
    fixture_open(&f);
    cr_assert(server_open(&server, serve_empty, NULL));
    fixture_serve(&f, &server, "/");
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    snprintf(f.url, sizeof f.url, "nonsense");
    cr_expect_eq(fixture_configure(&f), ERROR_INVALID);
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    cr_expect_eq(atomic_load(&server.accepted), 1);
    fixture_close(&f);
    server_close(&server);
}
