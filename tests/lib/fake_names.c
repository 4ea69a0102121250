/* Names, and the list of what has happened and is not synced. */
#include "lib/fake_disk_state.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

struct fake_name *fake_names_find(const struct fake_names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->at[i].path, path) == 0) return &names->at[i];
    return NULL;
}

void fake_names_set(struct fake_names *names, const char *path, struct fake_node *node)
{
    struct fake_name *name = fake_names_find(names, path);
    if (name == NULL) {
        if (names->count == names->capacity) {
            names->capacity = names->capacity == 0 ? 16 : 2 * names->capacity;
            names->at = realloc(names->at, names->capacity * sizeof *names->at);
            CHECK(names->at != NULL);
        }
        name = &names->at[names->count++];
        snprintf(name->path, sizeof name->path, "%s", path);
    }
    name->node = node;
}

void fake_names_unset(struct fake_names *names, const char *path, const struct fake_node *node)
{
    struct fake_name *name = fake_names_find(names, path);
    if (name == NULL || name->node != node) return;
    *name = names->at[--names->count];
}

void fake_names_free(struct fake_names *names)
{
    free(names->at);
    *names = (struct fake_names){0};
}

bool fake_path(char path[FAKE_NAME_MAX], const char *given)
{
    size_t size = 0;
    CHECK(given[0] == '/');
    for (const char *at = given; *at != '\0'; at++) {
        if (*at == '/' && (at[1] == '/' || at[1] == '\0') && (size > 0 || at[1] != '\0')) continue;
        if (size + 1 == FAKE_NAME_MAX) return false;
        path[size++] = *at;
    }
    path[size] = '\0';
    if (size > 3 && strcmp(path + size - 3, "/..") == 0) {
        path[size - 3] = '\0';
        *(strrchr(path, '/') == path ? path + 1 : strrchr(path, '/')) = '\0';
    }
    return true;
}

void fake_path_parent(char parent[FAKE_NAME_MAX], const char *path)
{
    size_t size = (size_t)(strrchr(path, '/') - path);
    if (size == 0) size = 1;
    memcpy(parent, path, size);
    parent[size] = '\0';
}

/* ---- Changes ---- */

struct fake_change *fake_change_add(struct fake_disk *disk, enum fake_change_kind kind,
                                    struct fake_node *node)
{
    struct fake_change *change = calloc(1, sizeof *change);
    CHECK(change != NULL);
    change->kind = kind;
    change->node = node;
    change->number = ++disk->change_numbers;
    list_append(&disk->changes, &change->link);
    disk->change_count++;
    return change;
}

void fake_change_name(struct fake_disk *disk, struct fake_node *node, const char *set,
                      const char *unset)
{
    struct fake_change *change = fake_change_add(disk, FAKE_NAME, node);
    snprintf(change->set, sizeof change->set, "%s", set);
    snprintf(change->unset, sizeof change->unset, "%s", unset);
    change->set_synced = set[0] == '\0';
    change->unset_synced = unset[0] == '\0';
    if (unset[0] != '\0') fake_names_unset(&disk->live, unset, node);
    if (set[0] != '\0') fake_names_set(&disk->live, set, node);
}

void fake_change_apply(struct fake_disk *disk, const struct fake_change *change)
{
    struct fake_content *content = &change->node->disk;
    switch (change->kind) {
    case FAKE_BYTES:
        fake_content_write(content, change->offset, change->bytes, change->size);
        return;
    case FAKE_GROWTH:
        if (content->size < change->offset) content->size = change->offset;
        return;
    case FAKE_SIZE:
        if (content->size > change->offset) fake_content_cut(content, change->offset);
        content->size = change->offset;
        return;
    case FAKE_NAME:
        if (change->unset[0] != '\0') fake_names_unset(&disk->disk, change->unset, change->node);
        if (change->set[0] != '\0') fake_names_set(&disk->disk, change->set, change->node);
        return;
    }
}

void fake_change_free(struct fake_disk *disk, struct fake_change *change)
{
    list_remove(&change->link);
    disk->change_count--;
    free(change->bytes);
    free(change);
}

void fake_changes_sync(struct fake_disk *disk, const struct fake_node *node, uint64_t through,
                       bool drop)
{
    LIST_EACH (&disk->changes, link) {
        struct fake_change *change = CONTAINER_OF(link, struct fake_change, link);
        if (change->node != node || change->kind == FAKE_NAME || change->number > through) continue;
        if (!drop) fake_change_apply(disk, change);
        fake_change_free(disk, change);
    }
}

static bool is_in(const char *path, const char *directory)
{
    char parent[FAKE_NAME_MAX];
    if (path[0] == '\0') return false;
    fake_path_parent(parent, path);
    return strcmp(parent, directory) == 0;
}

void fake_changes_sync_names(struct fake_disk *disk, const char *directory, uint64_t through,
                             bool drop)
{
    LIST_EACH (&disk->changes, link) {
        struct fake_change *change = CONTAINER_OF(link, struct fake_change, link);
        if (change->kind != FAKE_NAME || change->number > through) continue;
        bool set = is_in(change->set, directory);
        bool unset = is_in(change->unset, directory);
        if (!set && !unset) continue;
        change->set_synced |= set;
        change->unset_synced |= unset;
        /* A name that moves between directories lasts when both are synced. */
        bool last = change->set_synced && change->unset_synced;
        if (last && !drop) fake_change_apply(disk, change);
        if (last || drop) fake_change_free(disk, change);
    }
    fake_nodes_collect(disk);
}
