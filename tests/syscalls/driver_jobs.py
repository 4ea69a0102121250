"""The driver's drives, each with every fault at every site that it reaches."""
import errno
import os
import pathlib
import shutil
import signal
import subprocess

import plan
from world import LEAK

NAMES = ["process", "missing", "notify", "file", "net", "deaf", "check"]
# What opens a way that a plain run does not take: (file, function, call), an errno.
OPENERS = {"file": [("os/file.c", "file_write", "pwrite", errno.EINVAL)], "missing": [], "process": [], "notify": [], "net": [], "deaf": [],
           "check": []}
STARTING = {"socket", "bind", "listen", "setsockopt", "getaddrinfo", "dup", "epoll_create1", "fcntl"}
ROOMS = {"os", "net", "base"}


def drive(setting, control, what):
    folder = pathlib.Path(control.path + "-folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    env = {**os.environ, "LD_PRELOAD": str(setting.library), "HOLDFAST_FAULTS": control.path,
           "ASAN_OPTIONS": f"verify_asan_link_order=0:exitcode={LEAK}:abort_on_error=0"}
    try:
        done = subprocess.run([setting.driver, what, folder], env=env, capture_output=True, text=True, timeout=15, check=False)
        return done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        return None, "hangs"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def judge(what, site, action, status, text):
    """A sentence when it did what it must not."""
    if what == "check":
        return None if status == -signal.SIGABRT else f"status {status}, not an abort"
    if what == "missing" and status in (0, 1):
        return None
    if status not in (0, 1) or "Sanitizer" in text or "runtime error" in text:
        return f"status {status}: {text[-800:]}"
    if status == 1 and action in plan.INVISIBLE and site.call not in ("fork", "fdatasync"):
        return f"was seen: {text[-300:]}"
    return None


def run(setting, name, add_counts):
    what = name.split("|")[1] if "|" in name else name
    control = setting.control(f"driver-{os.getpid()}", setting.driver, setting.driver_addresses)
    results = []

    def one(sites, repeat):
        for site, action in sites:
            control.arm(site.name, action, argument=plan.ARGUMENT.get(site.call))
        status, text = drive(setting, control, what)
        injected = sum(control.injected(site.name) for site, _ in sites)
        control.disarm()
        wrong = judge(what, *(sites[-1] if sites else (None, 0)), status, text)
        bad = [f"driver|{what}|{repeat}: {wrong}\n    repeat: tests/syscalls/run --only 'driver|{what}'"] if wrong else []
        results.append((None, injected, 0, bad, []))

    openers = [(site, action) for file, function, call, action in OPENERS[what] for site in setting.driver_sites.values()
               if (site.file, site.function, site.call) == (file, function, call)]
    one([], "no fault")

    def reached():
        return [site for site in setting.driver_sites.values() if control.hits(site.name)]

    def each(found, way):
        for site in found:
            # The gateway's own start meets the rest of the server's.
            skipped = what == "net" and (site.room != "net" or site.call in STARTING)
            skipped |= what == "deaf" and site.file != "net/connection.c"  # all else is what `net` meets, too
            for action in plan.faults_of(site) if site.room in ROOMS and not skipped else []:
                one([*way, (site, action)], f"{site.name} {plan.fault_name(action)}")

    known = reached()
    each(known, [])
    late = [site for site in reached() if site not in known]  # what a busy machine has only met now
    each(late, [])
    for opener in openers:
        one([opener], "opener")
    each([site for site in reached() if site not in known + late], openers)
    add_counts(control)
    return results
