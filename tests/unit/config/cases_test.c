/*
 * Transcripts: each cases/NAME.yaml is read, and what comes out must equal cases/NAME.txt: errors
 * for bad-*, the listing and the JSON for good-*. With HOLDFAST_TEST_WRITE=1 the texts are written
 * instead; read the diff before committing it.
 */
#include "support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>

static void set_environment(void)
{
    setenv("TEST_HOST", "functions.example", 1);
    setenv("TEST_SECRET", "hunter2", 1);
    unsetenv("TEST_UNSET");
    unsetenv("TEST_PORT");
    unsetenv("TEST_CA");
}

/* A line for each member, so that a diff shows what changed. */
static void print_json(const struct settings *settings, FILE *out)
{
    struct buffer json;
    buffer_init(&json);
    settings_json(settings, &json);
    cr_assert(!json.failed);
    for (size_t i = 0; i < json.size; i++) {
        fputc(json.at[i], out);
        if (json.at[i] == ',') fputc('\n', out);
    }
    fputc('\n', out);
    buffer_close(&json);
}

static void run(const char *text, size_t size, FILE *out)
{
    struct settings settings;
    struct problems problems;
    problems_init(&problems);
    struct settings_text source = {"module.yaml", span_of(text, size)};
    int error = settings_parse(&settings, &source, 1, NULL, &problems);
    if (error) {
        cr_assert_eq(error, ERROR_INVALID);
        problems_print(&problems, out);
        return;
    }
    settings_print(&settings, out);
    print_json(&settings, out);
    if (settings_refuse_unbuilt(&settings, &problems)) problems_print(&problems, out);
    settings_close(&settings);
}

static void write_expected(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    fputs(text, file);
    fclose(file);
}

static void check_case(const char *name)
{
    char path[2048];
    size_t size = 0, expected_size = 0, got_size = 0;
    char *got = NULL;
    snprintf(path, sizeof path, "%s%s.yaml", cases_folder(), name);
    char *yaml = read_whole(path, &size);
    cr_assert(yaml, "%s", path);
    FILE *out = open_memstream(&got, &got_size);
    run(yaml, size, out);
    fclose(out);
    snprintf(path, sizeof path, "%s%s.txt", cases_folder(), name);
    if (getenv("HOLDFAST_TEST_WRITE")) write_expected(path, got);
    char *expected = read_whole(path, &expected_size);
    cr_assert(expected, "%s is missing; it would be:\n%s", path, got);
    cr_expect_str_eq(got, expected, "%s gives:\n%s", name, got);
    bool is_error = strncmp(got, "module.yaml", 11) == 0;
    cr_expect_eq(is_error, strncmp(name, "bad-", 4) == 0, "%s", name);
    free(expected);
    free(yaml);
    free(got);
}

static size_t check_all(const char *prefix)
{
    size_t count = 0;
    set_environment();
    DIR *folder = opendir(cases_folder());
    cr_assert(folder);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char *dot = strstr(entry->d_name, ".yaml");
        if (!dot || strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        *dot = 0;
        check_case(entry->d_name);
        count++;
    }
    closedir(folder);
    return count;
}

Test(cases, good_files_give_their_settings)
{
    cr_assert_geq(check_all("good-"), 13);
}

Test(cases, bad_files_give_their_errors)
{
    cr_assert_geq(check_all("bad-"), 26);
}
