/*
 * module.yaml of any content: it is read, or refused with problems that can be shown. What is read
 * is shown to people and to programs, as JSON that jansson reads.
 */
#include "fuzz.h"

#include "config/settings.h"

#include <jansson.h>
#include <stdlib.h>

static FILE *nowhere(void)
{
    static FILE *file;
    if (file == NULL) file = fopen("/dev/null", "w");
    FUZZ_CHECK(file != NULL);
    return file;
}

static void show(const struct settings *settings)
{
    struct buffer out;
    buffer_init(&out);
    settings_print(settings, nowhere());
    settings_json(settings, &out);
    FUZZ_CHECK(!out.failed);
    json_t *read = json_loadb((const char *)out.at, out.size, JSON_ALLOW_NUL, NULL);
    FUZZ_CHECK(read != NULL);
    json_decref(read);
    buffer_close(&out);
}

void fuzz_one(struct span input)
{
    static struct problems problems;
    struct settings settings;
    struct settings_text texts[2] = {{.name = "a.yaml"}, {.name = "b.yaml"}};
    /* A byte 0xff, which no text holds, cuts the input into two files. */
    const uint8_t *cut = input.size == 0 ? NULL : memchr(input.at, 0xff, input.size);
    size_t first = cut == NULL ? input.size : (size_t)(cut - input.at);
    texts[0].text = span_of(input.at, first);
    if (cut != NULL) texts[1].text = span_from(input, first + 1);
    setenv("FUZZ_SET", "a/b: [1]", 1);
    problems_init(&problems);
    int error = settings_parse(&settings, texts, cut == NULL ? 1 : 2, NULL, &problems);
    problems_sort(&problems);
    problems_print(&problems, nowhere());
    FUZZ_CHECK((error == 0) == (problems_total(&problems) == 0));
    if (error != 0) return;
    show(&settings);
    (void)settings_refuse_unbuilt(&settings, &problems);
    settings_close(&settings);
}
