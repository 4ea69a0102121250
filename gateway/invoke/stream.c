/* See stream.h. */
#include "invoke/stream.h"

#include "base/check.h"
#include "invoke/tls.h"
#include "os/limits.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/un.h>
#include <unistd.h>

static int begin(struct stream *stream, int family)
{
    *stream = (struct stream){.fd = -1};
    stream->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->fd < 0) return STREAM_BROKEN;
    if (!limits_descriptor_is_reserved(stream->fd)) return 0;
    stream_close(stream);
    errno = EMFILE;
    return STREAM_BROKEN;
}

static int give_up(struct stream *stream)
{
    int saved = errno;
    stream_close(stream);
    errno = saved;
    return STREAM_BROKEN;
}

int stream_connect(struct stream *stream, const union socket_address *address, uint16_t port)
{
    if (begin(stream, address->any.sa_family) != 0) return STREAM_BROKEN;
    int on = 1;
    union socket_address to = *address;
    bool six = to.any.sa_family == AF_INET6;
    if (six)
        to.ip6.sin6_port = htons(port);
    else
        to.ip4.sin_port = htons(port);
    (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(stream->fd, &to.any, six ? sizeof to.ip6 : sizeof to.ip4) == 0) return 0;
    return errno == EINPROGRESS ? STREAM_AGAIN : give_up(stream);
}

int stream_connect_local(struct stream *stream, const char *path, bool *full)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    *full = false;
    CHECK(strlen(path) < sizeof to.sun_path);
    memcpy(to.sun_path, path, strlen(path) + 1);
    if (begin(stream, AF_UNIX) != 0) return STREAM_BROKEN;
    if (connect(stream->fd, (struct sockaddr *)&to, sizeof to) == 0) return 0;
    *full = errno == EAGAIN;
    return errno == EINPROGRESS ? STREAM_AGAIN : give_up(stream);
}

int stream_connect_result(const struct stream *stream)
{
    int result = 0;
    socklen_t size = sizeof result;
    return getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &result, &size) == 0 ? result : errno;
}

int stream_secure(struct stream *stream, SSL_CTX *context, const char *host)
{
    stream->tls = tls_session_open(context, stream->fd, host);
    return stream->tls == NULL ? ERROR_MEMORY : 0;
}

/* What an OpenSSL call that did not succeed means. */
static int tls_outcome(struct stream *stream, int result)
{
    switch (SSL_get_error(stream->tls, result)) {
    case SSL_ERROR_WANT_READ: stream->wants_read = true; return STREAM_AGAIN;
    case SSL_ERROR_WANT_WRITE: stream->wants_write = true; return STREAM_AGAIN;
    default: stream->refused = tls_peer_refused(); return STREAM_BROKEN;
    }
}

/* errno is only looked at where OpenSSL says nothing: a clean end leaves none. */
static void tls_prepare(struct stream *stream)
{
    stream->wants_read = stream->wants_write = false;
    errno = 0;
    ERR_clear_error();
}

int stream_handshake(struct stream *stream, bool *h2)
{
    tls_prepare(stream);
    int result = SSL_do_handshake(stream->tls);
    if (result != 1) return tls_outcome(stream, result);
    const unsigned char *protocol;
    unsigned size;
    SSL_get0_alpn_selected(stream->tls, &protocol, &size);
    *h2 = size == 2 && memcmp(protocol, "h2", 2) == 0;
    return 0;
}

static ssize_t plain_outcome(ssize_t result)
{
    if (result >= 0) return result;
    return errno == EAGAIN || errno == EINTR ? STREAM_AGAIN : STREAM_BROKEN;
}

ssize_t stream_read(struct stream *stream, uint8_t *at, size_t room)
{
    if (stream->tls == NULL) return plain_outcome(recv(stream->fd, at, room, 0));
    tls_prepare(stream);
    int result = SSL_read(stream->tls, at, room > INT_MAX ? INT_MAX : (int)room);
    if (result > 0) return result;
    if (SSL_get_error(stream->tls, result) == SSL_ERROR_ZERO_RETURN) return 0;
    return tls_outcome(stream, result);
}

static ssize_t write_some(struct stream *stream, struct span bytes)
{
    if (stream->tls == NULL)
        return plain_outcome(send(stream->fd, bytes.at, bytes.size, MSG_NOSIGNAL));
    tls_prepare(stream);
    int size = bytes.size > INT_MAX ? INT_MAX : (int)bytes.size;
    int result = SSL_write(stream->tls, bytes.at, size);
    return result > 0 ? result : tls_outcome(stream, result);
}

/* When no more can be written (the kernel may only be short of memory) the peer is told so: else it
   would wait for the rest of the request, and we for its answer. What it has said can be read. */
ssize_t stream_write(struct stream *stream, struct span bytes)
{
    ssize_t size = write_some(stream, bytes);
    if (size == STREAM_BROKEN) {
        int saved = errno;
        (void)shutdown(stream->fd, SHUT_WR);
        errno = saved;
    }
    return size;
}

void stream_problem(const struct stream *stream, struct errmsg *errmsg)
{
    if (stream->tls != NULL)
        tls_problem(stream->tls, errmsg);
    else
        errmsg_set(errmsg, 0, "%s", strerror(errno));
}

void stream_close(struct stream *stream)
{
    if (stream->tls != NULL) {
        ERR_clear_error();
        if (SSL_is_init_finished(stream->tls)) (void)SSL_shutdown(stream->tls);
        SSL_free(stream->tls);
        ERR_clear_error();
    }
    if (stream->fd >= 0) close(stream->fd);
    stream->tls = NULL;
    stream->fd = -1;
}
