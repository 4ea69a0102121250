/* What every theme of the shard's tests needs. */
#ifndef TESTS_UNIT_SHARD_COMMON_H
#define TESTS_UNIT_SHARD_COMMON_H

#include "lib/shard_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define TEXT(literal) SPAN_LITERAL(literal)
#define KIND(waiter) kind_of(f, waiter)
#define CALL(type, id) fixture_call(f, type, id)
#define NO_ANSWER (-1)

/* Effects of one kind, for designated initializers. */
#define SENDS(...)                                                                                 \
    .messages = (struct effect_message[]){__VA_ARGS__},                                            \
    .message_count =                                                                               \
        sizeof((struct effect_message[]){__VA_ARGS__}) / sizeof(struct effect_message)
#define DELAYED(...)                                                                               \
    .delayed = (struct effect_delayed[]){__VA_ARGS__},                                             \
    .delayed_count =                                                                               \
        sizeof((struct effect_delayed[]){__VA_ARGS__}) / sizeof(struct effect_delayed)
#define EGRESS(...)                                                                                \
    .egress = (struct effect_egress[]){__VA_ARGS__},                                               \
    .egress_count = sizeof((struct effect_egress[]){__VA_ARGS__}) / sizeof(struct effect_egress)
#define WRITES(...)                                                                                \
    .mutations = (struct effect_mutation[]){__VA_ARGS__},                                          \
    .mutation_count =                                                                              \
        sizeof((struct effect_mutation[]){__VA_ARGS__}) / sizeof(struct effect_mutation)
#define RESULT(call, ...) fixture_result(f, call, &(struct function_response){__VA_ARGS__})

static inline int kind_of(struct fixture *fixture, waiter_t waiter)
{
    const struct fixture_answer *answer = fixture_answer(fixture, waiter);
    return answer == NULL ? NO_ANSWER : (int)answer->kind;
}

static inline struct effect_message to(const char *type, const char *id, const char *text)
{
    return (struct effect_message){fixture_address(type, id), fixture_value(text)};
}

static inline struct effect_mutation set(const char *name, const char *text)
{
    return (struct effect_mutation){
        .name = span_text(name), .type_name = TEXT("t/v"), .value = span_text(text)};
}

static inline struct effect_mutation unset(const char *name)
{
    return (struct effect_mutation){.name = span_text(name), .is_delete = true};
}

static inline struct effect_egress out(const char *name, const char *text)
{
    return (struct effect_egress){.name = span_text(name), .argument = fixture_value(text)};
}

static inline struct effect_delayed later(const char *type, const char *id, const char *text,
                                          int64_t delay_ms, const char *token)
{
    return (struct effect_delayed){.target = fixture_address(type, id),
                                   .argument = fixture_value(text),
                                   .delay_ms = delay_ms,
                                   .token = span_text(token)};
}

static inline struct effect_delayed cancelled(const char *token)
{
    return (struct effect_delayed){.is_cancel = true, .token = span_text(token)};
}

static inline struct state_spec spec(const char *name)
{
    return (struct state_spec){.name = span_text(name), .type_name = TEXT("t/v")};
}

static inline struct state_spec spec_expiring(const char *name, enum expire_mode mode,
                                              int64_t ttl_ms)
{
    return (struct state_spec){
        .name = span_text(name), .type_name = TEXT("t/v"), .mode = mode, .ttl_ms = ttl_ms};
}

#endif
