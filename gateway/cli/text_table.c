#include "cli/text_table.h"

#include "base/check.h"
#include "base/reader.h"
#include "base/text.h"
#include "cli/terminal.h"

#include <inttypes.h>
#include <time.h>

void text_table_init(struct text_table *table, const char *const *titles, size_t column_count)
{
    CHECK(column_count > 0 && column_count <= TEXT_TABLE_COLUMNS_MAX);
    *table = (struct text_table){.column_count = column_count};
    for (size_t i = 0; titles != NULL && i < column_count; i++) table->titles[i] = titles[i];
    buffer_init(&table->cells);
}

void text_table_close(struct text_table *table)
{
    buffer_close(&table->cells);
}

void text_table_cell(struct text_table *table, struct span text)
{
    buffer_u32(&table->cells, (uint32_t)text.size);
    buffer_append(&table->cells, text);
    table->cell_count++;
}

void text_table_text(struct text_table *table, const char *text)
{
    text_table_cell(table, span_text(text));
}

void text_table_number(struct text_table *table, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    text_table_text(table, text);
}

void text_table_bytes(struct text_table *table, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    char text[32];
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    text_table_text(table, text);
}

void text_table_time(struct text_table *table, int64_t wall_ms)
{
    char text[32] = "-";
    struct tm when;
    time_t seconds = (time_t)(wall_ms / 1000);
    if (wall_ms > 0 && gmtime_r(&seconds, &when) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &when);
    text_table_text(table, text);
}

/* ---- Printing ---- */

/* Characters as a terminal counts them: bytes that begin one. */
static size_t width_of(struct span text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.size; i++) width += (text.at[i] & 0xc0) != 0x80;
    return width;
}

static bool looks_like_number(struct span text)
{
    return text.size > 0 && ((text.at[0] >= '0' && text.at[0] <= '9') || text.at[0] == '-') &&
           memchr(text.at, ':', text.size) == NULL && memchr(text.at, '/', text.size) == NULL;
}

static struct span next_cell(struct reader *reader)
{
    uint32_t size = reader_u32(reader);
    return reader_bytes(reader, size);
}

struct layout {
    size_t widths[TEXT_TABLE_COLUMNS_MAX];
    bool right[TEXT_TABLE_COLUMNS_MAX];
};

static size_t column_of(const struct text_table *table, size_t cell)
{
    CHECK(table->column_count > 0);
    return cell % table->column_count;
}

static void measure(const struct text_table *table, struct layout *layout)
{
    struct reader reader = reader_of(buffer_span(&table->cells));
    for (size_t i = 0; i < table->column_count; i++) {
        bool titled = table->titles[0] != NULL;
        layout->widths[i] = titled ? width_of(span_text(table->titles[i])) : 0;
        layout->right[i] = titled && table->cell_count > 0;
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        struct span cell = next_cell(&reader);
        size_t column = column_of(table, i);
        size_t width = width_of(cell);
        if (width > TEXT_TABLE_WIDTH_MAX) width = TEXT_TABLE_WIDTH_MAX;
        if (width > layout->widths[column]) layout->widths[column] = width;
        if (!looks_like_number(cell)) layout->right[column] = false;
    }
}

/* At most `width` characters of it. */
static struct span cut(struct span text, size_t width)
{
    size_t i = 0;
    for (size_t seen = 0; i < text.size; i++) {
        seen += (text.at[i] & 0xc0) != 0x80;
        if (seen > width) break;
    }
    return span_of(text.at, i);
}

static void print_cell(FILE *out, const struct text_table *table, const struct layout *layout,
                       size_t column, struct span cell)
{
    bool last = column + 1 == table->column_count;
    if (!last) cell = cut(cell, layout->widths[column]);
    size_t width = width_of(cell);
    size_t gap = width < layout->widths[column] ? layout->widths[column] - width : 0;
    if (layout->right[column]) fprintf(out, "%*s", (int)gap, "");
    terminal_write(out, cell);
    if (last)
        putc('\n', out);
    else
        fprintf(out, "%*s", (int)((layout->right[column] ? 0 : gap) + 2), "");
}

void text_table_print(const struct text_table *table, FILE *out)
{
    struct layout layout;
    struct reader reader = reader_of(buffer_span(&table->cells));
    if (table->cells.failed) {
        fprintf(stderr, "holdfast: out of memory\n");
        return;
    }
    measure(table, &layout);
    if (table->titles[0] != NULL) {
        fputs(terminal_bold(out), out);
        for (size_t i = 0; i < table->column_count; i++)
            print_cell(out, table, &layout, i, span_text(table->titles[i]));
        fputs(terminal_plain(out), out);
    }
    for (size_t i = 0; i < table->cell_count; i++)
        print_cell(out, table, &layout, column_of(table, i), next_cell(&reader));
}
