/*
 * One request between h2o and a handler, in memory of h2o's pool. h2o disposes of it when the
 * answer is out or the client took the request back, and that is where we learn the latter: h2o
 * tells its access log just before.
 */
#include "net/internal.h"

#include "base/check.h"
#include "base/utf8.h"
#include "net/head.h"
#include "net/percent.h"

#include <stdio.h>

struct request_handler {
    h2o_handler_t super;
    struct server *server;
};

/* Where an h2o_req_t has ours: among what h2o calls its environment. */
static h2o_iovec_t *place_of(h2o_req_t *req, bool make)
{
    return h2o_req_getenv(req, H2O_STRLIT("holdfast"), make);
}

/* -- From h2o to the handler -- */

static void tell_gone(struct request *request)
{
    void (*gone)(struct http_request *) = request->http.gone;
    request->http.gone = NULL;
    if (gone != NULL) gone(&request->http);
}

static void mark_answered(struct request *request)
{
    request->answered = true;
    request->connection->waiting--;
    request->connection->answered++;
    turn_left(request);
    connection_progress(request->connection);
}

static void end(struct request *request)
{
    struct connection *connection = request->connection;
    if (request->lent_done != NULL) request->lent_done(request->lent_context);
    if (connection == NULL) return;
    loop_touch(connection->listener->server->loop);
    list_remove(&request->link);
    list_remove(&request->postponed_link);
    answers_release(connection, request->held);
    waiting_end(connection);
    bodies_unhooked(connection);
    if (request->answered) {
        connection_progress(connection);
        return;
    }
    mark_answered(request);
    connection->answered--; /* no answer at all */
    tell_gone(request);
    if (request->h2o->version >= 0x200 && !connection->cut) connection_count_reset(connection);
}

static void request_ended(h2o_logger_t *self, h2o_req_t *req)
{
    const h2o_iovec_t *place = place_of(req, false);
    (void)self;
    if (place == NULL) return; /* h2o has answered by itself */
    struct request *request = (struct request *)(void *)place->base;
    struct server *server = request->server;
    end(request);
    spares_keep(server, req);
}

static struct request *request_make(struct connection *connection, h2o_req_t *req)
{
    struct request *request = h2o_mem_alloc_pool(&req->pool, sizeof *request);
    size_t path_size = req->input.query_at == SIZE_MAX ? req->input.path.len : req->input.query_at;
    *request = (struct request){.connection = connection, .h2o = req};
    request->server = connection->listener->server;
    place_of(req, true)->base = (char *)request;
    request->http.method = span_of_iovec(req->input.method);
    request->http.path = span_of(req->input.path.base, path_size);
    if (req->input.query_at != SIZE_MAX)
        request->http.query = span_from(span_of_iovec(req->input.path), path_size + 1);
    request->http.body = span_of_iovec(req->entity);
    request->http.secure = connection->trusted;
    list_init(&request->postponed_link);
    list_init(&request->read_link);
    list_append(&connection->requests, &request->link);
    connection->waiting++;
    connection->dispatched++;
    connection_progress(connection);
    return request;
}

static struct head_verdict check_headers(const h2o_req_t *req)
{
    size_t size = req->input.path.len;
    for (size_t i = 0; i < req->headers.size; i++)
        size += req->headers.entries[i].name->len + req->headers.entries[i].value.len;
    if (size > HEAD_SIZE_MAX)
        return (struct head_verdict){.status = 431, .detail = "the headers are over 65536 bytes"};
    if (req->input.path.len == 0)
        return (struct head_verdict){.status = 400, .detail = "the path is empty"};
    /* A request of HTTP/1 that asked for h2c was framed by rules that nobody checked, and a proxy
       that let it through would no longer see what comes next. */
    if (h2o_find_header(&req->headers, H2O_TOKEN_HTTP2_SETTINGS, -1) >= 0)
        return (struct head_verdict){
            .status = 400, .detail = "use HTTP/2 with prior knowledge instead of Upgrade: h2c"};
    return (struct head_verdict){.status = 0};
}

/* The raw head of an HTTP/1 request is at the start of the input until the request is over. */
static struct head_verdict check_head(const struct connection *connection, const h2o_req_t *req)
{
    const h2o_buffer_t *input = connection->socket->input;
    if (req->version >= 0x200) return check_headers(req);
    return head_check(span_of(input->bytes, input->size));
}

static void refuse(struct request *request, int status, const char *code, const char *detail)
{
    request->h2o->http1_is_persistent = 0;
    http_problem(&request->http, status, code, detail, SPAN_EMPTY, status == 503 ? 1 : 0);
}

/* Of HTTP/2, see bodies.c; that of HTTP/1 is refused by h2o. */
static void refuse_too_large(struct request *request)
{
    char text[128];
    snprintf(text, sizeof text, "The body is over the limit of %zu bytes.",
             request->connection->listener->server->limits.body_max);
    http_problem(&request->http, 413, "too-large", text, SPAN_EMPTY, 0);
}

static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    struct server *server = ((struct request_handler *)(void *)self)->server;
    struct connection *connection = req->conn->callbacks->get_socket(req->conn)->on_close.data;
    loop_touch(server->loop);
    struct request *request = request_make(connection, req);
    struct head_verdict verdict = check_head(connection, req);
    if (verdict.status != 0) {
        refuse(request, verdict.status,
               verdict.status == 431 ? "headers-too-large" : "malformed-request", verdict.detail);
        /* HTTP/1 ends with the answer by itself; what is left of HTTP/2 is not to be trusted
         * either. */
        if (req->version >= 0x200) connection_cut(connection);
    } else if (req->entity.len > server->limits.body_max) {
        refuse_too_large(request);
    } else if (server->closing || connection->cut || connection->gone) {
        refuse(request, 503, "draining", "The gateway is going down: try again.");
    } else {
        /* h2o reads chunk sizes too leniently ("0x1" is 0). Another opinion on where the body ends
           must not make a request of what is behind it: nothing is read from there. */
        if (verdict.chunked) req->http1_is_persistent = 0;
        turn_request(request);
    }
    return 0;
}

void request_handler_register(struct server *server, h2o_pathconf_t *path)
{
    struct request_handler *handler =
        (struct request_handler *)(void *)h2o_create_handler(path, sizeof *handler);
    handler->super.on_req = on_request;
    handler->server = server;
    h2o_create_logger(path, sizeof(h2o_logger_t))->log_access = request_ended;
}

/* -- What the handler may ask -- */

void *http_alloc(struct http_request *request, size_t size)
{
    return h2o_mem_alloc_pool(&request_of(request)->h2o->pool, size == 0 ? 1 : size);
}

struct span http_header(const struct http_request *request, const char *name)
{
    const h2o_req_t *req = request_of(request)->h2o;
    size_t size = strlen(name);
    const h2o_token_t *token = h2o_lookup_token(name, size);
    if (token == H2O_TOKEN_HOST) return span_of_iovec(req->input.authority);
    ssize_t found = token != NULL ? h2o_find_header(&req->headers, token, -1)
                                  : h2o_find_header_by_str(&req->headers, name, size, -1);
    if (found < 0) return SPAN_EMPTY;
    h2o_iovec_t value = req->headers.entries[found].value;
    return value.len == 0 ? span_of("", 0) : span_of_iovec(value);
}

static bool needs_decoding(struct span text, bool plus)
{
    return text.size > 0 && (memchr(text.at, '%', text.size) != NULL ||
                             (plus && memchr(text.at, '+', text.size) != NULL));
}

static int decode(struct http_request *request, struct span encoded, bool plus,
                  struct span *decoded)
{
    *decoded = encoded.size == 0 ? span_of("", 0) : encoded;
    if (!needs_decoding(encoded, plus)) return 0;
    uint8_t *memory = http_alloc(request, encoded.size);
    size_t size = 0;
    int error = percent_decode(encoded, plus, memory, &size);
    if (error == 0) *decoded = span_of(memory, size);
    return error;
}

int http_decode(struct http_request *request, struct span encoded, struct span *decoded)
{
    return decode(request, encoded, false, decoded);
}

/* The first "name=value" or "name" of the query; takes it from `rest`. */
static struct span next_pair(struct span *rest)
{
    const uint8_t *end = memchr(rest->at, '&', rest->size);
    struct span pair = end == NULL ? *rest : span_of(rest->at, (size_t)(end - rest->at));
    *rest = span_from(*rest, pair.size + 1);
    return pair;
}

struct span http_query(struct http_request *request, const char *name)
{
    struct span rest = request->query;
    struct span wanted = span_text(name);
    while (rest.size > 0) {
        struct span pair = next_pair(&rest);
        if (!span_starts_with(pair, wanted)) continue;
        struct span value = span_from(pair, wanted.size);
        if (value.size > 0 && value.at[0] != '=') continue;
        struct span decoded;
        /* What does not decode is taken as it is; whoever wants the value will not find it valid.
         */
        if (decode(request, span_from(value, 1), true, &decoded) != 0) return span_from(value, 1);
        return decoded;
    }
    return SPAN_EMPTY;
}

/* -- From the handler to h2o -- */

/* Control characters would end the header, and begin another one of the sender's choice. */
static h2o_iovec_t header_copy(h2o_mem_pool_t *pool, struct span text)
{
    char *copy = h2o_mem_alloc_pool(pool, text.size + 1);
    if (text.size > 0) memcpy(copy, text.at, text.size);
    copy[text.size] = 0;
    if (ascii_printable(text)) return h2o_iovec_init(copy, text.size);
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < 0x20 || text.at[i] == 0x7f) copy[i] = '?';
    return h2o_iovec_init(copy, text.size);
}

static void add_headers(h2o_req_t *req, const struct http_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        h2o_iovec_t name = header_copy(&req->pool, headers[i].name);
        h2o_iovec_t value = header_copy(&req->pool, headers[i].value);
        h2o_add_header_by_str(&req->pool, &req->res.headers, name.base, name.len, 1, NULL,
                              value.base, value.len);
    }
}

static h2o_iovec_t body_copy(h2o_mem_pool_t *pool, struct span body)
{
    char *copy = h2o_mem_alloc_pool(pool, body.size);
    memcpy(copy, body.at, body.size);
    return h2o_iovec_init(copy, body.size);
}

static void send_answer(struct request *request, struct span body, bool lent)
{
    static h2o_generator_t generator = {NULL, NULL};
    h2o_req_t *req = request->h2o;
    struct server *server = request->connection->listener->server;
    bool is_head = h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("HEAD"));
    h2o_iovec_t sent = {NULL, 0};
    if (server->draining) req->http1_is_persistent = 0;
    req->res.reason = status_reason(req->res.status);
    req->res.content_length = body.size;
    if (body.size > 0 && !is_head) sent = lent ? iovec_of(body) : body_copy(&req->pool, body);
    server->answering = req;
    h2o_start_response(req, &generator);
    h2o_send(req, &sent, sent.len > 0 ? 1 : 0, H2O_SEND_STATE_FINAL);
    server->answering = NULL;
}

/* Whoever has sent a thousand of them in one go shall not have a thousand answers. */
void request_refuse_large(struct request *request)
{
    request->h2o->http1_is_persistent = 0;
    http_problem(&request->http, 503, "full",
                 "The gateway has no room for so large an answer now: try again.", SPAN_EMPTY, 1);
}

/* False: an answer has been given, and it is not this one. */
static bool make_room(struct request *request, size_t size)
{
    struct connection *connection = request->connection;
    turn_answer(request, size);
    if (connection->listener->accept.ssl_ctx != NULL) size *= 2; /* once more, encrypted */
    if (answers_hold(connection, size)) {
        request->held = size;
        return true;
    }
    if (request_is_read(request)) {
        request_refuse_large(request);
        return false;
    }
    request->http.gone = NULL;
    request_abandon(request);
    connection_cut(connection);
    return false;
}

static void answer(struct http_request *http, int status, const struct http_header *headers,
                   size_t count, struct span body, bool lent)
{
    struct request *request = request_of(http);
    CHECK(!request->answered);
    if (!make_room(request, body.size)) return;
    mark_answered(request);
    request->http.gone = NULL;
    request->h2o->res.status = status;
    add_headers(request->h2o, headers, count);
    send_answer(request, body, lent);
}

void http_answer(struct http_request *http, int status, const struct http_header *headers,
                 size_t count, struct span body)
{
    answer(http, status, headers, count, body, false);
}

void http_answer_lent(struct http_request *http, int status, const struct http_header *headers,
                      size_t count, struct span body, void (*done)(void *context), void *context)
{
    struct request *request = request_of(http);
    request->lent_done = done; /* when h2o disposes of the request, whatever has been answered */
    request->lent_context = context;
    answer(http, status, headers, count, body, true);
}

void request_abandon(struct request *request)
{
    mark_answered(request);
    tell_gone(request);
    request->h2o->http1_is_persistent = 0;
    request->h2o->res.status = 499;
    send_answer(request, SPAN_EMPTY, false);
}

void request_dismiss(struct request *request)
{
    tell_gone(request);
    refuse(request, 503, "draining", "The gateway is going down: try again.");
}
