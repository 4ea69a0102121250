/* The helpers of tests/lib that these tests use. */
#include "lib/http_client.c"
#define must must_start
#define stop stop_thread
#include "lib/server_thread.c"
#define submit submit_fake
#include "lib/fake_port.c"
