/* os/file.h for names, on the fake disk. */
#include "lib/fake_disk_state.h"

#include "lib/fake_threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A path of ours for a given one, let through with an errno. */
static int begin(struct fake_turn *turn, enum file_call call, const char *path,
                 char plain[FAKE_NAME_MAX])
{
    int number = fake_turn_begin(turn, fake_disk_now(), call, path, 0, 0);
    return number == 0 && !fake_path(plain, path) ? ENAMETOOLONG : number;
}

static struct fake_name *find_directory(struct fake_disk *disk, const char *path, int *number)
{
    struct fake_name *name = fake_names_find(&disk->live, path);
    *number = name == NULL ? ENOENT : name->node->directory ? 0 : ENOTDIR;
    return name;
}

int file_rename(const char *from, const char *to, struct errmsg *errmsg)
{
    struct fake_turn turn;
    char plain_from[FAKE_NAME_MAX];
    char plain_to[FAKE_NAME_MAX];
    char parent[FAKE_NAME_MAX];
    int number = begin(&turn, FILE_CALL_RENAME, to, plain_to);
    if (number == 0 && !fake_path(plain_from, from)) number = ENAMETOOLONG;
    if (number == 0) {
        fake_path_parent(parent, plain_to);
        (void)find_directory(turn.disk, parent, &number);
    }
    const struct fake_name *name =
        number == 0 ? fake_names_find(&turn.disk->live, plain_from) : NULL;
    if (number == 0 && name == NULL) number = ENOENT;
    if (number == 0 && name->node->directory) number = EXDEV; /* nobody does it */
    if (number != 0) return file_error(number, "rename a file to", to, errmsg);
    fake_change_name(turn.disk, name->node, plain_to, plain_from);
    fake_nodes_collect(turn.disk);
    fake_turn_end(&turn);
    return 0;
}

int file_remove(const char *path, struct errmsg *errmsg)
{
    struct fake_turn turn;
    char plain[FAKE_NAME_MAX];
    int number = begin(&turn, FILE_CALL_REMOVE, path, plain);
    const struct fake_name *name = number == 0 ? fake_names_find(&turn.disk->live, plain) : NULL;
    if (number == 0 && name == NULL) number = ENOENT;
    if (number == 0 && name->node->directory) number = EISDIR;
    if (number != 0) return file_error(number, "remove", path, errmsg);
    fake_change_name(turn.disk, name->node, "", plain);
    fake_nodes_collect(turn.disk);
    fake_turn_end(&turn);
    return 0;
}

bool file_exists(const char *path)
{
    char plain[FAKE_NAME_MAX];
    struct fake_disk *disk = fake_disk_now();
    if (!fake_disk_alive(disk, fake_threads_process()) || !fake_path(plain, path)) return false;
    return fake_names_find(&disk->live, plain) != NULL;
}

/* ---- Directories ---- */

static int make_one(const char *path, struct errmsg *errmsg)
{
    struct fake_turn turn;
    char plain[FAKE_NAME_MAX];
    char parent[FAKE_NAME_MAX];
    int number = begin(&turn, FILE_CALL_MAKE, path, plain);
    const struct fake_name *name = number == 0 ? fake_names_find(&turn.disk->live, plain) : NULL;
    if (name != NULL && name->node->directory) return 0;
    if (name != NULL) number = ENOTDIR;
    if (number == 0) {
        fake_path_parent(parent, plain);
        (void)find_directory(turn.disk, parent, &number);
    }
    if (number != 0) return file_error(number, "create directory", path, errmsg);
    fake_change_name(turn.disk, fake_node_new(turn.disk, true), plain, "");
    fake_turn_end(&turn);
    return directory_sync(parent, errmsg);
}

int directory_make(const char *path, struct errmsg *errmsg)
{
    char part[FILE_PATH_MAX];
    int size = snprintf(part, sizeof part, "%s", path);
    if (size <= 0 || size >= FILE_PATH_MAX)
        return file_error(size <= 0 ? ENOENT : ENAMETOOLONG, "create directory", path, errmsg);
    while (size > 1 && part[size - 1] == '/') part[--size] = '\0';
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int error = make_one(part, errmsg);
        *slash = '/';
        if (error != 0) return error;
    }
    return make_one(part, errmsg);
}

int directory_sync(const char *path, struct errmsg *errmsg)
{
    struct fake_turn turn;
    char plain[FAKE_NAME_MAX];
    uint64_t through = fake_disk_now()->change_numbers;
    int number = begin(&turn, FILE_CALL_SYNC_DIRECTORY, path, plain);
    if (number == 0) (void)find_directory(turn.disk, plain, &number);
    if (number == 0) {
        if (turn.disk->options.sync_us > 0)
            fake_threads_sleep_us(turn.disk->options.sync_us);
        else
            fake_threads_switch();
        if (!fake_disk_alive(turn.disk, turn.call.process)) number = EIO;
    }
    if (number == 0 || (number == turn.fault.number && turn.fault.loses)) {
        if (turn.fault.unwritten) return 0;
        fake_changes_sync_names(turn.disk, plain, through, number != 0);
        turn.disk->counts.syncs++;
        fake_turn_end(&turn);
    }
    return number == 0 ? 0 : file_error(number, "sync directory", path, errmsg);
}

static bool is_child(const char *path, const char *directory)
{
    char parent[FAKE_NAME_MAX];
    if (strcmp(path, "/") == 0) return false;
    fake_path_parent(parent, path);
    return strcmp(parent, directory) == 0;
}

/* A copy: the callback may change the directory. In no order, as real ones; but in the same at each
 * run. */
static size_t children(const struct fake_disk *disk, const char *directory,
                       char (**names)[FAKE_NAME_MAX])
{
    size_t count = 0;
    *names = malloc((disk->live.count + 1) * sizeof **names);
    if (*names == NULL) return 0;
    for (size_t i = 0; i < disk->live.count; i++)
        if (is_child(disk->live.at[i].path, directory))
            memcpy((*names)[count++], disk->live.at[i].path, FAKE_NAME_MAX);
    return count;
}

int directory_list(const char *path, directory_entry *entry, void *context, struct errmsg *errmsg)
{
    struct fake_turn turn;
    char plain[FAKE_NAME_MAX];
    char(*names)[FAKE_NAME_MAX];
    int number = begin(&turn, FILE_CALL_LIST, path, plain);
    if (number == 0) (void)find_directory(turn.disk, plain, &number);
    if (number != 0) return file_error(number, "list", path, errmsg);
    int error = 0;
    size_t count = children(turn.disk, plain, &names);
    for (size_t i = 0; i < count && error == 0; i++)
        if (fake_names_find(&turn.disk->live, names[i]) != NULL)
            error = entry(context, strrchr(names[i], '/') + 1);
    free(names);
    return error;
}

int directory_room(const char *path, uint64_t *bytes, struct errmsg *errmsg)
{
    struct fake_turn turn;
    char plain[FAKE_NAME_MAX];
    int number = begin(&turn, FILE_CALL_ROOM, path, plain);
    if (number == 0) (void)find_directory(turn.disk, plain, &number);
    if (number != 0) return file_error(number, "ask for the free room of", path, errmsg);
    uint64_t capacity = turn.disk->options.capacity;
    uint64_t used = turn.disk->used;
    *bytes = capacity == 0 ? (uint64_t)1 << 40 : capacity > used ? capacity - used : 0;
    return 0;
}
