/* The last group, which an open writes again, in every place that it can have. */
#include "unit/store/fixture.h"

#include "store/segment.h"

#include <criterion/criterion.h>

static char directory[PATH_SIZE];

static void setup(void)
{
    temporary_make(directory);
}

static void teardown(void)
{
    temporary_remove(directory);
}

TestSuite(tail, .init = setup, .fini = teardown, .timeout = 60);

/* Segments grow: the first is smaller than the second, where the group goes on. */
Test(tail, a_last_group_that_goes_on_in_a_larger_segment)
{
    struct ledger ledger;
    ledger_init(&ledger, directory, 4 * SEGMENT_SIZE_FIRST);
    ledger_must_open(&ledger);
    for (int i = 0; i < 15; i++) {
        ledger_append_large(&ledger, SEGMENT_SIZE_FIRST / 16);
        ledger_commit(&ledger);
    }
    ledger_append_large(&ledger, SEGMENT_SIZE_FIRST / 4);
    ledger_commit(&ledger);
    uint64_t last = ledger.next_seq - 1;
    ledger_kill(&ledger);
    ledger_must_open(&ledger);
    cr_expect_eq(ledger.replayed_last, last + 1, "all of them, and the new epoch's");
    ledger_close(&ledger);
}
