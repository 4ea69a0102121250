#include "os/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void ready(struct loop_watch *watch, uint32_t events)
{
    struct signals *signals = CONTAINER_OF(watch, struct signals, watch);
    struct signalfd_siginfo info;
    (void)events;
    if (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info)
        signals->came(signals, (int)info.ssi_signo);
}

static void ours(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

int signals_open(struct signals *signals, struct loop *loop,
                 void (*came)(struct signals *signals, int number))
{
    sigset_t set;
    ours(&set);
    *signals = (struct signals){.loop = loop, .came = came};
    signals->watch.ready = ready;
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) return ERROR_IO;
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) return ERROR_IO;
    int error = loop_add(loop, &signals->watch, fd, LOOP_READ);
    if (error != 0) close(fd);
    return error;
}

void signals_close(struct signals *signals)
{
    int fd = signals->watch.fd;
    loop_remove(signals->loop, &signals->watch);
    close(fd);
}
