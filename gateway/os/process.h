/*
 * Child processes: each in a process group of its own, with its output in one pipe, ended by the
 * kernel when this process dies. For `holdfast dev`.
 */
#ifndef HOLDFAST_OS_PROCESS_H
#define HOLDFAST_OS_PROCESS_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct process {
    pid_t pid;  /* also of its group; 0: none */
    int ended;  /* becomes readable when it has ended; -1: none */
    int output; /* its stdout and stderr, non-blocking; -1: closed */
};

struct process_options {
    const char *const *arguments; /* ends with NULL; the program is looked up in PATH */
    const char *const
        *environment; /* NAME, value, NAME, value, ..., NULL: added to ours; or NULL */
    int death_signal; /* sent to it when we die */
};

/* ERROR_NOT_FOUND, ERROR_PERMISSION, ERROR_IO: it did not start, errmsg says why. */
int process_start(struct process *process, const struct process_options *options,
                  struct errmsg *errmsg) MUST_USE;
/* To the whole group; nothing when it has been reaped. */
void process_signal(const struct process *process, int number);
/* After `ended` became readable: its exit status, or 128 + the signal that ended it. What is left
   of its group is killed. `output` stays open. */
int process_reap(struct process *process);
/* Closes what is open; kills and reaps what still runs. */
void process_close(struct process *process);
/* The path of the running program. ERROR_IO. */
int process_self(char *path, size_t size) MUST_USE;

#endif
