"""Starting, stopping and bad places: each mistake ends with a sentence that says what and where."""
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

import processes
from client import Client, NO_ANSWER
from gateway import cli, endpoint
from scripts import COUNT, LOG, counted, stored
from story import story

GOOD = endpoint("e2e/*", "http://127.0.0.1:9/statefun")


def fails(t, arguments, code, *words, timeout_s=20):
    """Runs a command that must end by itself with this code and these words."""
    try:
        result = cli(*arguments, timeout_s=timeout_s)
    except subprocess.TimeoutExpired:
        t.check(False, f"{arguments} does not end by itself")
    text = result.stdout + result.stderr
    t.check(result.returncode == code, f"exit {result.returncode}, wanted {code}: {text[-600:]}")
    for word in words:
        t.check(str(word).lower() in text.lower(), f"{word!r} in: {text[-600:]}")
    t.check(len(text.splitlines()) < 30, f"a short text: {text[-600:]}")
    return text


def run_arguments(t, text=GOOD, data=None):
    path = t.dir / "module.yaml"
    path.write_text(text)
    a, b = processes.free_ports(2)
    return ["run", "-m", path, "--data", data or t.dir / "data", "--listen", f"127.0.0.1:{a}", "--admin", f"127.0.0.1:{b}"]


@story("a port in use")
def port_in_use(t):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flag in ("--listen", "--admin"):
            arguments = run_arguments(t)
            arguments[arguments.index(flag) + 1] = f"127.0.0.1:{port}"
            fails(t, arguments, 1, port, "in use")


@story("a data directory in use: the second is told, the first goes on")
def data_in_use(t):
    _server, gateway = t.scripted(counted)
    t.status(gateway.client.call("e2e/f/a", "1"), 200)
    fails(t, run_arguments(t, data=gateway.data), 1, gateway.data, gateway.process.pid)
    t.equal(gateway.client.call("e2e/f/a", "2").json()["count"], 2)


@story("a data directory that is a file, or cannot be written")
def bad_data(t):
    file = t.dir / "a-file"
    file.write_text("hello")
    fails(t, run_arguments(t, data=file), 1, file)
    fails(t, run_arguments(t, data=file / "below"), 1, file)
    if os.geteuid():
        folder = t.dir / "read-only"
        folder.mkdir(mode=0o500)
        fails(t, run_arguments(t, data=folder / "data"), 1, folder)
        return
    folder = t.dir / "mounted"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", folder], capture_output=True, check=False).returncode:
        t.skip("cannot mount a read-only file system here (the other cases passed)")
    try:
        fails(t, run_arguments(t, data=folder / "data"), 1, folder)
        fails(t, run_arguments(t, data=folder), 1, folder)
    finally:
        subprocess.run(["umount", folder], check=False)


BAD_MODULES = [
    ("an unknown kind", "kind: io.statefun.endpoints.v9/http\nspec: {}\n", ["io.statefun.endpoints.v9/http", "module.yaml:1"]),
    ("a missing field", "kind: io.statefun.endpoints.v2/http\nspec:\n  functions: a/b\n", ["urlPathTemplate", "module.yaml"]),
    ("a wrong type", "kind: io.statefun.endpoints.v2/http\nspec:\n  functions: a/b\n  urlPathTemplate: http://x/\n  maxNumBatchRequests: many\n",
     ["maxNumBatchRequests", "module.yaml:5"]),
    ("a duplicate target", GOOD + "---\n" + GOOD, ["e2e/*", "module.yaml"]),
    ("a bad duration", "kind: io.statefun.endpoints.v2/http\nspec:\n  functions: a/b\n  urlPathTemplate: http://x/\n  transport:\n    call: 5 parsecs\n",
     ["5 parsecs", "module.yaml:6"]),
    ("a bad URL", endpoint("a/b", "gopher://x/"), ["gopher"]),
    ("no YAML at all", "kind: [unclosed\n", ["module.yaml"]),
    ("a tab", "kind: x\n\tspec: y\n", ["module.yaml:2"]),
    ("an empty file", "", ["module.yaml"]),
    ("100,000 brackets", "kind: " + "[" * 100_000, ["module.yaml"]),
    ("a Kafka ingress", GOOD + "---\nkind: io.statefun.kafka.v1/ingress\nspec:\n  id: a/b\n  address: k:9092\n"
     "  consumerGroupId: g\n  topics:\n    - topic: t\n      valueType: a/b\n      targets: [e2e/f]\n", ["kafka", "not"]),
]


@story("each mistake in module.yaml names the place")
def bad_modules(t):
    for name, text, words in BAD_MODULES:
        try:
            fails(t, run_arguments(t, text), 2, *words)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
    fails(t, ["run", "-m", t.dir / "nowhere.yaml", "--data", t.dir / "d"], 2, "nowhere.yaml")


@story("validate: a good file prints what would run, a bad one is an error")
def validate(t):
    path = t.dir / "module.yaml"
    path.write_text(GOOD)
    result = cli("validate", "-m", path)
    t.equal(result.returncode, 0, result.stderr)
    t.check("e2e/*" in result.stdout, result.stdout)
    path.write_text(BAD_MODULES[0][1])
    fails(t, ["validate", "-m", path], 2, "io.statefun.endpoints.v9/http", ":1")


@story("wrong usage is exit 2, help fits a screen")
def usage(t):
    fails(t, ["fly"], 2, "fly")
    fails(t, ["run", "--no-such-flag"], 2, "--no-such-flag")
    for command in ([], ["run"], ["validate"], ["send"], ["call"], ["state"], ["parked"], ["check"], ["snapshot"], ["egress"]):
        result = cli(*command, "--help")
        t.equal(result.returncode, 0, f"{command} --help: {result.stderr}")
        t.check(5 <= len(result.stdout.splitlines()) <= 60, f"{command} --help has {len(result.stdout.splitlines())} lines")
    version = cli("version")
    t.equal(version.returncode, 0)
    t.check("holdfast" in version.stdout.lower(), version.stdout)


def load(gateway, stop, acked, ids=20):
    """Un-keyed sends; what got its 202 is in acked."""
    def sender(which):
        client, number = Client(gateway.port, keep=True), 0
        while not stop.is_set():
            number += 1
            op = f"{which}-{number}"
            try:
                if client.send(f"e2e/f/k{number % ids}", f'"{op}"').status == 202:
                    acked.append(op)
            except NO_ANSWER:
                time.sleep(0.02)
    threads = [threading.Thread(target=sender, args=(which,), daemon=True) for which in range(4)]
    for thread in threads:
        thread.start()
    return threads


def applied(gateway, ids=20):
    return [op for number in range(ids) for op in stored(gateway, f"e2e/f/k{number}", "log") or []]


@story("SIGTERM under load: ends with 0, every acknowledged message is there afterwards", timeout_s=180)
def drain(t):
    _server, gateway = t.scripted(counted)
    stop, acked = threading.Event(), []
    threads = load(gateway, stop, acked)
    time.sleep(2)
    began = time.monotonic()
    t.equal(gateway.stop(30), 0, "exit status of a drain")
    took = time.monotonic() - began
    t.check(took < 28, f"drained in {took:.1f} s")
    stop.set()
    for thread in threads:
        thread.join(10)
    t.check(len(acked) > 50, f"there was load: {len(acked)}")
    gateway.start()
    t.wait(lambda: set(acked) <= set(applied(gateway)), "all acknowledged messages take effect", 30, 0.3)
    ops = applied(gateway)
    t.equal(len(ops), len(set(ops)), "none twice")


@story("SIGTERM waits for the call that is out")
def drain_waits(t):
    def handler(call):
        if not call.needs(COUNT, LOG):
            if call.target.id == "slow":
                time.sleep(2)
            counted(call)

    server, gateway = t.scripted(handler)
    t.status(gateway.client.call("e2e/f/warm", "1"), 200)
    t.status(gateway.client.send("e2e/f/slow", "1"), 202)
    t.wait(lambda: len(server.calls_for("slow")) >= 1, "the call is out")
    time.sleep(0.2)
    t.equal(gateway.stop(30), 0)
    calls = len(server.calls_for("slow"))
    gateway.start()
    t.wait(lambda: stored(gateway, "e2e/f/slow") == 1, "its effect is there")
    t.equal(len(server.calls_for("slow")), calls, "without another call")


@story("a second SIGTERM ends it at once, nothing is lost")
def second_sigterm(t):
    hold = threading.Event()

    def handler(call):
        if not call.needs(COUNT, LOG):
            if call.target.id == "stuck":
                hold.wait(30)
            counted(call)

    _server, gateway = t.scripted(handler)
    t.status(gateway.client.call("e2e/f/warm", "1"), 200)
    t.status(gateway.client.send("e2e/f/stuck", "1"), 202)
    time.sleep(0.5)
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(1)
    t.check(gateway.running(), "the first waits for the call")
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    t.wait(lambda: not gateway.running(), "the second does not wait", 5)
    t.check(time.monotonic() - began < 3, "at once")
    hold.set()
    gateway.start()
    t.wait(lambda: stored(gateway, "e2e/f/stuck") == 1, "the message takes effect after the restart", 30)


@story("a gateway that drains says so")
def draining(t):
    hold = threading.Event()

    def handler(call):
        if not call.needs(COUNT, LOG):
            if call.target.id == "stuck":
                hold.wait(20)
            counted(call)

    _server, gateway = t.scripted(handler)
    t.status(gateway.client.call("e2e/f/warm", "1"), 200)
    keep = Client(gateway.port, keep=True)
    t.status(keep.call("e2e/f/warm", "2"), 200)
    t.status(gateway.client.send("e2e/f/stuck", "1"), 202)
    time.sleep(0.3)
    gateway.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)

    def refused():
        try:
            return Client(gateway.port).send("e2e/f/late", "1").status == 503
        except NO_ANSWER:
            return True
    t.wait(refused, "new messages are refused or connections closed", 5)
    try:
        t.check(gateway.admin.request("GET", "/readyz").status == 503, "not ready")
    except NO_ANSWER:
        pass
    hold.set()
    t.wait(lambda: not gateway.running(), "it ends", 30)
    t.equal(gateway.process.returncode, 0)


@story("start and SIGKILL twenty times in a row: a restart adds nothing and loses nothing", timeout_s=180)
def often(t):
    _server, gateway = t.scripted(counted)
    for number in range(1, 21):
        t.equal(gateway.client.call("e2e/f/a", str(number)).json()["count"], number)
        gateway.restart()
    t.equal(stored(gateway, "e2e/f/a", "log"), list(range(1, 21)))


@story("a full disk: refused with 503, nothing acknowledged is lost, resumes by itself", timeout_s=240)
def full_disk(t):
    if os.geteuid():
        t.skip("needs root, to mount a small file system")
    disk = t.dir / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", disk], capture_output=True, check=False).returncode:
        t.skip("cannot mount a small file system here")
    t.undo.append(lambda: subprocess.run(["umount", "-l", disk], check=False))
    server = t.functions(counted)
    gateway = t.gateway(endpoint("e2e/*", server.url), data=disk / "data")
    t.status(gateway.client.call("e2e/f/before", "1"), 200)
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    filler.write_bytes(b"\0" * (free - (2 << 20)))
    acked, unknown, refused = [], [], None
    for number in range(400):
        try:
            answer = gateway.client.send(f"e2e/f/k{number}", {"n": number, "padding": "x" * 100_000}, timeout_s=5)
        except NO_ANSWER:
            # What is in the journal's queue when the disk runs full has an unknown outcome, as after a lost connection.
            t.check(gateway.running(), f"the gateway ended: {gateway.log_tail(5)}")
            unknown.append(number)
            t.check(len(unknown) < 5, "it refuses instead of keeping everybody waiting")
            continue
        if answer.status != 202:
            refused = answer
            break
        acked.append(number)
    t.check(refused is not None, "it refuses at last")
    t.equal(refused.status, 503, f"{refused}")
    t.check(gateway.running(), "it stays alive")
    t.status(gateway.client.state("e2e/f/before", "count"), 200, "reads go on")
    filler.unlink()
    t.wait(lambda: gateway.client.send("e2e/f/after", "1").status == 202, "resumes by itself", 30, 0.3)
    t.wait(lambda: all(stored(gateway, f"e2e/f/k{n}") == 1 for n in acked), "all acknowledged take effect", 60, 0.5)
    gateway.restart()
    t.check(all(stored(gateway, f"e2e/f/k{n}") == 1 for n in acked), "after SIGKILL, too")
    t.check(all(stored(gateway, f"e2e/f/k{n}") in (None, 1) for n in unknown), "and what had no answer once at most")


def largest_journal_file(data):
    files = [path for path in data.rglob("*") if path.is_file() and "journal" in str(path.relative_to(data)).lower()]
    files = files or [path for path in data.rglob("*") if path.is_file() and path.stat().st_size > 1000]
    return max(files, key=lambda path: path.stat().st_size)


@story("damage in the middle of the journal: refused with file and offset; check says the same")
def damaged(t):
    _server, gateway = t.scripted(counted)
    for number in range(300):
        t.status(gateway.client.call(f"e2e/f/k{number % 10}", str(number)), 200)
    t.equal(gateway.stop(), 0)
    file = largest_journal_file(gateway.data)
    content = bytearray(file.read_bytes())
    used = len(bytes(content).rstrip(b"\0"))
    content[used // 2] ^= 0x40
    file.write_bytes(content)
    text = fails(t, run_arguments(t, data=gateway.data), 3, file.name)
    t.check(any(word.strip(",.:;)(").isdigit() for word in text.split()), f"an offset in {text}")
    checked = fails(t, ["check", gateway.data], 3, file.name)
    t.check("offset" in checked.lower() or any(word.isdigit() for word in checked.split()), checked)
    refused = cli("repair", gateway.data)
    t.check(refused.returncode != 0, "repair needs --accept-loss")
    repaired = cli("repair", gateway.data, "--accept-loss")
    t.equal(repaired.returncode, 0, repaired.stderr)
    gateway.start()
    t.status(gateway.client.call("e2e/f/k1", "1"), 200, "runs again")


@story("a data directory of a newer version, or of something else")
def newer_format(t):
    _server, gateway = t.scripted(counted)
    t.status(gateway.client.call("e2e/f/a", "1"), 200)
    t.equal(gateway.stop(), 0)
    mark = gateway.data / "format"
    good = mark.read_bytes()
    mark.write_bytes(b"holdfast format 99\n")
    fails(t, run_arguments(t, data=gateway.data), 3, gateway.data, "99")
    mark.write_bytes(b"something else\n")
    fails(t, run_arguments(t, data=gateway.data), 3, "format")
    mark.write_bytes(good)
    file = largest_journal_file(gateway.data)
    head = file.read_bytes()
    file.write_bytes(head[3::-1] + head[4:])
    fails(t, run_arguments(t, data=gateway.data), 3, file.name)
    file.write_bytes(head)
    gateway.start()
    t.equal(stored(gateway, "e2e/f/a"), 1, "untouched by the refusals")


@story("the last bytes of the journal are cut off: starts, and loses nothing that it can prove")
def cut(t):
    _server, gateway = t.scripted(counted)
    for number in range(50):
        t.status(gateway.client.call("e2e/f/a", str(number)), 200)
    gateway.kill()
    file = largest_journal_file(gateway.data)
    content = file.read_bytes()
    used = len(content.rstrip(b"\0"))
    file.write_bytes(content[:used - 7] + b"\0" * (len(content) - used + 7))
    gateway.start()
    t.check((stored(gateway, "e2e/f/a") or 0) >= 48, f"count {stored(gateway, 'e2e/f/a')}")
    t.status(gateway.client.call("e2e/f/a", "1"), 200)


@story("check of a healthy directory, also after SIGKILL")
def healthy(t):
    _server, gateway = t.scripted(counted)
    for number in range(100):
        t.status(gateway.client.call(f"e2e/f/k{number}", "1"), 200)
    gateway.kill()
    checked = cli("check", gateway.data)
    t.equal(checked.returncode, 0, checked.stdout + checked.stderr)
    gateway.start()
    t.equal(gateway.stop(), 0)
    checked = cli("check", gateway.data)
    t.equal(checked.returncode, 0, checked.stdout + checked.stderr)


@story("SIGHUP: a changed module.yaml is taken over, pending mail of a removed function is held")
def reload(t):
    server = t.functions(counted)
    both = "---\n".join([endpoint("e2e/*", server.url), endpoint("extra/*", server.url)])
    gateway = t.gateway(both)
    t.status(gateway.client.call("extra/f/a", "1"), 200)
    server.down()
    t.status(gateway.client.send("extra/f/a", "2"), 202)
    gateway.module.write_text(endpoint("e2e/*", server.url))
    gateway.process.send_signal(signal.SIGHUP)
    t.wait(lambda: gateway.client.send("extra/f/b", "1").status == 404, "the removed function is unknown", 10)
    server.up()
    t.status(gateway.client.call("e2e/f/a", "1"), 200, "the other one runs")
    gateway.module.write_text("kind: broken\n")
    gateway.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    t.status(gateway.client.call("e2e/f/a", "2"), 200, "a bad file changes nothing")
    gateway.module.write_text(both)
    gateway.process.send_signal(signal.SIGHUP)
    t.wait(lambda: stored(gateway, "extra/f/a") == 2, "held mail goes on", 20)


@story("the limit of open files is raised to the hard one")
def open_files(t):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
    try:
        _server, gateway = t.scripted(counted)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    t.equal(resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE), (hard, hard))


@story("a token file and listening beyond this machine")
def protected(t):
    arguments = run_arguments(t)
    arguments[arguments.index("--listen") + 1] = f"0.0.0.0:{processes.free_port()}"
    fails(t, arguments, 2, "--token-file")
    token = t.dir / "token"
    token.write_text("a-secret-of-some-length\n")
    token.chmod(0o600)
    server = t.functions(counted)
    gateway = t.gateway(endpoint("e2e/*", server.url), arguments=["--token-file", token], start=False)
    gateway.port, gateway.admin_port = processes.free_ports(2)
    gateway.spawn()
    processes.wait_port(gateway.process, gateway.port)
    good = {"Authorization": "Bearer a-secret-of-some-length"}
    t.wait(lambda: gateway.client.send("e2e/f/a", "1", headers=good).status == 202, "with the token")
    t.problem(gateway.client.send("e2e/f/a", "1"), 401)
    answer = gateway.client.send("e2e/f/a", "1", headers={"Authorization": "Bearer wrong"})
    t.check(answer.status in (401, 403), f"{answer}")
    t.check("a-secret" not in gateway.log_text(), "the token is not logged")


@story("SIGHUP: tokens are taken over with the rest of a reload, or not at all")
def reload_of_tokens(t):
    token = t.dir / "token"
    token.write_text("the-first-secret-of-all\n")
    token.chmod(0o600)
    server = t.functions(counted)
    good = endpoint("e2e/*", server.url)
    gateway = t.gateway(good, arguments=["--token-file", token], start=False)
    gateway.port, gateway.admin_port = processes.free_ports(2)
    gateway.spawn()
    processes.wait_port(gateway.process, gateway.port)

    def status(secret):
        return gateway.client.send("e2e/f/a", "1", headers={"Authorization": f"Bearer {secret}"}).status

    t.wait(lambda: status("the-first-secret-of-all") == 202, "with the first token")
    token.write_text("the-second-secret-of-all\n")
    broken = "kind: io.statefun.endpoints.v2/http\nspec:\n  functions: other/*\n  urlPathTemplate: https://127.0.0.1:1/\n" \
             "  transport:\n    type: io.statefun.transports.v1/async\n    trust_cacerts: /nowhere/ca.pem\n"
    gateway.module.write_text("---\n".join([good, broken]))
    gateway.process.send_signal(signal.SIGHUP)
    t.wait(lambda: "reload_failed" in gateway.log_text(), "the certificate does not load", 10)
    t.check(status("the-second-secret-of-all") == 401, "nothing has changed, the tokens neither")
    t.check(status("the-first-secret-of-all") == 202, "the first token is in force")
    gateway.module.write_text(good)
    gateway.process.send_signal(signal.SIGHUP)
    t.wait(lambda: status("the-second-secret-of-all") == 202, "the whole reload is good", 10)
    t.check(status("the-first-secret-of-all") == 401, "the first token is over")
