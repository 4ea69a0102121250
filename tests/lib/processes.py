"""Child processes that cannot outlive the tests: each is killed at exit, and by the kernel if we are killed ourselves."""
import atexit
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

_children = []
_random = random.SystemRandom()
_SETPRIV = shutil.which("setpriv")
# For gateways that were built with AddressSanitizer.
_LEAKS = pathlib.Path(__file__).resolve().parents[1] / "lsan.supp"
os.environ.setdefault("LSAN_OPTIONS", f"suppressions={_LEAKS}:print_suppressions=0")


def spawn(arguments, *, log, env=None, cwd=None, input=subprocess.DEVNULL):
    """Starts a program; its stdout and stderr go to the file `log`. Call it only from a thread that lives on."""
    if _SETPRIV:
        arguments = [_SETPRIV, "--pdeathsig", "KILL", *arguments]
    with open(log, "ab") as out:
        child = subprocess.Popen([str(a) for a in arguments], stdin=input, stdout=out, stderr=out, cwd=cwd,
                                 env={**os.environ, **(env or {})})
    _children.append(child)
    return child


def end(child, *, signal_number=signal.SIGKILL, timeout_s=10):
    """Ends a child and waits for it. Returns its exit status."""
    if child.poll() is None:
        child.send_signal(signal_number)
    try:
        status = child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        status = child.wait(10)
    if child in _children:
        _children.remove(child)
    return status


def end_all():
    for child in list(_children):
        if child.poll() is None:
            child.kill()
    for child in list(_children):
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            print(f"process {child.pid} does not end", file=sys.stderr)
    _children.clear()


def waiting():
    """Where in the kernel every process stands that sleeps without listening to signals (state D), and our own children."""
    lines, ours = [], {child.pid for child in _children}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            name, state = (entry / "stat").read_text().split(" ", 1)[1].rsplit(")", 1)
            if entry.name.isdigit() and (state.split()[0] == "D" or int(entry.name) in ours):
                stack = " < ".join(line.split()[-1] for line in (entry / "stack").read_text().splitlines()[:8])
                lines.append(f"  {entry.name} {name[1:]} {state.split()[0]}: {stack or (entry / 'wchan').read_text()}")
        except (OSError, ValueError, IndexError):
            pass  # gone, or none of our business
    return "\n".join(lines)


def _stop(number, _frame):
    sys.exit(128 + number)


def install_cleanup():
    """SIGTERM and SIGHUP end the tests as an exit does, with all children."""
    atexit.register(end_all)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGHUP, _stop)


def free_port():
    return free_ports(1)[0]


def free_ports(count):
    """Different ports, all free at this moment.

    Below the range from which the kernel takes ports of outgoing connections: a client that knocks at the port of a server
    that is just restarting could otherwise be given that very port, and be connected to itself.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        lowest = int(file.read().split()[0])
    first = 10240 if lowest > 12000 else 1024
    ports = []
    while len(ports) < count:
        port = _random.randrange(first, lowest)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def wait_until(condition, timeout_s, what, every_s=0.02):
    """Waits for a true value and returns it."""
    end_at = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end_at:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(every_s)


def port_answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def wait_port(child, port, timeout_s=30, what="server"):
    def up():
        if child.poll() is not None:
            raise RuntimeError(f"{what} ended with status {child.returncode} before it listened")
        return port_answers(port)
    wait_until(up, timeout_s, f"{what} listens on port {port}", 0.03)


def cpu_seconds(pid):
    """User and system time of a process so far, or 0 when it has gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            parts = file.read().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def rss_bytes(pid):
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
