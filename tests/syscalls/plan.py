"""Which faults each call is given, what must come of them, and which calls cannot fail."""
import errno
import os

from control import SHORT

E = errno
# Faults that nobody outside may notice: the call is to be repeated, or goes on with the rest.
INVISIBLE = {E.EINTR, E.EAGAIN, SHORT}

FAULTS = {
    "__getdelim": [E.EIO],
    "__isoc99_fscanf": [E.EIO],
    "__fread_chk": [E.EIO],
    "__pread_chk": [E.EIO, E.EINTR, SHORT],
    "__read_chk": [E.EIO, E.EINTR, SHORT],
    "__readlink_chk": [E.ENOENT],
    "__realpath_chk": [E.ENOENT],
    "__recv_chk": [E.ECONNRESET, E.EINTR, E.EAGAIN, SHORT],
    "accept": [E.EMFILE],
    "accept4": [E.EMFILE, E.ENFILE, E.ENOMEM, E.ECONNABORTED, E.EINTR, E.EAGAIN],
    "access": [E.EIO],
    "bind": [E.EADDRINUSE],
    "close": [E.EIO, E.EINTR],
    "connect": [E.ECONNREFUSED, E.EINTR, E.ENETUNREACH],
    "dup": [E.EMFILE],
    "dup2": [E.EBUSY, E.EINTR],
    "epoll_create1": [E.EMFILE, E.ENOMEM],
    "epoll_ctl": [E.ENOSPC, E.ENOMEM],
    "epoll_wait": [E.EINTR],
    "eventfd": [E.EMFILE, E.ENOMEM],
    "execvp": [E.ENOENT, E.ENOMEM],
    "fallocate": [E.ENOSPC, E.EIO, E.EINTR, E.EOPNOTSUPP],
    "fclose": [E.EIO],
    "fcntl": [E.EMFILE, E.EIO],
    "fdatasync": [E.EIO, E.ENOSPC, E.EINTR],
    "fopen": [E.EMFILE, E.ENOMEM],
    "fork": [E.EAGAIN, E.ENOMEM],
    "fread": [E.EIO],
    "fstat": [E.EIO],
    "fsync": [E.EIO, E.ENOSPC],
    "ftruncate": [E.EIO, E.ENOSPC, E.EINTR],
    "getaddrinfo": [3, 10],  # EAI_AGAIN, EAI_MEMORY
    "getcwd": [E.ENOENT],
    "getrandom": [E.EINTR, SHORT],
    "getsockname": [E.ENOBUFS],
    "getsockopt": [E.ENOBUFS],
    "inotify_add_watch": [E.ENOSPC],
    "inotify_init1": [E.EMFILE],
    "ioctl": [E.EIO],
    "kill": [E.EPERM],
    "listen": [E.EADDRINUSE],
    "lseek": [E.EIO],
    "lstat": [E.EIO],
    "mkdir": [E.ENOSPC, E.EIO],
    "open": [E.EMFILE, E.EIO, E.EINTR, E.ENOSPC],
    "opendir": [E.EMFILE, E.EIO],
    "pipe2": [E.EMFILE],
    "poll": [E.EINTR, E.ENOMEM],
    "posix_fadvise": [E.EIO],
    "prctl": [E.EINVAL],
    "pread": [E.EIO, E.EINTR, SHORT],
    "pthread_create": [E.EAGAIN],
    "pwrite": [E.EIO, E.ENOSPC, E.EINTR, SHORT],
    "read": [E.EIO, E.EINTR, E.EAGAIN],
    "readdir": [E.EIO],
    "readlink": [E.ENOENT],
    "recv": [E.ECONNRESET, E.EINTR, E.EAGAIN, SHORT],
    "rename": [E.EIO, E.ENOSPC],
    "sched_getaffinity": [E.EINVAL],
    "send": [E.EPIPE, E.ENOBUFS, E.EINTR, E.EAGAIN, SHORT],
    "setpgid": [E.EPERM],
    "setrlimit": [E.EPERM],
    "setsockopt": [E.ENOBUFS],
    "shutdown": [E.ENOTCONN],
    "signalfd": [E.EMFILE],
    "socket": [E.EMFILE, E.ENOBUFS],
    "stat": [E.EIO],
    "statvfs": [E.EIO, E.EINTR],
    "statx": [E.EIO],
    "strdup": [E.ENOMEM],
    "syscall": [E.EMFILE],
    "timerfd_create": [E.EMFILE],
    "unlink": [E.EIO],
    "waitpid": [E.EINTR],
    "write": [E.EIO, E.EINTR, E.EAGAIN, SHORT],
    "writev": [E.EPIPE, E.EINTR, E.EAGAIN],
}

# Calls that cannot fail as they are used here. They still have to be reached.
CANNOT_FAIL = {
    "clock_gettime": "a valid clock and a valid address",
    "closedir": "a directory that is open",
    "getpid": "always succeeds",
    "getppid": "always succeeds",
    "getrlimit": "a valid resource",
    "sigaction": "a valid signal",
    "signal": "a valid signal",
    "sigprocmask": "valid arguments",
    "sysconf": "the kernel always knows pages",
    "timerfd_settime": "a valid descriptor and a valid time",
}

# Faults of single sites, by file, function and call.
FAULTS_HERE = {
    # The counter of an event descriptor never comes near its end, and a write of 8 bytes is whole.
    "os/loop.c loop_signal_send write": [E.EINTR],
    # A pipe that blocks.
    "os/process.c read_fault read": [E.EIO, E.EINTR],
    # Of the descriptor that only it reads, when it is readable.
    "os/process.c process_reap waitpid": [E.EINTR],
}

# Sites that no run can reach, with the reason. Everything else that is not reached is a failure.
UNREACHABLE = {
    "invoke/tls.c ignore_broken_pipes sigaction": "the server has ignored SIGPIPE before: this is for other users of the room",
}
if not os.path.exists("/sys/fs/cgroup/cpu.max"):
    UNREACHABLE.update({f"os/limits.c limits_cores {call}": "this machine has no /sys/fs/cgroup/cpu.max"
                        for call in ("__isoc99_fscanf", "fclose")})
if not any(map(os.path.exists, ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"))):
    UNREACHABLE.update({f"os/limits.c read_limit {call}": "this machine has no memory limit file"
                        for call in ("__isoc99_fscanf", "fclose")})


def key(site):
    return f"{site.file} {site.function} {site.call}"


def faults_of(site):
    """None at all for a call that cannot fail."""
    if site.call in CANNOT_FAIL:
        return []
    return FAULTS_HERE.get(key(site), FAULTS[site.call])

# Part of an order: only calls like these. Changing or taking out what epoll has needs no memory.
ARGUMENT = {"epoll_ctl": (1, 1)}  # EPOLL_CTL_ADD

# Calls of which a start makes many at one site, each with a way back of its own: every one of them is made to fail.
EACH_AT_START = {"epoll_ctl"}

# Calls on files do different work for different files: each gets the faults once per kind.
KINDS = ["journal/segment-", "journal/spare-", "snapshots/blocks-", "snapshots/manifest-", "/LOCK", "/format", "/journal", "/snapshots",
         ""]
BY_KIND = {"open", "pread", "pwrite", "fdatasync", "fallocate", "ftruncate", "fstat", "rename", "unlink", "fsync",
           "opendir", "__pread_chk"}


def kinds(site):
    return KINDS if site.call in BY_KIND and site.room == "os" else [""]


def fault_name(action):
    return "short" if action == SHORT else errno.errorcode.get(action, str(action))
