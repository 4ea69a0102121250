/* The handler that the tests of the server talk to. */
#ifndef HOLDFAST_TESTS_UNIT_NET_ECHO_H
#define HOLDFAST_TESTS_UNIT_NET_ECHO_H

#include "lib/server_thread.h"

#include <stdatomic.h>

struct echo {
    struct server_thread thread;
    atomic_int handled;
    atomic_int gone;
    atomic_int decoded_at; /* `handled` at the last /decode/ */
    atomic_uint open_then; /* connections that were open then */
    atomic_int turn_ends;
    struct loop_turn_end turn_end;
    struct http_request *held; /* the last of /hold */
};

/*
 * /echo answers "METHOD path query secure" and the body; /hold answers when echo_release is called;
 * /big?size=N answers N bytes; /problem a 503 problem; /header?name= the value of a request header;
 * /decode/… the path decoded, or 400; /evil a header with line ends in it; /nothing 204.
 */
void echo_handle(void *context, struct http_request *request);
void echo_start(struct echo *echo, struct server_limits limits);
void echo_release(struct echo *echo);
/* Waits until the counter has reached the number; false after five seconds. */
bool reaches(atomic_int *counter, int number);

#endif
