#include "os/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define WANTED_EVENTS                                                                              \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ONLYDIR)

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name), end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

bool notify_wanted(const char *name)
{
    static const char *const skipped[] = {"node_modules", "__pycache__", "venv",
                                          "build",        "dist",        "target"};
    static const char *const ends[] = {"~", ".pyc", ".swp", ".tmp", ".log"};
    if (name[0] == '.') return false;
    for (size_t i = 0; i < sizeof skipped / sizeof skipped[0]; i++)
        if (strcmp(name, skipped[i]) == 0) return false;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_with(name, ends[i])) return false;
    return true;
}

static bool is_directory(const char *path)
{
    struct stat status;
    /* A link could lead round in a circle. */
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* ---- The tree ---- */

struct walk {
    struct notify *notify;
    const char *path;
    int depth;
};

static int add_tree(struct notify *notify, const char *path, int depth, struct errmsg *errmsg);

static int add_entry(void *context, const char *name)
{
    struct walk *walk = context;
    char path[FILE_PATH_MAX];
    if (!notify_wanted(name) || path_join(path, walk->path, name) != 0 || !is_directory(path))
        return 0;
    /* One that cannot be read, or has gone again, is not watched. */
    int error = add_tree(walk->notify, path, walk->depth + 1, NULL);
    return error == ERROR_MEMORY ? error : 0;
}

static int add_tree(struct notify *notify, const char *path, int depth, struct errmsg *errmsg)
{
    if (notify->count == NOTIFY_DIRECTORIES_MAX || depth > NOTIFY_DEPTH_MAX) {
        notify->full = true;
        return 0;
    }
    int watch = inotify_add_watch(notify->fd, path, WANTED_EVENTS);
    if (watch < 0) {
        notify->full = true;
        return errmsg == NULL ? ERROR_IO
                              : errmsg_set(errmsg, ERROR_IO, "cannot watch %.200s", path);
    }
    struct notify_directory *directory = &notify->directories[notify->count];
    *directory = (struct notify_directory){watch, depth, strdup(path)};
    if (directory->path == NULL)
        return errmsg == NULL ? ERROR_MEMORY : errmsg_set(errmsg, ERROR_MEMORY, "out of memory");
    notify->count++;
    struct walk walk = {notify, path, depth};
    return directory_list(path, add_entry, &walk, errmsg);
}

int notify_open(struct notify *notify, const char *root, struct errmsg *errmsg)
{
    *notify = (struct notify){.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (notify->fd < 0) return errmsg_set(errmsg, ERROR_IO, "cannot watch files");
    notify->directories = calloc(NOTIFY_DIRECTORIES_MAX, sizeof *notify->directories);
    int error = notify->directories == NULL ? errmsg_set(errmsg, ERROR_MEMORY, "out of memory")
                                            : add_tree(notify, root, 0, errmsg);
    if (error != 0) notify_close(notify);
    return error;
}

void notify_close(struct notify *notify)
{
    for (size_t i = 0; i < notify->count; i++) free(notify->directories[i].path);
    free(notify->directories);
    if (notify->fd >= 0) close(notify->fd);
    *notify = (struct notify){.fd = -1};
}

/* ---- Events ---- */

static size_t find(const struct notify *notify, int watch)
{
    size_t i = 0;
    while (i < notify->count && notify->directories[i].watch != watch) i++;
    return i;
}

/* The queue was full, and nobody knows what was lost: anything may have changed, directories may be
 * new or gone. One that is watched again keeps its number. */
static void overflowed(struct notify *notify, notify_changed *changed, void *context)
{
    if (notify->count == 0) return;
    char *root = notify->directories[0].path;
    for (size_t i = 1; i < notify->count; i++) free(notify->directories[i].path);
    notify->count = 0;
    if (add_tree(notify, root, 0, NULL) != 0) notify->full = true;
    changed(context, root);
    free(root);
}

static void forget(struct notify *notify, size_t i)
{
    free(notify->directories[i].path);
    notify->directories[i] = notify->directories[--notify->count];
}

static void take(struct notify *notify, const struct inotify_event *event, notify_changed *changed,
                 void *context)
{
    char path[FILE_PATH_MAX];
    if (event->mask & IN_Q_OVERFLOW) {
        overflowed(notify, changed, context);
        return;
    }
    size_t i = find(notify, event->wd);
    if (i == notify->count) return;
    if (event->mask & IN_IGNORED) {
        forget(notify, i);
        return;
    }
    if (event->len == 0 || !notify_wanted(event->name)) return;
    if (path_join(path, notify->directories[i].path, event->name) != 0) return;
    if (event->mask & IN_ISDIR) {
        bool appeared = (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0;
        if (appeared && add_tree(notify, path, notify->directories[i].depth + 1, NULL) != 0)
            notify->full = true;
    } else if (!(event->mask & IN_CREATE)) {
        changed(context, path); /* what was only created is written next */
    }
}

void notify_read(struct notify *notify, notify_changed *changed, void *context)
{
    _Alignas(struct inotify_event) char bytes[8192];
    ssize_t size;
    while ((size = read(notify->fd, bytes, sizeof bytes)) > 0) {
        ssize_t at = 0;
        while (at < size) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)(bytes + at);
            take(notify, event, changed, context);
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
}
