/* Where connections come from: an address, its socket, and the handler of what arrives there. */
#include "net/internal.h"

#include "os/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    ACCEPTS_PER_TURN = 16,
    PAUSE_US = 100000, /* out of descriptors: some will be closed by then */
};

#define UNIX_PREFIX "unix:"

static int errno_error(void)
{
    switch (errno) {
    case EADDRINUSE: return ERROR_IN_USE;
    case EACCES:
    case EPERM: return ERROR_PERMISSION;
    case ENOMEM: return ERROR_MEMORY;
    default: return ERROR_INVALID;
    }
}

static int failed(struct errmsg *errmsg, const char *address)
{
    int saved = errno;
    return errmsg_set(errmsg, errno_error(), "cannot listen on %s: %s", address, strerror(saved));
}

/* -- Accepting -- */

static void accept_ready(h2o_socket_t *socket, const char *error)
{
    struct listener *listener = socket->data;
    struct loop *loop = listener->server->loop;
    if (error != NULL) return;
    loop_touch(loop);
    /* Who shares a socket with other threads leaves them something. */
    int most = listener->shared ? 1 : ACCEPTS_PER_TURN;
    for (int i = 0; i < most; i++) {
        h2o_socket_t *accepted = h2o_evloop_socket_accept(socket);
        if (accepted != NULL && limits_descriptor_is_reserved(h2o_socket_get_fd(accepted))) {
            h2o_socket_close(accepted);
            accepted = NULL;
            errno = EMFILE;
        }
        if (accepted != NULL) {
            connection_accept(listener, accepted);
        } else {
            if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
            h2o_socket_read_stop(socket);
            loop_timer_set(loop, &listener->pause, loop_now_us(loop) + PAUSE_US);
            return;
        }
    }
}

static void pause_over(struct loop_timer *timer)
{
    struct listener *listener = CONTAINER_OF(timer, struct listener, pause);
    h2o_socket_read_start(listener->socket, accept_ready);
}

/* -- Binding -- */

static int bind_socket(int family, const struct sockaddr *address, socklen_t size, int *fd)
{
    int yes = 1;
    *fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0) return -1;
    if (family != AF_UNIX) setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (family == AF_INET6) setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (bind(*fd, address, size) == 0 && listen(*fd, SOMAXCONN) == 0) return 0;
    int saved = errno;
    close(*fd);
    errno = saved;
    return -1;
}

/* A socket file that nobody listens on is left over from a crash. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    bool refused =
        connect(fd, (const struct sockaddr *)(const void *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED;
    close(fd);
    if (refused) unlink(address->sun_path);
}

static int listen_unix(struct listener *listener, const char *path, int *fd, struct errmsg *errmsg)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] == 0 || strlen(path) >= sizeof address.sun_path)
        return errmsg_set(errmsg, ERROR_INVALID,
                          "cannot listen on unix:%s: the path has to have 1 to %zu bytes", path,
                          sizeof address.sun_path - 1);
    strcpy(address.sun_path, path);
    remove_stale(&address);
    if (bind_socket(AF_UNIX, (struct sockaddr *)(void *)&address, sizeof address, fd) != 0)
        return failed(errmsg, path);
    listener->unix_path = strdup(path);
    if (listener->unix_path != NULL) return 0;
    close(*fd);
    return ERROR_MEMORY;
}

/* The resolver takes larger ones too, and cuts them. */
static bool port_valid(const char *port)
{
    size_t digits = strspn(port, "0123456789");
    return port[digits] == 0 && digits > 0 && digits <= 5 && atoi(port) <= UINT16_MAX;
}

/* "host:port" or "[host]:port" into its parts. */
static int split_address(const char *address, char host[256], const char **port)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon[1] == 0) return ERROR_INVALID;
    const char *start = address;
    size_t size = (size_t)(colon - address);
    if (size >= 2 && start[0] == '[' && start[size - 1] == ']') {
        start++;
        size -= 2;
    }
    if (size >= 256 || !port_valid(colon + 1)) return ERROR_INVALID;
    memcpy(host, start, size);
    host[size] = 0;
    *port = colon + 1;
    return 0;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)(void *)&address, &size) != 0) return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)(const void *)&address)->sin6_port);
}

static int listen_tcp(struct listener *listener, const char *address, int *fd,
                      struct errmsg *errmsg)
{
    char host[256];
    const char *port = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (split_address(address, host, &port) != 0)
        return errmsg_set(errmsg, ERROR_INVALID,
                          "cannot listen on %s: it has to be host:port or unix:/path", address);
    int unknown = getaddrinfo(host[0] == 0 ? NULL : host, port, &hints, &found);
    if (unknown != 0)
        return errmsg_set(errmsg, ERROR_INVALID, "cannot listen on %s: %s", address,
                          gai_strerror(unknown));
    int error = 0;
    if (bind_socket(found->ai_family, found->ai_addr, found->ai_addrlen, fd) != 0)
        error = failed(errmsg, address);
    else
        listener->port = bound_port(*fd);
    freeaddrinfo(found);
    return error;
}

/* The same socket once more, for another server in another thread. */
static int listen_again(struct listener *listener, const struct listener *first, int *fd,
                        struct errmsg *errmsg)
{
    *fd = fcntl(h2o_socket_get_fd(first->socket), F_DUPFD_CLOEXEC, 0);
    if (*fd < 0) return failed(errmsg, "the shared socket");
    listener->port = first->port;
    listener->shared = true;
    return 0;
}

static int listen_address(struct listener *listener, const struct listener_options *options,
                          int *fd, struct errmsg *errmsg)
{
    const char *address = options->address;
    if (options->share != NULL) return listen_again(listener, options->share, fd, errmsg);
    if (strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return listen_unix(listener, address + strlen(UNIX_PREFIX), fd, errmsg);
    return listen_tcp(listener, address, fd, errmsg);
}

/* -- Life -- */

int server_listen(struct server *server, const struct listener_options *options,
                  struct listener **listener, struct errmsg *errmsg)
{
    struct listener *made = calloc(1, sizeof *made);
    int fd = -1;
    if (made == NULL) return errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    made->server = server;
    made->handler = options->handler;
    made->context = options->context;
    made->pause.expired = pause_over;
    made->accept.ctx = &server->context;
    made->accept.hosts = server->config.hosts;
    list_init(&made->link);
    int error = tls_context(options, &made->accept.ssl_ctx, errmsg);
    if (error == 0) error = listen_address(made, options, &fd, errmsg);
    if (error != 0) {
        listener_free(made);
        return error;
    }
    made->socket = h2o_evloop_socket_create(server->events, fd, H2O_SOCKET_FLAG_DONT_READ);
    made->socket->data = made;
    list_append(&server->listeners, &made->link);
    h2o_socket_read_start(made->socket, accept_ready);
    *listener = made;
    return 0;
}

uint16_t listener_port(const struct listener *listener)
{
    return listener->port;
}

void listener_stop(struct listener *listener)
{
    if (listener->socket == NULL) return;
    loop_timer_clear(listener->server->loop, &listener->pause);
    h2o_socket_read_stop(listener->socket);
    h2o_socket_close(listener->socket);
    listener->socket = NULL;
    if (listener->unix_path != NULL) unlink(listener->unix_path);
}

void listener_free(struct listener *listener)
{
    listener_stop(listener);
    list_remove(&listener->link);
    SSL_CTX_free(listener->accept.ssl_ctx);
    free(listener->unix_path);
    free(listener);
}
