#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* A pipe whose both ends are closed by exec. */
static int make_pipe(int ends[2], struct errmsg *errmsg)
{
    if (pipe2(ends, O_CLOEXEC) == 0) return 0;
    return errmsg_set(errmsg, ERROR_IO, "cannot make a pipe: %s", strerror(errno));
}

static void add_environment(const char *const *environment)
{
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i += 2)
        setenv(environment[i], environment[i + 1], 1);
}

/* The child gets its signals as a shell would give them. */
static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
}

/* The kernel may be opening another file at that number: EBUSY, for a moment. */
static bool put_at(int fd, int number)
{
    while (dup2(fd, number) < 0)
        if (errno != EINTR && errno != EBUSY) return false;
    return true;
}

/* In the child. Tells errno through `fault` when the program cannot be run. */
_Noreturn static void run_child(const struct process_options *options, pid_t parent, int output,
                                int fault)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, options->death_signal);
    if (getppid() != parent) _exit(127); /* it died before the kernel knew */
    reset_signals();
    bool placed = (nothing < 0 || put_at(nothing, STDIN_FILENO)) && put_at(output, STDOUT_FILENO) &&
                  put_at(output, STDERR_FILENO);
    if (placed) {
        add_environment(options->environment);
        execvp(options->arguments[0], (char *const *)(uintptr_t)options->arguments);
    }
    int number = errno;
    ssize_t written = write(fault, &number, sizeof number);
    _exit(written > 0 ? 127 : 126);
}

/* What the child could not do, or 0 when it runs: the pipe's other end is closed by exec. */
static int read_fault(int fault)
{
    int number = 0;
    ssize_t size;
    do size = read(fault, &number, sizeof number);
    while (size < 0 && errno == EINTR);
    return size < 0 ? errno : size == (ssize_t)sizeof number ? number : 0;
}

/* Without that, whoever reads its output would wait for it. */
static int make_nonblocking(int fd, struct errmsg *errmsg)
{
    if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0) return 0;
    return errmsg_set(errmsg, ERROR_IO, "cannot read a process's output: %s", strerror(errno));
}

static int start_error(int number, const char *program, struct errmsg *errmsg)
{
    int error = number == ENOENT ? ERROR_NOT_FOUND : number == EACCES ? ERROR_PERMISSION : ERROR_IO;
    return errmsg_set(errmsg, error, "cannot run %.200s: %s", program, strerror(number));
}

int process_start(struct process *process, const struct process_options *options,
                  struct errmsg *errmsg)
{
    int output[2], fault[2];
    pid_t parent = getpid();
    *process = (struct process){.ended = -1, .output = -1};
    int error = make_pipe(output, errmsg);
    if (error != 0) return error;
    error = make_pipe(fault, errmsg);
    if (error != 0) goto close_output;
    process->pid = fork();
    if (process->pid == 0) run_child(options, parent, output[1], fault[1]);
    if (process->pid < 0) {
        process->pid = 0;
        error = start_error(errno, options->arguments[0], errmsg);
        goto close_fault;
    }
    setpgid(process->pid, process->pid); /* here too: whoever comes first */
    close_fd(&fault[1]);
    int number = read_fault(fault[0]);
    if (number != 0) error = start_error(number, options->arguments[0], errmsg);
    process->ended = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (error == 0 && process->ended < 0)
        error = errmsg_set(errmsg, ERROR_IO, "cannot watch a process: %s", strerror(errno));
    if (error == 0) error = make_nonblocking(output[0], errmsg);
    if (error == 0) {
        process->output = output[0];
        output[0] = -1;
    } else {
        process_close(process);
    }
close_fault:
    close_fd(&fault[0]);
    close_fd(&fault[1]);
close_output:
    close_fd(&output[0]);
    close_fd(&output[1]);
    return error;
}

void process_signal(const struct process *process, int number)
{
    if (process->pid > 0) kill(-process->pid, number);
}

int process_reap(struct process *process)
{
    int status = 0;
    if (process->pid <= 0) return 0;
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR) continue;
    kill(-process->pid, SIGKILL);
    process->pid = 0;
    close_fd(&process->ended);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void process_close(struct process *process)
{
    process_signal(process, SIGKILL);
    process_reap(process);
    close_fd(&process->ended);
    close_fd(&process->output);
}

int process_self(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length < 0) return ERROR_IO;
    path[length] = 0;
    return 0;
}
