/* Looks at the fake disk and changes it from outside: what tests do, not what programs do. */
#include "lib/fake_disk_state.h"

#include "base/check.h"

#include <stdlib.h>

static struct fake_node *find(const struct fake_disk *disk, const char *path)
{
    char plain[FAKE_NAME_MAX];
    if (!fake_path(plain, path)) return NULL;
    const struct fake_name *name = fake_names_find(&disk->live, plain);
    return name == NULL || name->node->directory ? NULL : name->node;
}

uint64_t fake_disk_used_bytes(const struct fake_disk *disk)
{
    return disk->used;
}

uint64_t fake_disk_file_size(const struct fake_disk *disk, const char *path)
{
    const struct fake_node *node = find(disk, path);
    return node == NULL ? UINT64_MAX : node->live.size;
}

size_t fake_disk_peek(const struct fake_disk *disk, const char *path, uint64_t offset, void *into,
                      size_t size)
{
    const struct fake_node *node = find(disk, path);
    if (node == NULL || offset >= node->live.size) return 0;
    if (size > node->live.size - offset) size = (size_t)(node->live.size - offset);
    fake_content_read(&node->live, offset, into, size);
    return size;
}

void fake_disk_poke(struct fake_disk *disk, const char *path, uint64_t offset, struct span bytes)
{
    struct fake_node *node = find(disk, path);
    CHECK(node != NULL);
    fake_content_write(&node->live, offset, bytes.at, bytes.size);
    fake_content_write(&node->disk, offset, bytes.at, bytes.size);
    if (node->live.size < offset + bytes.size) node->live.size = offset + bytes.size;
    if (node->disk.size < offset + bytes.size) node->disk.size = offset + bytes.size;
}

void fake_disk_cut(struct fake_disk *disk, const char *path, uint64_t size)
{
    struct fake_node *node = find(disk, path);
    CHECK(node != NULL);
    fake_content_cut(&node->live, size);
    fake_content_cut(&node->disk, size);
    node->live.size = node->disk.size = size;
}

void fake_disk_take_away(struct fake_disk *disk, const char *path)
{
    struct fake_node *node = find(disk, path);
    char plain[FAKE_NAME_MAX];
    CHECK(node != NULL && fake_path(plain, path));
    fake_names_unset(&disk->live, plain, node);
    fake_names_unset(&disk->disk, plain, node);
    fake_nodes_collect(disk);
}

void fake_disk_put(struct fake_disk *disk, const char *path, struct span bytes)
{
    char plain[FAKE_NAME_MAX];
    if (find(disk, path) != NULL) fake_disk_take_away(disk, path);
    CHECK(fake_path(plain, path));
    struct fake_node *node = fake_node_new(disk, false);
    fake_names_set(&disk->live, plain, node);
    fake_names_set(&disk->disk, plain, node);
    fake_disk_poke(disk, path, 0, bytes);
}

/* How many files come before it in the alphabet. */
static size_t rank(const struct fake_disk *disk, const char *path)
{
    size_t before = 0;
    for (size_t i = 0; i < disk->live.count; i++)
        before += !disk->live.at[i].node->directory && strcmp(disk->live.at[i].path, path) < 0;
    return before;
}

const char *fake_disk_file(const struct fake_disk *disk, size_t index)
{
    for (size_t i = 0; i < disk->live.count; i++)
        if (!disk->live.at[i].node->directory && rank(disk, disk->live.at[i].path) == index)
            return disk->live.at[i].path;
    return NULL;
}

static uint64_t digest_more(uint64_t digest, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) digest = (digest ^ at[i]) * 0x100000001b3u;
    return digest;
}

uint64_t fake_disk_digest(const struct fake_disk *disk)
{
    uint64_t digest = 0xcbf29ce484222325u;
    const char *path;
    for (size_t i = 0; (path = fake_disk_file(disk, i)) != NULL; i++) {
        const struct fake_node *node = find(disk, path);
        digest = digest_more(digest, path, strlen(path) + 1);
        digest = digest_more(digest, &node->live.size, sizeof node->live.size);
        for (uint64_t at = 0; at < node->live.size; at += FAKE_PAGE) {
            uint8_t page[FAKE_PAGE];
            size_t left = (size_t)(node->live.size - at);
            size_t size = left < FAKE_PAGE ? left : FAKE_PAGE;
            fake_content_read(&node->live, at, page, size);
            digest = digest_more(digest, page, size);
        }
    }
    return digest;
}
