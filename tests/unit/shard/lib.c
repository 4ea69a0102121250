/* The helpers of tests/lib that these tests use. */
#include "lib/shard_fixture.c"
#include "lib/shard_ledger.c"
