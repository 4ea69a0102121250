/*
 * Changes of files in a tree of directories (inotify). Bounded, and without what tools write:
 * hidden entries, node_modules, __pycache__, venv, build, dist, target, and files that end in ~,
 * .pyc, .swp, .tmp or .log.
 */
#ifndef HOLDFAST_OS_NOTIFY_H
#define HOLDFAST_OS_NOTIFY_H

#include "os/file.h"

enum { NOTIFY_DIRECTORIES_MAX = 1000, NOTIFY_DEPTH_MAX = 12 };

struct notify {
    int fd; /* readable when something has changed */
    size_t count;
    bool full; /* there are more directories than are watched */
    struct notify_directory {
        int watch;
        int depth;
        char *path; /* "." is the root itself */
    } * directories;
};

/* ERROR_IO, ERROR_MEMORY, ERROR_NOT_FOUND. */
int notify_open(struct notify *notify, const char *root, struct errmsg *errmsg) MUST_USE;
/* A file that was written, moved here or removed; the path begins with the root. The root itself:
 * too much has happened to be told one by one. */
typedef void notify_changed(void *context, const char *path);
/* Takes all that has happened, and watches directories that are new. */
void notify_read(struct notify *notify, notify_changed *changed, void *context);
void notify_close(struct notify *notify);
/* Whether an entry of this name is looked at. */
bool notify_wanted(const char *name);

#endif
