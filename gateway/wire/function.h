/*
 * The StateFun 3.x request-reply protocol (io.statefun.sdk.reqreply): bytes to structs and back,
 * without copies and without protobuf. Every span points into the caller's bytes. Message values
 * travel as the raw bytes of their TypedValue, so that fields we do not know are forwarded byte for
 * byte.
 */
#ifndef HOLDFAST_WIRE_FUNCTION_H
#define HOLDFAST_WIRE_FUNCTION_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/name.h"
#include "base/slot.h"
#include "base/span.h"

/* TypedValue, decoded. An empty value that is present is not the same as an absent one. */
struct typed_value {
    struct span type_name;
    struct span value;
    bool has_value;
};

/* A persisted value of a request; absent = registered but unset. */
struct function_state {
    struct span name;
    struct span type_name; /* of the registered spec */
    struct span value;
    bool present;
};

struct function_message {
    struct address caller;              /* empty type = came from outside: the field is left out */
    struct span argument;               /* raw TypedValue */
    char reply_token[REPLY_TOKEN_SIZE]; /* room for the caller's id when that is one */
};

/* InvocationBatchRequest. */
struct function_request {
    struct address target;
    const struct function_state *states;
    size_t state_count;
    const struct function_message *messages;
    size_t message_count;
};

struct effect_mutation {
    struct span name;
    bool is_delete; /* also when the type of the mutation is absent */
    struct span type_name;
    struct span value;
};

struct effect_message {
    struct address target;
    struct span argument;
};

/* In the order of the response: a cancel after a send with the same token takes it back. */
struct effect_delayed {
    bool is_cancel;
    struct span token; /* may be empty on a send */
    int64_t delay_ms;  /* 0..FUNCTION_TIME_MS_MAX */
    struct address target;
    struct span argument;
};

struct effect_egress {
    struct span name; /* "namespace/type", filled by the parser; the encoder reads the two below */
    struct span name_space;
    struct span type;
    struct span argument; /* raw TypedValue */
};

enum expire_mode { EXPIRE_NEVER = 0, EXPIRE_AFTER_WRITE = 1, EXPIRE_AFTER_INVOKE = 2 };

struct state_spec {
    struct span name;
    struct span type_name;
    enum expire_mode mode;
    int64_t ttl_ms; /* 1..FUNCTION_TIME_MS_MAX; 0 with EXPIRE_NEVER */
};

/* Named limits on what one response may ask for. 0 of a field = its default below. */
struct function_limits {
    size_t messages_max;
    size_t delayed_max;
    size_t egress_max;
    size_t mutations_max;
    size_t specs_max;
};

enum {
    FUNCTION_MESSAGES_MAX = 10000,
    FUNCTION_DELAYED_MAX = 10000,
    FUNCTION_EGRESS_MAX = 10000,
    FUNCTION_MUTATIONS_MAX = 1000,
    FUNCTION_SPECS_MAX = 256,
};

/* Delays and times to live: so that adding one to a clock cannot overflow. */
#define FUNCTION_TIME_MS_MAX (INT64_MAX / 4)

/* Memory for function types, which travel in two halves and are one name here. Grows in blocks that
   do not move; a clear keeps them for the next message. */
struct function_names_block;
struct function_names {
    struct function_names_block *first;
    struct function_names_block *current;
    size_t used;      /* bytes of the current block */
    struct span last; /* the name joined last: neighbours mostly share it */
};

void function_names_init(struct function_names *names);
void function_names_close(struct function_names *names);
/* Every name handed out so far becomes invalid. */
void function_names_clear(struct function_names *names);

/* FromFunction. The arrays belong to the response and are reused by the next parse into it. */
struct function_response {
    bool incomplete; /* true: specs; false: the effects */
    struct effect_mutation *mutations;
    size_t mutation_count;
    struct effect_message *messages;
    size_t message_count;
    struct effect_delayed *delayed;
    size_t delayed_count;
    struct effect_egress *egress;
    size_t egress_count;
    struct state_spec *specs;
    size_t spec_count;
    /* private: capacities of the arrays, memory of the joined names */
    size_t capacity[5];
    struct function_names names;
    struct errmsg errmsg; /* why a parse failed, naming the field */
};

void function_response_init(struct function_response *response);
void function_response_close(struct function_response *response);

/*
 * Parses a whole FromFunction. 0 bytes = no effects. Accepts any field order, unknown fields and
 * absent defaults. As protobuf does, the last member of a repeated oneof wins and a repeated
 * message field is merged, with one exception: an argument that comes in two non-empty parts is
 * refused, since raw bytes in two places cannot be one slice. Refuses, with field and reason in
 * errmsg: broken bytes, groups, a known field of another wire type, unknown enum values, text that
 * is not UTF-8, names that are not "ns/name", empty or over-long names, ids and tokens, a MODIFY
 * without type, delays below 0, a time to live below 1, a cancel without token, more than a limit
 * allows. What a later oneof member takes back is checked too. The spans point into `bytes` and
 * into the response. ERROR_MALFORMED, ERROR_TOO_LARGE, ERROR_MEMORY; the counts are 0 then.
 */
int function_response_parse(struct function_response *response, struct span bytes,
                            const struct function_limits *limits) MUST_USE;

/* Bytes of the ToFunction that function_request_encode would write. */
size_t function_request_size(const struct function_request *request);

/* Appends a ToFunction. Sticky failure as in buffer.h. */
void function_request_encode(struct buffer *out, const struct function_request *request);

/* The inverse of the two, for tests, embedded functions and tools. States and messages go to the
   caller's arrays of at most the given capacity; joined names to `names`, which is cleared first. A
   caller that is an empty Address counts as none. ERROR_MALFORMED, ERROR_TOO_LARGE, ERROR_MEMORY.
 */
int function_request_parse(struct span bytes, struct function_request *request,
                           struct function_names *names, struct function_state *states,
                           size_t states_max, struct function_message *messages,
                           size_t messages_max) MUST_USE;

/* Appends a FromFunction. Sticky failure as in buffer.h. */
void function_response_encode(struct buffer *out, const struct function_response *response);

/* One TypedValue, has_value = true. */
void typed_value_encode(struct buffer *out, struct span type_name, struct span value);
size_t typed_value_size(struct span type_name, struct span value);
/* Last of a repeated field wins; unknown fields are skipped. ERROR_MALFORMED. */
int typed_value_parse(struct span bytes, struct typed_value *value) MUST_USE;

/* io.statefun.types/string: StringWrapper around UTF-8 text, and back (ERROR_MALFORMED). */
void string_wrapper_encode(struct buffer *out, struct span text);
int string_wrapper_parse(struct span bytes, struct span *text) MUST_USE;

#define TYPE_STRING SPAN_LITERAL("io.statefun.types/string")

#endif
