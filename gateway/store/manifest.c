#include "store/manifest.h"

#include "base/crc.h"
#include "base/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void manifest_count(struct manifest *manifest)
{
    manifest->info.block_count = 0;
    manifest->info.block_bytes = 0;
    for (uint32_t i = 0; i < MANIFEST_BLOCKS; i++) {
        if (manifest->entries[i].file == 0) continue;
        manifest->info.block_count++;
        manifest->info.block_bytes += manifest->entries[i].size;
    }
}

static void encode_entry(const struct block_entry *entry, struct buffer *out)
{
    buffer_u32(out, entry->block);
    buffer_u32(out, entry->crc);
    buffer_u64(out, entry->file);
    buffer_u64(out, entry->offset);
    buffer_u64(out, entry->size);
    buffer_u64(out, entry->version);
}

void manifest_encode(const struct manifest *manifest, struct buffer *out)
{
    const struct snapshot_info *info = &manifest->info;
    size_t start = out->size;
    buffer_u32(out, MANIFEST_MAGIC);
    buffer_u32(out, MANIFEST_FORMAT | MANIFEST_FORMAT << 16); /* its own, and the oldest reader's */
    buffer_u64(out, manifest->number);
    buffer_u64(out, info->seq);
    buffer_u64(out, info->lineage);
    buffer_u32(out, info->epoch);
    buffer_u32(out, info->block_count);
    buffer_u64(out, (uint64_t)info->created_ms);
    buffer_u64(out, info->block_bytes);
    buffer_u64(out, 0);
    for (uint32_t i = 0; i < MANIFEST_BLOCKS; i++)
        if (manifest->entries[i].file != 0) encode_entry(&manifest->entries[i], out);
    if (!out->failed) buffer_u32(out, crc_of(span_from(buffer_span(out), start)));
}

static int check_whole(struct span bytes, const char *path, struct errmsg *errmsg)
{
    struct reader reader = reader_of(bytes);
    uint32_t magic = reader_u32(&reader);
    uint32_t formats = reader_u32(&reader);
    struct reader end = reader_of(span_from(bytes, bytes.size < 4 ? 0 : bytes.size - 4));
    uint32_t crc = reader_u32(&end);
    if (bytes.size < MANIFEST_HEAD_SIZE + 4)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset %zu: the manifest ends too early", path, bytes.size);
    if (magic != MANIFEST_MAGIC)
        return errmsg_set(errmsg, ERROR_DAMAGED, "%.200s at offset 0: not a manifest", path);
    if (crc_of(span_of(bytes.at, bytes.size - 4)) != crc)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset %zu: the manifest fails its checksum", path,
                          bytes.size - 4);
    if (formats >> 16 > MANIFEST_FORMAT)
        return errmsg_set(
            errmsg, ERROR_NEWER_FORMAT,
            "%.200s has format %u, this version reads up to %d: start the newer version", path,
            formats & 0xffff, MANIFEST_FORMAT);
    return 0;
}

static void decode_head(struct reader *reader, struct manifest *manifest)
{
    struct snapshot_info *info = &manifest->info;
    (void)reader_u64(reader); /* magic and formats */
    manifest->number = reader_u64(reader);
    info->seq = reader_u64(reader);
    info->lineage = reader_u64(reader);
    info->epoch = reader_u32(reader);
    info->block_count = reader_u32(reader);
    info->created_ms = (int64_t)reader_u64(reader);
    info->block_bytes = reader_u64(reader);
    (void)reader_u64(reader);
}

static bool decode_entry(struct reader *reader, struct manifest *manifest)
{
    struct block_entry entry = {.block = reader_u32(reader)};
    entry.crc = reader_u32(reader);
    entry.file = reader_u64(reader);
    entry.offset = reader_u64(reader);
    entry.size = reader_u64(reader);
    entry.version = reader_u64(reader);
    if (reader->failed || entry.block >= MANIFEST_BLOCKS || entry.file == 0) return false;
    manifest->entries[entry.block] = entry;
    return true;
}

int manifest_decode(struct span bytes, const char *path, struct manifest *manifest,
                    struct errmsg *errmsg)
{
    memset(manifest, 0, sizeof *manifest);
    int error = check_whole(bytes, path, errmsg);
    if (error != 0) return error;
    struct reader reader = reader_of(span_of(bytes.at, bytes.size - 4));
    decode_head(&reader, manifest);
    uint32_t count = manifest->info.block_count;
    bool whole = reader_left(&reader) == (size_t)count * MANIFEST_ENTRY_SIZE;
    for (uint32_t i = 0; i < count && whole; i++) whole = decode_entry(&reader, manifest);
    if (!whole)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset %d: the list of blocks is damaged", path,
                          MANIFEST_HEAD_SIZE);
    return 0;
}

static int manifest_name(char name[64], uint64_t number)
{
    return snprintf(name, 64, "manifest-%020" PRIu64, number);
}

int manifest_path(char path[FILE_PATH_MAX], const char *directory, uint64_t number)
{
    char name[64];
    manifest_name(name, number);
    return path_join(path, directory, name);
}

uint64_t manifest_name_number(const char *name)
{
    char *end;
    if (strncmp(name, "manifest-", 9) != 0 || strlen(name) != 29) return 0;
    uint64_t number = strtoull(name + 9, &end, 10);
    return *end == '\0' ? number : 0;
}

int manifest_load(const char *directory, uint64_t number, struct manifest *manifest,
                  struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct buffer bytes;
    buffer_init(&bytes);
    int error = manifest_path(path, directory, number);
    if (error == 0) error = file_load(path, &bytes, MANIFEST_SIZE_MAX, errmsg);
    if (error == ERROR_TOO_LARGE)
        error = errmsg_set(errmsg, ERROR_DAMAGED, "%.200s at offset %d: the manifest is too long",
                           path, MANIFEST_SIZE_MAX);
    if (error == 0) error = manifest_decode(buffer_span(&bytes), path, manifest, errmsg);
    if (error == 0 && manifest->number != number)
        error = errmsg_set(errmsg, ERROR_DAMAGED,
                           "%.200s at offset 8: by its content it is manifest %" PRIu64, path,
                           manifest->number);
    buffer_close(&bytes);
    return error;
}

int manifest_publish(const char *directory, const struct manifest *manifest, struct errmsg *errmsg)
{
    char name[64];
    struct buffer bytes;
    buffer_init(&bytes);
    manifest_encode(manifest, &bytes);
    manifest_name(name, manifest->number);
    int error =
        bytes.failed ? ERROR_MEMORY : file_replace(directory, name, buffer_span(&bytes), errmsg);
    buffer_close(&bytes);
    return error;
}

struct placed {
    uint64_t file;
    uint64_t offset;
    uint32_t block;
};

static int by_place(const void *a, const void *b)
{
    const struct placed *left = a;
    const struct placed *right = b;
    if (left->file != right->file) return left->file < right->file ? -1 : 1;
    return (left->offset > right->offset) - (left->offset < right->offset);
}

size_t manifest_order(const struct manifest *manifest, uint32_t order[MANIFEST_BLOCKS])
{
    struct placed placed[MANIFEST_BLOCKS];
    size_t count = 0;
    size_t first = 0;
    for (uint32_t i = 0; i < MANIFEST_BLOCKS; i++) {
        const struct block_entry *entry = &manifest->entries[i];
        if (entry->file == 0) continue;
        if (i == SNAPSHOT_GLOBALS)
            order[first++] = i;
        else
            placed[count++] = (struct placed){entry->file, entry->offset, i};
    }
    qsort(placed, count, sizeof *placed, by_place);
    for (size_t i = 0; i < count; i++) order[first + i] = placed[i].block;
    return first + count;
}
