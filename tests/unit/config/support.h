/* What the tests of config share. */
#ifndef HOLDFAST_TESTS_UNIT_CONFIG_SUPPORT_H
#define HOLDFAST_TESTS_UNIT_CONFIG_SUPPORT_H

#include "config/settings.h"

/* The folder with the YAML cases, with a '/' at its end. */
const char *cases_folder(void);
/* A whole file, NUL-terminated; free it. NULL when it cannot be read. */
char *read_whole(const char *path, size_t *size);
/* settings_parse of one text named module.yaml. */
int parse_text(struct settings *settings, const char *text, struct problems *problems);
/* problems_print as a string; free it. */
char *problems_text(const struct problems *problems);
/* A valid endpoint document for a pattern; static memory. */
const char *endpoint_document(const char *pattern);

#endif
