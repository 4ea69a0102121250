/* See tls.h. */
#include "invoke/tls.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>

enum { PASSWORD_MAX = 1024 };

/* Module files of StateFun name files as plain paths, file: URLs, or resources of a Java class
 * path. */
static int file_path(const char *setting, const char *text, const char **path,
                     struct errmsg *errmsg)
{
    *path = text;
    if (strncmp(text, "classpath:", 10) == 0)
        return errmsg_set(errmsg, ERROR_INVALID,
                          "%s '%s': there is no Java class path here; give the path of a file",
                          setting, text);
    if (strncmp(text, "file:", 5) == 0) {
        *path = text + 5;
        if (strncmp(*path, "//", 2) == 0) *path += 2;
    }
    return 0;
}

static int refuse_file(const char *setting, const char *path, struct errmsg *errmsg)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    if (ERR_SYSTEM_ERROR(code)) reason = strerror(ERR_GET_REASON(code));
    errmsg_set(errmsg, ERROR_INVALID, "%s '%s' does not load: %s", setting, path,
               reason != NULL ? reason : "not a PEM file of that kind");
    ERR_clear_error();
    return ERROR_INVALID;
}

static int trust(SSL_CTX *context, const struct tls_settings *settings, struct errmsg *errmsg)
{
    const char *path;
    if (settings->trust_cacerts == NULL) {
        if (SSL_CTX_set_default_verify_paths(context) == 1) return 0;
        return errmsg_set(errmsg, ERROR_INVALID, "the system's trust store does not load");
    }
    int error = file_path("trust_cacerts", settings->trust_cacerts, &path, errmsg);
    if (error != 0) return error;
    if (SSL_CTX_load_verify_file(context, path) == 1) return 0;
    return refuse_file("trust_cacerts", path, errmsg);
}

/* The password's file may end with a line break, which is not part of it. */
static int password_read(const char *setting, char password[PASSWORD_MAX], struct errmsg *errmsg)
{
    const char *path;
    int error = file_path("client_key_password", setting, &path, errmsg);
    if (error != 0) return error;
    FILE *file = fopen(path, "re");
    size_t size = file == NULL ? 0 : fread(password, 1, PASSWORD_MAX - 1, file);
    bool failed = file == NULL || ferror(file) != 0;
    if (failed)
        errmsg_set(errmsg, ERROR_INVALID, "client_key_password '%s' does not load: %s", path,
                   strerror(errno));
    if (file != NULL) fclose(file);
    if (failed) return ERROR_INVALID;
    while (size > 0 && (password[size - 1] == '\n' || password[size - 1] == '\r')) size--;
    password[size] = 0;
    return 0;
}

static int give_password(char *out, int size, int writing, void *context)
{
    (void)writing;
    const char *password = context;
    size_t length = strlen(password);
    if (size < 0 || length > (size_t)size) return -1;
    memcpy(out, password, length);
    return (int)length;
}

static int load_key(SSL_CTX *context, const struct tls_settings *settings, struct errmsg *errmsg)
{
    char password[PASSWORD_MAX] = ""; /* without one, OpenSSL would ask at the terminal */
    const char *path;
    int error = file_path("client_key", settings->client_key, &path, errmsg);
    if (error == 0 && settings->client_key_password_file != NULL)
        error = password_read(settings->client_key_password_file, password, errmsg);
    if (error != 0) return error;
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, password);
    bool good = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    OPENSSL_cleanse(password, sizeof password);
    return good ? 0 : refuse_file("client_key", path, errmsg);
}

static int identify(SSL_CTX *context, const struct tls_settings *settings, struct errmsg *errmsg)
{
    const char *path;
    if (settings->client_cert == NULL && settings->client_key == NULL) return 0;
    if (settings->client_cert == NULL || settings->client_key == NULL)
        return errmsg_set(errmsg, ERROR_INVALID,
                          "client_cert and client_key must be given together");
    int error = file_path("client_cert", settings->client_cert, &path, errmsg);
    if (error != 0) return error;
    if (SSL_CTX_use_certificate_chain_file(context, path) != 1)
        return refuse_file("client_cert", path, errmsg);
    return load_key(context, settings, errmsg);
}

/* OpenSSL writes with write(2), so a peer that is gone would end the process. */
static void ignore_broken_pipes(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) != 0 || action.sa_handler != SIG_DFL) return;
    action = (struct sigaction){.sa_handler = SIG_IGN};
    CHECK(sigaction(SIGPIPE, &action, NULL) == 0);
}

int tls_context_open(SSL_CTX **out, const struct tls_settings *settings, struct errmsg *errmsg)
{
    static const unsigned char protocols[] = "\x02h2\x08http/1.1";
    ignore_broken_pipes();
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    int error = ERROR_MEMORY;
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) goto failed;
    if (SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1) != 0) goto failed;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    error = trust(context, settings, errmsg);
    if (error == 0) error = identify(context, settings, errmsg);
    if (error != 0) goto failed;
    *out = context;
    return 0;
failed:
    SSL_CTX_free(context);
    if (error == ERROR_MEMORY) errmsg_set(errmsg, error, "out of memory");
    return error;
}

void tls_context_close(SSL_CTX *context)
{
    SSL_CTX_free(context);
}

static bool is_literal(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

SSL *tls_session_open(SSL_CTX *context, int fd, const char *host)
{
    ERR_clear_error();
    SSL *session = SSL_new(context);
    if (session == NULL) return NULL;
    X509_VERIFY_PARAM *verify = SSL_get0_param(session);
    bool good;
    if (is_literal(host)) {
        good = X509_VERIFY_PARAM_set1_ip_asc(verify, host) == 1;
    } else {
        good = SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
        X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    }
    if (!good || SSL_set_fd(session, fd) != 1) {
        SSL_free(session);
        return NULL;
    }
    SSL_set_connect_state(session);
    return session;
}

void tls_problem(const SSL *session, struct errmsg *errmsg)
{
    int saved = errno;
    unsigned long code = ERR_peek_error();
    long verified = SSL_get_verify_result(session);
    const char *reason = ERR_reason_error_string(code);
    if (verified != X509_V_OK)
        errmsg_set(errmsg, 0, "TLS: %s: %s", reason != NULL ? reason : "not trusted",
                   X509_verify_cert_error_string(verified));
    else if (reason != NULL)
        errmsg_set(errmsg, 0, "TLS: %s", reason);
    else if (code == 0 && saved != 0)
        errmsg_set(errmsg, 0, "TLS: %s", strerror(saved));
    else
        errmsg_set(errmsg, 0, "TLS: the peer closed the connection");
    ERR_clear_error();
}

bool tls_peer_refused(void)
{
    unsigned long code = ERR_peek_error();
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) return false;
    switch (ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case TLS13_AD_CERTIFICATE_REQUIRED: return true;
    default: return false;
    }
}
