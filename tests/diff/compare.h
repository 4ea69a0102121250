/* Our structs against protobuf-c's: the same meaning? And which rules beyond protobuf does a
 * message break? */
#ifndef HOLDFAST_TESTS_DIFF_COMPARE_H
#define HOLDFAST_TESTS_DIFF_COMPARE_H

#include "scan.h"

#include "oracle.pb-c.h"
#include "wire/function.h"

typedef Io__Statefun__Sdk__Reqreply__Address pb_address;
typedef Io__Statefun__Sdk__Reqreply__TypedValue pb_value;
typedef Io__Statefun__Sdk__Reqreply__ToFunction pb_request;
typedef Io__Statefun__Sdk__Reqreply__ToFunction__InvocationBatchRequest pb_batch;
typedef Io__Statefun__Sdk__Reqreply__ToFunction__PersistedValue pb_state;
typedef Io__Statefun__Sdk__Reqreply__ToFunction__Invocation pb_invocation;
typedef Io__Statefun__Sdk__Reqreply__FromFunction pb_response;
typedef Io__Statefun__Sdk__Reqreply__FromFunction__InvocationResponse pb_effects;
typedef Io__Statefun__Sdk__Reqreply__FromFunction__PersistedValueMutation pb_mutation;
typedef Io__Statefun__Sdk__Reqreply__FromFunction__Invocation pb_message;
typedef Io__Statefun__Sdk__Reqreply__FromFunction__DelayedInvocation pb_delayed;
typedef Io__Statefun__Sdk__Reqreply__FromFunction__EgressMessage pb_egress;
typedef Io__Statefun__Sdk__Reqreply__FromFunction__IncompleteInvocationContext pb_incomplete;
typedef Io__Statefun__Sdk__Reqreply__FromFunction__PersistedValueSpec pb_spec;

#define REQUEST_MESSAGE (&io__statefun__sdk__reqreply__to_function__descriptor)
#define RESPONSE_MESSAGE (&io__statefun__sdk__reqreply__from_function__descriptor)
#define VALUE_MESSAGE (&io__statefun__sdk__reqreply__typed_value__descriptor)

/* RULE_NONE when we have to accept it. */
enum rule strict_response(const pb_response *pb);
enum rule strict_request(const pb_request *pb);

bool same_response(const struct function_response *ours, const pb_response *pb);
bool same_request(const struct function_request *ours, const pb_request *pb);

/* Every argument is what protobuf-c would write, so that whole messages can be compared by bytes.
 */
bool canonical_response(const struct function_response *ours);
bool canonical_request(const struct function_request *ours);

#endif
