/* UTF-8 as RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef HOLDFAST_BASE_UTF8_H
#define HOLDFAST_BASE_UTF8_H

#include "base/span.h"

bool utf8_valid(struct span bytes);
/* Every byte is one of ' ' to '~'. */
bool ascii_printable(struct span bytes);

#endif
