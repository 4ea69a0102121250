/* holdfast dev: gateway and function together, for a desk. */
#include "cli/dev.h"

#include "os/file.h"

#include <stdlib.h>

#define FOLDER ".holdfast"
#define DEFAULT_MODULE FOLDER "/module.yaml"

static const struct flag flag_table[] = {
    {"--module", 'm', "FILE", "module file; may be repeated (./module.yaml)", NULL, true},
    {"--functions", 0, "NAMES", "without a module file: what it serves (example/*)", NULL, false},
    {"--url", 0, "URL", "without a module file: where (http://127.0.0.1:8000/statefun)", NULL,
     false},
    {"--watch", 'w', "DIR", "start the function again when a file below it changes (.)", NULL,
     false},
    {"--no-watch", 0, NULL, "only when it ends", NULL, false},
    {"--data", 0, "DIR", "data directory (.holdfast/data)", NULL, false},
    {"--listen", 0, "ADDR", "where messages come in (127.0.0.1:7400)", "HOLDFAST_LISTEN", false},
    {"--admin", 0, "ADDR", "operations side (127.0.0.1:7401)", "HOLDFAST_ADMIN", false},
};
COMMAND_FLAGS(flag_table);

static const char *text_or(const struct flags *flags, const char *name, const char *otherwise)
{
    const char *text = flags_text(flags, name, NULL);
    return text == NULL ? otherwise : text;
}

/* Without a module file there is one for the usual case, in the folder of our own. */
static int write_module(const struct flags *flags)
{
    char text[2048];
    struct errmsg errmsg;
    const char *functions = text_or(flags, "--functions", "example/*");
    const char *url = text_or(flags, "--url", "http://127.0.0.1:8000/statefun");
    int size = snprintf(text, sizeof text,
                        "# Written by `holdfast dev`: a module.yaml beside your code takes its "
                        "place.\n"
                        "kind: io.statefun.endpoints.v2/http\n"
                        "spec:\n"
                        "  functions: \"%s\"\n"
                        "  urlPathTemplate: \"%s\"\n",
                        functions, url);
    if (size < 0 || (size_t)size >= sizeof text || strpbrk(functions, "\"\\\n") != NULL ||
        strpbrk(url, "\"\\\n") != NULL)
        return usage_error(&command_dev, "--functions or --url is no name and no URL");
    int error = file_replace(FOLDER, "module.yaml", span_of(text, (size_t)size), &errmsg);
    if (error != 0) {
        fprintf(stderr, "holdfast dev: %s\n", errmsg.text);
        return EXIT_FAILED;
    }
    dev_say("no module.yaml here: functions %s at %s", functions, url);
    return EXIT_DONE;
}

static int choose_module(const struct flags *flags, struct dev_options *options)
{
    options->file_count = flags_all(flags, "--module", options->files, FLAGS_VALUES_MAX);
    bool described =
        flags_text(flags, "--functions", NULL) != NULL || flags_text(flags, "--url", NULL) != NULL;
    if (options->file_count > 0 && described)
        return usage_error(&command_dev, "--functions and --url are for no module file");
    if (options->file_count > 0) return EXIT_DONE;
    options->file_count = 1;
    options->files[0] = "module.yaml";
    if (file_exists("module.yaml") && !described) return EXIT_DONE;
    options->files[0] = DEFAULT_MODULE;
    return write_module(flags);
}

/* A mistake is told before anything starts. */
static int check_module(const struct dev_options *options)
{
    struct settings settings;
    struct problems problems;
    problems_init(&problems);
    int error = settings_load(&settings, options->files, options->file_count, NULL, &problems);
    if (error == 0) {
        error = settings_refuse_unbuilt(&settings, &problems);
        settings_close(&settings);
    }
    if (error == 0) return EXIT_DONE;
    problems_print(&problems, stderr);
    return EXIT_USAGE;
}

static int run(const struct flags *flags)
{
    struct dev_options options = {.data = text_or(flags, "--data", FOLDER "/data"),
                                  .listen = text_or(flags, "--listen", "127.0.0.1:7400"),
                                  .admin = text_or(flags, "--admin", "127.0.0.1:7401"),
                                  .watch = text_or(flags, "--watch", "."),
                                  .command = flags->command};
    struct problems problems;
    struct errmsg errmsg;
    problems_init(&problems);
    if (flags_switch(flags, "--no-watch", &problems)) options.watch = NULL;
    if (flags->word_count > 0 || flags->command_count == 0)
        return usage_error(&command_dev, "the function's command stands after --");
    if (directory_make(FOLDER, &errmsg) != 0) {
        fprintf(stderr, "holdfast dev: %s\n", errmsg.text);
        return EXIT_FAILED;
    }
    int code = choose_module(flags, &options);
    if (code == EXIT_DONE) code = check_module(&options);
    return code == EXIT_DONE ? dev_run(&options) : code;
}

const struct command command_dev = {
    .name = "dev",
    .group = GROUP_RUN,
    .summary = "gateway and function together; the function restarts when its files change",
    .usage = "holdfast dev [-m module.yaml] [flags] -- COMMAND...",
    .example = "holdfast dev -- python3 functions.py",
    .flags = command_flags,
    .run = run,
};
