/* Rows of JSON as a table. */
#ifndef HOLDFAST_CLI_ROWS_H
#define HOLDFAST_CLI_ROWS_H

#include "cli/remote.h"

#include <jansson.h>

enum row_kind { ROW_AS_IS, ROW_TIME, ROW_BYTES };

struct row_column {
    const char *title;
    const char *member; /* of a row; not there: "-" */
    enum row_kind kind;
};

/* Prints an array of objects; `none` when it is empty. */
void rows_print(json_t *rows, const struct row_column *columns, size_t count, const char *none);
/* Name and value of one object, a line each. */
void row_print(json_t *row, const struct row_column *columns, size_t count);
/* GET of a path, and the answer as JSON; NULL: *code says why, and it has been told. */
json_t *rows_get(struct remote *remote, const char *method, const char *path, int *code);
/* The JSON as it is, in one line. */
void rows_json(json_t *value);

#endif
