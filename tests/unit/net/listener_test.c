/* Listening: addresses, Unix sockets, TLS and client certificates, and what cannot be listened on.
 */
#include "certificate.h"
#include "echo.h"
#include "lib/http_client.h"

#include <criterion/criterion.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct echo echo;
static char folder[] = "/tmp/holdfast-net-XXXXXX";
static char cert[64], key[64], socket_path[64], unix_address[80];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(cert, sizeof cert, "%s/cert.pem", folder);
    snprintf(key, sizeof key, "%s/key.pem", folder);
    snprintf(socket_path, sizeof socket_path, "%s/sock", folder);
    snprintf(unix_address, sizeof unix_address, "unix:%s", socket_path);
    certificate_make(cert, key);
}

static void teardown(void)
{
    unlink(cert);
    unlink(key);
    unlink(socket_path);
    rmdir(folder);
}

TestSuite(listener, .init = setup, .fini = teardown, .timeout = 30);

static void start(struct listener_options options)
{
    echo = (struct echo){0};
    options.handler = echo_handle;
    options.context = &echo;
    server_thread_start_with(&echo.thread, SERVER_LIMITS, options);
}

static int try_listen(const char *address, const char *tls_cert, const char *tls_key,
                      struct errmsg *errmsg)
{
    struct loop loop;
    struct server *server;
    struct listener *listener;
    struct server_limits limits = SERVER_LIMITS;
    struct listener_options options = {.address = address,
                                       .handler = echo_handle,
                                       .context = &echo,
                                       .tls_cert = tls_cert,
                                       .tls_key = tls_key};
    cr_assert_eq(loop_init(&loop), 0);
    cr_assert_eq(server_open(&server, &loop, &limits, errmsg), 0);
    int error = server_listen(server, &options, &listener, errmsg);
    server_close(server);
    loop_close(&loop);
    return error;
}

Test(listener, takes_unix_sockets)
{
    struct http_reply reply;
    start((struct listener_options){.address = unix_address});
    int fd = client_connect_unix(socket_path);
    client_say(fd, "GET /echo HTTP/1.1\r\nHost: t\r\n\r\n");
    client_reply(fd, &reply);
    cr_assert_str_eq(reply.body, "GET /echo  secure ");
    reply_close(&reply);
    close(fd);
    struct errmsg errmsg;
    cr_assert_eq(try_listen(unix_address, NULL, NULL, &errmsg), ERROR_IN_USE);
    server_thread_stop(&echo.thread);
    cr_assert_neq(access(socket_path, F_OK), 0, "the socket file is still there");
}

Test(listener, takes_ipv6)
{
    struct errmsg errmsg;
    int error = try_listen("[::1]:0", NULL, NULL, &errmsg);
    cr_assert(error == 0 || strstr(errmsg.text, "::1") != NULL, "%s", errmsg.text);
}

Test(listener, says_what_it_cannot_listen_on)
{
    char address[32];
    struct errmsg errmsg;
    start((struct listener_options){0});
    snprintf(address, sizeof address, "127.0.0.1:%d", echo.thread.port);
    cr_assert_eq(try_listen(address, NULL, NULL, &errmsg), ERROR_IN_USE);
    cr_assert_not_null(strstr(errmsg.text, address));
    server_thread_stop(&echo.thread);
    static const char *const bad[] = {"",
                                      "nonsense",
                                      "127.0.0.1:",
                                      "127.0.0.1:x",
                                      "127.0.0.1:65536",
                                      "127.0.0.1:99999",
                                      "unix:",
                                      "not.a.host.invalid:80",
                                      "unix:/nonexistent/folder/sock"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errmsg.text[0] = 0;
        cr_assert_eq(try_listen(bad[i], NULL, NULL, &errmsg), ERROR_INVALID, "%s", bad[i]);
        cr_assert_neq(errmsg.text[0], 0);
    }
}

Test(listener, says_which_certificate_is_bad)
{
    struct errmsg errmsg;
    cr_assert_eq(try_listen("127.0.0.1:0", "/nonexistent.pem", key, &errmsg), ERROR_INVALID);
    cr_assert_not_null(strstr(errmsg.text, "/nonexistent.pem"));
    cr_assert_eq(try_listen("127.0.0.1:0", cert, cert, &errmsg), ERROR_INVALID);
    cr_assert_not_null(strstr(errmsg.text, cert));
    cr_assert_eq(try_listen("127.0.0.1:0", cert, NULL, &errmsg), ERROR_INVALID);
    cr_assert_eq(try_listen("127.0.0.1:0", cert, key, &errmsg), 0);
}

/* One request over TLS; the protocol chosen by ALPN goes to `protocol`. False: no answer. */
static bool ask_tls(bool with_certificate, const char *offer, char protocol[16])
{
    bool is_http2 = strcmp(offer, "h2") == 0;
    const char *request =
        is_http2 ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" : "GET /echo HTTP/1.1\r\nHost: t\r\n\r\n";
    char answer[1024] = "";
    unsigned char offered[16] = {(unsigned char)strlen(offer)};
    const unsigned char *chosen = NULL;
    unsigned size = 0;
    memcpy(offered + 1, offer, strlen(offer));
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (with_certificate) {
        SSL_CTX_use_certificate_chain_file(context, cert);
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM);
    }
    SSL_CTX_set_alpn_protos(context, offered, (unsigned)strlen(offer) + 1);
    SSL *tls = SSL_new(context);
    int fd = client_connect(echo.thread.port);
    SSL_set_fd(tls, fd);
    bool good = SSL_connect(tls) == 1 && SSL_write(tls, request, (int)strlen(request)) > 0 &&
                SSL_read(tls, answer, sizeof answer - 1) > 0;
    SSL_get0_alpn_selected(tls, &chosen, &size);
    snprintf(protocol, 16, "%.*s", (int)size, chosen == NULL ? "" : (const char *)chosen);
    SSL_free(tls);
    SSL_CTX_free(context);
    close(fd);
    return good && (strstr(answer, " 200 ") != NULL || is_http2);
}

Test(listener, speaks_tls_and_offers_http2)
{
    char protocol[16];
    start((struct listener_options){.tls_cert = cert, .tls_key = key});
    cr_assert(ask_tls(false, "http/1.1", protocol));
    cr_assert_str_eq(protocol, "http/1.1");
    cr_assert(ask_tls(false, "h2", protocol));
    cr_assert_str_eq(protocol, "h2");
    server_thread_stop(&echo.thread);
}

Test(listener, asks_clients_for_certificates)
{
    char protocol[16];
    start((struct listener_options){.tls_cert = cert, .tls_key = key, .tls_client_ca = cert});
    cr_assert(ask_tls(true, "http/1.1", protocol));
    cr_assert_not(ask_tls(false, "http/1.1", protocol));
    cr_assert_eq(atomic_load(&echo.handled), 1);
    server_thread_stop(&echo.thread);
}
