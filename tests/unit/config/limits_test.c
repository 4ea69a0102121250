/* Files made to cost much, and files that end anywhere: refused at once, never a crash. */
#include "support.h"

#include "base/prng.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static char *repeat(const char *part, size_t count)
{
    size_t size = strlen(part);
    char *text = malloc(size * count + 1);
    for (size_t i = 0; i < count; i++) memcpy(text + i * size, part, size);
    text[size * count] = 0;
    return text;
}

struct attack {
    const char *part;
    size_t count;
    const char *message;
};

static void check_attack(const struct attack *attack)
{
    struct settings settings;
    struct problems problems;
    char *text = repeat(attack->part, attack->count);
    int64_t before = now_ms();
    int error = parse_text(&settings, text, &problems);
    int64_t took = now_ms() - before;
    cr_expect_eq(error, ERROR_INVALID);
    cr_expect(strstr(problems.items[0].message, attack->message), "%zu times \"%s\": %s",
              attack->count, attack->part, problems.items[0].message);
    cr_expect_lt(took, 100, "%zu times \"%s\" took %lld ms", attack->count, attack->part,
                 (long long)took);
    free(text);
}

Test(limits, nesting_is_refused_in_milliseconds)
{
    static const struct attack attacks[] = {
        {"[", 100000, "nested more than 64 deep"},   {"[\n", 100000, "nested more than 64 deep"},
        {"- ", 100000, "nested more than 64 deep"},  {"{a: ", 100000, "nested more than 64 deep"},
        {"{", 100000, "a key must be a plain word"}, {"? ", 100000, "a key must be a plain word"},
        {"[", 1 << 20, "nested more than 64 deep"},  {"{b: [", 100000, "nested more than 64 deep"},
    };
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) check_attack(&attacks[i]);
}

Test(limits, size_and_directives)
{
    static const struct attack attacks[] = {
        {"#", (1 << 20) + 1, "larger than 1048576 bytes"},
        {"%TAG !a! tag:a\n", 60000, "lines begin with %"},
    };
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) check_attack(&attacks[i]);
}

Test(limits, values_are_counted)
{
    struct settings settings;
    struct problems problems;
    char *text = repeat("- a\n", 200000);
    int error = parse_text(&settings, text, &problems);
    cr_expect_eq(error, ERROR_INVALID);
    cr_expect(strstr(problems.items[0].message, "more than 50000 values"), "%s",
              problems.items[0].message);
    free(text);
}

Test(limits, keys_of_a_map)
{
    struct settings settings;
    struct problems problems;
    char text[8192] = "";
    for (int i = 0; i < 300; i++) sprintf(text + strlen(text), "k%d: v\n", i);
    cr_expect_eq(parse_text(&settings, text, &problems), ERROR_INVALID);
    cr_expect_str_eq(problems.items[0].message, "more than 256 keys in one map");
    cr_expect_eq(problems.items[0].place.line, 257);
}

Test(limits, a_thousand_endpoints_and_no_more)
{
    struct settings settings;
    struct problems problems;
    char *text = calloc(1, 1 << 20);
    for (int i = 0; i < SETTINGS_ENDPOINTS_MAX + 1; i++) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "a/f%d", i);
        strcat(text, endpoint_document(pattern));
    }
    cr_expect_eq(parse_text(&settings, text, &problems), ERROR_INVALID);
    cr_expect_str_eq(problems.items[0].message, "more than 1024 endpoints");
    text[strlen(text) - strlen(endpoint_document("a/f1024"))] = 0;
    cr_assert_eq(parse_text(&settings, text, &problems), 0);
    cr_expect_eq(settings.endpoint_count, SETTINGS_ENDPOINTS_MAX);
    settings_close(&settings);
    free(text);
}

Test(limits, a_variable_may_not_be_endless)
{
    struct settings settings;
    struct problems problems;
    char *value = repeat("x", 60000);
    setenv("TEST_LONG", value, 1);
    cr_expect_eq(parse_text(&settings, "kind: ${TEST_LONG}${TEST_LONG}", &problems), ERROR_INVALID);
    cr_expect_str_eq(problems.items[0].message, "a value is longer than 65536 bytes");
    free(value);
}

/* The copy has no byte to spare, so that AddressSanitizer sees a read beyond its end. */
static void parse_exactly(const char *text, size_t size)
{
    struct settings settings;
    struct problems problems;
    char *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, text, size);
    problems_init(&problems);
    struct settings_text source = {"module.yaml", span_of(copy, size)};
    int error = settings_parse(&settings, &source, 1, NULL, &problems);
    free(copy);
    if (!error) {
        struct buffer json;
        buffer_init(&json);
        settings_json(&settings, &json);
        buffer_close(&json);
        settings_close(&settings);
    } else {
        cr_expect_gt(problems_total(&problems), 0);
    }
}

static void cut_and_bend(const char *text, size_t size)
{
    struct prng prng = {size};
    for (size_t end = 0; end <= size; end++) parse_exactly(text, end);
    char *bent = malloc(size);
    for (size_t i = 0; i < 400; i++) {
        memcpy(bent, text, size);
        size_t changes = 1 + prng_below(&prng, 3);
        static const char bytes[] = "{}[]:,-?&*!|>'\"%@`#$ \n\t~\\\xff\x80";
        for (size_t j = 0; j < changes; j++)
            bent[prng_below(&prng, size)] = bytes[prng_below(&prng, sizeof bytes)];
        parse_exactly(bent, size);
    }
    free(bent);
}

Test(limits, every_cut_and_many_bent_files_are_survived, .timeout = 120)
{
    size_t count = 0;
    DIR *folder = opendir(cases_folder());
    cr_assert(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[2048];
        size_t size = 0;
        if (!strstr(entry->d_name, ".yaml") || strstr(entry->d_name, "bad-many")) continue;
        snprintf(path, sizeof path, "%s%s", cases_folder(), entry->d_name);
        char *text = read_whole(path, &size);
        cr_assert(text);
        if (size > 0) cut_and_bend(text, size);
        free(text);
        count++;
    }
    closedir(folder);
    cr_assert_geq(count, 30);
}
