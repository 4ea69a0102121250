/* Calls over TLS: who is trusted, who we are, and what is said when it does not work. */
#include "fixture.h"
#include "lib/server_tls.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(tls, .timeout = 60);

static struct certificates certificates;

static void setup(void)
{
    cr_assert(certificates_make(&certificates));
}

static void teardown(void)
{
    certificates_remove(&certificates);
}

#define RESULT                                                                                     \
    "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: 0\r\n\r\n"

/* Reads requests (small ones, in one record) and answers each; `context` is the SSL_CTX. */
static void serve_tls(struct server *server, int fd, int index)
{
    (void)index;
    char in[16384];
    SSL *tls = server_tls_accept(server->context, fd);
    while (tls != NULL && SSL_read(tls, in, sizeof in) > 0) {
        atomic_fetch_add(&server->requests, 1);
        if (SSL_write(tls, RESULT, sizeof RESULT - 1) <= 0) break;
    }
    server_tls_end(tls);
}

/* Handshake, then the end in the middle of the answer, without a word of good-bye. */
static void cut_tls(struct server *server, int fd, int index)
{
    (void)index;
    char in[16384];
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
                               "connection: close\r\n\r\n\xa2\x06";
    SSL *tls = server_tls_accept(server->context, fd);
    if (tls != NULL && SSL_read(tls, in, sizeof in) > 0) SSL_write(tls, head, sizeof head - 1);
    SSL_free(tls);
}

struct tls_case {
    enum server_tls_kind kind;
    const char *host;
    const char *trust;
    bool client;
    const char *key;
    const char *password;
    enum outcome outcome;
    const char *text;
};

static void check_case(struct tls_case given, server_script *script)
{
    struct fixture f;
    struct server server;
    char trust[128], cert[128], key[128], password[128], url[64];
    SSL_CTX *context = server_tls_context(&certificates, given.kind, false);
    fixture_open(&f);
    cr_assert(server_open(&server, script, context));
    if (given.trust != NULL) {
        snprintf(trust, sizeof trust, "file:%s", certificates_path(&certificates, given.trust));
        f.endpoint.trust_cacerts = trust;
    }
    if (given.client) {
        snprintf(cert, sizeof cert, "file://%s", certificates_path(&certificates, "client.pem"));
        snprintf(key, sizeof key, "%s", certificates_path(&certificates, given.key));
        f.endpoint.client_cert = cert;
        f.endpoint.client_key = key;
    }
    if (given.password != NULL) {
        snprintf(password, sizeof password, "%s", certificates_path(&certificates, given.password));
        f.endpoint.client_key_password_file = password;
    }
    snprintf(url, sizeof url, "https://%s:%u/", given.host, server.port);
    fixture_serve_url(&f, url);
    for (int i = 0; i < 3; i++) cr_assert_told(fixture_one(&f), given.outcome, given.text);
    if (given.outcome == OUTCOME_RESULT) cr_expect_eq(atomic_load(&server.accepted), 1);
    fixture_close(&f);
    server_close(&server);
    SSL_CTX_free(context);
}

Test(tls, a_trusted_server_is_called, .init = setup, .fini = teardown)
{
    check_case((struct tls_case){SERVER_TLS_PLAIN, "localhost", "ca.pem", false, NULL, NULL,
                                 OUTCOME_RESULT, ""},
               serve_tls);
    check_case((struct tls_case){SERVER_TLS_PLAIN, "127.0.0.1", "ca.pem", false, NULL, NULL,
                                 OUTCOME_RESULT, ""},
               serve_tls);
}

Test(tls, an_untrusted_server_is_not, .init = setup, .fini = teardown)
{
    check_case((struct tls_case){SERVER_TLS_PLAIN, "localhost", "stranger-ca.pem", false, NULL,
                                 NULL, OUTCOME_UNREACHABLE, "certificate verify failed"},
               serve_tls);
    check_case((struct tls_case){SERVER_TLS_PLAIN, "localhost", NULL, false, NULL, NULL,
                                 OUTCOME_UNREACHABLE, "certificate verify failed"},
               serve_tls);
    check_case((struct tls_case){SERVER_TLS_WRONG_HOST, "localhost", "ca.pem", false, NULL, NULL,
                                 OUTCOME_UNREACHABLE, "hostname mismatch"},
               serve_tls);
    check_case((struct tls_case){SERVER_TLS_WRONG_HOST, "127.0.0.1", "ca.pem", false, NULL, NULL,
                                 OUTCOME_UNREACHABLE, "IP address mismatch"},
               serve_tls);
    check_case((struct tls_case){SERVER_TLS_OLD, "localhost", "ca.pem", false, NULL, NULL,
                                 OUTCOME_UNREACHABLE, "TLS: "},
               serve_tls);
}

Test(tls, client_certificates_are_shown, .init = setup, .fini = teardown)
{
    check_case((struct tls_case){SERVER_TLS_ASK_CLIENT, "localhost", "ca.pem", true, "client.key",
                                 NULL, OUTCOME_RESULT, ""},
               serve_tls);
    check_case((struct tls_case){SERVER_TLS_ASK_CLIENT, "localhost", "ca.pem", true,
                                 "client-locked.key", "password.txt", OUTCOME_RESULT, ""},
               serve_tls);
    check_case((struct tls_case){SERVER_TLS_ASK_CLIENT, "localhost", "ca.pem", false, NULL, NULL,
                                 OUTCOME_UNREACHABLE, "certificate required"},
               serve_tls);
}

Test(tls, an_answer_cut_without_good_bye_is_lost, .init = setup, .fini = teardown)
{
    check_case((struct tls_case){SERVER_TLS_PLAIN, "localhost", "ca.pem", false, NULL, NULL,
                                 OUTCOME_LOST, "within the answer"},
               cut_tls);
}

static void say_nothing(struct server *server, int fd, int index)
{
    (void)server;
    (void)index;
    char in[1024];
    while (recv(fd, in, sizeof in, 0) > 0) {
    }
}

Test(tls, a_server_that_speaks_no_tls, .init = setup, .fini = teardown)
{
    struct fixture f;
    struct server server;
    char url[64];
    fixture_open(&f);
    f.endpoint.connect_ms = 200;
    cr_assert(server_open(&server, say_nothing, NULL));
    snprintf(url, sizeof url, "https://localhost:%u/", server.port);
    fixture_serve_url(&f, url);
    for (int i = 0; i < 5; i++) fixture_call(&f);
    cr_assert(fixture_wait(&f, 5, 5000));
    for (int i = 0; i < 5; i++)
        cr_assert_told(&f.told[i], OUTCOME_UNREACHABLE, "no TLS handshake within 200 ms");
    fixture_close(&f);
    server_close(&server);
}

static void check_refused(const char *trust, const char *cert, const char *key,
                          const char *password, const char *text)
{
    struct fixture f;
    fixture_open(&f);
    snprintf(f.url, sizeof f.url, "https://localhost/");
    f.endpoint.trust_cacerts = trust;
    f.endpoint.client_cert = cert;
    f.endpoint.client_key = key;
    f.endpoint.client_key_password_file = password;
    cr_expect_eq(fixture_configure(&f), ERROR_INVALID);
    cr_expect_not_null(strstr(f.errmsg.text, text), "%s", f.errmsg.text);
    fixture_close(&f);
}

Test(tls, files_that_do_not_load_are_named, .init = setup, .fini = teardown)
{
    char cert[128], key[128], locked[128];
    snprintf(cert, sizeof cert, "%s", certificates_path(&certificates, "client.pem"));
    snprintf(key, sizeof key, "%s", certificates_path(&certificates, "client.key"));
    snprintf(locked, sizeof locked, "%s", certificates_path(&certificates, "client-locked.key"));
    check_refused("/no/such/ca.pem", NULL, NULL, NULL, "trust_cacerts '/no/such/ca.pem'");
    check_refused("classpath:ca.pem", NULL, NULL, NULL, "no Java class path");
    check_refused(key, NULL, NULL, NULL, "trust_cacerts '");
    check_refused(NULL, cert, NULL, NULL, "given together");
    check_refused(NULL, NULL, key, NULL, "given together");
    check_refused(NULL, "/no/such/c.pem", key, NULL, "client_cert '/no/such/c.pem'");
    check_refused(NULL, cert, "/no/such/c.key", NULL, "client_key '/no/such/c.key'");
    check_refused(NULL, cert, locked, NULL, "client_key '");
    check_refused(NULL, cert, locked, "/no/such/password",
                  "client_key_password '/no/such/password'");
    check_refused(NULL, cert, certificates_path(&certificates, "server.key"), NULL, "client_key '");
}

static struct buffer large;

static void serve_large(struct server *server, int fd, int index)
{
    (void)index;
    char in[16384], head[128];
    SSL *tls = server_tls_accept(server->context, fd);
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
                          "content-length: %zu\r\n\r\n",
                          large.size);
    while (tls != NULL && SSL_read(tls, in, sizeof in) > 0)
        if (SSL_write(tls, head, length) <= 0 || SSL_write(tls, large.at, (int)large.size) <= 0)
            break;
    server_tls_end(tls);
}

Test(tls, large_answers_are_read_to_their_end, .init = setup, .fini = teardown)
{
    answer_encode(&large, 3000000);
    check_case((struct tls_case){SERVER_TLS_PLAIN, "localhost", "ca.pem", false, NULL, NULL,
                                 OUTCOME_RESULT, ""},
               serve_large);
    buffer_close(&large);
}

Test(tls, large_requests_may_be_answered_early, .init = setup, .fini = teardown)
{
    struct fixture f;
    struct server server;
    char url[64];
    size_t size = 3u << 20;
    SSL_CTX *context = server_tls_context(&certificates, SERVER_TLS_PLAIN, false);
    fixture_open(&f);
    f.argument = calloc(1, size);
    f.message.argument = span_of(f.argument, size);
    f.endpoint.trust_cacerts = certificates_path(&certificates, "ca.pem");
    cr_assert(server_open(&server, serve_tls, context));
    snprintf(url, sizeof url, "https://localhost:%u/", server.port);
    fixture_serve_url(&f, url);
    /* This server answers after the first record, so the answer comes before the request is out. */
    cr_assert_told(fixture_one(&f), OUTCOME_RESULT, "");
    fixture_close(&f);
    server_close(&server);
    SSL_CTX_free(context);
}
