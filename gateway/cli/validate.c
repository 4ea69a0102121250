/* holdfast validate: checks module files and says what would run. */
#include "cli/remote.h"

static const struct flag *command_flags(size_t *count)
{
    static struct flag table[64];
    static const struct flag output = FLAG_OUTPUT;
    size_t gateway_count;
    const struct flag *gateway = gateway_flags(&gateway_count);
    for (size_t i = 0; i < gateway_count && i + 1 < sizeof table / sizeof table[0]; i++)
        table[i] = gateway[i];
    table[gateway_count] = output;
    *count = gateway_count + 1;
    return table;
}

static void show(const struct settings *settings, bool json)
{
    struct buffer text;
    if (!json) {
        settings_print(settings, stdout);
        return;
    }
    buffer_init(&text);
    settings_json(settings, &text);
    printf("%.*s\n", SPAN_PRINT(buffer_span(&text)));
    buffer_close(&text);
}

static int validate(const char *const *files, size_t count, const struct flags *flags, bool json)
{
    struct settings settings;
    struct problems problems;
    problems_init(&problems);
    int error = settings_load(&settings, files, count, flags, &problems);
    if (error == 0) {
        show(&settings, json);
        /* What is valid and still cannot be run is no success. */
        error = settings_refuse_unbuilt(&settings, &problems);
        if (error != 0) fflush(stdout);
        if (error != 0) problems_print(&problems, stderr);
        settings_close(&settings);
        return error == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    problems_print(&problems, stderr);
    return error == ERROR_MEMORY ? EXIT_FAILED : EXIT_USAGE;
}

static int run(const struct flags *flags)
{
    const char *files[FLAGS_VALUES_MAX];
    bool json;
    int code = output_read(&command_validate, flags, &json);
    if (code != EXIT_DONE) return code;
    size_t count = flags_all(flags, "--module", files, FLAGS_VALUES_MAX);
    if (flags->word_count > 0 || count == 0)
        return usage_error(&command_validate, "say the module file");
    return validate(files, count, flags, json);
}

const struct command command_validate = {
    .name = "validate",
    .group = GROUP_RUN,
    .summary = "check module.yaml, and say what would run",
    .usage = "holdfast validate -m module.yaml [flags of run]",
    .example = "holdfast validate -m module.yaml",
    .flags = command_flags,
    .run = run,
};
