/* The helpers of tests/lib that these tests use. */
#include "lib/http_client.c"
