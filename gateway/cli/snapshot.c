/* holdfast snapshot: now, asked of the gateway; list and inspect, also from the files. */
#include "cli/offline.h"
#include "cli/rows.h"
#include "cli/text_table.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SNAPSHOT_MS = 600000 };

static const struct flag flag_table[] = {
    {"--data", 0, "DIR", "list, inspect: the files of this data directory (./holdfast-data)",
     "HOLDFAST_DATA", false},
    FLAG_ADMIN_SIDE,
    FLAG_TOKEN_FILE,
    FLAG_OUTPUT,
};
COMMAND_FLAGS(flag_table);

static const struct row_column columns[] = {
    {"SHARD", "shard", ROW_AS_IS},      {"NUMBER", "number", ROW_AS_IS},
    {"RECORD", "seq", ROW_AS_IS},       {"EPOCH", "epoch", ROW_AS_IS},
    {"CREATED", "createdAt", ROW_TIME}, {"BLOCKS", "blocks", ROW_AS_IS},
    {"BYTES", "bytes", ROW_BYTES},      {"FAULT", "fault", ROW_AS_IS},
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

static json_t *info_json(const struct snapshot_info *info)
{
    return json_pack("{sI sI sI sI sI}", "seq", (json_int_t)info->seq, "epoch",
                     (json_int_t)info->epoch, "createdAt", (json_int_t)info->created_ms, "blocks",
                     (json_int_t)info->block_count, "bytes", (json_int_t)info->block_bytes);
}

/* Without what only some have. */
static void print_rows(json_t *rows, bool with_shard, bool of_files)
{
    const struct row_column *from = columns + (with_shard ? 0 : 1);
    struct row_column shown[COLUMNS];
    size_t count = 0;
    for (; from < columns + COLUMNS; from++) {
        bool is_files = strcmp(from->member, "number") == 0 || strcmp(from->member, "fault") == 0;
        if (of_files || !is_files) shown[count++] = *from;
    }
    rows_print(rows, shown, count, "no snapshot yet");
}

/* ---- From the files ---- */

struct listing {
    json_t *rows;
    uint32_t shard;
    bool with_shard;
};

static int add_row(void *context, uint64_t number, const struct snapshot_info *info, int error,
                   const char *text)
{
    struct listing *listing = context;
    json_t *row = error == 0 ? info_json(info) : json_object();
    if (listing->with_shard)
        json_object_set_new(row, "shard", json_integer((json_int_t)listing->shard));
    json_object_set_new(row, "number", json_integer((json_int_t)number));
    if (error != 0) json_object_set_new(row, "fault", json_string(text));
    json_array_append_new(listing->rows, row);
    return 0;
}

static int list_shard(const struct offline_state *state, struct listing *listing)
{
    char path[FILE_PATH_MAX];
    struct errmsg errmsg = {{0}};
    int code = offline_shard(&command_snapshot, state, listing->shard, path);
    if (code != EXIT_DONE) return code;
    int error = snapshots_list(path, add_row, listing, &errmsg);
    return error == 0 ? EXIT_DONE : offline_failed(&command_snapshot, error, &errmsg);
}

static int list_files(const char *directory, bool json)
{
    struct listing listing = {.rows = json_array()};
    struct offline_state state;
    int code = offline_look(&command_snapshot, directory, &state);
    listing.with_shard = state.count > 1;
    for (; code == EXIT_DONE && listing.shard < state.count; listing.shard++)
        code = list_shard(&state, &listing);
    if (code == EXIT_DONE && json)
        rows_json(listing.rows);
    else if (code == EXIT_DONE)
        print_rows(listing.rows, listing.with_shard, true);
    json_decref(listing.rows);
    return code;
}

/* Which snapshot wrote how much of it: what would be read at a start, and what is shared. */
struct inspection {
    uint64_t blocks, bytes, slots, largest;
    uint32_t largest_block;
};

static int add_block(void *context, const struct snapshot_block_info *block)
{
    struct inspection *inspection = context;
    inspection->blocks++;
    inspection->bytes += block->size;
    if (block->block != SNAPSHOT_GLOBALS) inspection->slots++;
    if (block->size <= inspection->largest) return 0;
    inspection->largest = block->size;
    inspection->largest_block = block->block;
    return 0;
}

static void tell_inspection(const struct snapshot_info *info, const struct inspection *inspection,
                            bool json)
{
    static const struct row_column lines[] = {
        {"record", "seq", ROW_AS_IS},
        {"epoch", "epoch", ROW_AS_IS},
        {"lineage", "lineage", ROW_AS_IS},
        {"created", "createdAt", ROW_TIME},
        {"blocks verified", "blocks", ROW_AS_IS},
        {"slots in use", "slots", ROW_AS_IS},
        {"bytes", "bytes", ROW_BYTES},
        {"largest block", "largest", ROW_BYTES},
    };
    char lineage[20];
    json_t *row = info_json(info);
    snprintf(lineage, sizeof lineage, "%016" PRIx64, info->lineage);
    json_object_set_new(row, "lineage", json_string(lineage));
    json_object_set_new(row, "blocks", json_integer((json_int_t)inspection->blocks));
    json_object_set_new(row, "slots", json_integer((json_int_t)inspection->slots));
    json_object_set_new(row, "largest", json_integer((json_int_t)inspection->largest));
    if (json)
        rows_json(row);
    else
        row_print(row, lines, sizeof lines / sizeof lines[0]);
    json_decref(row);
}

static int inspect(const char *directory, const char *word, bool json)
{
    struct snapshot_info info;
    struct inspection inspection = {0};
    char path[FILE_PATH_MAX];
    struct errmsg errmsg = {{0}};
    char *end = NULL;
    uint64_t number = word == NULL ? 0 : strtoull(word, &end, 10);
    if (word != NULL && (*end != 0 || number == 0))
        return usage_error(&command_snapshot, "a snapshot's number is from 1, not \"%.40s\"", word);
    struct offline_state state;
    int code = offline_look(&command_snapshot, directory, &state);
    if (code != EXIT_DONE) return code;
    if (state.count > 1)
        return usage_error(&command_snapshot,
                           "there are %u shards: name one, --data %.200s/shards/0", state.count,
                           directory);
    code = offline_shard(&command_snapshot, &state, 0, path);
    if (code != EXIT_DONE) return code;
    int error = snapshot_inspect(path, number, &info, add_block, &inspection, &errmsg);
    if (error != 0) return offline_failed(&command_snapshot, error, &errmsg);
    tell_inspection(&info, &inspection, json);
    return EXIT_DONE;
}

/* ---- From the gateway ---- */

static int now(struct remote *remote)
{
    struct client_answer answer;
    struct client_request request = {
        .method = "POST", .path = "/v1/snapshot", .timeout_ms = SNAPSHOT_MS};
    int code = remote_ask(remote, &request, &answer);
    struct span body = buffer_span(&answer.body);
    json_t *row = code == EXIT_DONE ? json_loadb((const char *)body.at, body.size, 0, NULL) : NULL;
    if (row != NULL && remote->json)
        rows_json(row);
    else if (row != NULL && json_object_get(row, "shards") != NULL)
        print_rows(json_object_get(row, "shards"), true, false);
    else if (row != NULL)
        row_print(row, columns + 1, COLUMNS - 1);
    json_decref(row);
    client_answer_close(&answer);
    return code;
}

static int list_remote(struct remote *remote)
{
    int code;
    json_t *answer = rows_get(remote, "GET", "/v1/snapshot", &code);
    if (answer == NULL) return code;
    json_t *rows = json_object_get(answer, "snapshots");
    bool with_shard = json_object_get(json_array_get(rows, 0), "shard") != NULL;
    if (remote->json)
        rows_json(rows);
    else
        print_rows(rows, with_shard, false);
    json_decref(answer);
    return EXIT_DONE;
}

static int run_remote(const struct flags *flags, bool is_now)
{
    struct remote remote;
    int code = remote_open(&remote, &command_snapshot, flags, REMOTE_ADMIN);
    if (code != EXIT_DONE) return code;
    code = is_now ? now(&remote) : list_remote(&remote);
    remote_close(&remote);
    return code;
}

static int run(const struct flags *flags)
{
    bool json;
    const char *verb = flags->word_count > 0 ? flags->words[0] : "";
    const char *data = flags_text(flags, "--data", NULL);
    int code = output_read(&command_snapshot, flags, &json);
    if (code != EXIT_DONE) return code;
    if (strcmp(verb, "now") == 0 && flags->word_count == 1) return run_remote(flags, true);
    if (strcmp(verb, "list") == 0 && flags->word_count == 1)
        return data == NULL ? run_remote(flags, false) : list_files(data, json);
    if (strcmp(verb, "inspect") == 0 && flags->word_count <= 2)
        return inspect(data == NULL ? "./holdfast-data" : data,
                       flags->word_count == 2 ? flags->words[1] : NULL, json);
    return usage_error(&command_snapshot, "say now, list or inspect");
}

const struct command command_snapshot = {
    .name = "snapshot",
    .group = GROUP_DATA,
    .summary = "make one now, list, inspect",
    .usage = "holdfast snapshot now\n"
             "       holdfast snapshot list [--data DIR]\n"
             "       holdfast snapshot inspect [NUMBER] --data DIR",
    .example = "holdfast snapshot inspect --data /var/lib/holdfast",
    .flags = command_flags,
    .run = run,
};
