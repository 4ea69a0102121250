"""Starts gateway, functions and payment provider, lets customers subscribe, and kills the gateway again and again.

At the end every period of every subscription must have been charged exactly once. Ends by itself; exit status 0 only when
nothing was lost and nothing doubled.
"""
import argparse
import atexit
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter

HERE = pathlib.Path(__file__).resolve().parent
NO_ANSWER = (OSError, http.client.HTTPException)


def free_ports(count):
    """Below the range of outgoing connections, lest a client that knocks during a restart is connected to itself."""
    ports = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(10240, 32768)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def request(port, method, path, body=None, headers=None, timeout_s=10):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Processes:
    """Everything that was started, ended with us."""

    def __init__(self, folder):
        self.folder, self.children = folder, []
        self.setpriv = shutil.which("setpriv")
        atexit.register(self.end)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def start(self, name, *arguments, env=None):
        # The kernel ends it when we are killed ourselves.
        command = ([self.setpriv, "--pdeathsig", "KILL"] if self.setpriv else []) + [str(each) for each in arguments]
        with open(self.folder / f"{name}.log", "ab") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(env or {})})
        self.children.append(child)
        return child

    def end(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
        for child in self.children:
            child.wait()


class Gateway:
    def __init__(self, options, processes, module):
        self.port, self.admin = free_ports(2)
        self.processes = processes
        self.command = [options.holdfast, "run", "-m", module, "--data", processes.folder / "data",
                        "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin}"]
        self.cpu_s = self.invocations = self.rss_mb = 0.0
        self.recoveries = []
        self.start()

    def start(self):
        self.process = self.processes.start("gateway", *self.command)

    def wait_ready(self, timeout_s=30):
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise SystemExit(f"the gateway ended with status {self.process.returncode}; see {self.processes.folder}/gateway.log")
            try:
                if request(self.admin, "GET", "/readyz")[0] == 200:
                    return
            except NO_ANSWER:
                time.sleep(0.01)
        raise SystemExit("the gateway does not become ready")

    def account(self):
        """Adds what this process has used so far; called once per process, just before its end."""
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
                parts = file.read().rsplit(")", 1)[1].split()
            used = (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")
            with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
                rss = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
            text = request(self.admin, "GET", "/metrics")[1].decode()
        except NO_ANSWER:
            return
        calls = sum(float(line.rpartition(" ")[2]) for line in text.splitlines()
                    if line.startswith(("holdfast_invocations_total{", "holdfast_invocations_total ")))
        self.cpu_s += used
        self.invocations += calls
        self.rss_mb = max(self.rss_mb, rss)

    def kill(self, probe):
        """SIGKILL, restart at once, and the time until somebody gets a durable answer again."""
        self.account()
        self.process.kill()
        killed = time.monotonic()
        self.process.wait()
        self.start()
        while time.monotonic() - killed < 60:
            try:
                if request(self.port, "POST", f"/v1/call/billing/subscription/{probe}", "{}",
                           {"Content-Type": "application/vnd.billing/Show"})[0] == 200:
                    break
            except NO_ANSWER:
                pass
            time.sleep(0.002)
        else:
            raise SystemExit("no answer for a minute after a restart")
        self.recoveries.append(time.monotonic() - killed)


class Customers(threading.Thread):
    """Subscribe one after the other; whoever gets no answer asks again with the same key."""

    def __init__(self, options, port):
        super().__init__(daemon=True)
        self.options, self.port = options, port
        self.accepted = self.retries = 0

    def run(self):
        for number in range(self.options.subscriptions):
            self.subscribe(f"customer-{number}")
            time.sleep(self.options.arrival_s / self.options.subscriptions)

    def subscribe(self, id):
        plan = {"plan": "basic", "cents": 999, "period_ms": int(self.options.period_s * 1000), "periods": self.options.periods}
        while True:
            try:
                status, body = request(self.port, "POST", f"/v1/send/billing/subscription/{id}", json.dumps(plan),
                                       {"Content-Type": "application/vnd.billing/Subscribe", "Idempotency-Key": f"subscribe-{id}"})
                if status == 202:
                    self.accepted += 1
                    return
                if status < 500 and status != 429:
                    raise SystemExit(f"subscribe answered {status}: {body.decode(errors='replace')}")
            except NO_ANSWER:
                pass
            self.retries += 1
            time.sleep(0.02)


class Books:
    """Reads the provider's books while they grow."""

    def __init__(self, path):
        self.path, self.at = path, 0
        self.charges, self.requests, self.declined = Counter(), Counter(), 0

    def read(self):
        if not self.path.exists():
            return
        with open(self.path, "rb") as file:
            file.seek(self.at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.at += len(line)
                entry = json.loads(line)
                if "payment" in entry:
                    self.requests[entry["payment"], entry["attempt"]] += 1
                    self.declined += entry["outcome"] == "declined"
                    self.charges[entry["payment"]] += entry["outcome"] == "paid"

    def paid(self):
        return sum(1 for count in self.charges.values() if count)


class Progress:
    def __init__(self):
        self.terminal = sys.stdout.isatty()
        self.last = 0.0

    def show(self, text, force=False):
        now = time.monotonic()
        if not force and now - self.last < (0.2 if self.terminal else 3.0):
            return
        self.last = now
        if self.terminal:
            print(f"\r\033[K{text}", end="", flush=True)
        else:
            print(text, flush=True)

    def line(self, text):
        print(("\r\033[K" if self.terminal else "") + text, flush=True)


class Demo:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.random = random.Random(options.seed)
        self.progress = Progress()
        self.processes = Processes(folder)
        self.books = Books(folder / "books.jsonl")
        self.provider_crashes = 0
        self.expected = options.subscriptions * options.periods

    def start(self):
        (port,) = free_ports(1)
        module = self.folder / "module.yaml"
        module.write_text((HERE / "module.yaml").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
        self.processes.start("functions", sys.executable, HERE / "functions.py", env={"PORT": str(port)})
        self.gateway = Gateway(self.options, self.processes, module)
        self.gateway.wait_ready()
        self.start_provider()
        self.customers = Customers(self.options, self.gateway.port)
        self.customers.start()
        self.progress.line(f"demo: gateway on port {self.gateway.port}, logs and data in {self.folder}")
        self.progress.line(f"demo: {self.options.subscriptions} subscriptions x {self.options.periods} periods of "
                           f"{self.options.period_s:g} s = {self.expected} payments; the gateway will be killed {self.options.kills} times")

    def start_provider(self):
        self.provider = self.processes.start(
            "provider", sys.executable, HERE / "provider.py", "--gateway", f"127.0.0.1:{self.gateway.port}",
            "--books", self.folder / "books.jsonl", "--crash", self.options.provider_crash)

    def run(self):
        """Until everything is paid, or nothing has moved for a minute."""
        moments = sorted(self.random.uniform(0.03, 0.97) for _ in range(self.options.kills))
        moved, before = time.monotonic(), -1
        while True:
            self.books.read()
            paid = self.books.paid()
            if paid != before:
                moved, before = time.monotonic(), paid
            if moments and paid >= moments[0] * self.expected:
                moments.pop(0)
                self.kill(paid)
            if self.provider.poll() is not None:
                self.provider_crashes += 1
                self.start_provider()
            self.progress.show(f"demo: {self.customers.accepted} subscribed, {paid}/{self.expected} paid, "
                               f"{self.books.declined} declined, {len(self.gateway.recoveries)} kills")
            if not moments and paid >= self.expected and self.all_ended():
                return
            if time.monotonic() - moved > 60:
                self.progress.line("demo: nothing has moved for a minute")
                return
            time.sleep(0.05)

    def kill(self, paid):
        self.gateway.kill(f"customer-{self.random.randrange(max(1, self.customers.accepted))}")
        self.progress.line(f"demo: SIGKILL {len(self.gateway.recoveries)} at {paid}/{self.expected} paid: "
                           f"answers again after {self.gateway.recoveries[-1] * 1000:.0f} ms")

    def state(self, number):
        status, body = request(self.gateway.port, "POST", f"/v1/call/billing/subscription/customer-{number}", "{}",
                               {"Content-Type": "application/vnd.billing/Show"})
        return json.loads(body) if status == 200 else {}

    def all_ended(self):
        return all(self.state(number).get("status") == "ended" for number in range(self.options.subscriptions))

    def table(self, took_s):
        """Prints the result; returns whether all is well."""
        self.books.read()
        states = [self.state(number) for number in range(self.options.subscriptions)]
        self.gateway.account()
        wanted = {f"customer-{n}.{p}" for n in range(self.options.subscriptions) for p in range(1, self.options.periods + 1)}
        charged = {payment for payment, count in self.books.charges.items() if count}
        doubled = sum(count - 1 for count in self.books.charges.values() if count > 1)
        doubled += sum(count - 1 for count in self.books.requests.values() if count > 1)
        lost = len(wanted - charged) + sum(max(0, self.options.periods - (state.get("paid") or 0)) for state in states)
        doubled += sum(max(0, (state.get("paid") or 0) - self.options.periods) for state in states)
        invented = len(charged - wanted)
        recoveries = self.gateway.recoveries
        calls = max(1.0, self.gateway.invocations)
        self.progress.line("")
        for name, value in (
                ("subscriptions", f"{self.customers.accepted}, {sum(s.get('status') == 'ended' for s in states)} ended"),
                ("payments expected", self.expected),
                ("payments seen", f"{len(charged)} ({self.books.declined} attempts declined and repeated)"),
                ("payments doubled", doubled),
                ("payments lost", lost),
                ("payments nobody asked for", invented),
                ("gateway kills", f"{len(recoveries)} (SIGKILL)"),
                ("  kill to first durable answer", ", ".join(f"{each * 1000:.0f}" for each in recoveries) + " ms"),
                ("provider crashes", f"{self.provider_crashes} (charged, then gone before its acknowledgement)"),
                ("gateway memory (RSS)", f"{self.gateway.rss_mb:.1f} MB"),
                ("gateway CPU per invocation", f"{self.gateway.cpu_s * 1e6 / calls:.0f} us ({calls:.0f} invocations)"),
                ("run time", f"{took_s:.0f} s")):
            print(f"  {name:<32} {value}")
        enough = len(recoveries) >= self.options.kills and self.customers.accepted == self.options.subscriptions
        good = lost == 0 and doubled == 0 and invented == 0 and enough
        print(f"\n{'Every period was charged exactly once.' if good else 'NOT exactly once: see above.'}")
        return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--holdfast", default=str(HERE / "../../build/release/holdfast"), help="the gateway's program")
    parser.add_argument("--subscriptions", type=int, default=300)
    parser.add_argument("--periods", type=int, default=20)
    parser.add_argument("--period", type=float, default=1.0, dest="period_s", help="seconds")
    parser.add_argument("--arrival", type=float, default=15.0, dest="arrival_s", help="seconds until all have subscribed")
    parser.add_argument("--kills", type=int, default=7)
    parser.add_argument("--provider-crash", type=float, default=0.01, help="probability per acknowledgement")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    parser.add_argument("--keep", action="store_true", help="keep logs and data")
    options = parser.parse_args()
    if options.subscriptions < 1 or options.periods < 1:
        parser.error("at least one subscription and one period")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    began = time.monotonic()
    demo = Demo(options, folder)
    try:
        demo.start()
        demo.run()
        good = demo.table(time.monotonic() - began)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    finally:
        demo.processes.end()
    if good and not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"logs and data: {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
