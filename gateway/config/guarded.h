/* A value that may hold a secret. */
#ifndef HOLDFAST_CONFIG_GUARDED_H
#define HOLDFAST_CONFIG_GUARDED_H

#include "base/span.h"

struct guarded_text {
    struct span value;
    struct span shown; /* what listings and logs may say */
};

#endif
