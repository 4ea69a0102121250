/* A snapshot gets a fifth of the engine's time, however long its turns are. */
#include "app/copier.h"

#include <criterion/criterion.h>

Test(copier, reads_little_at_once_where_turns_are_short)
{
    cr_expect_eq(copier_reading_us(0), 100);
    cr_expect_eq(copier_reading_us(40), 110);
}

Test(copier, keeps_its_share_where_turns_are_long)
{
    cr_expect_eq(copier_reading_us(2000), 600);
    for (int64_t late_us = 0; late_us < 3600; late_us += 7)
        cr_expect_leq(4 * (copier_reading_us(late_us) - 100), late_us, "more than a fifth");
}

Test(copier, makes_no_long_turn_of_one_that_was_long)
{
    cr_expect_eq(copier_reading_us(3600), 1000);
    cr_expect_eq(copier_reading_us(60000000), 1000);
}
