"""One gateway process: start, stop, kill, start again on the same data."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

import processes
from client import Client, NO_ANSWER

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("HOLDFAST_BIN") or ROOT / "build/release/holdfast").resolve()


def endpoint(functions, url, **fields):
    """One endpoint document; fields are further settings of its spec, already in YAML."""
    lines = ["kind: io.statefun.endpoints.v2/http", "spec:", f"  functions: {functions}", f"  urlPathTemplate: {url}"]
    lines += [f"  {name}: {value}" for name, value in fields.items()]
    return "\n".join(lines) + "\n"


def pull_egress(name):
    return f"kind: holdfast.v1/egress\nspec:\n  id: {name}\n  type: pull\n"


def module(*documents):
    return "---\n".join(documents)


class Gateway:
    def __init__(self, folder, module_text, *, data=None, arguments=(), env=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.module = self.folder / "module.yaml"
        self.module.write_text(module_text)
        self.data = pathlib.Path(data or self.folder / "data")
        self.log = self.folder / "gateway.log"
        self.arguments, self.env = list(arguments), env
        self.port = self.admin_port = None
        self.process = None
        self.starts = 0

    @property
    def client(self):
        return Client(self.port)

    @property
    def admin(self):
        return Client(self.admin_port)

    def command(self):
        return [BINARY, "run", "-m", self.module, "--data", self.data, "--listen", f"127.0.0.1:{self.port}",
                "--admin", f"127.0.0.1:{self.admin_port}", *self.arguments]

    def start(self, timeout_s=30, wait=True):
        """Starts it; a port that somebody took in between is replaced once (only before anybody knows it)."""
        first = self.port is None
        if first:
            self.port, self.admin_port = processes.free_ports(2)
        self.spawn()
        if not wait:
            return self
        try:
            self.wait_ready(timeout_s)
        except RuntimeError:
            if not first or "in use" not in self.log_text():
                raise
            self.port, self.admin_port = processes.free_ports(2)
            self.spawn()
            self.wait_ready(timeout_s)
        return self

    def spawn(self):
        self.process = processes.spawn(self.command(), log=self.log, env=self.env)
        self.starts += 1

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"gateway ended with status {self.process.returncode}: {self.log_tail()}")
        try:
            return Client(self.admin_port, timeout_s=5).request("GET", "/readyz").status == 200
        except NO_ANSWER:
            return False

    def wait_ready(self, timeout_s=30):
        processes.wait_until(self.is_ready, timeout_s, f"gateway ready; {self.log}", 0.005)

    def kill(self):
        processes.end(self.process)

    def stop(self, timeout_s=30):
        """SIGTERM; returns the exit status."""
        return processes.end(self.process, signal_number=signal.SIGTERM, timeout_s=timeout_s)

    def restart(self):
        self.kill()
        return self.start()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self, lines=8):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def keep(self, target, name):
        """Copies the data of the stopped gateway and its log, for tests/replay."""
        pathlib.Path(target).mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.data, pathlib.Path(target) / name, dirs_exist_ok=True)
        if self.log.exists():
            shutil.copyfile(self.log, pathlib.Path(target) / f"{name}.log")

    def metrics(self):
        """Prometheus samples: name with labels -> value."""
        samples = {}
        for line in self.admin.request("GET", "/metrics").body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def metric(self, prefix):
        """Sum over all samples of a name."""
        return sum(value for name, value in self.metrics().items() if name.partition("{")[0] == prefix)


def cli(*arguments, timeout_s=30, input=None, env=None):
    """Runs the command to its end. Returns the finished process with text output."""
    return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=timeout_s,
                          input=input, env={**os.environ, "NO_COLOR": "1", **(env or {})}, check=False)


def has_command(name):
    """Whether this build has a command at all (a later one may not be there yet)."""
    try:
        result = cli(name, "--help")
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def now_ms():
    return int(time.time() * 1000)
