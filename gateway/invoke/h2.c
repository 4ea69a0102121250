/* See h2.h. */
#include "invoke/h2.h"
#include "base/error.h"
int h2_open(struct connection *connection)
{
    (void)connection;
    return ERROR_UNSUPPORTED;
}
void h2_close(struct connection *connection)
{
    (void)connection;
}
size_t h2_streams(const struct connection *connection)
{
    (void)connection;
    return 0;
}
bool h2_has_room(const struct connection *connection)
{
    (void)connection;
    return false;
}
void h2_send(struct connection *connection, struct call *call)
{
    (void)connection;
    (void)call;
}
void h2_give_up(struct connection *connection, struct call *call)
{
    (void)connection;
    (void)call;
}
void h2_ready(struct connection *connection, uint32_t events)
{
    (void)connection;
    (void)events;
}
void h2_flush(struct connection *connection)
{
    (void)connection;
}
