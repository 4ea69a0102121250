"""What a process has used: read before and after a piece of work, the difference is what the work cost."""
import os
import re
import shutil
import signal
import subprocess

import processes


def _threads(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


class Usage:
    """Counters of a process and its threads so far."""

    def __init__(self, pid):
        self.cpu_us = {}   # by thread, from the scheduler: nanoseconds, where /proc/PID/stat counts ticks of 10 ms
        self.switches = 0  # context switches, wanted and not
        for thread in _threads(pid):
            folder = f"/proc/{pid}/task/{thread}"
            parts = _read(f"{folder}/schedstat").split()
            self.cpu_us[thread] = int(parts[0]) / 1000 if parts else 0.0
            self.switches += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", _read(f"{folder}/status")))
        written = re.search(r"^write_bytes: (\d+)", _read(f"/proc/{pid}/io"), re.M)
        self.device_bytes = int(written[1]) if written else 0

    def since(self, before):
        """CPU of all threads, of the busiest one alone, context switches and bytes that went to the device."""
        by_thread = {thread: used - before.cpu_us.get(thread, 0.0) for thread, used in self.cpu_us.items()}
        return {"cpu_us": sum(by_thread.values()), "busiest_us": max(by_thread.values(), default=0.0),
                "switches": self.switches - before.switches, "device_bytes": self.device_bytes - before.device_bytes}


def rss_megabytes(pid):
    return processes.rss_bytes(pid) / 1e6


# ---- System calls ----

class SystemCalls:
    """Counts the system calls of a process while it works: by perf, which hardly disturbs, or else by strace."""

    def __init__(self, pid, folder):
        self.out = folder / "system-calls.txt"
        self.child = None
        self.tool = "perf" if _perf_can_count() else "strace" if shutil.which("strace") else None
        if self.tool == "perf":
            command = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-o", self.out, "-p", str(pid)]
        elif self.tool == "strace":
            command = ["strace", "-c", "-f", "-o", self.out, "-p", str(pid)]
        else:
            return
        self.child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        """The number, or None when nothing here can count."""
        if self.child is None:
            return None
        self.child.send_signal(signal.SIGINT)
        self.child.wait(20)
        text = _read(self.out)
        if self.tool == "perf":
            found = re.search(r"^(\d+),", text, re.M)
        else:
            found = re.search(r"^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s", text, re.M)
        return int(found[1]) if found else None


def _perf_can_count():
    if not shutil.which("perf"):
        return False
    tried = subprocess.run(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"], capture_output=True, text=True,
                           timeout=20, check=False)
    return tried.returncode == 0 and re.search(r"^\d+,", tried.stderr, re.M) is not None


# ---- Where it runs ----

def file_system(path):
    """Type of the file system that holds a path: the mount with the longest matching name."""
    path = os.path.realpath(path)
    best, kind = "", "unknown"
    for line in _read("/proc/mounts").splitlines():
        mount, name = line.split()[1:3]
        inside = path == mount or path.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, name
    return kind


def processor():
    found = re.search(r"^model name\s*: (.*)$", _read("/proc/cpuinfo"), re.M)
    return found[1] if found else "unknown processor"


def stripped_bytes(binary, folder):
    """Size of the program without its symbols, or as it is where there is no strip."""
    copy = folder / "stripped"
    if not shutil.which("strip"):
        return os.path.getsize(binary)
    subprocess.run(["strip", "-o", copy, binary], check=True, timeout=60)
    return copy.stat().st_size
