/* holdfast version: which program this is. */
#include "cli/remote.h"

#include "cli/text_table.h"
#include "store/check.h"
#include "wire/record.h"

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

#ifndef HOLDFAST_COMMIT
#define HOLDFAST_COMMIT "unknown"
#endif

#ifndef HOLDFAST_OPTIONS
#define HOLDFAST_OPTIONS ""
#endif

static const struct flag flag_table[] = {FLAG_OUTPUT};
COMMAND_FLAGS(flag_table);

static void name_text(struct text_table *table, const char *name, const char *text)
{
    text_table_text(table, name);
    text_table_text(table, text);
}

static void name_number(struct text_table *table, const char *name, uint64_t number)
{
    text_table_text(table, name);
    text_table_number(table, number);
}

static void show(void)
{
    struct text_table table;
    text_table_init(&table, NULL, 2);
    name_text(&table, "holdfast", HOLDFAST_VERSION);
    name_text(&table, "commit", HOLDFAST_COMMIT);
    name_text(&table, "compiler", COMPILER);
    if (HOLDFAST_OPTIONS[0] != 0) name_text(&table, "options", HOLDFAST_OPTIONS);
    name_number(&table, "record format", RECORD_FORMAT);
    name_number(&table, "segment format", SEGMENT_FORMAT);
    name_number(&table, "snapshot format", MANIFEST_FORMAT);
    text_table_print(&table, stdout);
    text_table_close(&table);
}

static int run(const struct flags *flags)
{
    bool json;
    int code = output_read(&command_version, flags, &json);
    if (code != EXIT_DONE) return code;
    if (json)
        printf("{\"version\":\"%s\",\"commit\":\"%s\",\"compiler\":\"%s\",\"options\":\"%s\","
               "\"record_format\":%d,\"segment_format\":%d,\"snapshot_format\":%d}\n",
               HOLDFAST_VERSION, HOLDFAST_COMMIT, COMPILER, HOLDFAST_OPTIONS, RECORD_FORMAT,
               SEGMENT_FORMAT, MANIFEST_FORMAT);
    else
        show();
    return EXIT_DONE;
}

const struct command command_version = {
    .name = "version",
    .group = GROUP_WATCH,
    .summary = "version, build and formats",
    .usage = "holdfast version [flags]",
    .example = "holdfast version --output json",
    .flags = command_flags,
    .run = run,
};
