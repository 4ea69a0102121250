/* Changes of files, and those that nobody wants to hear of. */
#include "os/notify.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static char seen[4096]; /* paths below the root, a space behind each */

static void note(void *context, const char *path)
{
    (void)context;
    strncat(seen, strcmp(path, root) == 0 ? "(root)" : path + strlen(root) + 1,
            sizeof seen - strlen(seen) - 2);
    strcat(seen, " ");
}

static void write_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fputs("x", file);
    fclose(file);
}

static void make_directory(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    cr_assert_eq(mkdir(path, 0700), 0);
}

/* What has been told since the last time. */
static const char *changes(struct notify *notify)
{
    struct pollfd wait = {notify->fd, POLLIN, 0};
    seen[0] = 0;
    if (poll(&wait, 1, 2000) == 1) notify_read(notify, note, NULL);
    return seen;
}

static void begin(void)
{
    strcpy(root, "/tmp/holdfast-notify-XXXXXX");
    cr_assert_not_null(mkdtemp(root));
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(notify, .init = begin, .fini = end);

Test(notify, files_of_the_tree_also_in_new_folders)
{
    struct notify notify;
    struct errmsg errmsg;
    make_directory("sub");
    cr_assert_eq(notify_open(&notify, root, &errmsg), 0, "%s", errmsg.text);
    cr_assert_eq(notify.count, 2);
    write_file("a.py");
    cr_assert_str_eq(changes(&notify), "a.py ");
    write_file("sub/b.py");
    cr_assert_str_eq(changes(&notify), "sub/b.py ");
    make_directory("sub/new");
    changes(&notify);
    write_file("sub/new/c.py");
    cr_assert_str_eq(changes(&notify), "sub/new/c.py ");
    char path[256];
    snprintf(path, sizeof path, "%s/a.py", root);
    cr_assert_eq(unlink(path), 0);
    cr_assert_str_eq(changes(&notify), "a.py ");
    notify_close(&notify);
}

Test(notify, not_what_tools_write)
{
    struct notify notify;
    struct errmsg errmsg;
    make_directory("node_modules");
    make_directory(".git");
    cr_assert_eq(notify_open(&notify, root, &errmsg), 0, "%s", errmsg.text);
    cr_assert_eq(notify.count, 1);
    write_file("node_modules/x.js");
    write_file(".git/HEAD");
    write_file(".hidden");
    write_file("old~");
    write_file("x.pyc");
    write_file("real.py");
    cr_assert_str_eq(changes(&notify), "real.py ");
    notify_close(&notify);
}

static long queue_max(void)
{
    long most = 0;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    cr_assert_not_null(file);
    cr_assert_eq(fscanf(file, "%ld", &most), 1);
    fclose(file);
    return most;
}

/* Events that nobody wants to hear of, as many as the queue holds. */
static void fill_queue(void)
{
    char paths[2][256]; /* equal neighbours would be one event */
    for (int i = 0; i < 2; i++) snprintf(paths[i], sizeof paths[i], "%s/.hidden%d", root, i);
    for (long i = 0; i <= queue_max(); i++) {
        int fd = open(paths[i % 2], O_WRONLY | O_CREAT, 0600);
        cr_assert_geq(fd, 0);
        close(fd);
    }
}

Test(notify, what_a_full_queue_has_lost_may_be_anything)
{
    struct notify notify;
    struct errmsg errmsg;
    cr_assert_eq(notify_open(&notify, root, &errmsg), 0, "%s", errmsg.text);
    fill_queue();
    write_file("real.py");
    make_directory("new");
    cr_assert_str_eq(changes(&notify), "(root) ");
    write_file("new/c.py");
    cr_assert_str_eq(changes(&notify), "new/c.py ");
    notify_close(&notify);
}

Test(notify, is_bounded)
{
    struct notify notify;
    struct errmsg errmsg;
    char name[16];
    for (int i = 0; i < NOTIFY_DIRECTORIES_MAX + 5; i++) {
        snprintf(name, sizeof name, "d%d", i);
        make_directory(name);
    }
    cr_assert_eq(notify_open(&notify, root, &errmsg), 0, "%s", errmsg.text);
    cr_assert(notify.full);
    cr_assert_eq(notify.count, NOTIFY_DIRECTORIES_MAX);
    notify_close(&notify);
}

Test(notify, a_root_that_is_not_there)
{
    struct notify notify;
    struct errmsg errmsg;
    cr_assert_neq(notify_open(&notify, "/nonexistent/folder", &errmsg), 0);
    cr_assert_not_null(strstr(errmsg.text, "/nonexistent/folder"));
}
