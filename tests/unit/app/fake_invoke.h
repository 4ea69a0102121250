/*
 * The invoke room without a network: keeps the calls, and the test decides when and how each ends.
 * One room at a time, as in a gateway.
 */
#ifndef TESTS_UNIT_APP_FAKE_INVOKE_H
#define TESTS_UNIT_APP_FAKE_INVOKE_H

#include "invoke/invoke.h"

enum { FAKE_CALLS_MAX = 512, FAKE_ENDPOINTS_MAX = 16, FAKE_TEXT_MAX = 128 };

struct fake_endpoint {
    struct invoke_endpoint settings; /* its texts are those below */
    char pattern[FAKE_TEXT_MAX];
    char url[FAKE_TEXT_MAX];
    char files[4][FAKE_TEXT_MAX];
};

struct fake_call {
    const struct shard_invocation *invocation; /* NULL: it has ended */
    char pattern[FAKE_TEXT_MAX];               /* of the endpoint that its index named then */
    char type[FAKE_TEXT_MAX];                  /* of the function that is called */
    char id[FAKE_TEXT_MAX];
    size_t message_count;
    uint64_t durable; /* when it was made, as told by `durable_now` */
};

struct fake_invoke {
    struct fake_endpoint endpoints[FAKE_ENDPOINTS_MAX];
    size_t endpoint_count;
    unsigned configured;
    int configure_error; /* what the next invoke_configure gives back */
    struct fake_call calls[FAKE_CALLS_MAX];
    size_t call_count;
    size_t open; /* calls that have not ended */
    uint64_t (*durable_now)(void);
    bool by_itself; /* each call ends well at the end of the next turn */
};

/* Of the room that was opened last. */
extern struct fake_invoke fake_invoke;

/* The call ends with a result: it counts messages in the state "count" (a handshake when that is
 * not registered), replies to who called, and sends one record to the egress "t/out" each. */
void fake_result(size_t call);
void fake_failure(size_t call, enum outcome outcome);
/* Everything that is open ends well. */
void fake_results(void);

#endif
