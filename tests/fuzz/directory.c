/* See fuzz.h. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 512 };

static char root[PATH_SIZE];
static pid_t owner;

static void empty(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char child[PATH_SIZE + 300];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(child, sizeof child, "%s/%s", path, entry->d_name);
        if (entry->d_type != DT_DIR && unlink(child) == 0) continue;
        empty(child);
        rmdir(child);
    }
    closedir(directory);
}

static void remove_root(void)
{
    if (owner != getpid()) return; /* a child that was forked */
    empty(root);
    rmdir(root);
}

const char *fuzz_directory(void)
{
    if (root[0] != 0) return root;
    const char *parent = getenv("TMPDIR");
    if (access("/dev/shm", W_OK) == 0) parent = "/dev/shm";
    snprintf(root, sizeof root, "%s/holdfast-fuzz-XXXXXX", parent == NULL ? "/tmp" : parent);
    FUZZ_CHECK(mkdtemp(root) != NULL);
    owner = getpid();
    FUZZ_CHECK(atexit(remove_root) == 0);
    return root;
}

void fuzz_directory_clear(void)
{
    empty(fuzz_directory());
}

void fuzz_directory_put(const char *name, struct span bytes)
{
    char path[PATH_SIZE + 300];
    const char *slash = strchr(name, '/');
    if (slash != NULL) {
        snprintf(path, sizeof path, "%s/%.*s", fuzz_directory(), (int)(slash - name), name);
        mkdir(path, 0700);
    }
    snprintf(path, sizeof path, "%s/%s", fuzz_directory(), name);
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL);
    FUZZ_CHECK(bytes.size == 0 || fwrite(bytes.at, 1, bytes.size, file) == bytes.size);
    fclose(file);
}

bool fuzz_directory_get(const char *name, struct buffer *out)
{
    char path[PATH_SIZE + 300];
    snprintf(path, sizeof path, "%s/%s", fuzz_directory(), name);
    buffer_clear(out);
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    for (;;) {
        FUZZ_CHECK(buffer_reserve(out, 65536) == 0);
        size_t got = fread(out->at + out->size, 1, 65536, file);
        if (got == 0) break;
        out->size += got;
    }
    fclose(file);
    return true;
}
