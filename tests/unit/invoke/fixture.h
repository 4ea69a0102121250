/* A loop, an invoke room with one or more endpoints, and what it told. */
#ifndef HOLDFAST_TESTS_INVOKE_FIXTURE_H
#define HOLDFAST_TESTS_INVOKE_FIXTURE_H

#include "invoke/invoke.h"
#include "lib/server_script.h"

enum { FIXTURE_CALLS_MAX = 1024 };

struct told {
    int count; /* outcomes of this flight: must become 1 */
    enum outcome outcome;
    char text[512];
    int64_t retry_after_ms;
    size_t egress_count; /* of a result */
    size_t egress_bytes; /* of its first egress message */
    bool incomplete;
};

struct fixture {
    struct loop loop;
    struct invoke *invoke;
    struct errmsg errmsg;
    struct invoke_endpoint endpoint; /* defaults, to be changed before fixture_configure */
    char url[256];
    struct shard_invocation invocations[FIXTURE_CALLS_MAX];
    struct function_message message;
    struct told told[FIXTURE_CALLS_MAX];
    int called;
    int told_count;
    int follow_ups; /* calls to make from within `done` */
    bool same_time; /* as the call before */
    bool in_call;   /* within invoke_call: nothing may be told */
    bool configure_in_done;
    uint8_t *argument; /* of a large message */
    uint32_t attempt;  /* of the next calls; 3 when 0 */
    bool numbered;     /* the id of each call's address is its number; else all have the same */
    char ids[FIXTURE_CALLS_MAX][8];
    const struct function_message *own; /* of the next calls, in place of `message` */
    struct span traceparent;            /* of the next calls, when not empty */
};

void fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
/* Points the endpoint to the server and applies it. `path` with the '/'. */
void fixture_serve(struct fixture *fixture, const struct server *server, const char *path);
void fixture_serve_url(struct fixture *fixture, const char *url);
/* Applies the endpoint as it is. */
int fixture_configure(struct fixture *fixture);
/* Makes a call and gives back its number. */
int fixture_call(struct fixture *fixture);
int fixture_call_named(struct fixture *fixture, const char *function_type);
/* Turns the loop until that many outcomes have been told in all, or time is over. */
bool fixture_wait(struct fixture *fixture, int told, int timeout_ms);
/* Turns the loop for a while. */
void fixture_idle(struct fixture *fixture, int ms);
/* One call, to its end. */
const struct told *fixture_one(struct fixture *fixture);
/* The request that a call carries, as bytes. The caller closes the buffer. */
void fixture_request_bytes(const struct fixture *fixture, int call, struct buffer *out);
/* An answer with one egress message whose argument has `size` bytes of value. */
void answer_encode(struct buffer *out, size_t size);

#define cr_assert_told(told_, outcome_, part_)                                                     \
    do {                                                                                           \
        const struct told *t_ = (told_);                                                           \
        cr_assert_eq(t_->count, 1, "told %d times", t_->count);                                    \
        cr_assert_eq(t_->outcome, (outcome_), "outcome %d: %s", (int)t_->outcome, t_->text);       \
        cr_assert_not_null(strstr(t_->text, (part_)), "text: %s", t_->text);                       \
    } while (0)

#endif
