/*
 * A shard in a small world of its own: a clock that tests turn, functions that answer when told, a
 * journal that becomes durable when told. After every step the image is compared with the fold of
 * all records so far (I5), and the calls that are out are held against the limits (I7).
 */
#ifndef TESTS_LIB_SHARD_FIXTURE_H
#define TESTS_LIB_SHARD_FIXTURE_H

#include "lib/shard_ledger.h"

enum { FIXTURE_CALLS = 4096, FIXTURE_ANSWERS = 16384, FIXTURE_SIGNALS = 1024 };

struct fixture_answer {
    waiter_t waiter;
    enum answer_kind kind;
    uint64_t number;
    char *message_id, *type_name, *text, *next;
    struct buffer body;
};

struct fixture {
    struct shard *shard;
    struct shard *mirror; /* folds each record once more */
    struct shard_update update;
    struct shard_clock clock;
    struct ledger ledger;
    struct shard_config config;
    struct shard_endpoint endpoints[8];
    struct shard_egress egresses[8];
    const struct shard_invocation *calls[FIXTURE_CALLS]; /* out, oldest first */
    size_t call_count;
    size_t old_calls; /* the first of them: of a configuration before, so they do not count for the
                         window */
    struct fixture_answer answers[FIXTURE_ANSWERS];
    size_t answer_count;
    struct shard_signal signals[FIXTURE_SIGNALS]; /* spans are offsets into signal_bytes */
    size_t signal_count;
    struct buffer signal_bytes;
    uint64_t cut_begun; /* the newest savepoint that was joined */
    uint32_t number, count;
    waiter_t last_waiter;
    bool hold_durable;  /* else everything is durable after each step */
    bool quiet;         /* no comparison after each step: for large tests */
    bool cutting;       /* a snapshot is always under way, one block per step */
    bool commit_wanted; /* said by the last step */
    uint64_t digest;
};

/* One of several shards; their signals wait in it until a test carries them. */
struct fixture *fixture_open_at(uint32_t number, uint32_t count);
/* Signal i, which stays there. Taken: how many are there. */
struct shard_signal fixture_signal(const struct fixture *fixture, size_t i);
void fixture_forget_signals(struct fixture *fixture);
/* Hands a signal to another one. */
void fixture_carry(struct fixture *from, const struct shard_signal *signal, struct fixture *to);

/* Endpoint "t/…" with batches, egresses t/out (pull), t/none (discard) and the playground's topic
 * "news". */
struct fixture *fixture_open(void);
/* Compares once more, by snapshot too. */
void fixture_close(struct fixture *fixture);
/* Applies fixture->config (endpoints and egresses are counted by their names). */
void fixture_configure(struct fixture *fixture);
/* Fills in the clock and runs it. The waiter, made up when 0 is not asked for. */
void fixture_step(struct fixture *fixture, struct shard_event *event);
waiter_t fixture_ask(struct fixture *fixture, struct shard_event *event);

waiter_t fixture_message(struct fixture *fixture, const struct event_message *message);
/* An ordinary send: type, id, text. */
waiter_t fixture_send(struct fixture *fixture, const char *type, const char *id, const char *text);
void fixture_durable(struct fixture *fixture);
void fixture_durable_to(struct fixture *fixture, uint64_t seq);
/* Lets time pass; a tick whenever the shard asked for one. */
void fixture_pass(struct fixture *fixture, int64_t ms);
void fixture_tick(struct fixture *fixture);
/* Loses what is not durable and recovers; calls and waiters are gone. */
void fixture_crash(struct fixture *fixture);

/* The call that is out for an address; NULL: none. */
const struct shard_invocation *fixture_call(struct fixture *fixture, const char *type,
                                            const char *id);
/* Text of message i of a call. */
const char *fixture_argument(const struct shard_invocation *call, size_t i);
void fixture_respond(struct fixture *fixture, uint64_t flight,
                     const struct event_response *response);
/* Through the codec and back; NULL: no effects. */
void fixture_result(struct fixture *fixture, const struct shard_invocation *call,
                    const struct function_response *response);
void fixture_fail(struct fixture *fixture, const struct shard_invocation *call,
                  enum outcome outcome, const char *text);
/* The function wants these states, all without expiry and of type t/v. */
void fixture_incomplete(struct fixture *fixture, const struct shard_invocation *call,
                        const struct state_spec *specs, size_t count);

/* The answer a waiter has got; NULL: none yet. */
const struct fixture_answer *fixture_answer(struct fixture *fixture, waiter_t waiter);
/* A text as an address, as a message. */
struct address fixture_address(const char *type, const char *id);
struct span fixture_value(const char *text);
const char *fixture_text(struct span typed_value);
struct shard_metrics fixture_metrics(struct fixture *fixture);
/* One query; its answer. */
const struct fixture_answer *fixture_query(struct fixture *fixture, struct event_query query);
/* Value of a state as text, or NULL. */
const char *fixture_state(struct fixture *fixture, const char *type, const char *id,
                          const char *name);
bool fixture_contains(const struct fixture_answer *answer, const char *text);
/* Registers states for type by a handshake of one of its addresses, which has a call out. */
void fixture_register(struct fixture *fixture, const char *type, const char *id,
                      const struct state_spec *specs, size_t count);

#endif
