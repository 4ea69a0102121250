/* Tables as people see them. */
#include "cli/text_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static char *printed(const struct text_table *table)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cr_assert_not_null(out);
    text_table_print(table, out);
    fclose(out);
    return text;
}

Test(text_table, aligns_numbers_right_and_the_rest_left)
{
    static const char *const titles[] = {"NAME", "COUNT", "TEXT"};
    struct text_table table;
    text_table_init(&table, titles, 3);
    text_table_text(&table, "a");
    text_table_number(&table, 5);
    text_table_text(&table, "x");
    text_table_text(&table, "longer");
    text_table_number(&table, 123456);
    text_table_text(&table, "");
    char *text = printed(&table);
    cr_assert_str_eq(text, "NAME     COUNT  TEXT\n"
                           "a            5  x\n"
                           "longer  123456  \n");
    free(text);
    text_table_close(&table);
}

Test(text_table, without_titles_nothing_is_right)
{
    struct text_table table;
    text_table_init(&table, NULL, 2);
    text_table_text(&table, "size");
    text_table_bytes(&table, 1536);
    text_table_text(&table, "since");
    text_table_time(&table, 1795530247135);
    text_table_text(&table, "never");
    text_table_time(&table, 0);
    char *text = printed(&table);
    cr_assert_str_eq(text, "size   1.5 KiB\n"
                           "since  2026-11-24 14:24:07Z\n"
                           "never  -\n");
    free(text);
    text_table_close(&table);
}

Test(text_table, counts_characters_and_defuses_control_bytes)
{
    static const char *const titles[] = {"A", "B"};
    struct text_table table;
    text_table_init(&table, titles, 2);
    text_table_text(&table, "\xc3\xbc\x1b[1m");
    text_table_text(&table, "b");
    text_table_text(&table, "12345");
    text_table_text(&table, "c\n");
    char *text = printed(&table);
    cr_assert_str_eq(text, "A      B\n"
                           "\xc3\xbc?[1m  b\n"
                           "12345  c?\n");
    free(text);
    text_table_close(&table);
}

Test(text_table, cuts_a_wide_cell_unless_it_is_the_last)
{
    struct text_table table;
    char wide[200];
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = 0;
    text_table_init(&table, NULL, 2);
    text_table_text(&table, wide);
    text_table_text(&table, wide);
    char *text = printed(&table);
    cr_assert_eq(strlen(text), TEXT_TABLE_WIDTH_MAX + 2 + strlen(wide) + 1);
    free(text);
    text_table_close(&table);
}
