/*
 * Who hung up? While an HTTP/1 request waits for its answer h2o does not read, and so would learn
 * only by a failing write that the client has gone. An epoll of its own, edge triggered and asking
 * for nothing but the end of both directions, tells at once and costs one system call per
 * connection. A client that has only ended its own direction may well wait for the answer (RFC
 * 9112, 9.6), and one that closes its socket looks the same until something is written to it.
 * HTTP/2 connections are always read.
 */
#include "net/internal.h"

#include <sys/epoll.h>

enum { HANGUPS_PER_TURN = 32 };

static void connection_hung_up(struct connection *connection)
{
    connection->gone = true;
    LIST_EACH (&connection->requests, link) {
        struct request *request = CONTAINER_OF(link, struct request, link);
        if (request->answered || request->h2o->version >= 0x200) continue;
        request_abandon(request);
        return; /* HTTP/1 has one at a time */
    }
}

/* One at a time: an event fetched earlier may be of a connection that is no longer there. */
static void hangups_ready(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    struct epoll_event event;
    for (int i = 0; i < HANGUPS_PER_TURN; i++) {
        if (epoll_wait(watch->fd, &event, 1, 0) != 1) return;
        connection_hung_up(event.data.ptr);
    }
}

int hangup_open(struct server *server)
{
    server->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
    if (server->hangup_fd < 0) return ERROR_IO;
    server->hangup_watch = (struct loop_watch){.ready = hangups_ready};
    int error = loop_add(server->loop, &server->hangup_watch, server->hangup_fd, LOOP_READ);
    if (error != 0) close(server->hangup_fd);
    return error;
}

void hangup_close(struct server *server)
{
    loop_remove(server->loop, &server->hangup_watch);
    close(server->hangup_fd);
}

/* Failing is no harm: then a gone client is noticed when its answer is written. Closing the socket
   takes it out. */
void hangup_watch(struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLET, .data.ptr = connection}; /* EPOLLHUP, EPOLLERR */
    int fd = h2o_socket_get_fd(connection->socket);
    (void)epoll_ctl(connection->listener->server->hangup_fd, EPOLL_CTL_ADD, fd, &event);
}
