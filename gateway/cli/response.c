/* The answer's side of client.h: status line, headers, and a body by length, in chunks, or up to
 * the end. */
#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { LINE_MAX_SIZE = 64 << 10, HEAD_LINES_MAX = 200 };

struct response {
    struct client *client;
    struct client_answer *answer;
    int64_t timeout_ms;
};

static int malformed(struct response *response)
{
    return errmsg_set(&response->client->errmsg, ERROR_MALFORMED,
                      "what listens at %.100s does not speak HTTP as the gateway does",
                      response->client->address);
}

static int no_memory(struct response *response)
{
    return errmsg_set(&response->client->errmsg, ERROR_MEMORY, "out of memory");
}

static struct span rest_of(const struct client *client)
{
    return span_from(buffer_span(&client->in), client->taken);
}

/* What has been taken is forgotten before more comes, so that the buffer does not grow. */
static int receive(struct response *response)
{
    struct client *client = response->client;
    struct span rest = rest_of(client);
    if (client->taken > 0) {
        if (rest.size > 0) memmove(client->in.at, rest.at, rest.size);
        buffer_truncate(&client->in, rest.size);
        client->taken = 0;
    }
    return client_receive(client, response->timeout_ms);
}

/* One line without its end; valid until the next call. */
static int read_line(struct response *response, struct span *line)
{
    struct client *client = response->client;
    for (;;) {
        struct span rest = rest_of(client);
        const uint8_t *end = rest.size == 0 ? NULL : memchr(rest.at, '\n', rest.size);
        if (end != NULL) {
            size_t size = (size_t)(end - rest.at);
            client->taken += size + 1;
            *line = span_of(rest.at, size > 0 && rest.at[size - 1] == '\r' ? size - 1 : size);
            return 0;
        }
        if (rest.size > LINE_MAX_SIZE) return malformed(response);
        int error = receive(response);
        if (error != 0) return error;
    }
}

/* "HTTP/1.1 200 OK" */
static bool read_status(struct span line, int *status)
{
    if (!span_starts_with(line, SPAN_LITERAL("HTTP/1.")) || line.size < 12) return false;
    *status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line.at[i] < '0' || line.at[i] > '9') return false;
        *status = *status * 10 + (line.at[i] - '0');
    }
    return *status >= 100;
}

static int read_head(struct response *response)
{
    struct span line = SPAN_EMPTY;
    struct client_answer *answer = response->answer;
    int error = read_line(response, &line);
    if (error != 0) return error;
    if (!read_status(line, &answer->status)) return malformed(response);
    buffer_clear(&answer->head);
    for (int i = 0; i < HEAD_LINES_MAX; i++) {
        error = read_line(response, &line);
        if (error != 0) return error;
        if (line.size == 0) return answer->head.failed ? no_memory(response) : 0;
        buffer_append(&answer->head, line);
        buffer_byte(&answer->head, '\n');
    }
    return malformed(response);
}

bool client_header(const struct client_answer *answer, const char *name, char *out, size_t size)
{
    struct span rest = buffer_span(&answer->head);
    size_t name_size = strlen(name);
    while (rest.size > 0) {
        const uint8_t *end = memchr(rest.at, '\n', rest.size);
        struct span line = span_of(rest.at, (size_t)(end - rest.at));
        rest = span_from(rest, line.size + 1);
        if (line.size <= name_size || line.at[name_size] != ':' ||
            strncasecmp((const char *)line.at, name, name_size) != 0)
            continue;
        struct span value = span_from(line, name_size + 1);
        while (value.size > 0 && (value.at[0] == ' ' || value.at[0] == '\t'))
            value = span_from(value, 1);
        if (value.size >= size) return false;
        if (value.size > 0) memcpy(out, value.at, value.size);
        out[value.size] = 0;
        return true;
    }
    return false;
}

/* `size` bytes of the body. */
static int read_bytes(struct response *response, uint64_t size)
{
    struct client *client = response->client;
    if (size > CLIENT_BODY_MAX - response->answer->body.size)
        return errmsg_set(&client->errmsg, ERROR_TOO_LARGE, "the answer is too large");
    while (size > 0) {
        struct span rest = rest_of(client);
        if (rest.size == 0) {
            int error = receive(response);
            if (error != 0) return error;
            continue;
        }
        size_t part = rest.size < size ? rest.size : (size_t)size;
        buffer_append(&response->answer->body, span_of(rest.at, part));
        client->taken += part;
        size -= part;
    }
    return 0;
}

static int read_chunks(struct response *response)
{
    struct span line = SPAN_EMPTY;
    for (;;) {
        char digits[20];
        int error = read_line(response, &line);
        if (error != 0) return error;
        if (line.size == 0 || line.size >= sizeof digits) return malformed(response);
        memcpy(digits, line.at, line.size);
        digits[line.size] = 0;
        char *end;
        unsigned long long size = strtoull(digits, &end, 16);
        if (end == digits || digits[0] == '-') return malformed(response);
        if (size == 0) break;
        error = read_bytes(response, size);
        if (error == 0) error = read_line(response, &line);
        if (error != 0) return error;
        if (line.size != 0) return malformed(response);
    }
    for (int i = 0; i < HEAD_LINES_MAX; i++) { /* trailers */
        int error = read_line(response, &line);
        if (error != 0 || line.size == 0) return error;
    }
    return malformed(response);
}

static int read_to_end(struct response *response)
{
    struct client *client = response->client;
    for (;;) {
        int error = read_bytes(response, rest_of(client).size);
        if (error != 0) return error;
        error = receive(response);
        if (error == ERROR_CLOSED) return 0;
        if (error != 0) return error;
    }
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

static int read_body(struct response *response, bool *keep)
{
    char text[64];
    const struct client_answer *answer = response->answer;
    *keep =
        !(client_header(answer, "connection", text, sizeof text) && strcasecmp(text, "close") == 0);
    if (has_no_body(answer->status)) return 0;
    if (client_header(answer, "transfer-encoding", text, sizeof text) &&
        strcasecmp(text, "chunked") == 0)
        return read_chunks(response);
    if (client_header(answer, "content-length", text, sizeof text)) {
        char *end;
        unsigned long long size = strtoull(text, &end, 10);
        return *end != 0 || end == text ? malformed(response) : read_bytes(response, size);
    }
    *keep = false;
    return read_to_end(response);
}

int response_read(struct client *client, int64_t timeout_ms, struct client_answer *answer,
                  bool *keep)
{
    struct response response = {client, answer, timeout_ms};
    int error;
    do {
        error = read_head(&response);
    } while (error == 0 && answer->status < 200); /* 100 Continue and the like */
    if (error == 0) error = read_body(&response, keep);
    return error == 0 && answer->body.failed ? no_memory(&response) : error;
}
