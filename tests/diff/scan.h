/*
 * A second opinion on raw bytes, written from the format's description and sharing nothing with the
 * codec under test: which of our stricter rules do they break, and are they of the kind that
 * protobuf-c itself reads differently from protobuf?
 */
#ifndef HOLDFAST_TESTS_DIFF_SCAN_H
#define HOLDFAST_TESTS_DIFF_SCAN_H

#include "base/span.h"

#include <protobuf-c/protobuf-c.h>

/* Rules by which we refuse what protobuf-c may accept. */
#define RULE_LIST(X)                                                                               \
    X(RULE_NONE, "accepted by both")                                                               \
    X(RULE_BROKEN, "bytes that end too early, groups, wrong wire types")                           \
    X(RULE_FIELD_0, "field number 0")                                                              \
    X(RULE_WIDE, "tags, lengths or numbers that are too wide")                                     \
    X(RULE_UTF8, "text that is not UTF-8")                                                         \
    X(RULE_NAME, "not namespace/name, or too long")                                                \
    X(RULE_ID, "ids that are empty, too long or with NUL")                                         \
    X(RULE_STATE_NAME, "state names that are empty, too long or with control characters")          \
    X(RULE_TOKEN, "tokens that are missing, too long or with NUL")                                 \
    X(RULE_ENUM, "unknown enum values")                                                            \
    X(RULE_TIME, "delays below 0, times to live below 1, both over a limit")                       \
    X(RULE_NO_INVOCATION, "a request without invocation")                                          \
    X(RULE_COUNT, "")

enum rule {
#define RULE_ENUM_ITEM(name, text) name,
    RULE_LIST(RULE_ENUM_ITEM)
#undef RULE_ENUM_ITEM
};

struct scan {
    enum rule rule; /* the first one broken */
    bool repeated;  /* a singular message or a oneof given twice: protobuf-c does not merge them as
                       protobuf does */
    bool wide_enum; /* protobuf-c cuts it to 32 bits */
};

struct scan scan_message(const ProtobufCMessageDescriptor *message, struct span bytes);

#endif
