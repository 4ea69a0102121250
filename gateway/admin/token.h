/*
 * Bearer tokens (RFC 6750) of a token file: who may do what, in which namespaces. One on a line:
 *
 *     # TOKEN  [verb,verb]  [namespace-prefix]
 *     7d0f3c5b9a                        # everything, everywhere
 *     b64e1f22c0  send,call             # may send and call
 *     90ac77e1d4  state,egress  shop.   # state and pull queues of namespaces that begin so
 *
 * A star stands for all verbs. Tokens are compared in constant time and never appear in a message.
 */
#ifndef HOLDFAST_ADMIN_TOKEN_H
#define HOLDFAST_ADMIN_TOKEN_H

#include "base/error.h"
#include "base/span.h"

/* As in the file: "send", "call", "state", "egress", "admin". */
enum token_verb {
    TOKEN_SEND = 1,
    TOKEN_CALL = 2,
    TOKEN_STATE = 4,  /* read, write, list, export, import */
    TOKEN_EGRESS = 8, /* pull and acknowledge */
    TOKEN_ADMIN = 16, /* the operations side */
    TOKEN_ALL = 31,
};

enum {
    TOKEN_TEXT_MAX = 256,          /* bytes of a token */
    TOKEN_PREFIX_MAX = 256,        /* bytes of a namespace prefix */
    TOKEN_COUNT_MAX = 1000,        /* in a file: each request is compared with all of them */
    TOKEN_FILE_SIZE_MAX = 1048576, /* bytes */
};

struct token {
    uint8_t text[TOKEN_TEXT_MAX]; /* padded with zeros */
    size_t text_size;
    char prefix[TOKEN_PREFIX_MAX];
    size_t prefix_size;
    uint32_t verbs;
    uint32_t line; /* of the file, from 1 */
};

struct tokens {
    struct token *list;
    size_t count;
};

enum token_answer {
    TOKEN_ALLOWED,
    TOKEN_MISSING,   /* 401: no Authorization header, or not "Bearer" */
    TOKEN_UNKNOWN,   /* 401 */
    TOKEN_FORBIDDEN, /* 403: a known token, but not for this verb or namespace */
};

/* An empty set: nobody is allowed. */
void tokens_init(struct tokens *tokens);
/* Overwrites the tokens in memory before it frees them. */
void tokens_close(struct tokens *tokens);

/*
 * Replaces the set by the text of a file; on failure the old set stays, and errmsg names file and
 * line. `path` is only for messages. A file without any token is refused: it would lock everybody
 * out. ERROR_MALFORMED, ERROR_TOO_LARGE, ERROR_EXISTS (the same token twice), ERROR_MEMORY.
 */
int tokens_parse(struct tokens *tokens, struct span text, const char *path,
                 struct errmsg *errmsg) MUST_USE;
/* The same from a file, at start and on SIGHUP. Also ERROR_NOT_FOUND, ERROR_PERMISSION, ERROR_IO.
 */
int tokens_load(struct tokens *tokens, const char *path, struct errmsg *errmsg) MUST_USE;

/*
 * `authorization` is the header's value, empty when there was none. `name_space` empty: the request
 * is about all of them, which a token with a prefix may not do.
 */
enum token_answer token_allows(const struct tokens *tokens, struct span authorization,
                               enum token_verb verb, struct span name_space) MUST_USE;

#endif
