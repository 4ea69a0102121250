"""Module files and data directories; tokens, Unix sockets, terminals."""
import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import tempfile
import time

import processes
import wire
from gateway import BINARY, Gateway, endpoint
from world import equal, test, want, within

# ---- Files ----

@test("validate: what would run, or where the mistake is")
def validate(w):
    within("cli/*", w.out("validate", "-m", w.gateway.module))
    within("cli/*", json.dumps(w.json("validate", "-m", w.gateway.module)))
    bad = w.folder / "bad.yaml"
    bad.write_text("kind: io.statefun.endpoints.v2/http\nspec:\n  functions: greeter\n  urlPathTemplate: http://a/\n")
    within("bad.yaml:3:14: error:", w.error(2, "validate", "-m", bad))
    bad.write_text(endpoint("a/*", "http://127.0.0.1:1/") + "---\nkind: io.statefun.kafka.v1/egress\nspec:\n  id: a/b\n  address: k:1\n")
    within("connector", w.error(1, "validate", "-m", bad))


@test("snapshot, check, repair: live and offline")
def durability(w):
    gateway = Gateway(w.folder / "offline", w.module(w.server.url)).start()
    where, data_side = ["--admin", f"127.0.0.1:{gateway.admin_port}"], ["--listen", f"127.0.0.1:{gateway.port}"]
    for number in range(20):
        w.out("call", f"cli/f/d{number}", "hi", *data_side)
    made = w.json("snapshot", "now", *where)
    equal(w.json("snapshot", "list", *where)[0]["seq"], made["seq"])
    within("RECORD", w.out("snapshot", "list", *where))
    for number in range(5):
        w.out("call", f"cli/f/d{number}", "hi", *data_side)
    live = w.json("shards", *where)["shards"][0]
    within("locked by process", w.error(1, "check", gateway.data))
    gateway.kill()
    equal(w.json("snapshot", "list", "--data", gateway.data)[0]["seq"], made["seq"])
    equal(w.json("snapshot", "inspect", "--data", gateway.data)["seq"], made["seq"])
    within("blocks verified", w.out("snapshot", "inspect", "1", "--data", gateway.data))
    within("7", w.error(1, "snapshot", "inspect", "7", "--data", gateway.data))
    before = {path: path.read_bytes() for path in sorted(gateway.data.rglob("*")) if path.is_file()}
    checked = w.json("check", gateway.data)
    equal(checked["damaged"], False)
    image = checked["image"]
    equal((image["keys"], image["lineage"], image["snapshotSeq"], image["epoch"]),
          (live["keys"], live["lineage"], made["seq"], live["epoch"]))
    want(image["seq"] >= live["durable"], f"{image} {live}")
    equal(w.json("check", gateway.data)["image"]["digest"], image["digest"])
    within(image["digest"], w.out("check", "--data", gateway.data))
    after = {path: path.read_bytes() for path in sorted(gateway.data.rglob("*")) if path.is_file() and path.name != "LOCK"}
    equal(after, {path: content for path, content in before.items() if path.name != "LOCK"}, "check changes nothing")
    damage(gateway.data)
    result = w.run("check", gateway.data, "-o", "json", code=3)
    equal(json.loads(result.stdout)["damaged"], True)
    within("offset", result.stdout)
    within("segment", w.run("check", gateway.data, code=3).stdout)
    refused = w.run("repair", gateway.data, code=3)
    within("lost", refused.stdout)
    within("--accept-loss", refused.stderr)
    w.out("repair", gateway.data, "--accept-loss")
    equal(w.json("check", gateway.data)["damaged"], False)
    gateway.start()
    w.out("call", "cli/f/after", "hi", *data_side)
    gateway.stop()
    last = next(line for line in reversed(gateway.log_text().splitlines()) if " stopped shard=0 " in line)
    image = w.json("check", gateway.data)["image"]
    within(f"seq={image['seq']} digest={image['digest']}", last)  # what was in memory is what the files stand for
    within("nowhere", w.error(1, "check", w.folder / "nowhere"))


def damage(data):
    """One bit in the middle of what the journal has."""
    path = max((data / "journal").glob("segment-*"), key=lambda each: len(each.read_bytes().rstrip(b"\0")))
    content = bytearray(path.read_bytes())
    content[len(bytes(content).rstrip(b"\0")) * 3 // 4] ^= 0x10
    path.write_bytes(content)


# ---- Tokens, Unix sockets, terminals ----

@test("tokens: without one refused, with one let in")
def tokens(w):
    token_file = w.folder / "tokens"
    token_file.write_text("# ours\nsecret-7d0f3c5b9a  send,call,state\nadmin-90ac77e1d4  admin\n")
    gateway = Gateway(w.folder / "tokens-gateway", w.module(w.server.url), arguments=["--token-file", str(token_file)]).start()
    where = ["--listen", f"127.0.0.1:{gateway.port}"]
    within("token", w.error(1, "send", "cli/f/t", "hi", *where))
    equal(w.out("call", "cli/f/t", "hi", *where, "--token-file", token_file), "Hello t 1\n")
    equal(w.out("call", "cli/f/t", "hi", *where, env={"HOLDFAST_TOKEN_FILE": str(token_file)}), "Hello t 2\n")
    w.error(2, "send", "cli/f/t", "hi", *where, "--token-file", w.folder / "none")
    gateway.stop()


@test("Unix sockets")
def unix_sockets(w):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hf-"))
    try:
        data, admin = folder / "d", folder / "a"
        path = folder / "module.yaml"
        path.write_text(w.module(w.server.url))
        child = processes.spawn([BINARY, "run", "-m", path, "--data", folder / "data", "--listen", f"unix:{data}",
                                 "--admin", f"unix:{admin}"], log=folder / "log")
        where = ["--listen", f"unix:{data}", "--admin", f"unix:{admin}"]
        processes.wait_until(lambda: subprocess.run([BINARY, "status", "--admin", f"unix:{admin}"], capture_output=True,
                                                    timeout=20, check=False).returncode == 0, 30, "ready on a Unix socket", 0.1)
        equal(w.out("call", "cli/f/u", "hi", *where[:2]), "Hello u 1\n")
        processes.end(child, signal_number=signal.SIGTERM)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@test("colours and a progress bar on a terminal only, and not with NO_COLOR")
def terminal(w):
    def on_terminal(*arguments, env=None):
        primary, secondary = pty.openpty()
        clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        child = subprocess.Popen([str(BINARY), *arguments], stdin=subprocess.DEVNULL, stdout=secondary, stderr=secondary,
                                 env={**clean, **w.environment(), "TERM": "xterm", **(env or {})})
        os.close(secondary)
        text = b""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                part = os.read(primary, 65536)
            except OSError:
                break
            if not part:
                break
            text += part
        os.close(primary)
        equal(child.wait(10), 0, text)
        return text.decode()
    within("\033[1m", on_terminal("functions"))
    want("\033" not in on_terminal("functions", env={"NO_COLOR": "1"}), "NO_COLOR")
    path = w.folder / "many.jsonl"
    row = json.dumps({"to": "cli/f/bar", "type": wire.STRING, "value": "x" * 50})
    path.write_text((row + "\n") * 30000)
    within("sent [#", on_terminal("send", "--lines", str(path)))
