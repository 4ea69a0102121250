/* See http_client.h. */
#include "lib/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static void must(bool condition, const char *what)
{
    if (condition) return;
    perror(what);
    abort();
}

static int connected(int family, const void *address, socklen_t size)
{
    struct timeval timeout = {.tv_sec = CLIENT_TIMEOUT_S};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    must(connect(fd, address, size) == 0, "connect");
    return fd;
}

int client_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connected(AF_INET, &address, sizeof address);
}

int client_connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return connected(AF_UNIX, &address, sizeof address);
}

void client_send(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0) return; /* the server has closed: its answer tells */
        at += sent;
        size -= (size_t)sent;
    }
}

void client_say(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/* Byte by byte, so that nothing of the next answer is taken. */
static bool read_head(int fd, struct http_reply *reply)
{
    size_t size = 0;
    while (size + 1 < sizeof reply->head) {
        if (recv(fd, reply->head + size, 1, 0) != 1) break;
        reply->head[++size] = 0;
        if (size >= 4 && strcmp(reply->head + size - 4, "\r\n\r\n") == 0) return true;
    }
    reply->head[size] = 0;
    return false;
}

static bool read_body(int fd, struct http_reply *reply, size_t size)
{
    reply->body = malloc(size + 1);
    must(reply->body != NULL, "malloc");
    while (reply->body_size < size) {
        ssize_t got = recv(fd, reply->body + reply->body_size, size - reply->body_size, 0);
        if (got <= 0) break;
        reply->body_size += (size_t)got;
    }
    reply->body[reply->body_size] = 0;
    return reply->body_size == size;
}

static void receive(int fd, struct http_reply *reply, bool with_body)
{
    *reply = (struct http_reply){0};
    int status = 0;
    do { /* 100 Continue announces the answer */
        if (!read_head(fd, reply)) return;
        sscanf(reply->head, "HTTP/1.%*d %d", &status);
    } while (status == 100);
    const char *length = reply_header(reply, "content-length");
    size_t size = with_body && length != NULL ? strtoull(length, NULL, 10) : 0;
    if (read_body(fd, reply, size)) reply->status = status;
}

void client_reply(int fd, struct http_reply *reply)
{
    receive(fd, reply, true);
}

void client_reply_head(int fd, struct http_reply *reply)
{
    receive(fd, reply, false);
}

void reply_close(struct http_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
}

const char *reply_header(const struct http_reply *reply, const char *name)
{
    static char value[4096];
    size_t size = strlen(name);
    for (const char *line = strstr(reply->head, "\r\n"); line != NULL;
         line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, size) != 0 || line[size] != ':') continue;
        const char *start = line + size + 1 + strspn(line + size + 1, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(start, "\r"), start);
        return value;
    }
    return NULL;
}

bool client_closed(int fd)
{
    char bytes[4096];
    for (;;) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got > 0) continue;
        return got == 0 || errno == ECONNRESET;
    }
}

void client_request(uint16_t port, const char *method, const char *path, const char *headers,
                    const void *body, size_t body_size, struct http_reply *reply)
{
    int fd = client_connect(port);
    char length[64] = "";
    if (body != NULL) snprintf(length, sizeof length, "Content-Length: %zu\r\n", body_size);
    client_say(fd, method);
    client_say(fd, " ");
    client_say(fd, path);
    client_say(fd, " HTTP/1.1\r\nHost: test\r\n");
    client_say(fd, headers == NULL ? "" : headers);
    client_say(fd, length);
    client_say(fd, "\r\n");
    if (body != NULL) client_send(fd, body, body_size);
    if (strcmp(method, "HEAD") == 0)
        client_reply_head(fd, reply);
    else
        client_reply(fd, reply);
    close(fd);
}

void client_vanish(int fd)
{
    struct linger reset = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}
