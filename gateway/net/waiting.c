/*
 * Between a request of HTTP/1 and its answer h2o does not read: it takes the socket out of its
 * epoll and puts it back later, two system calls for each request of a client that says nothing
 * meanwhile. Here the socket stays in, without being read, and is taken out when the client does
 * say something or ends.
 */
#include "net/internal.h"

/* Again from where h2o has left it. */
static void stirred(h2o_socket_t *socket, const char *error)
{
    (void)error;
    h2o_socket_read_stop(socket);
    h2o_socket_dont_read(socket, 0);
}

void waiting_begin(struct connection *connection)
{
    h2o_socket_t *socket = connection->socket;
    bool waits = socket->_cb.read == NULL && !list_empty(&connection->requests);
    if (!waits || connection->frames != NULL || connection->cut) return;
    h2o_socket_dont_read(socket, 1);
    h2o_socket_read_start(socket, stirred);
}

void waiting_end(struct connection *connection)
{
    h2o_socket_dont_read(connection->socket, 0);
}
