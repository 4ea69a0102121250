/*
 * Inside wire/ only: field numbers of io.statefun.sdk.reqreply (proto/statefun/request-reply.proto)
 * and the pieces that its messages share. Decoders add to what is there already: reading the same
 * message field twice merges, as protobuf asks.
 */
#ifndef HOLDFAST_WIRE_FUNCTION_FIELDS_H
#define HOLDFAST_WIRE_FUNCTION_FIELDS_H

#include "wire/function.h"
#include "wire/protobuf.h"

enum { ADDRESS_NAMESPACE = 1, ADDRESS_TYPE = 2, ADDRESS_ID = 3 };
enum { TYPED_VALUE_TYPENAME = 1, TYPED_VALUE_HAS_VALUE = 2, TYPED_VALUE_VALUE = 3 };

enum { TO_FUNCTION_INVOCATION = 100 };
enum { BATCH_TARGET = 1, BATCH_STATE = 2, BATCH_INVOCATIONS = 3 };
enum { PERSISTED_VALUE_NAME = 1, PERSISTED_VALUE_VALUE = 2 };
enum { REQUEST_CALLER = 1, REQUEST_ARGUMENT = 2 };

enum { FROM_FUNCTION_RESULT = 100, FROM_FUNCTION_INCOMPLETE = 101 };
enum { RESULT_MUTATIONS = 1, RESULT_MESSAGES = 2, RESULT_DELAYED = 3, RESULT_EGRESSES = 4 };
enum { MUTATION_TYPE = 1, MUTATION_NAME = 2, MUTATION_VALUE = 3 };
enum { MUTATION_DELETE = 0, MUTATION_MODIFY = 1 };
enum { MESSAGE_TARGET = 1, MESSAGE_ARGUMENT = 2 };
enum { DELAYED_DELAY = 1, DELAYED_TARGET = 2, DELAYED_ARGUMENT = 3 };
enum { DELAYED_IS_CANCEL = 10, DELAYED_TOKEN = 11 };
enum { EGRESS_NAMESPACE = 1, EGRESS_TYPE = 2, EGRESS_ARGUMENT = 3 };
enum { INCOMPLETE_MISSING = 1 };
enum { SPEC_NAME = 1, SPEC_EXPIRATION = 2, SPEC_TYPENAME = 3 };
enum { EXPIRATION_MODE = 1, EXPIRATION_MILLIS = 2 };

/* Tag of field 100 or 101 and a length. */
enum { OUTER_TAG_SIZE = 2 };
uint8_t *function_put_outer(uint8_t *at, unsigned number, size_t content);

/* An Address before its halves are joined. */
struct address_parts {
    struct span name_space;
    struct span type;
    struct span id;
};

int address_decode(struct span bytes, struct address_parts *parts, struct errmsg *errmsg) MUST_USE;
/* Joins and checks. ERROR_MALFORMED, ERROR_TOO_LARGE, ERROR_MEMORY. */
int address_finish(const struct address_parts *parts, struct function_names *names,
                   struct address *address, struct errmsg *errmsg) MUST_USE;
size_t address_size(const struct address *address);
uint8_t *address_put(uint8_t *at, const struct address *address);

/* "namespace/name" in memory of `names`, checked. */
int function_names_join(struct function_names *names, struct span name_space, struct span type,
                        struct span *joined, struct errmsg *errmsg) MUST_USE;

/* Checks a type name, a state name, a token (`field` is how errors call it). */
int type_name_check(struct span name, const char *field, struct errmsg *errmsg) MUST_USE;
int state_name_check(struct span name, const char *field, struct errmsg *errmsg) MUST_USE;
int token_check(struct span token, const char *field, struct errmsg *errmsg) MUST_USE;

int typed_value_decode(struct span bytes, struct typed_value *value,
                       struct errmsg *errmsg) MUST_USE;
uint8_t *typed_value_put(uint8_t *at, struct span type_name, struct span value);

/* Takes an argument field as the raw bytes of its TypedValue, after a look at their structure. */
int argument_take(const struct proto_field *field, struct span *argument,
                  struct errmsg *errmsg) MUST_USE;

/* Parse of the two members of FromFunction, appending to the response. */
int function_effects_decode(struct span bytes, struct function_response *response,
                            const struct function_limits *limits) MUST_USE;
int function_specs_decode(struct span bytes, struct function_response *response,
                          const struct function_limits *limits) MUST_USE;

/* Index in function_response.capacity. */
enum function_list { LIST_MUTATIONS, LIST_MESSAGES, LIST_DELAYED, LIST_EGRESS, LIST_SPECS };

/* The array with room for element `count`, perhaps moved; NULL = out of memory, the old one stays.
 */
void *function_list_room(void *array, size_t *capacity, size_t count, size_t element_size);

#endif
