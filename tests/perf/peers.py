"""The sides of the comparison: a gateway, and Restate in one configuration. Both look the same from outside.

A side has a runtime (one process) and a function (another one), the same counter in C for both. Its data survive kill().
"""
import os
import re
import signal
import struct
import subprocess
import time

import processes
import sample
import work
from client import Client, NO_ANSWER

ATTEMPT_S = 5  # a call that is not answered within this time is made again


def install(script):
    """Path of Restate's server, installed if need be."""
    try:
        done = subprocess.run([script], stdout=subprocess.PIPE, text=True, timeout=900, check=False)
    except subprocess.TimeoutExpired as error:
        raise SystemExit(f"run-peers: Restate could not be installed: {error}") from error
    if done.returncode != 0:
        raise SystemExit("run-peers: Restate could not be installed, see above; there is nothing to compare with")
    return done.stdout.strip()


class Side:
    """What both have in common. A side brings: port, pid, spawn(), introduce(), path(key, verb), value(body), counters()."""

    def prepare(self):
        """The very first start, on no data; then it is stopped in order."""
        self.spawn()
        self.introduce()
        self.wait_answer(time.monotonic() + 60)
        processes.end(self.process, signal_number=signal.SIGTERM, timeout_s=90)

    def start(self, timeout_s=180):
        """Seconds from the start of the process to the answer of the first durable call."""
        begin = time.monotonic()
        self.spawn()
        self.wait_answer(begin + timeout_s)
        return time.monotonic() - begin

    def wait_answer(self, end_at):
        while self.call("first", timeout_s=ATTEMPT_S) is None:
            if not self.runs() or time.monotonic() > end_at:
                raise RuntimeError(f"{self.name} does not answer: {self.log_tail()}")
            time.sleep(0.0005)

    def call(self, key, timeout_s=60):
        """The new value of a counter, or None when the call failed."""
        try:
            answer = Client(self.port).request("POST", self.path(key), b"1", {"content-type": "text/plain"}, timeout_s)
        except NO_ANSWER:
            return None
        return self.value(answer.body) if answer.status == 200 else None

    def load(self, verb="call", **options):
        return self.programs.load(self.port, path=self.path("k%", verb), **options)

    def measured(self, task):
        """Result of a task, and what it cost: seconds of CPU of the whole process, bytes to the device, counters."""
        counted = self.counters()
        device, cpu_s, function_s = sample.Usage(self.pid).device_bytes, processes.cpu_seconds(self.pid), self.function_s()
        result = task()
        cost = {"cpu_us": (processes.cpu_seconds(self.pid) - cpu_s) * 1e6, "function_us": (self.function_s() - function_s) * 1e6,
                "device_bytes": sample.Usage(self.pid).device_bytes - device}
        for name, value in self.counters().items():
            cost[name] = value - counted[name]
        return result, cost

    def function_s(self):
        return processes.cpu_seconds(self.function.pid)

    def runs(self):
        return self.process.poll() is None

    def kill(self):
        processes.end(self.process)

    def close(self):
        """Nothing of it is read again, so nothing needs an orderly end."""
        if self.process is not None:
            self.kill()
        processes.end(self.function)


class Holdfast(Side):
    name = "holdfast"

    def __init__(self, programs, folder):
        self.programs = programs
        self.bench = work.Bench(programs, folder, None)
        self.function = self.bench.function

    port = property(lambda self: self.bench.gateway.port)
    process = property(lambda self: self.bench.gateway.process)
    pid = property(lambda self: self.process.pid)

    def spawn(self):
        self.bench.gateway.spawn()

    def introduce(self):
        """The function is in module.yaml."""

    def path(self, key, verb="call"):
        return f"/v1/{verb}/{work.FUNCTION}/{key}"

    def value(self, body):
        return struct.unpack("<q", body[1:9])[0]  # a protobuf long

    def counters(self):
        metrics = self.bench.gateway.metrics()
        return {"logical_bytes": _sum(metrics, "holdfast_journal_written_bytes_total"),
                "syncs": _sum(metrics, "holdfast_journal_commit_seconds_count")}

    def log_tail(self):
        return self.bench.gateway.log_tail()


class Restate(Side):
    """All roles in one process, as `restate-server` starts by itself.

    Settings are separated by spaces: NAME=VALUE of its environment, or a flag of function_restate without its dashes.
    """

    def __init__(self, programs, folder, server, settings):
        folder.mkdir(parents=True)
        self.programs, self.folder, self.server = programs, folder, server
        self.name = f"restate {settings}".strip()
        flags = [f"--{word}" for word in settings.split() if "=" not in word]
        self.function, self.function_port = programs.serve("function_restate", folder / "function.log", *flags)
        self.port, self.admin_port, self.node_port = processes.free_ports(3)
        self.env = {"RESTATE_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1",
                    **dict(word.split("=", 1) for word in settings.split() if "=" in word),
                    "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{self.port}",
                    "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{self.admin_port}",
                    "RESTATE_BIND_ADDRESS": f"127.0.0.1:{self.node_port}",
                    "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{self.node_port}"}
        self.process = None

    pid = property(lambda self: self.process.pid)

    def spawn(self):
        command = [self.server, "--no-logo", "--listen-mode", "tcp", "--node-name", "peer", "--base-dir", self.folder / "data"]
        self.process = processes.spawn(command, log=self.folder / "restate.log", env=self.env)

    def introduce(self):
        """Tells a new Restate where the function is, once; it keeps that with its data."""
        processes.wait_until(lambda: self._registered() or not self.runs(), 120, "Restate takes the function")

    def _registered(self):
        body = f'{{"uri":"http://127.0.0.1:{self.function_port}"}}'
        try:
            answer = Client(self.admin_port).request("POST", "/deployments", body, {"content-type": "application/json"}, 30)
        except NO_ANSWER:
            return False
        return answer.status in (200, 201)

    def path(self, key, verb="call"):
        return f"/Counter/{key}/add" + ("/send" if verb == "send" else "")

    def value(self, body):
        return int(body)

    def counters(self):
        """Of its log: what RocksDB wrote into the write-ahead log (before it is compressed), and how often it synced it."""
        text = Client(self.node_port).request("GET", "/metrics").body.decode()
        found = {name: float(value) for name, value in
                 re.findall(r'^restate_rocksdb_(wal_bytes|wal_synced)_total\{[^}]*db="log-server"[^}]*\} (\S+)$', text, re.M)}
        return {"logical_bytes": found["wal_bytes"], "syncs": found["wal_synced"]}

    def log_tail(self):
        log = self.folder / "restate.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""


def _sum(metrics, wanted):
    return sum(value for name, value in metrics.items() if name.partition("{")[0] == wanted)


def forget_settings():
    """Restate reads its configuration from the environment; the user's own is not what is compared."""
    for name in [name for name in os.environ if name.startswith("RESTATE_")]:
        del os.environ[name]
