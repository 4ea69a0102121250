/*
 * What a function's server said, whichever protocol carried it: the status, the few headers that
 * matter and the body, bounded. Knows nothing of connections; verdict.h says what an answer means.
 */
#ifndef HOLDFAST_INVOKE_ANSWER_H
#define HOLDFAST_INVOKE_ANSWER_H

#include "invoke/body.h"

enum {
    ANSWER_HEADERS_MAX = 128,            /* trailers included */
    ANSWER_HEAD_BYTES_MAX = 64 * 1024,   /* interim heads, chunk lines and trailers included */
    ANSWER_EXCERPT_MAX = 256,            /* bytes kept of a body that is no result */
    ANSWER_EXCERPT_READ_MAX = 64 * 1024, /* read of such a body before the connection is given up */
    ANSWER_TEXT_MAX = 128,               /* of a header value, for people */
    ANSWER_RETRY_AFTER_MS_MAX = 3600000,
};

struct answer {
    unsigned status;
    bool has_type;
    bool is_octet_stream;
    bool is_bundle;
    bool of_bundle;         /* the answer to many addresses: set by who asked */
    bool coding_unknown;    /* a content-encoding that we did not ask for */
    bool unframed;          /* HTTP/1: the body ended because the connection did */
    int64_t retry_after_ms; /* -1: not said */
    uint32_t offered;       /* see offer.h; 0: nothing */
    char content_type[ANSWER_TEXT_MAX];
    char content_encoding[ANSWER_TEXT_MAX];
    char location[ANSWER_TEXT_MAX];
    char status_header[ANSWER_TEXT_MAX]; /* of a header named Status, which some servers mistake for
                                            one */
    struct body body;
};

void answer_init(struct answer *answer);
void answer_close(struct answer *answer);
/* Forgets the last answer, keeps the memory. `body_max`: bytes of a result, as sent and
 * decompressed. */
void answer_begin(struct answer *answer, size_t body_max);

/* One header; names in any case. `wall_us` is the time of now, for dates. */
void answer_header(struct answer *answer, struct span name, struct span value, int64_t wall_us);

/* The head is complete: from here on bytes of the body may come. */
void answer_head(struct answer *answer);

/* 2xx with the content type that was asked for: only then is the body read as a result. */
bool answer_is_result(const struct answer *answer);

#endif
