#include "app/savepoint_file.h"

#include "base/text.h"
#include "shard/shard.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME "savepoint.json"

enum { FILE_SIZE_MAX = 1 << 20 };

int savepoint_shard_path(char path[FILE_PATH_MAX], const char *directory, uint32_t shard,
                         struct errmsg *errmsg)
{
    char name[32];
    snprintf(name, sizeof name, "shards/%u", shard);
    if (path_join(path, directory, name) == 0) return 0;
    return errmsg_set(errmsg, ERROR_TOO_LARGE, "the path of the savepoint is too long: %.200s",
                      directory);
}

/* ---- Writing ---- */

static void number_member(struct buffer *out, const char *name, uint64_t value)
{
    text_json_member(out, name);
    text_decimal(out, value);
}

static void shard_json(uint32_t number, const struct snapshot_info *info, struct buffer *out)
{
    buffer_byte(out, '{');
    number_member(out, "shard", number);
    number_member(out, "seq", info->seq);
    number_member(out, "epoch", info->epoch);
    text_json_member(out, "lineage");
    buffer_byte(out, '"');
    text_hex(out, info->lineage, 16);
    buffer_byte(out, '"');
    number_member(out, "bytes", info->block_bytes);
    buffer_byte(out, '}');
}

void savepoint_json(const struct savepoint_info *info, struct buffer *out)
{
    buffer_byte(out, '{');
    number_member(out, "format", SAVEPOINT_FORMAT);
    number_member(out, "count", info->count);
    number_member(out, "cut", info->cut);
    text_json_member(out, "createdAt");
    text_signed(out, info->created_ms);
    text_json_member(out, "shards");
    buffer_byte(out, '[');
    for (uint32_t i = 0; i < info->count; i++) {
        if (i > 0) buffer_byte(out, ',');
        shard_json(i, &info->shards[i], out);
    }
    text_append(out, "]}");
}

int savepoint_write(const char *directory, const struct savepoint_info *info, struct errmsg *errmsg)
{
    struct buffer text;
    buffer_init(&text);
    savepoint_json(info, &text);
    buffer_byte(&text, '\n');
    int error = text.failed ? errmsg_set(errmsg, ERROR_MEMORY, "out of memory")
                            : file_replace(directory, FILE_NAME, buffer_span(&text), errmsg);
    buffer_close(&text);
    return error;
}

/* ---- Reading ---- */

static bool read_number(const json_t *object, const char *name, uint64_t *number)
{
    const json_t *value = json_object_get(object, name);
    *number = (uint64_t)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool read_shard(const json_t *row, uint32_t number, struct snapshot_info *info)
{
    uint64_t shard, epoch;
    const char *lineage = json_string_value(json_object_get(row, "lineage"));
    char *end = NULL;
    *info = (struct snapshot_info){0};
    if (!read_number(row, "shard", &shard) || !read_number(row, "seq", &info->seq) ||
        !read_number(row, "epoch", &epoch) || !read_number(row, "bytes", &info->block_bytes) ||
        lineage == NULL || shard != number || epoch > UINT32_MAX)
        return false;
    info->epoch = (uint32_t)epoch;
    info->lineage = strtoull(lineage, &end, 16);
    return strlen(lineage) == 16 && *end == 0;
}

static int read_all(const json_t *root, struct savepoint_info *info)
{
    const json_t *rows = json_object_get(root, "shards");
    uint64_t count, created;
    if (!read_number(root, "count", &count) || !read_number(root, "cut", &info->cut) ||
        !read_number(root, "createdAt", &created) || count == 0 || count > SHARDS_MAX ||
        json_array_size(rows) != count)
        return ERROR_DAMAGED;
    info->count = (uint32_t)count;
    info->created_ms = (int64_t)created;
    info->shards = calloc(count, sizeof *info->shards);
    if (info->shards == NULL) return ERROR_MEMORY;
    for (uint32_t i = 0; i < info->count; i++) {
        if (read_shard(json_array_get(rows, i), i, &info->shards[i])) continue;
        free(info->shards);
        return ERROR_DAMAGED;
    }
    return 0;
}

static int parse(const char *directory, struct span text, struct savepoint_info *info,
                 struct errmsg *errmsg)
{
    json_t *root = json_loadb((const char *)text.at, text.size, JSON_REJECT_DUPLICATES, NULL);
    uint64_t format = 0;
    int error;
    if (!read_number(root, "format", &format) || format == 0)
        error = ERROR_DAMAGED;
    else if (format > SAVEPOINT_FORMAT)
        error = errmsg_set(errmsg, ERROR_NEWER_FORMAT,
                           "%.200s: the savepoint has format %" PRIu64
                           ", this version reads up to %d: start the newer version",
                           directory, format, SAVEPOINT_FORMAT);
    else
        error = read_all(root, info);
    json_decref(root);
    if (error == ERROR_DAMAGED)
        errmsg_set(errmsg, error, "%.200s/" FILE_NAME ": it is not what a savepoint writes there",
                   directory);
    if (error == ERROR_MEMORY) errmsg_set(errmsg, error, "out of memory");
    return error;
}

int savepoint_read(const char *directory, struct savepoint_info *info, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct buffer text;
    *info = (struct savepoint_info){0};
    buffer_init(&text);
    int error = path_join(path, directory, FILE_NAME);
    if (error == 0) error = file_load(path, &text, FILE_SIZE_MAX, errmsg);
    if (error == ERROR_NOT_FOUND)
        errmsg_set(errmsg, error,
                   "%.200s holds no savepoint: there is no " FILE_NAME
                   ", which is written when all shards are done",
                   directory);
    if (error == 0) error = parse(directory, buffer_span(&text), info, errmsg);
    buffer_close(&text);
    return error;
}
