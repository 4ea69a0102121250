/* Power cuts: which of the changes that were not synced are there afterwards. */
#include "lib/fake_disk_state.h"

#include "base/check.h"
#include "lib/fake_threads.h"

static size_t parts_of(const struct fake_change *change)
{
    return change->kind == FAKE_BYTES ? change->size / FAKE_SECTOR : 1;
}

static void apply_sector(const struct fake_change *change, size_t sector, size_t size)
{
    size_t start = sector * FAKE_SECTOR;
    fake_content_write(&change->node->disk, change->offset + start, change->bytes + start, size);
}

/* In issue order, each sector, size and name with a chance that is the same for all of this cut. */
static void apply_subset(struct fake_disk *disk, struct prng *prng)
{
    uint64_t chance = 1 + prng_below(prng, 7);
    LIST_EACH (&disk->changes, link) {
        const struct fake_change *change = CONTAINER_OF(link, struct fake_change, link);
        if (change->kind != FAKE_BYTES) {
            if (prng_below(prng, 8) < chance) fake_change_apply(disk, change);
            continue;
        }
        for (size_t i = 0; i < parts_of(change); i++)
            if (prng_below(prng, 8) < chance) apply_sector(change, i, FAKE_SECTOR);
    }
}

/* A sector is written from its start on: the new bytes, then the old ones. */
static void tear(const struct fake_change *change, struct prng *prng)
{
    if (change->kind != FAKE_BYTES) return;
    size_t whole = (size_t)prng_below(prng, parts_of(change));
    for (size_t i = 0; i < whole; i++) apply_sector(change, i, FAKE_SECTOR);
    apply_sector(change, whole, (size_t)prng_below(prng, FAKE_SECTOR));
}

static void apply_prefix(struct fake_disk *disk, bool torn, struct prng *prng)
{
    uint64_t left = prng_below(prng, disk->change_count + 1);
    if (torn && left == disk->change_count) left--;
    LIST_EACH (&disk->changes, link) {
        const struct fake_change *change = CONTAINER_OF(link, struct fake_change, link);
        if (left == 0) {
            if (torn) tear(change, prng);
            return;
        }
        fake_change_apply(disk, change);
        left--;
    }
}

static void apply(struct fake_disk *disk, enum fake_crash model, struct prng *prng)
{
    if (disk->change_count == 0) return;
    switch (model) {
    case FAKE_CRASH_LOST: return;
    case FAKE_CRASH_PREFIX: apply_prefix(disk, false, prng); return;
    case FAKE_CRASH_SUBSET: apply_subset(disk, prng); return;
    case FAKE_CRASH_TORN: apply_prefix(disk, true, prng); return;
    case FAKE_CRASH_KEPT:
        LIST_EACH (&disk->changes, link) {
            fake_change_apply(disk, CONTAINER_OF(link, struct fake_change, link));
        }
    }
}

/* A name whose directory was lost is lost with it. */
static bool drop_orphan(struct fake_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        char parent[FAKE_NAME_MAX];
        const struct fake_name *name = &names->at[i];
        if (strcmp(name->path, "/") == 0) continue;
        fake_path_parent(parent, name->path);
        if (fake_names_find(names, parent) != NULL) continue;
        fake_names_unset(names, name->path, name->node);
        return true;
    }
    return false;
}

/* What is read is what is on the disk, and nothing else is. */
static void settle(struct fake_disk *disk)
{
    while (!list_empty(&disk->changes))
        fake_change_free(disk, CONTAINER_OF(disk->changes.next, struct fake_change, link));
    while (drop_orphan(&disk->disk)) {
    }
    fake_names_free(&disk->live);
    for (size_t i = 0; i < disk->disk.count; i++)
        fake_names_set(&disk->live, disk->disk.at[i].path, disk->disk.at[i].node);
    fake_nodes_collect(disk);
    LIST_EACH (&disk->nodes, link) {
        struct fake_node *node = CONTAINER_OF(link, struct fake_node, link);
        fake_content_cut(&node->disk, node->disk.size);
        fake_content_free(&node->live);
        fake_content_copy(&node->live, &node->disk);
        uint64_t pages = (node->live.size + FAKE_PAGE - 1) / FAKE_PAGE * FAKE_PAGE;
        disk->used = disk->used - node->allocated + pages;
        node->allocated = pages;
    }
}

void fake_disk_crash(struct fake_disk *disk, enum fake_crash model, struct prng *prng)
{
    fake_handles_kill(disk, 0, true);
    fake_locks_drop(disk, 0, true);
    for (size_t i = 0; i < disk->alive_count; i++) fake_threads_go_on(disk->alive[i]);
    disk->alive_count = 0;
    apply(disk, model, prng);
    settle(disk);
    disk->counts.crashes++;
}

struct fake_disk *fake_disk_crashed(const struct fake_disk *disk, enum fake_crash model,
                                    struct prng *prng)
{
    struct fake_disk *copy = fake_disk_clone(disk);
    fake_disk_crash(copy, model, prng);
    return copy;
}

size_t fake_disk_unsynced(const struct fake_disk *disk)
{
    return disk->change_count;
}
