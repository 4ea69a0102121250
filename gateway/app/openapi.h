/* proto/openapi.yaml, as part of the program. */
#ifndef HOLDFAST_APP_OPENAPI_H
#define HOLDFAST_APP_OPENAPI_H

#include "base/span.h"

struct span openapi_text(void);

#endif
