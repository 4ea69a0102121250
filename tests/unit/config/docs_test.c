/* docs/configuration.md names every setting, and its examples load. */
#include "support.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static char *document(const char *name)
{
    char path[2048];
    size_t size = 0;
    snprintf(path, sizeof path, "%s../../../../docs/%s", cases_folder(), name);
    char *text = read_whole(path, &size);
    cr_assert(text, "%s", path);
    return text;
}

Test(docs, every_setting_is_described)
{
    static const char *const words[] = {
#define WORDS(id, yaml, flag, environment, ...) "| `" yaml "` |", "`" flag, "`" environment "`",
        GATEWAY_SETTINGS(WORDS)
#undef WORDS
            "functions",
        "urlPathTemplate",
        "maxNumBatchRequests",
        "batchMaxBytes",
        "stateMaxBytes",
        "concurrency",
        "dispatch",
        "expose",
        "http2",
        "retry.for",
        "retry.attempts",
        "pool_size",
        "pool_ttl",
        "payload_max_bytes",
        "trust_cacerts",
        "client_cert",
        "client_key",
        "client_key_password",
        "host",
        "topics"};
    char *text = document("configuration.md");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_expect(strstr(text, words[i]), "%s is not described", words[i]);
    free(text);
}

Test(docs, examples_load)
{
    static const char fence[] = "```yaml\n";
    struct settings settings;
    struct problems problems;
    size_t count = 0;
    char *text = document("configuration.md");
    for (char *at = strstr(text, fence); at; count++) {
        char *begin = at + sizeof fence - 1, *end = strstr(begin, "```");
        cr_assert(end);
        *end = 0;
        int error = parse_text(&settings, begin, &problems);
        cr_expect_eq(error, 0, "example %zu: line %u: %s", count, problems.items[0].place.line,
                     problems.items[0].message);
        if (!error) settings_close(&settings);
        at = strstr(end + 1, fence);
    }
    cr_expect_geq(count, 4);
    free(text);
}
