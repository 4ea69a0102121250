#include "store/block.h"

#include "base/crc.h"
#include "base/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_CRC_AT = 60, CRC_AT = 28 };

static void put(uint8_t *at, uint64_t value, int size)
{
    for (int i = 0; i < size; i++) at[i] = (uint8_t)(value >> 8 * i);
}

int block_path(char path[FILE_PATH_MAX], const char *directory, uint64_t number)
{
    char name[64];
    snprintf(name, sizeof name, "blocks-%020" PRIu64, number);
    return path_join(path, directory, name);
}

uint64_t block_name_number(const char *name)
{
    char *end;
    if (strncmp(name, "blocks-", 7) != 0 || strlen(name) != 27) return 0;
    uint64_t number = strtoull(name + 7, &end, 10);
    return *end == '\0' ? number : 0;
}

void block_file_head(uint64_t number, uint64_t lineage, uint8_t head[BLOCK_FILE_HEAD_SIZE])
{
    memset(head, 0, BLOCK_FILE_HEAD_SIZE);
    put(head, BLOCK_FILE_MAGIC, 4);
    put(head + 4, BLOCK_FORMAT, 2);
    put(head + 6, BLOCK_FORMAT, 2); /* the oldest reader that understands it */
    put(head + 8, number, 8);
    put(head + 16, lineage, 8);
    put(head + FILE_CRC_AT, crc_of(span_of(head, FILE_CRC_AT)), 4);
}

int block_file_check(struct span head, uint64_t number, const char *path, struct errmsg *errmsg)
{
    struct reader reader = reader_of(head);
    struct reader end = reader_of(span_from(head, FILE_CRC_AT));
    uint32_t magic = reader_u32(&reader);
    uint32_t formats = reader_u32(&reader);
    uint64_t number_there = reader_u64(&reader);
    uint32_t crc = reader_u32(&end);
    if (end.failed || magic != BLOCK_FILE_MAGIC || crc != crc_of(span_of(head.at, FILE_CRC_AT)))
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset 0: the head of the block file is damaged", path);
    if (formats >> 16 > BLOCK_FORMAT)
        return errmsg_set(
            errmsg, ERROR_NEWER_FORMAT,
            "%.200s has format %u, this version reads up to %d: start the newer version", path,
            formats & 0xffff, BLOCK_FORMAT);
    if (number_there != number)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset 0: by its head it is block file %" PRIu64, path,
                          number_there);
    return 0;
}

void block_head(struct block_entry *entry, struct span bytes, uint8_t head[BLOCK_HEAD_SIZE])
{
    memset(head, 0, BLOCK_HEAD_SIZE);
    put(head, BLOCK_MAGIC, 4);
    put(head + 4, entry->block, 4);
    put(head + 8, bytes.size, 8);
    put(head + 16, entry->version, 8);
    entry->size = bytes.size;
    entry->crc = crc_more(crc_of(span_of(head, CRC_AT)), bytes);
    put(head + CRC_AT, entry->crc, 4);
}

void block_reader_init(struct block_reader *reader, const char *directory)
{
    *reader = (struct block_reader){.directory = directory};
    reader->file.fd = -1;
    buffer_init(&reader->window);
}

void block_reader_close(struct block_reader *reader)
{
    file_close(&reader->file);
    buffer_close(&reader->window);
}

static int ends_too_early(const struct block_reader *reader, uint64_t offset, struct errmsg *errmsg)
{
    return errmsg_set(errmsg, ERROR_DAMAGED,
                      "%.200s at offset %" PRIu64 ": the file ends too early", reader->file.path,
                      offset);
}

/* No more is asked for than the file has: a manifest may lie about sizes. */
static int look(struct block_reader *reader, uint64_t offset, uint64_t size, struct span *bytes,
                struct errmsg *errmsg)
{
    struct buffer *window = &reader->window;
    if (size > reader->size || offset > reader->size - size)
        return ends_too_early(reader, offset, errmsg);
    if (offset < reader->window_offset || offset + size > reader->window_offset + window->size) {
        size_t wanted = size < BLOCK_READ_SIZE ? BLOCK_READ_SIZE : (size_t)size;
        buffer_clear(window);
        if (buffer_reserve(window, wanted) != 0) return ERROR_MEMORY;
        int error = file_read(&reader->file, offset, window->at, wanted, &window->size, errmsg);
        if (error != 0) return error;
        reader->window_offset = offset;
    }
    *bytes = span_from(buffer_span(window), (size_t)(offset - reader->window_offset));
    return bytes->size < size ? ends_too_early(reader, offset, errmsg) : 0;
}

static int enter(struct block_reader *reader, uint64_t number, struct errmsg *errmsg)
{
    char path[FILE_PATH_MAX];
    struct span head;
    if (reader->number == number) return 0;
    file_close(&reader->file);
    buffer_clear(&reader->window);
    reader->number = 0;
    reader->window_offset = 0;
    int error = block_path(path, reader->directory, number);
    if (error == 0) error = file_open(&reader->file, path, 0, errmsg);
    if (error == ERROR_NOT_FOUND)
        return errmsg_set(errmsg, ERROR_DAMAGED, "%.200s is missing: the snapshot needs it", path);
    if (error != 0) return error;
    error = file_size(&reader->file, &reader->size, errmsg);
    if (error != 0) return error;
    file_read_ahead(&reader->file);
    error = look(reader, 0, BLOCK_FILE_HEAD_SIZE, &head, errmsg);
    if (error == 0) error = block_file_check(head, number, path, errmsg);
    if (error == 0) reader->number = number;
    return error;
}

int block_read(struct block_reader *reader, const struct block_entry *entry, struct span *bytes,
               struct errmsg *errmsg)
{
    struct span whole;
    uint8_t head[BLOCK_HEAD_SIZE];
    struct block_entry found = {.block = entry->block, .version = entry->version};
    int error = enter(reader, entry->file, errmsg);
    if (error == 0 && entry->size > reader->size) /* the sum below could overflow */
        error = ends_too_early(reader, entry->offset, errmsg);
    if (error == 0)
        error = look(reader, entry->offset, BLOCK_HEAD_SIZE + entry->size, &whole, errmsg);
    if (error != 0) return error;
    *bytes = span_of(whole.at + BLOCK_HEAD_SIZE, (size_t)entry->size);
    block_head(&found, *bytes, head);
    if (memcmp(head, whole.at, sizeof head) == 0 && found.crc == entry->crc) return 0;
    return errmsg_set(errmsg, ERROR_DAMAGED,
                      "%.200s at offset %" PRIu64 ": block %u fails its checksum",
                      reader->file.path, entry->offset, entry->block);
}
