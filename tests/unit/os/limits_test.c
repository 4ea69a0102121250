/* Open files: up to the hard limit, and a few of them are kept for the journal. */
#include "os/limits.h"

#include <criterion/criterion.h>
#include <sys/resource.h>
#include <unistd.h>

static void set_limit(rlim_t soft, rlim_t hard)
{
    struct rlimit limit = {soft, hard};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static rlim_t soft_limit(void)
{
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur;
}

Test(limits, descriptors_are_raised_to_the_hard_limit)
{
    uint64_t before, now;
    set_limit(100, 300);
    cr_assert_eq(limits_raise_descriptors(&before, &now), 0);
    cr_assert_eq(before, 100);
    cr_assert_eq(now, 300);
    cr_assert_eq(soft_limit(), 300);
    cr_assert_eq(limits_raise_descriptors(&before, &now), 0, "there is nothing to do");
    cr_assert_eq(before, 300);
    cr_assert_eq(now, 300);
}

Test(limits, the_last_descriptors_are_reserved)
{
    set_limit(100, 300);
    cr_assert_not(limits_descriptor_is_reserved(74));
    cr_assert(limits_descriptor_is_reserved(75), "a quarter of a small limit");
    set_limit(300, 300);
    cr_assert_not(limits_descriptor_is_reserved(235));
    cr_assert(limits_descriptor_is_reserved(236));
}
