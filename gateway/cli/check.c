/* holdfast check: is a data directory whole, and what image does it stand for? Changes nothing. */
#include "cli/offline.h"
#include "cli/remote.h"
#include "cli/replay.h"
#include "cli/text_table.h"

#include <inttypes.h>

static const struct flag flag_table[] = {
    {"--data", 0, "DIR", "data directory, when no DIR is given (./holdfast-data)", "HOLDFAST_DATA",
     false},
    FLAG_OUTPUT,
};
COMMAND_FLAGS(flag_table);

static void name_number(struct text_table *table, const char *name, uint64_t number)
{
    text_table_text(table, name);
    text_table_number(table, number);
}

static void name_hex(struct text_table *table, const char *name, uint64_t number)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, number);
    text_table_text(table, name);
    text_table_text(table, text);
}

static void tell_image(const struct replay_result *image)
{
    struct text_table table;
    text_table_init(&table, NULL, 2);
    name_number(&table, "record", image->seq);
    name_number(&table, "epoch", image->epoch);
    name_hex(&table, "lineage", image->lineage);
    name_number(&table, "snapshot of record", image->snapshot_seq);
    name_number(&table, "records after it", image->records);
    name_number(&table, "keys", image->keys);
    name_number(&table, "messages waiting", image->mailbox_messages);
    name_number(&table, "messages delayed", image->delayed);
    name_number(&table, "addresses parked", image->parked);
    text_table_text(&table, "state");
    text_table_bytes(&table, image->state_bytes);
    name_hex(&table, "digest", image->digest);
    putchar('\n');
    text_table_print(&table, stdout);
    text_table_close(&table);
}

static void image_json(const struct replay_result *image)
{
    printf("{\"seq\":%" PRIu64 ",\"epoch\":%" PRIu32 ",\"lineage\":\"%016" PRIx64
           "\",\"snapshotSeq\":%" PRIu64 ",\"records\":%" PRIu64 ",\"keys\":%" PRIu64
           ",\"mailboxMessages\":%" PRIu64 ",\"delayed\":%" PRIu64 ",\"parked\":%" PRIu64
           ",\"stateBytes\":%" PRIu64 ",\"digest\":\"%016" PRIx64 "\"}",
           image->seq, image->epoch, image->lineage, image->snapshot_seq, image->records,
           image->keys, image->mailbox_messages, image->delayed, image->parked, image->state_bytes,
           image->digest);
}

/* `image` is NULL when there is none. */
static void tell(const struct offline_findings *found, const struct replay_result *image)
{
    if (!found->json) {
        if (image != NULL) tell_image(image);
        return;
    }
    printf("{\"damaged\":%s,\"findings\":[%.*s],\"image\":", image == NULL ? "true" : "false",
           SPAN_PRINT(buffer_span(&found->array)));
    if (image == NULL)
        printf("null");
    else
        image_json(image);
    printf("}\n");
}

static int run(const struct flags *flags)
{
    struct offline_findings found = {0};
    struct replay_result image;
    struct errmsg errmsg = {{0}};
    int code = output_read(&command_check, flags, &found.json);
    if (code != EXIT_DONE) return code;
    const char *directory = offline_directory(&command_check, flags);
    if (directory == NULL) return EXIT_USAGE;
    buffer_init(&found.array);
    struct store_tool tool = {directory, 0, offline_report, &found};
    int error = store_check(&tool, &errmsg);
    /* Every byte is as it was written. What they say has to make sense, too. */
    if (error == 0) error = replay_directory(directory, &image, &errmsg);
    if (error == 0 || error == ERROR_DAMAGED) tell(&found, error == 0 ? &image : NULL);
    if (error != 0) code = offline_failed(&command_check, error, &errmsg);
    buffer_close(&found.array);
    return code;
}

const struct command command_check = {
    .name = "check",
    .group = GROUP_DATA,
    .summary = "is a data directory whole? Offline, changes nothing; exit 3 when not",
    .usage = "holdfast check [DIR] [flags]",
    .example = "holdfast check /var/lib/holdfast",
    .flags = command_flags,
    .run = run,
};
