/* What the files of `holdfast dev` share: two children in one loop. */
#ifndef HOLDFAST_CLI_DEV_H
#define HOLDFAST_CLI_DEV_H

#include "cli/command.h"
#include "os/loop.h"
#include "os/notify.h"
#include "os/process.h"
#include "os/signals.h"

enum { DEV_LINE_MAX = 8192 };

struct dev_options {
    const char *files[FLAGS_VALUES_MAX]; /* module files */
    size_t file_count;
    const char *data, *listen, *admin;
    const char *watch; /* directory; NULL: nothing is watched */
    char *const *command;
};

/* ---- One child: dev_child.c ---- */

struct dev_child {
    const char *name;
    int colour;
    struct loop *loop;
    struct process process;
    struct loop_watch output;
    struct loop_watch ended;
    bool reading; /* output is in the loop */
    int64_t started_us;
    char line[DEV_LINE_MAX];
    size_t line_size;
    void (*exited)(struct dev_child *child, int status); /* its output has been shown */
};

void dev_child_init(struct dev_child *child, struct loop *loop, const char *name, int colour);
/* False: it does not start, and that has been told. */
bool dev_child_start(struct dev_child *child, const struct process_options *options);
bool dev_child_runs(const struct dev_child *child);
void dev_child_close(struct dev_child *child);
/* A line of our own among theirs. */
void dev_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- Both: dev_run.c ---- */

/* Until a signal, or until the gateway ends. Gives back an exit code. */
int dev_run(const struct dev_options *options);

/* ---- dev_banner.c ---- */

/* Where everything is, and a line to try. */
void dev_banner(const struct dev_options *options);

#endif
