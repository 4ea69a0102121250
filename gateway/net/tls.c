/* TLS of a listener: certificate, key, client certificates, and HTTP/2 by ALPN. */
#include "net/internal.h"

#include <openssl/err.h>

static int failed(struct errmsg *errmsg, const char *what, const char *path)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return errmsg_set(errmsg, ERROR_INVALID, "%s %s: %s", what, path,
                      reason == NULL ? "cannot be used" : reason);
}

static int load_identity(SSL_CTX *tls, const struct listener_options *options,
                         struct errmsg *errmsg)
{
    if (options->tls_key == NULL)
        return errmsg_set(errmsg, ERROR_INVALID, "TLS certificate %s has no key",
                          options->tls_cert);
    if (SSL_CTX_use_certificate_chain_file(tls, options->tls_cert) != 1)
        return failed(errmsg, "TLS certificate", options->tls_cert);
    if (SSL_CTX_use_PrivateKey_file(tls, options->tls_key, SSL_FILETYPE_PEM) != 1)
        return failed(errmsg, "TLS key", options->tls_key);
    if (SSL_CTX_check_private_key(tls) != 1)
        return failed(errmsg, "TLS key does not belong to the certificate:", options->tls_key);
    return 0;
}

static int require_clients(SSL_CTX *tls, const char *path, struct errmsg *errmsg)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (names == NULL || SSL_CTX_load_verify_locations(tls, path, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return failed(errmsg, "TLS client CA", path);
    }
    SSL_CTX_set_client_CA_list(tls, names);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

int tls_context(const struct listener_options *options, SSL_CTX **tls, struct errmsg *errmsg)
{
    *tls = NULL;
    if (options->tls_cert == NULL) return 0;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) return ERROR_MEMORY;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    /* A session of a client that showed its certificate may only be resumed here. */
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"holdfast", 8);
    int error = load_identity(context, options, errmsg);
    if (error == 0 && options->tls_client_ca != NULL)
        error = require_clients(context, options->tls_client_ca, errmsg);
    if (error != 0) {
        SSL_CTX_free(context);
        return error;
    }
    h2o_ssl_register_alpn_protocols(context, h2o_alpn_protocols);
    *tls = context;
    return 0;
}
