/*
 * Reads one HTTP/1.x response at a time, from bytes in pieces of any size. Strict, since a gateway
 * that guesses where an answer ends takes half an answer for a whole one: no bare LF, no folded
 * lines, no second length, no length beside chunks. Interim answers (1xx) are skipped. Bounded by
 * ANSWER_HEADERS_MAX and ANSWER_HEAD_BYTES_MAX.
 *
 * A body without length or chunks ends with the connection. Whether it is whole cannot be seen, so
 * an empty one (which would mean "no effects") counts as broken off, and `unframed` tells the
 * reader of the others.
 */
#ifndef HOLDFAST_INVOKE_HTTP1_H
#define HOLDFAST_INVOKE_HTTP1_H

#include "invoke/answer.h"

enum http1_event {
    HTTP1_MORE, /* all input is used up */
    HTTP1_HEAD, /* the answer's head is complete */
    HTTP1_BODY, /* a piece of the body */
    HTTP1_END,  /* the answer is complete; input that is left belongs to no answer */
    HTTP1_BAD,  /* not HTTP as it should be: `problem` says */
};

struct http1 {
    int state;
    struct buffer line; /* a line that has not come to its end */
    size_t head_bytes;
    unsigned header_count;
    unsigned status;
    bool minor_0; /* HTTP/1.0 */
    bool has_length;
    bool chunked;
    bool keep_alive_said;
    bool close_said;
    uint64_t left;        /* bytes of the body, or of the chunk */
    int64_t keep_alive_s; /* Keep-Alive: timeout=n, -1: not said */
    const char *problem;
};

void http1_init(struct http1 *http1);
void http1_close(struct http1 *http1);
/* For the next answer. */
void http1_begin(struct http1 *http1);

/* Takes what it needs from `input`. The piece of HTTP1_BODY points into the input; `last` as for
   body_add. ERROR_MEMORY shows as HTTP1_BAD. */
enum http1_event http1_next(struct http1 *http1, struct span *input, struct answer *answer,
                            int64_t wall_us, struct span *piece, bool *last);

/* The peer has closed in good order: is the answer complete by that? */
bool http1_ended(const struct http1 *http1, const struct answer *answer);

/* Nothing of the answer has been read. */
bool http1_untouched(const struct http1 *http1);

/* After HTTP1_END: both sides keep the connection. */
bool http1_reusable(const struct http1 *http1);

#endif
