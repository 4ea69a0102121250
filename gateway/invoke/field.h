/* Small questions about header fields (RFC 9110): trimming, comparing, lists, numbers. */
#ifndef HOLDFAST_INVOKE_FIELD_H
#define HOLDFAST_INVOKE_FIELD_H

#include "base/span.h"

/* Without spaces and tabs around it. */
struct span field_trim(struct span text);
/* ASCII letters in any case. */
bool field_equal(struct span a, struct span b);
/* The part before the first `mark`, or all. */
struct span field_before(struct span text, char mark);
/* Decimal digits only, at most 18 of them. */
bool field_number(struct span text, uint64_t *number);
/* Takes the next element of a list of comma-separated ones; false at the end. */
bool field_element(struct span *list, struct span *element);
/* Every byte may stand in a field name (RFC 9110 token), and there is one. */
bool field_is_token(struct span text);
/* Every byte may stand in a field value: no control characters but the tab. */
bool field_is_value(struct span text);

#endif
