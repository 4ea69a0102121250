/* holdfast check: is a data directory whole, and what image does it stand for? Changes nothing. */
#include "cli/offline.h"
#include "cli/remote.h"
#include "cli/replay.h"
#include "cli/text_table.h"

#include <inttypes.h>
#include <stdlib.h>

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

/* One of the shards. */
struct examined {
    uint32_t shard;
    uint32_t count;
    bool whole;
    struct replay_result image;
};

static void tell_image(const struct examined *examined)
{
    const struct replay_result *image = &examined->image;
    struct text_table table;
    text_table_init(&table, NULL, 2);
    if (examined->count > 1) name_number(&table, "shard", examined->shard);
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

static void image_json(const struct examined *examined)
{
    const struct replay_result *image = &examined->image;
    if (!examined->whole) {
        printf("null");
        return;
    }
    printf("{");
    if (examined->count > 1) printf("\"shard\":%" PRIu32 ",", examined->shard);
    printf("\"seq\":%" PRIu64 ",\"epoch\":%" PRIu32 ",\"lineage\":\"%016" PRIx64
           "\",\"snapshotSeq\":%" PRIu64 ",\"records\":%" PRIu64 ",\"keys\":%" PRIu64
           ",\"mailboxMessages\":%" PRIu64 ",\"delayed\":%" PRIu64 ",\"parked\":%" PRIu64
           ",\"stateBytes\":%" PRIu64 ",\"digest\":\"%016" PRIx64 "\"}",
           image->seq, image->epoch, image->lineage, image->snapshot_seq, image->records,
           image->keys, image->mailbox_messages, image->delayed, image->parked, image->state_bytes,
           image->digest);
}

static void tell_json(const struct offline_findings *found, const struct examined *shards,
                      uint32_t count, bool damaged)
{
    printf("{\"damaged\":%s,\"findings\":[%.*s],", damaged ? "true" : "false",
           SPAN_PRINT(buffer_span(&found->array)));
    printf(count > 1 ? "\"shards\":[" : "\"image\":");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) printf(",");
        image_json(&shards[i]);
    }
    printf(count > 1 ? "]}\n" : "}\n");
}

/* Every byte is as it was written; what they say has to make sense, too. */
static int examine(const struct offline_state *state, struct offline_findings *found,
                   struct examined *examined)
{
    char path[FILE_PATH_MAX];
    struct errmsg errmsg = {{0}};
    struct store_tool tool = {.directory = path,
                              .shard = examined->shard,
                              .report = offline_report,
                              .context = found,
                              .savepoint = state->savepoint};
    int code = offline_shard(&command_check, state, examined->shard, path);
    if (code != EXIT_DONE) return code;
    int error = store_check(&tool, &errmsg);
    if (error == 0) error = replay_shard(&tool, examined->count, &examined->image, &errmsg);
    examined->whole = error == 0;
    if (error != 0) return offline_failed(&command_check, error, &errmsg);
    if (!found->json) tell_image(examined);
    return EXIT_DONE;
}

/* All of them, also when one is damaged. */
static int examine_all(const struct offline_state *state, struct offline_findings *found)
{
    uint32_t count = state->count;
    struct examined *shards = calloc(count, sizeof *shards);
    int worst = EXIT_DONE;
    if (shards == NULL) return EXIT_FAILED;
    for (uint32_t i = 0; i < count && worst != EXIT_FAILED; i++) {
        shards[i] = (struct examined){.shard = i, .count = count};
        int code = examine(state, found, &shards[i]);
        if (code != EXIT_DONE) worst = code;
    }
    if (found->json && (worst == EXIT_DONE || worst == EXIT_DAMAGED))
        tell_json(found, shards, count, worst == EXIT_DAMAGED);
    free(shards);
    return worst;
}

static int run(const struct flags *flags)
{
    struct offline_findings found = {0};
    struct offline_state state;
    int code = output_read(&command_check, flags, &found.json);
    if (code != EXIT_DONE) return code;
    const char *directory = offline_directory(&command_check, flags);
    if (directory == NULL) return EXIT_USAGE;
    code = offline_look(&command_check, directory, &state);
    if (code != EXIT_DONE) return code;
    buffer_init(&found.array);
    code = examine_all(&state, &found);
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
