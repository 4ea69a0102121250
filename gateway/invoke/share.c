/*
 * One turn of the loop is for everybody: for a client that waits for its answer, too. Functions can
 * send as much as the network takes, on thousands of connections at once, and compressed. So a turn
 * does so much work and no more, counted in bytes, and the rest waits in line, whoever came first
 * in front. The next turn then comes without sleep.
 */
#include "invoke/room.h"

enum { TURN_WORK = 128 * 1024 /* bytes: about a tenth of a millisecond */ };

void share_take(struct invoke *invoke, size_t bytes)
{
    invoke->work -= bytes < invoke->work ? bytes : invoke->work;
}

bool share_spent(const struct invoke *invoke)
{
    return invoke->work == 0;
}

bool share_may_read(struct invoke *invoke, struct connection *connection)
{
    if (list_empty(&connection->turn) && list_empty(&invoke->waiting) && !share_spent(invoke))
        return true;
    if (list_empty(&connection->turn)) list_append(&invoke->waiting, &connection->turn);
    invoke_soon(invoke);
    return false;
}

void share_go_on(struct invoke *invoke)
{
    while (!share_spent(invoke) && !list_empty(&invoke->waiting)) {
        struct connection *connection = LIST_FIRST(&invoke->waiting, struct connection, turn);
        list_remove(&connection->turn);
        connection_read(connection);
    }
}

void share_renew(struct invoke *invoke)
{
    invoke->work = TURN_WORK;
}

void share_end(struct invoke *invoke)
{
    if (!list_empty(&invoke->waiting) || has_packed_calls(invoke) ||
        !list_empty(&invoke->answered) || !list_empty(&invoke->failed) ||
        !list_empty(&invoke->leaving) || !list_empty(&invoke->fresh) ||
        !list_empty(&invoke->speaking))
        invoke_soon(invoke);
}
