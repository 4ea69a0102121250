/* The helpers of tests/lib that these tests use. */
#include "lib/http_client.c"
#define must must_start
#include "lib/server_thread.c"
