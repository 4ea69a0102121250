/*
 * What a request leaves is there for the next one. h2o keeps 16 blocks of each kind and returns the
 * others to malloc: with more requests under way each would cost two allocations. Of the buffers
 * that connections are read into h2o can be told to keep more. Of the blocks that make the pools of
 * requests it cannot: so the pool of a request that has ended is kept here, and given back when the
 * next one is about to be read.
 */
#include "net/internal.h"

enum {
    BUFFERS = 128,     /* of 8 KiB */
    HEADERS_KEPT = 16, /* requests with more of them may have large pools */
};

/* h2o's list is one of the thread. */
void spares_turn(void)
{
    h2o_socket_buffer_prototype.allocator.max = BUFFERS;
}

void spares_keep(struct server *server, h2o_req_t *req)
{
    bool small = req->pool.directs == NULL && req->headers.size <= HEADERS_KEPT;
    if (!small || server->spare_count == SPARE_POOLS) return;
    server->spares[server->spare_count++] = req->pool;
    h2o_mem_init_pool(&req->pool);
}

void spares_use(struct server *server)
{
    if (server->spare_count > 0) h2o_mem_clear_pool(&server->spares[--server->spare_count]);
}

void spares_close(struct server *server)
{
    while (server->spare_count > 0) spares_use(server);
}
