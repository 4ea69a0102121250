#include "app/gather.h"

#include <jansson.h>
#include <stdlib.h>

void gather_last_id(struct span rows, struct buffer *id)
{
    size_t end = rows.size;
    while (end > 0 && rows.at[end - 1] == '\n') end--;
    size_t begin = end;
    while (begin > 0 && rows.at[begin - 1] != '\n') begin--;
    json_t *row = json_loadb((const char *)rows.at + begin, end - begin, JSON_ALLOW_NUL, NULL);
    json_t *text = json_object_get(row, "id");
    if (json_is_string(text))
        buffer_append(id, span_of(json_string_value(text), json_string_length(text)));
    else
        id->failed = true;
    json_decref(row);
}

/* From closed to open: what is worst somewhere is told. */
static int severity(const char *circuit)
{
    return circuit == NULL ? -1 : circuit[0] == 'o' ? 2 : circuit[0] == 'h' ? 1 : 0;
}

static bool has_text(json_t *array, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (strcmp(json_string_value(json_array_get(array, i)), text) == 0) return true;
    return false;
}

static void merge_member(json_t *sum, const char *name, json_t *value)
{
    json_t *before = json_object_get(sum, name);
    if (before == NULL) {
        json_object_set(sum, name, value);
    } else if (json_is_integer(value)) {
        json_object_set_new(sum, name,
                            json_integer(json_integer_value(before) + json_integer_value(value)));
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            if (!has_text(before, json_string_value(json_array_get(value, i))))
                json_array_append(before, json_array_get(value, i));
    } else if (strcmp(name, "circuit") == 0 &&
               severity(json_string_value(value)) > severity(json_string_value(before))) {
        json_object_set(sum, name, value);
    }
}

static void merge_row(json_t *sums, json_t *row)
{
    const char *function = json_string_value(json_object_get(row, "function"));
    json_t *sum = function == NULL ? NULL : json_object_get(sums, function);
    const char *name;
    json_t *value;
    if (function == NULL) return;
    if (sum == NULL) {
        json_object_set(sums, function, row);
        return;
    }
    json_object_foreach(row, name, value) merge_member(sum, name, value);
}

static int read_rows(json_t *sums, struct span rows)
{
    while (rows.size > 0) {
        const uint8_t *end = memchr(rows.at, '\n', rows.size);
        size_t size = end == NULL ? rows.size : (size_t)(end - rows.at);
        json_t *row = json_loadb((const char *)rows.at, size, 0, NULL);
        if (row == NULL) return ERROR_MALFORMED;
        merge_row(sums, row);
        json_decref(row);
        rows = span_from(rows, size + 1);
    }
    return 0;
}

static void write_rows(json_t *sums, struct buffer *rows)
{
    const char *name;
    json_t *row;
    json_object_foreach(sums, name, row)
    {
        char *text = json_dumps(row, JSON_COMPACT);
        if (text == NULL) {
            rows->failed = true;
            return;
        }
        buffer_append(rows, span_text(text));
        buffer_byte(rows, '\n');
        free(text);
    }
}

int gather_sum_functions(struct buffer *rows)
{
    json_t *sums = json_object();
    if (sums == NULL || rows->failed) {
        json_decref(sums);
        return ERROR_MEMORY;
    }
    int error = read_rows(sums, buffer_span(rows));
    if (error == 0) {
        buffer_clear(rows);
        write_rows(sums, rows);
    }
    json_decref(sums);
    return error != 0 ? error : rows->failed ? ERROR_MEMORY : 0;
}
