/*
 * A second, strict reading of an HTTP/1 request head. h2o takes the first of two Content-Length,
 * prefers Transfer-Encoding over both and accepts folded lines; a proxy in front of us may choose
 * otherwise, and the difference smuggles requests (RFC 9112, 11.2). What can be read in two ways is
 * refused here.
 */
#ifndef HOLDFAST_NET_HEAD_H
#define HOLDFAST_NET_HEAD_H

#include "base/span.h"

enum { HEAD_SIZE_MAX = 65536 }; /* bytes of a request line and its headers */

struct head_verdict {
    int status;         /* 0: fine; 400 or 431 */
    const char *detail; /* for people */
    bool chunked;
};

/* `bytes` begins with the head and may go on behind it. */
struct head_verdict head_check(struct span bytes);

#endif
