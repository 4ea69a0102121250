/*
 * Operating errors: 0 is success, a failure is one of these negative values. errno never crosses a
 * room. Context (which file, which offset) goes into an errmsg of the owner.
 */
#ifndef HOLDFAST_BASE_ERROR_H
#define HOLDFAST_BASE_ERROR_H

/* name, value, text */
#define ERROR_LIST(X)                                                                              \
    X(ERROR_MEMORY, -1, "out of memory")                                                           \
    X(ERROR_MALFORMED, -2, "malformed input")                                                      \
    X(ERROR_TRUNCATED, -3, "input ends too early")                                                 \
    X(ERROR_TOO_LARGE, -4, "over a limit")                                                         \
    X(ERROR_IO, -5, "input or output failed")                                                      \
    X(ERROR_DAMAGED, -6, "stored data is damaged")                                                 \
    X(ERROR_NEWER_FORMAT, -7, "written by a newer version")                                        \
    X(ERROR_IN_USE, -8, "in use by another process")                                               \
    X(ERROR_FULL, -9, "no room left")                                                              \
    X(ERROR_NOT_FOUND, -10, "not found")                                                           \
    X(ERROR_EXISTS, -11, "exists already")                                                         \
    X(ERROR_REFUSED, -12, "refused")                                                               \
    X(ERROR_TIMEOUT, -13, "timed out")                                                             \
    X(ERROR_UNREACHABLE, -14, "cannot be reached")                                                 \
    X(ERROR_UNSUPPORTED, -15, "not supported")                                                     \
    X(ERROR_INVALID, -16, "not valid here")                                                        \
    X(ERROR_PERMISSION, -17, "permission denied")                                                  \
    X(ERROR_CLOSED, -18, "closed")                                                                 \
    X(ERROR_STALE, -19, "an owner with a newer epoch exists")

enum error {
#define ERROR_ENUM(name, value, text) name = value,
    ERROR_LIST(ERROR_ENUM)
#undef ERROR_ENUM
};

#define MUST_USE __attribute__((warn_unused_result))

/* A short English text for an error, "ok" for 0; never NULL. */
const char *error_text(int error);

/* Context of the last failure, kept by the owner of the thing that failed. */
struct errmsg {
    char text[320];
};

/* Formats into the owner's errmsg, if it is not NULL, and hands the error back, so that it fits
 * behind `return`. */
int errmsg_set(struct errmsg *errmsg, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
