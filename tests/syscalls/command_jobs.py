"""The command line under faults: whatever fails, a command says so and ends; it never crashes, hangs or is content."""
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import plan
import processes
from control import SHORT
from world import LEAK, NO_ANSWER, Connection, FUNCTION, OP, World, PLAIN

NAMES = ["send", "call", "stdin", "lines", "export", "import", "bench", "rate", "status", "pull", "check", "repair",
         "inspect", "validate", "dev", "list", "busy", "full", "savepoint"]
ANY_STATUS = {"busy"}  # its answer is an error
MUST_TELL = {"check", "inspect", "repair"}  # a device that cannot be read is not a sound data directory


class Full(http.server.BaseHTTPRequestHandler):
    """A gateway that has no room at first: every second batch is refused line by line."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self):
        lines = self.rfile.read(int(self.headers["Content-Length"])).splitlines()
        if self.path.startswith("/v1/call/"):
            Full.asked += 1
            self.send_response(503 if Full.asked % 4 else 200)  # a load that meets nothing else gives up
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        Full.asked += 1
        status = 503 if Full.asked % 2 else 202
        body = "".join(json.dumps({"line": number + 1, "status": status}) + "\n" for number in range(len(lines))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Commands:
    def __init__(self, setting, control):
        self.setting, self.control = setting, control
        self.folder = pathlib.Path(control.path + "-folder")
        self.world = World(self.folder, PLAIN, setting.asan, setting.plain, setting.library, control,
                           setting.folder / "template-plain")
        if not self.world.start(under_faults=False):
            raise RuntimeError(f"does not start: {self.world.log_tail()}")
        self.world.burst(small=True)
        self.lines = self.folder / "lines"
        self.lines.write_text("".join(
            json.dumps({"to": f"{FUNCTION}/l{number}", "type": OP, "value": {"n": number}}) + "\n" for number in range(5)))
        self.states = self.folder / "states"
        self.states.write_text(self.output("state", "export", *self.listen))
        self.dirs = 0
        self.full = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Full)
        self.full.handle_error = lambda *_: None  # a client that was made to fail
        threading.Thread(target=self.full.serve_forever, daemon=True).start()

    @property
    def listen(self):
        return ["--listen", f"127.0.0.1:{self.world.address[1]}"]

    @property
    def refusing(self):
        return ["--listen", f"127.0.0.1:{self.full.server_port}"]

    @property
    def admin(self):
        return ["--admin", f"127.0.0.1:{self.world.admin[1]}"]

    def output(self, *arguments):
        return subprocess.run([self.setting.plain, *arguments], capture_output=True, text=True, timeout=20, check=True).stdout

    def data(self):
        """A fresh copy: repair may change it, and an earlier copy may be held."""
        self.dirs += 1
        folder = self.folder / f"data{self.dirs}"
        shutil.copytree(self.setting.folder / "template-plain", folder)
        return folder

    def point(self):
        """Where no savepoint has been before. One that a client has lost goes on, and would refuse the next."""
        end_at = time.monotonic() + 5
        while True:
            self.dirs += 1
            order = json.dumps({"directory": str(self.folder / f"before{self.dirs}")})
            answer = Connection(self.world.admin).ask("POST", "/v1/savepoint", order, {"Content-Type": "application/json"})
            if answer[0] == 200:
                return self.folder / f"point{self.dirs}"
            if time.monotonic() > end_at:
                raise RuntimeError(f"no savepoint without faults: {answer}")
            time.sleep(0.01)

    def command(self, name):
        """(arguments, standard input)"""
        bench = ["bench", FUNCTION, "x", "-t", OP, "-d", "100ms", "-c", "2", *self.listen]
        return {
            "send": lambda: (["send", f"{FUNCTION}/c1", "hi", "-t", OP, *self.listen], None),
            "call": lambda: (["call", f"{FUNCTION}/c1", "hi", "-t", OP, *self.listen], None),
            "stdin": lambda: (["send", f"{FUNCTION}/c2", "-", "-t", OP, *self.listen], "from standard input"),
            "lines": lambda: (["send", "--lines", self.lines, *self.listen], None),
            "export": lambda: (["state", "export", *self.listen], None),
            "import": lambda: (["state", "import", self.states, *self.listen], None),
            "bench": lambda: (bench, None),
            "rate": lambda: ([*bench, "--rate", "50"], None),
            "status": lambda: (["status", *self.admin], None),
            "pull": lambda: (["egress", "pull", "faults/out", *self.listen], None),
            "check": lambda: (["check", self.data()], None),
            "repair": lambda: (["repair", self.data(), "--accept-loss"], None),
            "inspect": lambda: (["snapshot", "inspect", "--data", self.data()], None),
            "savepoint": lambda: (["savepoint", os.path.relpath(self.point()), *self.admin], None),
            "list": lambda: (["state", "list", FUNCTION, "--limit", "1", "--after", "0", *self.listen], None),
            "busy": lambda: (["bench", FUNCTION, "x", "-t", OP, "-d", "60ms", "-c", "1", *self.refusing], None),
            "full": lambda: (["send", "--lines", self.lines, *self.refusing], None),
            "validate": lambda: (["validate", "-m", self.world.module], None),
        }[name]()

    def environment(self):
        return {**os.environ, "LD_PRELOAD": str(self.setting.library), "HOLDFAST_FAULTS": self.control.path, "NO_COLOR": "1",
                "ASAN_OPTIONS": f"verify_asan_link_order=0:exitcode={LEAK}:abort_on_error=0"}

    def run(self, name):
        """(status or None when it hangs, what it said)"""
        if name == "dev":
            return self.run_dev()
        arguments, text = self.command(name)
        try:
            done = subprocess.run([self.setting.asan, *arguments], input=text, capture_output=True, text=True, timeout=15,
                                  env=self.environment(), check=False)
        except subprocess.TimeoutExpired:
            return None, "hangs"
        return done.returncode, done.stdout + done.stderr

    def run_dev(self):
        port, admin = processes.free_ports(2)
        log, watched = self.folder / f"dev{self.dirs}.log", self.folder / "watched"
        watched.mkdir(exist_ok=True)
        child = processes.spawn(
            [self.setting.asan, "dev", "-m", self.world.module, "--data", self.data(), "--listen", f"127.0.0.1:{port}",
             "--admin", f"127.0.0.1:{admin}", "--watch", watched, "--", "sh", "-c",
             "echo hello; sleep 0.2 & sleep 0.02; echo bye"],  # it ends before its output does, which another one holds
            log=log, env=self.environment())
        end_at = time.monotonic() + 2
        while child.poll() is None and time.monotonic() < end_at:
            try:
                if Connection(("127.0.0.1", admin), 1).ask("GET", "/readyz")[0] == 200:
                    break
            except NO_ANSWER:
                pass
            time.sleep(0.01)
        (watched / "new").write_text("x")
        time.sleep(0.03)
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
        try:
            status = child.wait(10)
        except subprocess.TimeoutExpired:
            processes.end(child)
            status = None
        return status, log.read_text(errors="replace")

    def close(self):
        self.full.shutdown()
        self.full.server_close()
        self.world.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def judge(name, faults, status, text):
    """faults: (site, action), in the order of the chain."""
    if status is None:
        return "hangs"
    if status < 0 or status == LEAK or "Sanitizer" in text or "runtime error" in text:
        return f"crashed: status {status}: {text[-800:]}"
    invisible = all(action in plan.INVISIBLE and site.call not in ("pthread_create", "connect", "fork", "fdatasync")
                    for site, action in faults)
    if status != 0 and invisible and name not in ANY_STATUS:
        return f"was seen: status {status}: {text[-300:]}"
    if status != 0 and not text.strip():
        return f"ended with {status} and without a word"
    if status == 0 and name in MUST_TELL and faults[0][0].call in ("pread", "fread") and faults[0][1] > 0 and not invisible:
        return f"was content: {text[-300:]}"
    return None


class Runs:
    """All faults in one command, and what each of them opens."""

    def __init__(self, setting, control, name):
        self.setting, self.control, self.name = setting, control, name
        self.commands = Commands(setting, control)
        self.results = []

    def reached(self):
        return [site for site in self.setting.sites.values() if self.control.hits(site.name)]

    def once(self, faults):
        for site, action in faults:
            self.control.arm(site.name, action, argument=plan.ARGUMENT.get(site.call))
        status, text = self.commands.run(self.name)
        injected = sum(self.control.injected(site.name) for site, _ in faults)
        self.control.disarm()
        wrong = judge(self.name, faults, status, text) if injected else None
        what = " and ".join(f"{site.name} {plan.fault_name(action)}" for site, action in faults)
        bad = [f"command|{self.name}|{what}: {wrong}\n"
               f"    repeat: tests/syscalls/run --only 'command|{self.name}'"] if wrong else []
        self.results.append((None, injected, 0, bad, []))

    def everything(self):
        status, text = self.commands.run(self.name)
        if status is None or status < 0 or (status != 0 and self.name not in ANY_STATUS):
            self.results.append((None, 0, 0, [f"command|{self.name}: without faults: {status} {text[-500:]}"], []))
            return
        rooms = ("cli",) if self.name in ("dev", "full", "busy", "list", "savepoint") else ("cli", "os", "config", "base")
        known, opened = self.reached(), []
        for site in known:
            for action in plan.faults_of(site) if site.room in rooms else []:
                self.once([(site, action)])
                new = [found for found in self.reached() if found not in known and found not in [way[0] for way in opened]]
                opened += [(found, (site, action)) for found in new]
        for site, way in opened:
            for action in plan.faults_of(site) if site.room in rooms else []:
                self.once([way, (site, action)])


def run(setting, argument, add_counts):
    name = argument.split("|")[1] if "|" in argument else argument
    control = setting.control(f"command-{os.getpid()}-{name}")
    runs = Runs(setting, control, name)
    try:
        runs.everything()
    finally:
        runs.commands.close()
        add_counts(control)
    return runs.results


assert SHORT in plan.INVISIBLE
