/* The TLS client side of one endpoint: who is trusted, and who we are. OpenSSL stays behind this
 * and stream.h. */
#ifndef HOLDFAST_INVOKE_TLS_H
#define HOLDFAST_INVOKE_TLS_H

#include "base/error.h"
#include "base/span.h"

#include <openssl/types.h>
#include <stdbool.h>

/* Paths may begin with "file:"; NULL: the system's trust store, no client certificate. */
struct tls_settings {
    const char *trust_cacerts;
    const char *client_cert;
    const char *client_key;
    const char *client_key_password_file;
};

/* At least TLS 1.2, the peer is verified, h2 and http/1.1 are offered. ERROR_INVALID (a file that
   does not load, named in errmsg), ERROR_MEMORY. */
int tls_context_open(SSL_CTX **context, const struct tls_settings *settings,
                     struct errmsg *errmsg) MUST_USE;
void tls_context_close(SSL_CTX *context);

/* A client session on a connected socket; verifies that the certificate is for `host`, a
   NUL-terminated name or literal address. NULL when there is no memory. */
SSL *tls_session_open(SSL_CTX *context, int fd, const char *host);

/* Why the last operation on the session failed, for people. */
void tls_problem(const SSL *session, struct errmsg *errmsg);
/* The oldest error in the queue is the peer's refusal of our handshake (TLS 1.3 tells it after we
   think that the handshake is over). Leaves the queue as it is. */
bool tls_peer_refused(void);

#endif
