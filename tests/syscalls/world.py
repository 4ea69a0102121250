"""A gateway under the preloaded library, a function behind it, a client that writes down what it was told, and the judge."""
import http.client
import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]
sys.dont_write_bytecode = True

import processes  # noqa: E402
import wire  # noqa: E402
from function_server import FunctionServer  # noqa: E402

OP, OPS, EGRESS, FUNCTION = "faults/op", "faults/ops", "faults/out", "faults/list"
NO_ANSWER = (OSError, http.client.HTTPException)
LEAK = 99  # exit status of a sanitizer's report
READY_S, EXIT_S = 10, 1.0


class Violation(Exception):
    """The gateway did what it must not do."""


class Ended(Violation):
    """It is no longer there; whether it may be is for the job to say."""


# -- The function --

def note(call):
    """Appends each message to the address's list, answers calls, and tells the egress."""
    if call.needs(("ops", OPS)):
        return
    old = call.request.state["ops"]
    ops = old.bytes if old else b""
    response = wire.Response()
    for message in call.request.messages:
        ops += message.argument.bytes + b"\n"
        response.egress(EGRESS, message.argument)
        if message.caller:
            response.send(message.caller, message.argument)
    call.result(response.set("ops", wire.Value(OPS, ops)))


class LocalFunctions(FunctionServer):
    """The same on a Unix socket."""

    def __init__(self, handler, path):
        self.path = path
        super().__init__(handler)

    def listen(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(128)
        self._start()

    def _start(self):
        import threading
        self.stopping = threading.Event()
        threading.Thread(target=self._accept, args=(self.listener, self.stopping), daemon=True).start()

    def _accept(self, listener, stopping):
        import threading
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=self._serve, args=(connection, stopping), daemon=True).start()


# -- The client --

class Connection(http.client.HTTPConnection):
    """To host and port, or to the path of a Unix socket."""

    def __init__(self, address, timeout_s=5):
        super().__init__("127.0.0.1", timeout=timeout_s)
        self.address = address

    def connect(self):
        if isinstance(self.address, tuple):
            self.sock = socket.create_connection(self.address, self.timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self.address))

    def ask(self, method, path, body=None, headers=None):
        self.request(method, path, body=body, headers=headers or {})
        response = self.getresponse()
        return response.status, response.read()


# -- Profiles: between them they reach every kind of listener, endpoint and thread --

class Profile:
    def __init__(self, name, arguments=(), local=False, tls=False, sharded=False):
        self.name, self.arguments, self.local, self.tls, self.sharded = name, list(arguments), local, tls, sharded


PLAIN = Profile("plain", ["--workers", "0"])
LOCAL = Profile("local", ["--workers", "2"], local=True, tls=True)
SHARDED = Profile("sharded", ["--workers", "0", "--shards", "2"], sharded=True)


def make_key(folder):
    """A client certificate whose key has a password, for the endpoint's settings."""
    password = folder / "password"
    password.write_text("secret\n")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
                    "-passout", f"file:{password}"], check=True, capture_output=True, timeout=30)


class World:
    """One data directory and its history. `control`: the orders for the program under test."""

    numbers = itertools.count(1)

    def __init__(self, folder, profile, program, plain, library, control, template=None):
        self.folder, self.profile, self.program, self.plain = pathlib.Path(folder), profile, program, plain
        self.library, self.control = library, control
        self.folder.mkdir(parents=True)
        self.data, self.log = self.folder / "data", self.folder / "log"
        if template:
            shutil.copytree(template, self.data)
        self.acked, self.asked, self.process = {}, {}, None  # message -> id
        self.functions = LocalFunctions(note, self.folder / "f.sock") if profile.local else FunctionServer(note)
        self.module = self.folder / "module.yaml"
        self.module.write_text(self.module_text())

    def module_text(self):
        url = f"http+unix://{self.folder}/f.sock/statefun" if self.profile.local \
            else f"http://127.1:{self.functions.port}/statefun"  # not an address to inet_pton: it is looked up
        text = (f"kind: io.statefun.endpoints.v2/http\nspec:\n  functions: faults/*\n  urlPathTemplate: {url}\n"
                f"---\nkind: holdfast.v1/egress\nspec:\n  id: {EGRESS}\n  type: pull\n")
        if self.profile.tls:
            text += ("---\nkind: io.statefun.endpoints.v2/http\nspec:\n  functions: secure/*\n"
                     "  urlPathTemplate: https://localhost:9/statefun\n  transport:\n    type: io.statefun.transports.v1/async\n"
                     f"    client_cert: {self.folder.parent / 'cert.pem'}\n    client_key: {self.folder.parent / 'key.pem'}\n"
                     f"    client_key_password: {self.folder.parent / 'password'}\n")
        return text

    # -- Processes --

    def start(self, under_faults=True):
        """True when it is ready; False when it has ended."""
        port, admin = processes.free_ports(2)
        listen, self.address = f"127.0.0.1:{port}", ("127.0.0.1", port)
        admin_at, self.admin = f"127.0.0.1:{admin}", ("127.0.0.1", admin)
        if self.profile.local:
            listen, self.address = f"[::1]:{port}", ("::1", port)
            self.admin = self.folder / "a"
            admin_at = f"unix:{self.admin}"
            if not self.admin.exists():  # a crash left it
                left = socket.socket(socket.AF_UNIX)
                left.bind(str(self.admin))
                left.close()
        env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + f":verify_asan_link_order=0:exitcode={LEAK}:abort_on_error=0"}
        if under_faults:
            env.update(LD_PRELOAD=str(self.library), HOLDFAST_FAULTS=self.control.path)
        self.process = processes.spawn(
            [self.program if under_faults else self.plain, "run", "-m", self.module, "--data", self.data,
             "--listen", listen, "--admin", admin_at, "--drain", "2s", *self.profile.arguments], log=self.log, env=env)
        end_at = time.monotonic() + READY_S
        while time.monotonic() < end_at:
            if self.process.poll() is not None:
                return False
            try:
                if Connection(self.admin, 2).ask("GET", "/readyz")[0] == 200:
                    return True
            except NO_ANSWER:
                pass
            time.sleep(0.004)
        raise Violation(f"neither ready nor ended after {READY_S} s")

    def wait_exit(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        if self.process is not None:
            processes.end(self.process)
        self.process = None

    def check_exit(self):
        """An end that is allowed, and said."""
        status = self.process.returncode
        text = self.log.read_text(errors="replace")
        if status < 0 or status == LEAK or "Sanitizer" in text or "runtime error" in text:
            raise Violation(f"crashed: status {status}: {text[-1500:]}")
        if status not in (1, 2):
            raise Violation(f"ended with {status}: {text[-600:]}")
        if not text.strip():
            raise Violation("ended without a word")

    def close(self):
        self.kill()
        self.functions.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- Load --

    def burst(self, small=False):
        """A little of everything. Gives back what did not go well."""
        number = next(self.numbers)
        id, bad = f"k{os.getpid()}-{number}", []
        if not small:
            self.process.send_signal(signal.SIGHUP)
        connection, admin = Connection(self.address), Connection(self.admin)

        def ask(what, good, *arguments, over=connection):
            try:
                status, body = over.ask(*arguments)
            except NO_ANSWER as error:
                over.close()
                bad.append(f"{what}: {error!r}")
                return None
            if status not in good:
                bad.append(f"{what}: {status} {body[:200]!r}")
            return status, body

        def say(verb, good, **headers):
            name = f"{id}.{len(self.asked)}"
            self.asked[name] = (id, time.monotonic())
            answer = ask(verb, good, "POST", f"/v1/{verb}/{FUNCTION}/{id}", name.encode(),
                         {"Holdfast-Type": OP, "Idempotency-Key": name, **headers})
            if answer and answer[0] in good:
                self.acked[name] = (id, self.asked[name][1], time.monotonic())

        say("call", {200}, **{"Holdfast-Timeout": "4s"})
        say("send", {202}, **{"Holdfast-Delay": "2ms"})
        say("send", {202})
        if not small:
            ask("state", {200}, "GET", f"/v1/state/{FUNCTION}/{id}/ops")
            pulled = ask("pull", {200}, "GET", f"/v1/egress/{EGRESS}?max=10")
            if pulled and pulled[0] == 200:
                import json
                records = json.loads(pulled[1])["records"]
                if records:
                    ask("ack", {200, 204}, "POST", f"/v1/egress/{EGRESS}/ack", json.dumps({"cursor": records[-1]["cursor"]}),
                        {"Content-Type": "application/json"})
            ask("metrics", {200}, "GET", "/metrics", over=admin)
            ask("snapshot", {200, 202}, "POST", "/v1/snapshot", over=admin)
        if self.profile.sharded and not small:
            point = self.folder / f"point-{number}"
            ask("savepoint", {200}, "POST", "/v1/savepoint", f'{{"directory":"{point}"}}', {"Content-Type": "application/json"},
                over=admin)
            shutil.rmtree(point, ignore_errors=True)
        connection.close()
        admin.close()
        return bad

    def recovered(self):
        """Without faults everything goes well again, within some seconds."""
        end_at = time.monotonic() + 6
        while True:
            bad = self.burst()
            if not bad:
                return
            if self.process.poll() is not None:
                raise Ended(f"ended with {self.process.returncode} after the faults were over: {self.log_tail()}")
            if time.monotonic() > end_at:
                raise Violation(f"does not recover: {bad}")
            time.sleep(0.05)

    def log_tail(self):
        return self.log.read_text(errors="replace")[-800:] if self.log.exists() else ""

    # -- The judge --

    def verify(self):
        """The stopped gateway's data is whole, and a start without faults has all that was acknowledged, once."""
        done = subprocess.run([str(self.plain), "check", str(self.data)], capture_output=True, text=True, timeout=20, check=False)
        if done.returncode:
            raise Violation(f"holdfast check: {done.returncode} {done.stdout[-500:]}{done.stderr[-300:]}")
        if not self.start(under_faults=False):
            raise Violation(f"does not start any more: {self.log_tail()}")
        end_at = time.monotonic() + 6
        while True:
            wrong = self.compare()
            if not wrong:
                break
            if time.monotonic() > end_at:
                raise Violation("; ".join(wrong[:5]))
            time.sleep(0.02)
        self.acked.clear()
        self.asked.clear()
        self.kill()

    def compare(self):
        wrong, connection = [], Connection(self.address)
        for id in {id for id, _ in self.asked.values()}:
            status, body = connection.ask("GET", f"/v1/state/{FUNCTION}/{id}/ops")
            there = body.decode().split() if status == 200 else []
            wrong += [f"{name} applied {there.count(name)} times" for name in set(there) if there.count(name) > 1]
            wrong += [f"{name} acknowledged and lost" for name, entry in self.acked.items() if entry[0] == id and name not in there]
        connection.close()
        return wrong
