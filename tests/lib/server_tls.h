/* TLS for scripted servers, with certificates made on the spot. */
#ifndef HOLDFAST_TESTS_SERVER_TLS_H
#define HOLDFAST_TESTS_SERVER_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

/* A folder with ca.pem, server.pem/.key (localhost, 127.0.0.1), other.pem/.key (elsewhere.example),
   client.pem/.key, client-locked.key (password "secret", in password.txt), all issued by ca.pem;
   stranger-ca.pem issued nothing. */
struct certificates {
    char folder[64];
};

bool certificates_make(struct certificates *certificates);
void certificates_remove(struct certificates *certificates);
/* "folder/name"; four results live at a time. */
const char *certificates_path(const struct certificates *certificates, const char *name);

enum server_tls_kind {
    SERVER_TLS_PLAIN,
    SERVER_TLS_WRONG_HOST,
    SERVER_TLS_ASK_CLIENT,
    SERVER_TLS_OLD
};

/* `h2`: offers h2 by ALPN. The caller frees it. */
SSL_CTX *server_tls_context(const struct certificates *certificates, enum server_tls_kind kind,
                            bool h2);
/* Accepts on a connected socket; NULL when the handshake fails. */
SSL *server_tls_accept(SSL_CTX *context, int fd);
void server_tls_end(SSL *session);

#endif
