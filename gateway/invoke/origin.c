/* See origin.h. */
#include "invoke/origin.h"

#include "base/check.h"
#include "invoke/bundle.h"
#include "invoke/exchange.h"
#include "invoke/h2.h"
#include "invoke/request.h"
#include "invoke/room.h"

#include <stdlib.h>

/* -- Life -- */

static char *fixed_head(const struct url *url, const char *host)
{
    struct buffer head;
    buffer_init(&head);
    request_fixed_head(&head, url, host);
    char *text = head.failed ? NULL : strndup((const char *)head.at, head.size);
    buffer_close(&head);
    return text;
}

int origin_open(struct origin **out, struct endpoint *endpoint, struct span host)
{
    struct origin *origin = calloc(1, sizeof *origin);
    if (origin == NULL) return ERROR_MEMORY;
    origin->endpoint = endpoint;
    origin->host = strndup((const char *)host.at, host.size);
    if (origin->host == NULL) goto free_origin;
    origin->fixed_head = fixed_head(&endpoint->url, origin->host);
    if (origin->fixed_head == NULL) goto free_host;
    list_init(&origin->idle);
    list_init(&origin->shared);
    list_init(&origin->others);
    list_init(&origin->waiting);
    if (!endpoint->url.secure)
        origin->protocol = endpoint->h2_prior_knowledge ? PROTOCOL_H2 : PROTOCOL_HTTP1;
    list_append(&endpoint->origins, &origin->link);
    *out = origin;
    return 0;
free_host:
    free(origin->host);
free_origin:
    free(origin);
    return ERROR_MEMORY;
}

static void free_connections(struct list *connections)
{
    while (!list_empty(connections))
        connection_free(LIST_FIRST(connections, struct connection, link));
}

void origin_close(struct origin *origin)
{
    free_connections(&origin->idle);
    free_connections(&origin->shared);
    free_connections(&origin->others);
    list_remove(&origin->link);
    free(origin->fixed_head);
    free(origin->host);
    free(origin);
}

static void close_all(struct list *connections)
{
    while (!list_empty(connections))
        connection_close(LIST_FIRST(connections, struct connection, link));
}

void origin_retire(struct origin *origin)
{
    close_all(&origin->idle);
    LIST_EACH (&origin->shared, link) {
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        if (h2_streams(connection) == 0) connection_close(connection);
    }
}

/* Only where hosts vary: a new host may come with any message, so the old ones must go. */
bool origin_useless(const struct origin *origin)
{
    if (!origin->endpoint->url.host_varies) return false;
    if (origin->connection_count > 0 || origin->waiting_count > 0) return false;
    LIST_EACH (&origin->endpoint->deadlines, link)
        if (CONTAINER_OF(link, struct call, due)->origin == origin) return false;
    return true;
}

int64_t origin_close_idle(struct origin *origin)
{
    int64_t now_us = loop_now_us(origin->endpoint->invoke->loop);
    int64_t next_us = INT64_MAX;
    LIST_EACH (&origin->idle, link) {
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        if (connection->idle_until_us <= now_us)
            connection_close(connection);
        else if (connection->idle_until_us < next_us)
            next_us = connection->idle_until_us;
    }
    LIST_EACH (&origin->shared, link) {
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        if (h2_streams(connection) > 0) continue;
        if (connection->idle_until_us <= now_us)
            connection_close(connection);
        else if (connection->idle_until_us < next_us)
            next_us = connection->idle_until_us;
    }
    return next_us;
}

/* -- The line -- */

static void wait_in_line(struct origin *origin, struct call *call)
{
    call->place = CALL_WAITING;
    list_append(&origin->waiting, &call->link);
    origin->waiting_count++;
}

static struct call *next_in_line(struct origin *origin)
{
    if (origin->waiting_count == 0) return NULL;
    struct call *call = LIST_FIRST(&origin->waiting, struct call, link);
    list_remove(&call->link);
    origin->waiting_count--;
    return call;
}

/* One connection may be enough for all that wait, as long as it is not known to speak HTTP/1. */
static bool dial_wanted(const struct origin *origin)
{
    uint32_t useful = origin->waiting_count;
    if (origin->protocol != PROTOCOL_HTTP1 && useful > 1) useful = 1;
    LIST_EACH (&origin->shared, link) {
        /* One that has room is about to be filled: it became so in this very turn. */
        const struct connection *connection = CONTAINER_OF(link, struct connection, link);
        if (h2_settling(connection) || h2_has_room(connection)) return false;
    }
    return origin->connecting < useful && origin->connection_count < origin->endpoint->pool_max;
}

/* Each connection that cannot even begin to open takes a waiting call with it, so this ends. */
static void origin_dial(struct origin *origin)
{
    if (origin->dialing) return;
    origin->dialing = true;
    while (dial_wanted(origin)) {
        origin->connecting++;
        connection_open(origin, NULL);
    }
    origin->dialing = false;
}

static struct connection *shared_with_room(const struct origin *origin)
{
    LIST_EACH (&origin->shared, link) {
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        if (h2_has_room(connection)) return connection;
    }
    return NULL;
}

void origin_call(struct origin *origin, struct call *call)
{
    call->origin = origin;
    struct connection *shared = origin->waiting_count == 0 ? shared_with_room(origin) : NULL;
    if (shared != NULL) {
        h2_send(shared, call);
    } else if (!list_empty(&origin->idle)) {
        struct connection *connection = LIST_FIRST(&origin->idle, struct connection, link);
        list_remove(&connection->link);
        if (exchange_begin(connection, call))
            list_append(&origin->others, &connection->link);
        else
            list_prepend(&origin->idle, &connection->link);
    } else {
        wait_in_line(origin, call);
        origin_dial(origin);
    }
}

void origin_retry(struct origin *origin, struct call *call)
{
    call->retried = true;
    call->place = CALL_RETRYING;
    origin->endpoint->invoke->metrics.stale_retries++;
    connection_open(origin, call);
}

void origin_again(struct origin *origin, struct call *call)
{
    call->retried = true;
    call->place = CALL_WAITING;
    call->connection = NULL;
    origin->endpoint->invoke->metrics.stale_retries++;
    list_prepend(&origin->waiting, &call->link);
    origin->waiting_count++;
}

static void expire_waiting(struct call *call)
{
    struct origin *origin = call->origin;
    origin->waiting_count--;
    call_fail(call, OUTCOME_UNREACHABLE,
              "%s: no connection within %lld ms (%u of at most %u are in use)", origin->host,
              (long long)(origin->endpoint->call_us / 1000), origin->connection_count,
              origin->endpoint->pool_max);
}

/* From its connection, which does not know what the answer is worth any more. */
static void let_go(struct call *call)
{
    struct connection *connection = call->connection;
    if (call->place == CALL_SENT && connection->state == CONNECTION_SHARED)
        h2_give_up(connection, call);
    else
        connection->call = NULL;
}

void origin_call_dropped(struct call *call)
{
    struct connection *connection = call->connection;
    if (call->place == CALL_WAITING) {
        list_remove(&call->link);
        call->origin->waiting_count--;
        return;
    }
    let_go(call);
    if (connection->state != CONNECTION_SHARED) connection_close(connection);
}

/* Those who ride with it are not late by that: each has its own time. */
static void expire_riding(struct call *call)
{
    bool sent = call->carrier->place == CALL_SENT || call->carrier->place == CALL_ENDED;
    int64_t ms = call->endpoint->call_us / 1000;
    bundle_leave(call);
    if (sent)
        call_fail(call, OUTCOME_TIMEOUT, "no outcome within %lld ms", (long long)ms);
    else
        call_fail(call, OUTCOME_UNREACHABLE, "%s: no connection within %lld ms", call->origin->host,
                  (long long)ms);
}

void origin_call_expired(struct call *call)
{
    struct connection *connection = call->connection;
    int64_t ms = call->endpoint->call_us / 1000;
    if (call->place == CALL_WAITING) {
        expire_waiting(call);
        return;
    }
    if (call->place == CALL_RIDING) {
        expire_riding(call);
        return;
    }
    if (call->place == CALL_NEW) {
        call_fail(call, OUTCOME_OVERLOADED, "not begun within %lld ms", (long long)ms);
        return;
    }
    bool sent = call->place == CALL_SENT;
    let_go(call);
    if (sent)
        call_fail(call, OUTCOME_TIMEOUT, "no complete answer within %lld ms", (long long)ms);
    else
        call_fail(call, OUTCOME_UNREACHABLE, "%s: not connected within %lld ms", call->origin->host,
                  (long long)ms);
    /* An answer that comes late must not be taken for that of the next call. */
    if (connection->state != CONNECTION_SHARED) connection_close(connection);
}

void origin_call_crowded(struct call *call)
{
    struct connection *connection = call->connection;
    let_go(call);
    call_fail(call, OUTCOME_OVERLOADED,
              "its answer was over %zu bytes when all answers together had no more room",
              call->answer.body.sent);
    if (connection->state != CONNECTION_SHARED) connection_close(connection);
}

/* -- What connections tell -- */

static void move(struct connection *connection, struct list *list)
{
    list_remove(&connection->link);
    list_append(list, &connection->link);
}

static void become_idle(struct origin *origin, struct connection *connection)
{
    if (origin->endpoint->retired) {
        connection_close(connection);
        return;
    }
    list_remove(&connection->link);
    list_prepend(&origin->idle, &connection->link);
    connection->state = CONNECTION_IDLE;
    connection->was_idle = true;
    endpoint_idle_until(origin->endpoint, connection->idle_until_us);
}

void origin_free(struct origin *origin, struct connection *connection)
{
    struct call *call;
    move(connection, &origin->others);
    while ((call = next_in_line(origin)) != NULL)
        if (exchange_begin(connection, call)) return;
    become_idle(origin, connection);
}

void origin_roomier(struct origin *origin, struct connection *connection)
{
    while (origin->waiting_count > 0 && h2_has_room(connection))
        h2_send(connection, next_in_line(origin));
    if (h2_streams(connection) == 0 && origin->endpoint->retired)
        connection_close(connection);
    else
        origin_dial(origin);
}

static void ready_for_own_call(struct origin *origin, struct connection *connection)
{
    struct call *call = connection->call;
    connection->call = NULL;
    if (connection->state == CONNECTION_SHARED)
        h2_send(connection, call);
    else if (!exchange_begin(connection, call))
        origin_free(origin, connection);
}

void origin_ready(struct origin *origin, struct connection *connection)
{
    bool h2 = connection->state == CONNECTION_SHARED;
    origin->protocol = h2 ? PROTOCOL_H2 : PROTOCOL_HTTP1;
    connection->idle_until_us =
        loop_now_us(origin->endpoint->invoke->loop) + origin->endpoint->idle_us;
    move(connection, h2 ? &origin->shared : &origin->others);
    if (connection->call != NULL) {
        ready_for_own_call(origin, connection);
        return;
    }
    origin->connecting--;
    if (h2) {
        endpoint_idle_until(origin->endpoint, connection->idle_until_us);
        origin_roomier(origin, connection);
    } else {
        origin_free(origin, connection);
        origin_dial(origin); /* the first one of TLS was alone so far */
    }
}

void origin_unreachable(struct origin *origin, struct call *call, const char *why)
{
    if (call != NULL) {
        /* Its first connection broke after the request had left: nobody knows what happened to it.
         */
        call_fail(call, OUTCOME_LOST, "the connection was closed before an answer, then: %s", why);
        origin_dial(origin);
        return;
    }
    origin->connecting--;
    bool shared = origin->protocol != PROTOCOL_HTTP1;
    while ((call = next_in_line(origin)) != NULL) {
        call_fail(call, OUTCOME_UNREACHABLE, "%s", why);
        if (!shared) break;
    }
    origin_dial(origin);
}

void origin_lost(struct origin *origin)
{
    origin_dial(origin);
}
