#include "cli/client.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, RECEIVE_SIZE = 64 << 10 };

/* ---- The address ---- */

static const char *without_scheme(const char *address)
{
    return strncmp(address, "http://", 7) == 0 ? address + 7 : address;
}

int client_init(struct client *client, const char *address, const char *token)
{
    *client = (struct client){
        .address = without_scheme(address), .token = token, .connect_ms = CONNECT_MS, .fd = -1};
    buffer_init(&client->in);
    if (strncmp(address, "https://", 8) == 0)
        return errmsg_set(&client->errmsg, ERROR_UNSUPPORTED,
                          "%.100s: the commands speak plain HTTP only; use a loopback address, a "
                          "Unix socket, or curl",
                          address);
    if (strncmp(client->address, "unix:", 5) == 0) return 0;
    const char *colon = strrchr(client->address, ':');
    if (colon != NULL && colon[1] != 0 && strchr(colon, '/') == NULL) return 0;
    return errmsg_set(&client->errmsg, ERROR_INVALID,
                      "%.100s: an address is host:port, [v6]:port or unix:/path", address);
}

/* ---- Connecting ---- */

static void disconnect(struct client *client)
{
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
    buffer_clear(&client->in);
    client->taken = 0;
}

void client_close(struct client *client)
{
    disconnect(client);
    buffer_close(&client->in);
}

/* Waits for the descriptor. False: the time is over. */
static bool wait_for(int fd, short events, int64_t timeout_ms)
{
    struct pollfd wait = {fd, events, 0};
    int limit = timeout_ms > 1000000000 ? 1000000000 : (int)timeout_ms;
    int found;
    do {
        found = poll(&wait, 1, limit);
    } while (found < 0 && errno == EINTR);
    return found > 0;
}

static int connect_to(struct client *client, const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int number = 0;
    socklen_t number_size = sizeof number;
    if (fd < 0) return errno;
    if (connect(fd, address, size) != 0) {
        number = errno;
        if (number == EINPROGRESS || number == EAGAIN)
            number = !wait_for(fd, POLLOUT, client->connect_ms)                         ? ETIMEDOUT
                     : getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &number_size) != 0 ? errno
                                                                                        : number;
    }
    if (number != 0) {
        close(fd);
        return number;
    }
    int on = 1;
    if (address->sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->fd = fd;
    return 0;
}

static int unreachable(struct client *client, const char *why)
{
    return errmsg_set(&client->errmsg, ERROR_UNREACHABLE, "cannot reach the gateway at %.100s: %s",
                      client->address, why);
}

static int connect_unix(struct client *client, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return unreachable(client, "the path is too long");
    memcpy(address.sun_path, path, strlen(path) + 1);
    int number = connect_to(client, (const struct sockaddr *)&address, sizeof address);
    return number == 0 ? 0 : unreachable(client, strerror(number));
}

/* "host:port" and "[v6]:port" into host and port. */
static bool split(const char *address, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    }
    if (length == 0 || length >= size) return false;
    memcpy(host, address, length);
    host[length] = 0;
    *port = colon + 1;
    return true;
}

static int connect_tcp(struct client *client)
{
    char host[256];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (!split(client->address, host, sizeof host, &port))
        return unreachable(client, "there is no host in it");
    int unknown = getaddrinfo(host, port, &hints, &found);
    if (unknown != 0) return unreachable(client, gai_strerror(unknown));
    int number = ENOENT;
    for (struct addrinfo *each = found; each != NULL && number != 0; each = each->ai_next)
        number = connect_to(client, each->ai_addr, each->ai_addrlen);
    freeaddrinfo(found);
    return number == 0 ? 0 : unreachable(client, strerror(number));
}

/* A kept connection that the other side has closed meanwhile is no connection. */
static bool still_open(struct client *client)
{
    char byte;
    ssize_t size = recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static int connect_client(struct client *client)
{
    if (client->fd >= 0 && still_open(client)) return 0;
    disconnect(client);
    if (strncmp(client->address, "unix:", 5) == 0) return connect_unix(client, client->address + 5);
    return connect_tcp(client);
}

/* ---- Sending and receiving ---- */

static int lost(struct client *client, int error)
{
    return errmsg_set(
        &client->errmsg, error,
        error == ERROR_TIMEOUT
            ? "the gateway at %.100s does not answer: whether the request took effect is unknown"
            : "the gateway at %.100s closed the connection: whether the request took effect is "
              "unknown",
        client->address);
}

static int send_all(struct client *client, struct span bytes, int64_t timeout_ms)
{
    while (bytes.size > 0) {
        ssize_t size = send(client->fd, bytes.at, bytes.size, MSG_NOSIGNAL);
        if (size > 0) {
            bytes = span_from(bytes, (size_t)size);
        } else if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (!wait_for(client->fd, POLLOUT, timeout_ms)) return lost(client, ERROR_TIMEOUT);
        } else if (size == 0 || errno != EINTR) {
            /* It would wait for the rest while we wait for its answer. */
            (void)shutdown(client->fd, SHUT_WR);
            return lost(client, ERROR_CLOSED);
        }
    }
    return 0;
}

int client_receive(struct client *client, int64_t timeout_ms)
{
    struct buffer *in = &client->in;
    if (buffer_reserve(in, RECEIVE_SIZE) != 0)
        return errmsg_set(&client->errmsg, ERROR_MEMORY, "out of memory");
    for (;;) {
        ssize_t size = recv(client->fd, in->at + in->size, RECEIVE_SIZE, 0);
        if (size > 0) {
            in->size += (size_t)size;
            return 0;
        }
        bool again = size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
        if (!again) return lost(client, ERROR_CLOSED);
        if (!wait_for(client->fd, POLLIN, timeout_ms)) return lost(client, ERROR_TIMEOUT);
    }
}

static void header(struct buffer *out, const char *name, const char *value)
{
    if (value == NULL) return;
    text_append(out, name);
    text_append(out, ": ");
    /* A line end in a value would begin another header. */
    for (; *value != 0; value++)
        buffer_byte(out, *value == '\r' || *value == '\n' ? ' ' : (uint8_t)*value);
    text_append(out, "\r\n");
}

static void encode(const struct client *client, const struct client_request *request,
                   struct buffer *out)
{
    bool is_unix = strncmp(client->address, "unix:", 5) == 0;
    text_append(out, request->method);
    buffer_byte(out, ' ');
    text_append(out, request->path);
    text_append(out, " HTTP/1.1\r\n");
    header(out, "host", is_unix ? "localhost" : client->address);
    header(out, "user-agent", "holdfast/" HOLDFAST_VERSION);
    if (client->token != NULL) {
        text_append(out, "authorization: Bearer ");
        text_append(out, client->token);
        text_append(out, "\r\n");
    }
    for (size_t i = 0; i < CLIENT_HEADERS_MAX && request->headers[i].name != NULL; i++)
        header(out, request->headers[i].name, request->headers[i].value);
    if (strcmp(request->method, "GET") != 0 || request->body.size > 0) {
        text_append(out, "content-length: ");
        text_decimal(out, request->body.size);
        text_append(out, "\r\n");
    }
    text_append(out, "\r\n");
    if (request->body.size <= RECEIVE_SIZE) buffer_append(out, request->body);
}

int client_ask(struct client *client, const struct client_request *request,
               struct client_answer *answer)
{
    struct buffer out;
    bool keep = false;
    int64_t timeout_ms = request->timeout_ms > 0 ? request->timeout_ms : CLIENT_TIMEOUT_MS;
    *answer = (struct client_answer){0};
    buffer_init(&answer->head);
    buffer_init(&answer->body);
    int error = connect_client(client);
    if (error != 0) return error;
    buffer_init(&out);
    encode(client, request, &out);
    if (out.failed)
        error = errmsg_set(&client->errmsg, ERROR_MEMORY, "out of memory");
    else
        error = send_all(client, buffer_span(&out), timeout_ms);
    if (error == 0 && request->body.size > RECEIVE_SIZE)
        error = send_all(client, request->body, timeout_ms);
    /* A refusal may come before the body is through: it is worth more than the broken pipe. */
    if (error == 0 || error == ERROR_CLOSED) {
        int failed = response_read(client, timeout_ms, answer, &keep);
        if (error == 0 || failed == 0) error = failed;
    }
    buffer_close(&out);
    if (error != 0 || !keep) disconnect(client);
    return error;
}

void client_answer_close(struct client_answer *answer)
{
    buffer_close(&answer->head);
    buffer_close(&answer->body);
}
