/* Many calls at a time on one HTTP/2 connection, by nghttp2. */
#ifndef HOLDFAST_INVOKE_H2_H
#define HOLDFAST_INVOKE_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct call;

/* Begins the protocol on an established connection. ERROR_MEMORY. */
int h2_open(struct connection *connection);
void h2_close(struct connection *connection);

/* Calls on it. */
size_t h2_streams(const struct connection *connection);
/* The peer has not yet said how many calls it takes at a time. */
bool h2_settling(const struct connection *connection);
/* It takes one more call now. */
bool h2_has_room(const struct connection *connection);
/* Takes the call; it is sent at the end of the turn. */
void h2_send(struct connection *connection, struct call *call);
/* The call's time is over: its stream is cancelled, and the call is no longer the connection's. */
void h2_give_up(struct connection *connection, struct call *call);
/* Something came, or the socket takes more. May close the connection. */
void h2_ready(struct connection *connection, uint32_t events);
/* It is its turn to be read. May close the connection. */
void h2_read(struct connection *connection);
/* Sends what has gathered. May close the connection. */
void h2_flush(struct connection *connection);

#endif
