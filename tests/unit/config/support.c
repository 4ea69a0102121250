#include "support.h"

#include <stdlib.h>

const char *cases_folder(void)
{
    static char folder[1024];
    const char *slash = strrchr(__FILE__, '/');
    snprintf(folder, sizeof folder, "%.*s/cases/", (int)(slash - __FILE__), __FILE__);
    return folder;
}

char *read_whole(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    char *text = calloc(1, (1 << 20) + 1);
    *size = fread(text, 1, 1 << 20, file);
    fclose(file);
    return text;
}

int parse_text(struct settings *settings, const char *text, struct problems *problems)
{
    problems_init(problems);
    struct settings_text source = {"module.yaml", span_text(text)};
    return settings_parse(settings, &source, 1, NULL, problems);
}

char *problems_text(const struct problems *problems)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    problems_print(problems, out);
    fclose(out);
    return text;
}

const char *endpoint_document(const char *pattern)
{
    static char text[512];
    snprintf(text, sizeof text,
             "kind: io.statefun.endpoints.v2/http\n"
             "spec: {functions: %s, urlPathTemplate: http://f}\n---\n",
             pattern);
    return text;
}
