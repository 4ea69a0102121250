/* A table for people: columns as wide as their widest cell, numbers to the right. */
#ifndef HOLDFAST_CLI_TEXT_TABLE_H
#define HOLDFAST_CLI_TEXT_TABLE_H

#include "base/buffer.h"

#include <stdio.h>

enum { TEXT_TABLE_COLUMNS_MAX = 16, TEXT_TABLE_WIDTH_MAX = 80 };

struct text_table {
    size_t column_count;
    const char *titles[TEXT_TABLE_COLUMNS_MAX]; /* borrowed; NULL in the first: no title line */
    struct buffer cells;                        /* each: u32 size, bytes */
    size_t cell_count;
};

void text_table_init(struct text_table *table, const char *const *titles, size_t column_count);
void text_table_close(struct text_table *table);
/* Cells from left to right, row after row. */
void text_table_cell(struct text_table *table, struct span text);
void text_table_text(struct text_table *table, const char *text);
void text_table_number(struct text_table *table, uint64_t number);
/* "12.3 MiB" */
void text_table_bytes(struct text_table *table, uint64_t bytes);
/* Milliseconds since 1970 as "2026-11-24 13:00:00Z", 0 as "-". */
void text_table_time(struct text_table *table, int64_t wall_ms);
/* A cell that is too wide is cut, unless it is in the last column. */
void text_table_print(const struct text_table *table, FILE *out);

#endif
