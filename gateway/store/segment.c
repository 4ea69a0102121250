#include "store/segment.h"

#include "base/buffer.h"
#include "base/crc.h"
#include "base/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEAD_USED = 64, HEAD_CRC_AT = 60 };

static void put(uint8_t *at, uint64_t value, int size)
{
    for (int i = 0; i < size; i++) at[i] = (uint8_t)(value >> 8 * i);
}

void segment_head_encode(const struct segment_head *head, uint8_t bytes[HEAD_USED])
{
    memset(bytes, 0, HEAD_USED);
    put(bytes, SEGMENT_MAGIC, 4);
    put(bytes + 4, SEGMENT_FORMAT, 2);
    put(bytes + 6, SEGMENT_FORMAT, 2); /* the oldest reader that understands it */
    put(bytes + 8, head->shard, 4);
    put(bytes + 12, head->epoch, 4);
    put(bytes + 16, head->number, 8);
    put(bytes + 24, head->base, 8);
    put(bytes + 32, head->size, 8);
    put(bytes + 40, head->lineage, 8);
    put(bytes + HEAD_CRC_AT, crc_of(span_of(bytes, HEAD_CRC_AT)), 4);
}

static int check_magic(uint32_t magic, const char *path, struct errmsg *errmsg)
{
    if (magic == SEGMENT_MAGIC) return 0;
    if (__builtin_bswap32(magic) == SEGMENT_MAGIC)
        return errmsg_set(
            errmsg, ERROR_DAMAGED,
            "%.200s at offset 0: written in the other byte order, which no version does", path);
    return errmsg_set(errmsg, ERROR_DAMAGED,
                      "%.200s at offset 0: not the head of a journal segment", path);
}

int segment_head_decode(struct span bytes, const char *path, struct segment_head *head,
                        struct errmsg *errmsg)
{
    struct reader reader = reader_of(bytes);
    int error = check_magic(reader_u32(&reader), path, errmsg);
    if (error != 0) return error;
    uint32_t formats = reader_u32(&reader);
    head->shard = reader_u32(&reader);
    head->epoch = reader_u32(&reader);
    head->number = reader_u64(&reader);
    head->base = reader_u64(&reader);
    head->size = reader_u64(&reader);
    head->lineage = reader_u64(&reader);
    struct reader end = reader_of(span_from(bytes, HEAD_CRC_AT));
    uint32_t crc = reader_u32(&end);
    if (end.failed || crc_of(span_of(bytes.at, HEAD_CRC_AT)) != crc)
        return errmsg_set(errmsg, ERROR_DAMAGED, "%.200s at offset 0: the head fails its checksum",
                          path);
    if (formats >> 16 > SEGMENT_FORMAT)
        return errmsg_set(
            errmsg, ERROR_NEWER_FORMAT,
            "%.200s has format %u, this version reads up to %d: start the newer version", path,
            formats & 0xffff, SEGMENT_FORMAT);
    return 0;
}

static int numbered_path(char path[FILE_PATH_MAX], const char *directory, const char *kind,
                         uint64_t number)
{
    char name[64];
    snprintf(name, sizeof name, "%s-%020" PRIu64, kind, number);
    return path_join(path, directory, name);
}

int segment_path(char path[FILE_PATH_MAX], const char *directory, uint64_t number)
{
    return numbered_path(path, directory, "segment", number);
}

int segment_spare_path(char path[FILE_PATH_MAX], const char *directory, uint64_t number)
{
    return numbered_path(path, directory, "spare", number);
}

static uint64_t name_number(const char *name, const char *kind)
{
    size_t size = strlen(kind);
    char *end;
    if (strncmp(name, kind, size) != 0 || strlen(name) != size + 20) return 0;
    uint64_t number = strtoull(name + size, &end, 10);
    return *end == '\0' ? number : 0;
}

uint64_t segment_name_number(const char *name)
{
    return name_number(name, "segment-");
}

uint64_t segment_spare_number(const char *name)
{
    return name_number(name, "spare-");
}

void segment_free(struct segment *segment)
{
    file_close(&segment->file);
    free(segment);
}

void segments_free(struct list *segments)
{
    LIST_EACH (segments, link) {
        list_remove(link);
        segment_free(CONTAINER_OF(link, struct segment, link));
    }
}

static int zero_start(struct segment *segment, const struct segment_head *head, size_t size,
                      struct errmsg *errmsg)
{
    uint8_t *start = aligned_alloc(FILE_BLOCK, size);
    if (start == NULL) return ERROR_MEMORY;
    memset(start, 0, size);
    segment_head_encode(head, start);
    int error = file_write(&segment->file, 0, span_of(start, size), errmsg);
    free(start);
    if (error == 0) error = file_sync(&segment->file, errmsg);
    return error;
}

static int fill_in(struct segment *segment, const char *path, const struct segment_head *head,
                   bool again, struct errmsg *errmsg)
{
    unsigned mode = FILE_WRITE | FILE_DIRECT | (again ? 0 : FILE_CREATE | FILE_EMPTY);
    size_t filled = head->size < SEGMENT_FILL_FIRST ? (size_t)head->size : SEGMENT_FILL_FIRST;
    int error = file_open(&segment->file, path, mode, errmsg);
    if (error != 0) return error;
    /* A spare has all its blocks: only the head is new. Old frames in it are known by their place
     * and epoch. */
    if (!again) error = file_allocate(&segment->file, head->size, errmsg);
    if (error == 0) error = zero_start(segment, head, again ? SEGMENT_HEAD_SIZE : filled, errmsg);
    segment->filled = again ? head->size : filled;
    if (error != 0) file_close(&segment->file);
    return error;
}

int segment_make(struct segment **made, const char *directory, const struct segment_head *head,
                 uint64_t spare, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    char temporary[FILE_PATH_MAX];
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL) return ERROR_MEMORY;
    int error = segment_path(path, directory, head->number);
    if (error == 0)
        error = spare != 0 ? segment_spare_path(temporary, directory, spare)
                           : path_join(temporary, directory, "segment.tmp");
    if (error != 0) goto free_segment;
    list_init(&segment->link);
    segment->number = head->number;
    segment->base = head->base;
    segment->size = head->size;
    error = fill_in(segment, temporary, head, spare != 0, errmsg);
    if (error == 0) {
        error = file_rename(temporary, path, errmsg);
        if (error == 0) error = directory_sync(directory, errmsg);
        if (error != 0) file_close(&segment->file);
    }
    if (error != 0) {
        if (spare == 0) (void)!file_remove(temporary, NULL);
        goto free_segment;
    }
    memcpy(segment->file.path, path, sizeof path);
    *made = segment;
    return 0;

free_segment:
    free(segment);
    return error;
}
