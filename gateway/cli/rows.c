#include "cli/rows.h"

#include "cli/text_table.h"

#include <stdlib.h>

static void cell(struct text_table *table, json_t *value, enum row_kind kind)
{
    if (value == NULL || json_is_null(value)) {
        text_table_text(table, "-");
    } else if (json_is_string(value)) {
        text_table_cell(table, span_of(json_string_value(value), json_string_length(value)));
    } else if (json_is_integer(value) && kind == ROW_TIME) {
        text_table_time(table, json_integer_value(value));
    } else if (json_is_integer(value) && kind == ROW_BYTES) {
        text_table_bytes(table, (uint64_t)json_integer_value(value));
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        text_table_text(table, text == NULL ? "?" : text);
        free(text);
    }
}

void rows_print(json_t *rows, const struct row_column *columns, size_t count, const char *none)
{
    const char *titles[TEXT_TABLE_COLUMNS_MAX];
    struct text_table table;
    if (json_array_size(rows) == 0) {
        printf("%s\n", none);
        return;
    }
    for (size_t i = 0; i < count; i++) titles[i] = columns[i].title;
    text_table_init(&table, titles, count);
    for (size_t row = 0; row < json_array_size(rows); row++)
        for (size_t i = 0; i < count; i++)
            cell(&table, json_object_get(json_array_get(rows, row), columns[i].member),
                 columns[i].kind);
    text_table_print(&table, stdout);
    text_table_close(&table);
}

void row_print(json_t *row, const struct row_column *columns, size_t count)
{
    struct text_table table;
    text_table_init(&table, NULL, 2);
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(row, columns[i].member);
        if (value == NULL) continue;
        text_table_text(&table, columns[i].title);
        cell(&table, value, columns[i].kind);
    }
    text_table_print(&table, stdout);
    text_table_close(&table);
}

json_t *rows_get(struct remote *remote, const char *method, const char *path, int *code)
{
    struct client_answer answer;
    json_t *json = NULL;
    struct client_request request = {.method = method, .path = path};
    *code = remote_ask(remote, &request, &answer);
    if (*code == EXIT_DONE) {
        struct span body = buffer_span(&answer.body);
        json = json_loadb((const char *)body.at, body.size, JSON_ALLOW_NUL, NULL);
        if (json == NULL) {
            fprintf(stderr, "holdfast %s: the gateway's answer is no JSON\n",
                    remote->command->name);
            *code = EXIT_FAILED;
        }
    }
    client_answer_close(&answer);
    return json;
}

void rows_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    putchar('\n');
}
