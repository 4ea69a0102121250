/*
 * A small blocking HTTP/1.1 client for the gateway's own API: TCP or a Unix socket, one connection
 * that is kept, a time-out on every wait. No TLS: an https address is refused with a sentence.
 */
#ifndef HOLDFAST_CLI_CLIENT_H
#define HOLDFAST_CLI_CLIENT_H

#include "base/buffer.h"

enum { CLIENT_HEADERS_MAX = 8, CLIENT_BODY_MAX = 1 << 30, CLIENT_TIMEOUT_MS = 60000 };

struct client {
    const char *address; /* "host:port", "[v6]:port", "unix:/path", "http://host:port"; borrowed */
    const char *token;   /* sent as bearer; NULL: none; borrowed */
    int64_t connect_ms;
    int fd;           /* -1: not connected */
    struct buffer in; /* received */
    size_t taken;     /* of it */
    struct errmsg errmsg;
};

struct client_header {
    const char *name;
    const char *value; /* NULL: the header is left out */
};

struct client_request {
    const char *method;
    const char *path; /* encoded, with its query */
    struct client_header headers[CLIENT_HEADERS_MAX];
    struct span body;
    int64_t timeout_ms; /* longest silence; 0: CLIENT_TIMEOUT_MS */
};

struct client_answer {
    int status;
    struct buffer head; /* header lines, each ended by \n */
    struct buffer body;
};

/* Nothing is connected yet. ERROR_UNSUPPORTED, ERROR_INVALID: the address; see errmsg. */
int client_init(struct client *client, const char *address, const char *token) MUST_USE;
void client_close(struct client *client);

/*
 * Sends and waits for the whole answer, whatever its status. `answer` is initialized here, and
 * closed by the caller also after an error. ERROR_UNREACHABLE: it was not sent. ERROR_CLOSED,
 * ERROR_TIMEOUT: it may have taken effect. ERROR_MALFORMED: no HTTP. ERROR_TOO_LARGE, ERROR_MEMORY.
 */
int client_ask(struct client *client, const struct client_request *request,
               struct client_answer *answer) MUST_USE;
void client_answer_close(struct client_answer *answer);
/* The value of a header of the answer into `out`; false: it is not there, or too long. */
bool client_header(const struct client_answer *answer, const char *name, char *out, size_t size);

/* ---- For response.c ---- */

/* More bytes into client->in. ERROR_CLOSED at the end. */
int client_receive(struct client *client, int64_t timeout_ms) MUST_USE;
/* Reads one answer; *keep: the connection may be used again. */
int response_read(struct client *client, int64_t timeout_ms, struct client_answer *answer,
                  bool *keep) MUST_USE;

#endif
