#include "perf/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 65536, BACKLOG = 4096 };

void http_pipe_init(struct http_pipe *pipe, int fd)
{
    *pipe = (struct http_pipe){.fd = fd};
}

void http_pipe_close(struct http_pipe *pipe)
{
    if (pipe->fd >= 0) close(pipe->fd);
    buffer_close(&pipe->in);
    buffer_close(&pipe->out);
    pipe->fd = -1;
}

bool http_pipe_read(struct http_pipe *pipe)
{
    for (;;) {
        if (buffer_reserve(&pipe->in, READ_SIZE) != 0) return false;
        ssize_t got = recv(pipe->fd, pipe->in.at + pipe->in.size, READ_SIZE, 0);
        if (got == 0) return false;
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        pipe->in.size += (size_t)got;
        if (got < READ_SIZE) return true;
    }
}

bool http_pipe_write(struct http_pipe *pipe)
{
    while (pipe->out_sent < pipe->out.size) {
        ssize_t sent = send(pipe->fd, pipe->out.at + pipe->out_sent,
                            pipe->out.size - pipe->out_sent, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        pipe->out_sent += (size_t)sent;
    }
    buffer_clear(&pipe->out);
    pipe->out_sent = 0;
    return true;
}

struct http_message http_pipe_message(const struct http_pipe *pipe)
{
    struct http_message message = {0};
    const uint8_t *begin = pipe->in.at;
    if (pipe->in.size == 0) return message;
    const uint8_t *end = memmem(begin, pipe->in.size, "\r\n\r\n", 4);
    if (end == NULL) return message;
    message.head = span_of(begin, (size_t)(end - begin) + 4);
    size_t length = 0;
    for (const uint8_t *line = begin; line < end; line++) {
        if (*line != '\n') continue;
        if (strncasecmp((const char *)line + 1, "content-length:", 15) != 0) continue;
        length = strtoul((const char *)line + 16, NULL, 10);
    }
    if (pipe->in.size < message.head.size + length) return message;
    message.body = span_of(begin + message.head.size, length);
    message.size = message.head.size + length;
    return message;
}

void http_pipe_drop(struct http_pipe *pipe, size_t size)
{
    memmove(pipe->in.at, pipe->in.at + size, pipe->in.size - size);
    pipe->in.size -= size;
}

static void prepare(int fd)
{
    int on = 1;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int http_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    if (fd >= 0) prepare(fd);
    return fd;
}

int http_listen(uint16_t *port)
{
    struct sockaddr_in address = loopback(*port);
    socklen_t size = sizeof address;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    *port = ntohs(address.sin_port);
    return fd;
}

int http_listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

int http_accept(int listener)
{
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0) prepare(fd);
    return fd;
}

int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
