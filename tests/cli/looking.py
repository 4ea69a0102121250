"""State, pull queues, what waits and what has stopped, load."""
import json
import os
import signal
import subprocess

import processes
import wire
from gateway import BINARY
from world import equal, read_line, test, want, within

# ---- State ----

@test("state: get, set, delete, list, export, import")
def state(w):
    w.out("call", "cli/f/s1", "hi")
    within("visits", w.out("state", "get", "cli/f/s1"))
    equal(w.out("state", "get", "cli/f/s1", "visits"), "1\n")
    one = w.json("state", "get", "cli/f/s1", "visits")
    equal((one["type"], one["value"]), (wire.INT, 1))
    equal(w.json("state", "get", "cli/f/s1")["values"]["visits"]["value"], 1)
    within("written, version ", w.out("state", "set", "cli/f/s1", "visits", "41"))
    equal(w.out("call", "cli/f/s1", "hi"), "Hello s1 42\n")
    within("(version-mismatch)", w.error(1, "state", "set", "cli/f/s1", "visits", "1", "--if-match", "1"))
    now = w.json("state", "get", "cli/f/s1", "visits")["version"]
    w.out("state", "set", "cli/f/s1", "visits", "50", "--if-match", now)
    w.error(2, "state", "set", "cli/f/s1", "visits", "many")
    equal(w.out("state", "delete", "cli/f/s1", "visits"), "deleted\n")
    within("(not-found)", w.error(1, "state", "get", "cli/f/s1", "visits"))
    for number in range(30):
        w_line = json.dumps({"type": "cli/g", "id": f"i{number}", "name": "visits", "value_type": wire.INT, "value": number + 1})
        (w.folder / "import.jsonl").open("a").write(w_line + "\n")
    equal(w.out("state", "import", "import.jsonl"), "30 written (0 of them known already), 0 refused\n")
    equal(sorted(w.out("state", "list", "cli/g").split()), sorted(f"i{number}" for number in range(30)))
    some = w.run("state", "list", "cli/g", "--limit", "7")
    equal(len(some.stdout.split()), 7)
    within("there are more", some.stderr)
    rest = w.out("state", "list", "cli/g", "--after", some.stdout.split()[-1]).split()
    equal(len(rest), 23)
    exported = w.out("state", "export", "cli/g")
    equal(len(exported.splitlines()), 30)
    equal(w.json("state", "import", "-", input=exported)["written"], 30)
    want(len(w.out("state", "export").splitlines()) > 30, "all types")


# ---- Egress ----

@test("egress: pull, follow, acknowledge, list")
def egress(w):
    w.run("egress", "pull", "cli/out", "--ack", "--max", "1000")
    while w.out("egress", "pull", "cli/out", "--ack", "--max", "1000"):
        pass
    w.out("call", "cli/f/e1", "hi")
    shown = w.out("egress", "pull", "cli/out")
    within(f"{wire.STRING}  e1 was here", shown)
    equal(w.out("egress", "pull", "cli/out"), shown, "not taken by looking")
    record = w.json("egress", "pull", "cli/out")
    equal(record["value"], "e1 was here")
    equal(w.out("egress", "pull", "cli/out", "--after", record["cursor"]), "")
    w.out("egress", "pull", "cli/out", "--ack")
    equal(w.out("egress", "pull", "cli/out"), "")
    follower = subprocess.Popen([str(BINARY), "egress", "pull", "cli/out", "--follow", "--ack", "-o", "json"], text=True,
                                stdout=subprocess.PIPE, env={**os.environ, **w.environment()})
    try:
        for number in range(3):
            w.out("call", f"cli/f/follow{number}", "hi")
            equal(json.loads(read_line(follower.stdout))["value"], f"follow{number} was here")
    finally:
        follower.terminate()
        follower.wait(10)
        follower.stdout.close()
    within("cli/out", w.out("egress", "list"))
    within("(unknown-egress)", w.error(1, "egress", "pull", "cli/nothing"))


# ---- Looking ----

@test("functions, shards, status")
def looking(w):
    w.out("call", "cli/f/look", "hi")
    within("cli/f ", w.out("functions"))
    row = next(each for each in w.json("functions")["functions"] if each["function"] == "cli/f")
    want(row["keys"] >= 1, row)
    within("SHARD", w.out("shards"))
    equal(len(w.json("shards")["shards"]), 1)
    text = w.out("status")
    within("ready", text)
    within("addresses parked", text)
    equal(w.json("status")["ready"], True)


@test("parked: list, show, retry, skip, dead-letter, in bulk")
def parked(w):
    equal(w.out("parked"), "no address is parked\n")
    for id in ("p1", "p2", "p3"):
        w.out("send", f"cli/f/{id}", "bad")
    processes.wait_until(lambda: len(w.json("parked", "list")["parked"]) == 3, 30, "three are parked", 0.1)
    listed = w.out("parked", "list", "--function", "cli/f")
    within("HTTP 500: division by zero", listed)
    shown = w.out("parked", "show", "cli/f/p1")
    within("division by zero", shown)
    within("bad", shown)
    equal(w.json("parked", "show", "cli/f/p1")["value"], "bad")
    equal(w.out("parked", "skip", "cli/f/p1"), "1 address goes on\n")
    within("(not-parked)", w.error(1, "parked", "show", "cli/f/p1"))
    equal(w.json("parked", "dead-letter", "cli/f/p2"), {"touched": 1})
    within("p2", json.dumps(w.json("egress", "pull", "holdfast/dead-letters")))
    w.error(2, "parked", "skip")
    equal(w.out("parked", "retry", "cli/f"), "1 address goes on\n")
    processes.wait_until(lambda: len(w.json("parked")["parked"]) == 1, 30, "parked again", 0.1)
    equal(w.json("parked", "skip", "--all"), {"touched": 1})
    equal(w.out("parked"), "no address is parked\n")


@test("bench: closed and open loop, a table and JSON")
def bench(w):
    text = w.out("bench", "cli/f", "hi", "-c", "3", "-d", "700ms", "-k", "20")
    for word in ("per second", "p50", "p99", "connections    3", "no answer      0"):
        within(word, text)
    result = w.json("bench", "cli/f", "hi", "--send", "-c", "2", "-d", "1s", "--rate", "50")
    want(30 <= result["answered"] <= 60, result)
    want(0 < result["p50_us"] <= result["p99_us"] <= result["max_us"], result)
    within("(unknown-function)", w.error(1, "bench", "nobody/f"))


@test("a reader that goes away ends the command quietly, and takes nothing with it")
def broken_pipe(w):
    for number in range(3):
        w.out("call", f"cli/f/pipe{number}", "hi")
    before = w.json("egress", "list")["egress"]
    command = subprocess.Popen([str(BINARY), "egress", "pull", "cli/out", "--ack", "--follow"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env={**os.environ, **w.environment()})
    command.stdout.close()
    equal(command.wait(20), -signal.SIGPIPE)
    equal(command.stderr.read(), b"")
    command.stderr.close()
    equal(w.json("egress", "list")["egress"], before)
