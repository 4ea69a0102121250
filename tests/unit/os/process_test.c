/* Children: their output, their end, their group. */
#include "os/process.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool ready(int fd)
{
    struct pollfd wait = {fd, POLLIN, 0};
    return poll(&wait, 1, 10000) == 1;
}

/* All that it writes until it has closed its end. */
static void read_all(struct process *process, char *text, size_t size)
{
    size_t used = 0;
    while (used + 1 < size && ready(process->output)) {
        ssize_t got = read(process->output, text + used, size - used - 1);
        if (got <= 0) break;
        used += (size_t)got;
    }
    text[used] = 0;
}

static void start(struct process *process, const char *script)
{
    static const char *const environment[] = {"WORD", "from the test", NULL};
    const char *arguments[] = {"sh", "-c", script, NULL};
    struct errmsg errmsg;
    struct process_options options = {arguments, environment, SIGKILL};
    cr_assert_eq(process_start(process, &options, &errmsg), 0, "%s", errmsg.text);
}

Test(process, output_environment_and_status)
{
    struct process process;
    char text[256];
    start(&process, "echo out; echo \"$WORD\" >&2; read line || echo no input; exit 7");
    read_all(&process, text, sizeof text);
    cr_assert_str_eq(text, "out\nfrom the test\nno input\n");
    cr_assert(ready(process.ended));
    cr_assert_eq(process_reap(&process), 7);
    cr_assert_eq(process_reap(&process), 0, "only once");
    process_close(&process);
}

Test(process, a_signal_reaches_the_whole_group)
{
    struct process process;
    char text[64];
    start(&process, "sleep 100 & echo $!; wait");
    cr_assert(ready(process.output));
    ssize_t size = read(process.output, text, sizeof text - 1);
    cr_assert_gt(size, 0);
    text[size] = 0;
    pid_t grandchild = (pid_t)atoi(text);
    cr_assert_eq(kill(grandchild, 0), 0);
    process_signal(&process, SIGTERM);
    cr_assert(ready(process.ended));
    cr_assert_eq(process_reap(&process), 128 + SIGTERM);
    for (int i = 0; i < 500 && kill(grandchild, 0) == 0; i++) {
        char path[64], state[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)grandchild);
        FILE *file = fopen(path, "r"); /* a zombie that nobody has reaped yet is gone, too */
        if (file == NULL) break;
        if (fgets(state, sizeof state, file) == NULL) state[0] = 0;
        fclose(file);
        if (strstr(state, ") Z ") != NULL) break;
        cr_assert_lt(i, 499, "the grandchild is still there: %s", state);
        usleep(10000);
    }
    process_close(&process);
}

Test(process, what_cannot_run_says_why)
{
    struct process process;
    struct errmsg errmsg;
    const char *missing[] = {"no-such-program-anywhere", NULL};
    const char *forbidden[] = {"/etc/passwd", NULL};
    struct process_options options = {missing, NULL, SIGKILL};
    cr_assert_eq(process_start(&process, &options, &errmsg), ERROR_NOT_FOUND);
    cr_assert_not_null(strstr(errmsg.text, "no-such-program-anywhere"));
    options.arguments = forbidden;
    cr_assert_eq(process_start(&process, &options, &errmsg), ERROR_PERMISSION);
}

Test(process, close_kills)
{
    struct process process;
    start(&process, "trap '' TERM; sleep 100");
    pid_t pid = process.pid;
    process_close(&process);
    cr_assert_eq(kill(pid, 0), -1);
}
