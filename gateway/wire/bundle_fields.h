/* Field numbers of proto/holdfast/bundle.proto, and what both sides of it read alike. Only for
   bundle*.c. */
#ifndef HOLDFAST_WIRE_BUNDLE_FIELDS_H
#define HOLDFAST_WIRE_BUNDLE_FIELDS_H

#include "wire/protobuf.h"

enum {
    BUNDLE_ELEMENT = 1, /* Bundle.invocations, Outcomes.outcomes */

    INVOCATION_TO_FUNCTION = 1,
    INVOCATION_ID = 2,
    INVOCATION_ATTEMPT = 3,
    INVOCATION_TRACEPARENT = 4,

    OUTCOME_INDEX = 1,
    OUTCOME_FROM_FUNCTION = 2,
    OUTCOME_FAILURE = 3,

    FAILURE_STATUS = 1,
    FAILURE_TEXT = 2,
    FAILURE_RETRY_AFTER = 3,
};

/*
 * The first element of a repeated message that is field 1, from bytes of which more may come. 1 =
 * its content, and `bytes` begins behind it; 0 = its end has not come; ERROR_MALFORMED. Other
 * fields are skipped when they have a length; no others may be added at this place.
 */
int bundle_element_take(struct span *bytes, struct span *content, struct errmsg *errmsg) MUST_USE;

#endif
