/* See server_script.h. */
#include "lib/server_script.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct served {
    struct server *server;
    int fd;
    int index;
};

static void *serve(void *argument)
{
    struct served served = *(struct served *)argument;
    free(argument);
    struct server *server = served.server;
    server->script(server, served.fd, served.index);
    pthread_mutex_lock(&server->lock);
    close(served.fd);
    server->fds[served.index] = -1;
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static void wait_at_most(int fd, int seconds)
{
    struct timeval wait = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
}

static void *accept_all(void *argument)
{
    struct server *server = argument;
    for (;;) {
        int fd = accept(server->listen_fd, NULL, NULL);
        if (fd < 0) return NULL;
        int on = 1, index = atomic_load(&server->accepted);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        wait_at_most(fd, SERVER_WAIT_S);
        pthread_mutex_lock(&server->lock);
        struct served *served = malloc(sizeof *served);
        if (atomic_load(&server->closing) || index >= SERVER_CONNECTIONS_MAX || served == NULL) {
            pthread_mutex_unlock(&server->lock);
            free(served);
            close(fd);
            return NULL;
        }
        *served = (struct served){server, fd, index};
        server->fds[index] = fd;
        atomic_fetch_add(&server->accepted, 1); /* before anything that the test may see of it */
        pthread_create(&server->threads[index], NULL, serve, served);
        pthread_mutex_unlock(&server->lock);
    }
}

static bool begin(struct server *server, int family, struct sockaddr *address, socklen_t size,
                  server_script *script, void *context)
{
    memset(server, 0, sizeof *server);
    server->script = script;
    server->context = context;
    pthread_mutex_init(&server->lock, NULL);
    server->listen_fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listen_fd < 0) return false;
    if (bind(server->listen_fd, address, size) != 0) goto failed;
    if (listen(server->listen_fd, 128) != 0) goto failed;
    if (getsockname(server->listen_fd, address, &size) != 0) goto failed;
    if (pthread_create(&server->acceptor, NULL, accept_all, server) != 0) goto failed;
    return true;
failed:
    close(server->listen_fd);
    return false;
}

bool server_open(struct server *server, server_script *script, void *context)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!begin(server, AF_INET, (struct sockaddr *)&address, sizeof address, script, context))
        return false;
    server->port = ntohs(address.sin_port);
    return true;
}

bool server_open_ip6(struct server *server, server_script *script, void *context)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (!begin(server, AF_INET6, (struct sockaddr *)&address, sizeof address, script, context))
        return false;
    server->port = ntohs(address.sin6_port);
    return true;
}

bool server_open_local(struct server *server, const char *path, server_script *script,
                       void *context)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    return begin(server, AF_UNIX, (struct sockaddr *)&address, sizeof address, script, context);
}

void server_stop_listening(struct server *server)
{
    if (server->listen_fd < 0) return;
    shutdown(server->listen_fd, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    close(server->listen_fd);
    server->listen_fd = -1;
}

void server_close(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    atomic_store(&server->closing, true);
    pthread_mutex_unlock(&server->lock);
    server_stop_listening(server);
    int count = atomic_load(&server->accepted);
    pthread_mutex_lock(&server->lock);
    for (int i = 0; i < count; i++)
        if (server->fds[i] >= 0) shutdown(server->fds[i], SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    for (int i = 0; i < count; i++) pthread_join(server->threads[i], NULL);
    pthread_mutex_destroy(&server->lock);
}

static bool receive_body(int fd, struct server_request *request, size_t have)
{
    while (have < request->content_length) {
        ssize_t size = recv(fd, request->body + have, request->content_length - have, 0);
        if (size <= 0) return false;
        have += (size_t)size;
    }
    return true;
}

bool server_request(struct server *server, int fd, struct server_request *request)
{
    size_t have = 0;
    char *end = NULL;
    request->body = NULL;
    request->content_length = 0;
    while (end == NULL) {
        if (have == sizeof request->head - 1) return false;
        ssize_t size = recv(fd, request->head + have, sizeof request->head - 1 - have, 0);
        if (size <= 0) return false;
        have += (size_t)size;
        request->head[have] = 0;
        end = memmem(request->head, have, "\r\n\r\n", 4);
    }
    size_t head_size = (size_t)(end - request->head) + 4;
    char length[32] = "0";
    size_t extra = have - head_size;
    char *rest = request->head + head_size;
    uint8_t kept[sizeof request->head];
    memcpy(kept, rest, extra);
    *rest = 0;
    server_header(request, "content-length", length, sizeof length);
    request->content_length = strtoul(length, NULL, 10);
    request->body = malloc(request->content_length + 1);
    if (extra > request->content_length) extra = request->content_length;
    memcpy(request->body, kept, extra);
    if (!receive_body(fd, request, extra)) {
        server_request_free(request);
        return false;
    }
    atomic_fetch_add(&server->requests, 1);
    return true;
}

void server_request_free(struct server_request *request)
{
    free(request->body);
    request->body = NULL;
}

bool server_header(const struct server_request *request, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    for (const char *line = request->head; (line = strstr(line, "\r\n")) != NULL;) {
        line += 2;
        if (strncasecmp(line, name, length) != 0 || line[length] != ':') continue;
        const char *value = line + length + 1;
        while (*value == ' ') value++;
        snprintf(out, size, "%.*s", (int)strcspn(value, "\r"), value);
        return true;
    }
    return false;
}

bool server_send(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool server_send_text(int fd, const char *text)
{
    return server_send(fd, text, strlen(text));
}

bool server_send_result(int fd, const void *body, size_t size)
{
    char head[128];
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
                          "content-length: %zu\r\n\r\n",
                          size);
    return server_send(fd, head, (size_t)length) && server_send(fd, body, size);
}

void server_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void server_sleep_ms(int ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&wait, NULL);
}
