"""Several shards: each with a thread and a directory of its own, and to everybody outside one gateway."""
import json
import re
import shutil
import signal
import threading
import time

import processes
from client import all_keys, pull_all, record_json
from gateway import cli, endpoint, module, pull_egress
from rings import OUT, SHARDS, counts, load, must_be_settled, ring, savepoint, shard_rows, start, total
from scripts import PARK_SOON, Parked, stored
from story import story


def fails(t, arguments, code, *words):
    """Runs a command that must end by itself with this code and these words."""
    result = cli(*arguments, timeout_s=20)
    text = result.stdout + result.stderr
    t.check(result.returncode == code, f"exit {result.returncode}, wanted {code}: {text[-600:]}")
    for word in words:
        t.check(str(word).lower() in text.lower(), f"{word!r} in: {text[-900:]}")


def run_arguments(t, text=endpoint("e2e/*", "http://127.0.0.1:9/statefun"), data=None):
    path = t.dir / "module.yaml"
    path.write_text(text)
    a, b = processes.free_ports(2)
    return ["run", "-m", path, "--data", data or t.dir / "data", "--listen", f"127.0.0.1:{a}", "--admin", f"127.0.0.1:{b}"]


def drain_under_load(t, gateway, stop, threads):
    """Ends it in good order while the load goes on, and then the load."""
    began = time.monotonic()
    t.equal(gateway.stop(30), 0)
    t.check(time.monotonic() - began < 28, "a drain ends in time")
    stop.set()
    for thread in threads:
        thread.join(10)


@story("four shards: calls through many addresses, each reply comes back", timeout_s=180)
def calls(t):
    _server, gateway = start(t)
    for number in range(40):
        answer = t.status(gateway.client.call(f"e2e/f/a{number}", json.dumps({"name": f"n{number}", "hops": 5})), 200)
        t.equal(answer.json(), {"name": f"n{number}", "at": f"n{number}-5"})
    t.equal(total(gateway), 40 * 6)
    rows = shard_rows(gateway)
    t.equal([row["shard"] for row in rows], list(range(SHARDS)))
    t.check(all(row["keys"] > 0 for row in rows), f"all shards have keys: {rows}")
    t.equal(sum(row["keys"] for row in rows), len(counts(gateway)))
    t.check(gateway.metric("holdfast_shard_parcels_received_total") >= 40 * 6 / 2, "messages crossed")
    t.wait(lambda: gateway.metric("holdfast_shard_parcels_waiting") == 0, "all parcels are settled")
    t.equal(gateway.metric("holdfast_keys"), len(counts(gateway)))


@story("four shards: keys, functions, states and parked addresses are told as one", timeout_s=180)
def queries(t):
    def handler(call):
        if call.target.id.startswith("bad"):
            call.answer(b"no", status="500 Internal Server Error")
        else:
            ring(call)

    _server, gateway = start(t, handler, **PARK_SOON)
    ids = sorted(f"k{number}" for number in range(57))
    for id in ids:
        t.status(gateway.client.send(f"e2e/f/{id}", json.dumps({})), 202)
    t.wait(lambda: len(all_keys(gateway.client, "e2e/f")) == len(ids), "all keys are there")
    for limit in (1, 7, 56, 57, 58, 500):
        keys = all_keys(gateway.client, "e2e/f", limit=limit)
        t.equal(sorted(keys), ids, f"pages of {limit}")
    functions = [row for row in gateway.admin.request("GET", "/v1/functions").json()["functions"] if row["function"] == "e2e/f"]
    t.equal(len(functions), 1, "one row for a function of all shards")
    t.equal(functions[0]["keys"], len(ids))
    t.equal(len(counts(gateway)), len(ids))
    t.equal(stored(gateway, "e2e/f/k3"), 1)
    t.status(gateway.client.state("e2e/f/none", "count"), 404)
    bad = sorted(f"bad{number}" for number in range(23))
    for id in bad:
        t.status(gateway.client.send(f"e2e/f/{id}", json.dumps({})), 202)
    parked = Parked(gateway)
    t.wait(lambda: gateway.metric("holdfast_parked_addresses") == len(bad), "all bad addresses park", 60, 0.2)
    for limit in (1, 5, 22, 23, 100):
        found, after = [], ""
        for _ in range(100):
            page = gateway.admin.request("GET", f"/v1/parked?limit={limit}" + (f"&after={after}" if after else "")).json()
            t.check(len(page["parked"]) <= limit, "no page is too long")
            found += [row["id"] for row in page["parked"]]
            after = page.get("next", "")
            if not after:
                break
        t.equal(sorted(found), bad, f"parked in pages of {limit}")
    t.equal(parked.verb("skip", "e2e/f/bad7").json(), {"touched": 1})
    t.equal(gateway.admin.request("POST", "/v1/parked/skip?function=e2e/f").json(), {"touched": len(bad) - 1})
    t.equal(gateway.admin.request("POST", "/v1/parked/retry").json(), {"touched": 0})
    t.wait(lambda: parked.rows() == [], "none is parked any more")
    status = cli("status", "--admin", f"127.0.0.1:{gateway.admin_port}", "--output", "json")
    t.equal(json.loads(status.stdout)["keys"], len(ids))


@story("four shards: idempotency keys, delayed messages, cancel, late replies", timeout_s=180)
def keyed(t):
    _server, gateway = start(t)
    client = gateway.client
    for number in range(12):
        address, body = f"e2e/f/id{number}", json.dumps({"name": f"id{number}", "hops": 3})
        first = t.status(client.call(address, body, key=f"key{number}"), 200).json()
        t.equal(t.status(client.call(address, body, key=f"key{number}"), 200).json(), first)
        t.status(client.call(address, json.dumps({"name": "other"}), key=f"key{number}"), 422)
    t.equal(total(gateway), 12 * 4)
    for number in range(12):
        t.status(client.send(f"e2e/f/d{number}", json.dumps({}), delay="600ms" if number % 2 else "600s", token=f"t{number}"), 202)
    for number in range(0, 12, 2):
        answer = client.request("DELETE", f"/v1/delayed/d{number}/t{number}")
        t.check(answer.status in (200, 202, 204), f"cancel: {answer}")
    t.wait(lambda: total(gateway) == 12 * 4 + 6, "the others fire")
    t.equal(gateway.metric("holdfast_delayed_messages"), 0)
    late = t.status(client.call("e2e/f/late", json.dumps({"name": "late", "hops": 2, "later": 1500}), timeout="300ms"), 504)
    path = late.json()["reply"]
    t.wait(lambda: client.request("GET", path).status == 200, "the reply is fetched later")
    t.equal(client.request("GET", path).json()["at"], "late-2")


@story("four shards: a pull egress gives each record once, in the order of its writer", timeout_s=180)
def egress(t):
    _server, gateway = start(t)
    writers, each = 9, 30
    for number in range(each):
        for writer in range(writers):
            t.status(gateway.client.send(f"e2e/f/w{writer}", json.dumps({"emit": f"w{writer}", "number": number})), 202)
    t.wait(lambda: gateway.metric("holdfast_egress_backlog_records") == writers * each, "all records are in the queue")
    records = [record_json(record) for record in pull_all(gateway.client, OUT, max=17)]
    t.equal(len(records), writers * each)
    for writer in range(writers):
        t.equal([number for name, number in records if name == f"w{writer}"], list(range(each)), f"order of w{writer}")
    rows = [row for row in gateway.admin.request("GET", "/v1/egress").json()["egress"] if row["egress"] == OUT]
    t.equal(len(rows), 1, "one queue")


@story("four shards: killed under load, and started again: nothing lost, nothing twice", timeout_s=240)
def kill(t):
    _server, gateway = start(t, arguments=["--snapshot-bytes", "256KiB"])
    stop, acked = threading.Event(), []
    threads = load(gateway, stop, acked)
    for _ in range(4):
        time.sleep(0.8)
        gateway.restart()
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join(10)
    t.check(len(acked) > 50, f"there was load: {len(acked)}")
    ends, names = must_be_settled(t, gateway, acked)
    t.equal(set(names), ends, "each end has written its record")
    t.equal(gateway.stop(), 0)
    digests = dict(re.findall(r"stopped.*shard=(\d+).*digest=([0-9a-f]+)", gateway.log_text()))
    check = cli("check", gateway.data, "--output", "json")
    t.equal(check.returncode, 0, check.stderr + check.stdout)
    images = json.loads(check.stdout)["shards"]
    t.equal({str(image["shard"]): image["digest"] for image in images}, digests, "what is on disk is what was live")


@story("the number of shards is fixed at the first start")
def fixed(t):
    _server, gateway = start(t)
    t.status(gateway.client.call("e2e/f/a", json.dumps({"name": "x"})), 200)
    t.equal(gateway.stop(), 0)
    for other in (1, 3, 8):
        fails(t, run_arguments(t, data=gateway.data) + ["--shards", str(other)], 2, "4 shards", f"--shards says {other}", "savepoint", "--restore")
    gateway.arguments = []  # not said: as it is
    gateway.start()
    t.equal(len(shard_rows(gateway)), SHARDS)
    t.equal(stored(gateway, "e2e/f/a"), 1)
    t.equal(gateway.stop(), 0)
    _server, one = start(t, shards=1)
    t.equal(one.stop(), 0)
    fails(t, run_arguments(t, data=one.data) + ["--shards", "2"], 2, "1 shard ", "--shards says 2")
    fails(t, run_arguments(t) + ["--shards", "257"], 2, "256")
    fails(t, run_arguments(t) + ["--shards", "0"], 2, "shards")


@story("tools look at all shards: check finds damage in one, repair mends it, snapshots of each")
def tools(t):
    t.damaged = True
    _server, gateway = start(t)
    for number in range(30):
        t.status(gateway.client.call(f"e2e/f/a{number}", json.dumps({"name": f"n{number}", "hops": 2})), 200)
    admin = ["--admin", f"127.0.0.1:{gateway.admin_port}"]
    now = cli("snapshot", "now", *admin, "--output", "json")
    t.equal(now.returncode, 0, now.stderr)
    t.equal([row["shard"] for row in json.loads(now.stdout)["shards"]], list(range(SHARDS)))
    listed = json.loads(cli("snapshot", "list", *admin, "--output", "json").stdout)
    t.equal([row["shard"] for row in listed], list(range(SHARDS)))
    table = cli("shards", *admin)
    t.equal(table.returncode, 0, table.stderr)
    t.equal(len(table.stdout.splitlines()), 1 + SHARDS + 1, table.stdout)
    fails(t, ["check", gateway.data], 1, "locked by")
    t.equal(gateway.stop(), 0)
    files = json.loads(cli("snapshot", "list", "--data", gateway.data, "--output", "json").stdout)
    t.equal(sorted({row["shard"] for row in files}), list(range(SHARDS)))
    good = cli("check", gateway.data)
    t.equal(good.returncode, 0, good.stdout + good.stderr)
    t.equal(len(re.findall("digest", good.stdout)), SHARDS, good.stdout)
    victim = next((gateway.data / "shards/2/snapshots").glob("blocks-*"))
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    fails(t, ["check", gateway.data], 3, "shards/2/snapshots", "offset")
    fails(t, run_arguments(t, data=gateway.data), 3, "shards/2")


@story("one shard brought back from an older copy: the gateway says so and does not start", timeout_s=120)
def older(t):
    t.damaged = True
    _server, gateway = start(t, shards=2)
    for number in range(20):
        t.status(gateway.client.call(f"e2e/f/before{number}", json.dumps({"name": f"b{number}", "hops": 3})), 200)
    gateway.stop()
    copy = t.dir / "older"
    shutil.copytree(gateway.data / "shards" / "1", copy)
    gateway.start()
    for number in range(20):
        t.status(gateway.client.call(f"e2e/f/after{number}", json.dumps({"name": f"a{number}", "hops": 3})), 200)
    gateway.stop()
    shutil.rmtree(gateway.data / "shards" / "1")
    shutil.copytree(copy, gateway.data / "shards" / "1")
    fails(t, run_arguments(t, data=gateway.data), 3, "do not agree", "shards 0 and 1", "--restore")


@story("the disk directories do not change places")
def swapped(t):
    t.damaged = True
    _server, gateway = start(t)
    for number in range(20):
        t.status(gateway.client.call(f"e2e/f/a{number}", json.dumps({"name": "x", "hops": 2})), 200)
    t.equal(gateway.stop(), 0)
    one, two = gateway.data / "shards/1", gateway.data / "shards/2"
    one.rename(gateway.data / "aside")
    two.rename(one)
    (gateway.data / "aside").rename(two)
    fails(t, run_arguments(t, data=gateway.data), 3, "shards/")
    fails(t, ["check", gateway.data], 3, "shards/")


@story("a savepoint under load is restored under 1, 2, 3 and 4 shards: all of it, once", timeout_s=300)
def restore(t):
    server, gateway = start(t)
    stop, acked = threading.Event(), []
    threads = load(gateway, stop, acked)
    time.sleep(1)
    before = set(acked)
    points = [t.dir / f"point{number}" for number in range(3)]
    written = []
    for point in points:
        answer = t.status(savepoint(gateway, point), 200)
        written.append(answer.json())
        t.equal(json.loads((point / "savepoint.json").read_text()), answer.json())
        time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join(10)
    t.equal([each["count"] for each in written], [SHARDS] * 3)
    t.check(written[0]["cut"] < written[1]["cut"] < written[2]["cut"], f"{written}")
    must_be_settled(t, gateway, acked)
    t.equal(gateway.stop(), 0)
    for shards in (1, 2, 3, 4):
        for number in (0, 2) if shards in (1, 3) else (1,):
            again = t.gateway(module(endpoint("e2e/*", server.url), pull_egress(OUT)), start=False,
                              arguments=["--shards", str(shards), "--restore", str(points[number])])
            again.start()
            t.equal(len(shard_rows(again)), shards)
            ends, names = must_be_settled(t, again, before)
            t.check(ends <= set(acked) | {name for name in ends}, "only what was sent")
            t.equal(set(names), ends, "with its records")
            t.equal(again.stop(), 0)
            fails(t, [*map(str, again.command()[1:])], 2, "not empty", "--restore")
            again.arguments = ["--shards", str(shards)]
            again.start()
            answer = again.client.call("e2e/f/after", json.dumps({"name": "after", "hops": 3}))
            t.equal(t.status(answer, 200).json()["at"], "after-3")
            t.equal(again.stop(), 0)
            check = cli("check", again.data)
            t.equal(check.returncode, 0, check.stdout + check.stderr)


@story("one shard can be restored as several, with what waits, fires later and is parked", timeout_s=180)
def spread(t):
    mood = {"bad": True}

    def handler(call):
        if mood["bad"] and call.target.id.startswith("bad"):
            call.answer(b"no", status="500 Internal Server Error")
        else:
            ring(call)

    server, gateway = start(t, handler, shards=1, **PARK_SOON)
    for number in range(20):
        t.status(gateway.client.send(f"e2e/f/k{number}", json.dumps({}), delay="3s"), 202)
        t.status(gateway.client.send(f"e2e/f/d{number}", json.dumps({}), delay="600s", token=f"t{number}"), 202)
        t.status(gateway.client.send(f"e2e/f/bad{number}", json.dumps({})), 202)
        t.status(gateway.client.call(f"e2e/f/c{number}", json.dumps({"name": f"c{number}"}), key=f"key{number}"), 200)
    t.wait(lambda: gateway.metric("holdfast_parked_addresses") == 20, "all bad addresses park", 60, 0.2)
    t.status(savepoint(gateway, t.dir / "point"), 200)
    gateway.kill()
    again = t.gateway(module(endpoint("e2e/*", server.url, **PARK_SOON), pull_egress(OUT)), start=False,
                      arguments=["--shards", "3", "--restore", str(t.dir / "point")])
    again.start()
    t.equal(len(Parked(again).rows()), 20)
    for number in range(20):
        t.status(again.client.call(f"e2e/f/c{number}", json.dumps({"name": f"c{number}"}), key=f"key{number}"), 200)
        t.check(again.client.request("DELETE", f"/v1/delayed/d{number}/t{number}").status in (200, 202, 204), "cancelled")
    mood["bad"] = False
    t.equal(again.admin.request("POST", "/v1/parked/retry").json(), {"touched": 20})
    t.wait(lambda: total(again) == 60, "calls once, delayed once, parked once", 30, 0.2)
    t.equal(again.metric("holdfast_delayed_messages"), 0)


@story("savepoints that cannot be: said, and the gateway goes on")
def refused(t):
    _server, gateway = start(t, shards=2)
    t.status(gateway.client.call("e2e/f/a", json.dumps({"name": "x"})), 200)
    full = t.dir / "full"
    full.mkdir()
    (full / "file").write_text("mine")
    t.problem(savepoint(gateway, full), 409, "not empty")
    t.problem(savepoint(gateway, "relative"), 400, "absolute")
    t.problem(savepoint(gateway, full / "file/below"), 500)
    t.problem(gateway.admin.request("POST", "/v1/savepoint", "nonsense"), 400)
    t.status(gateway.admin.request("GET", "/v1/savepoint"), 405)
    point = t.dir / "point"
    admin = ["--admin", f"127.0.0.1:{gateway.admin_port}"]
    done = cli("savepoint", point, *admin)
    t.equal(done.returncode, 0, done.stderr)
    t.check((point / "savepoint.json").exists(), "the command takes one")
    fails(t, ["savepoint", str(point), *admin], 1, "not empty")
    t.equal(gateway.stop(), 0)
    (point / "savepoint.json").rename(t.dir / "aside.json")
    fails(t, run_arguments(t) + ["--restore", str(point)], 1, "no savepoint")
    (t.dir / "aside.json").rename(point / "savepoint.json")
    victim = next((point / "shards/1/snapshots").glob("blocks-*"))
    content = bytearray(victim.read_bytes())
    content[len(content) - 1] ^= 1
    victim.write_bytes(content)
    fails(t, run_arguments(t) + ["--restore", str(point)], 3, "shards/1")
    fails(t, run_arguments(t, data=gateway.data) + ["--restore", str(point)], 3)


@story("a restore that was cut off does not start as if it were whole, and is done again", timeout_s=120)
def half_restored(t):
    server, gateway = start(t)
    for number in range(30):
        t.status(gateway.client.call(f"e2e/f/a{number}", json.dumps({"name": f"n{number}", "hops": 2})), 200)
    wanted = counts(gateway)
    point = t.dir / "point"
    t.status(savepoint(gateway, point), 200)
    t.equal(gateway.stop(), 0)
    data = t.dir / "half"
    arguments = run_arguments(t, module(endpoint("e2e/*", server.url), pull_egress(OUT)), data=data)
    (data / "shards/0").mkdir(parents=True)
    (data / "restoring").write_text("as a crash in the middle leaves it")
    shutil.copytree(point / "shards/1/snapshots", data / "shards/0/snapshots")
    fails(t, arguments, 2, "--restore")
    fails(t, ["check", str(data)], 1, "restore")
    again = t.gateway(module(endpoint("e2e/*", server.url), pull_egress(OUT)), start=False, data=data,
                      arguments=["--shards", "2", "--restore", str(point)])
    again.start()
    t.check(not (data / "restoring").exists(), "the mark is gone")
    t.equal(counts(again), wanted)


@story("SIGHUP, drain and a second SIGTERM with four shards", timeout_s=120)
def signals(t):
    server, gateway = start(t, arguments=["--workers", "2"])
    t.status(gateway.client.call("e2e/f/a", json.dumps({"name": "x", "hops": 3})), 200)
    t.status(gateway.client.call("other/f/a", json.dumps({"name": "x"})), 404)
    other = t.functions(ring)
    gateway.module.write_text(module(endpoint("e2e/*", server.url), endpoint("other/*", other.url), pull_egress(OUT)))
    gateway.process.send_signal(signal.SIGHUP)
    t.wait(lambda: all(gateway.client.call(f"other/f/a{number}", json.dumps({"name": "x"})).status == 200 for number in range(8)),
           "all shards know the new endpoint")
    gateway.module.write_text("kind: nonsense\n")
    gateway.process.send_signal(signal.SIGHUP)
    t.wait(lambda: "reload_failed" in gateway.log_text(), "a bad file is told")
    t.status(gateway.client.call("other/f/b", json.dumps({"name": "x"})), 200)
    gateway.module.write_text(module(endpoint("e2e/*", server.url), endpoint("other/*", other.url), pull_egress(OUT)))
    stop, acked = threading.Event(), []
    threads = load(gateway, stop, acked)
    time.sleep(1)
    drain_under_load(t, gateway, stop, threads)
    gateway.start()
    must_be_settled(t, gateway, acked)


@story("eight shards: each has its part, killed under load, drained, and restored as three and as eight", timeout_s=300)
def eight(t):
    server, gateway = start(t, shards=8, arguments=["--workers", "2", "--snapshot-bytes", "256KiB"])
    for number in range(60):
        answer = t.status(gateway.client.call(f"e2e/f/a{number}", json.dumps({"name": f"n{number}", "hops": 3})), 200)
        t.equal(answer.json(), {"name": f"n{number}", "at": f"n{number}-3"})
    rows = shard_rows(gateway)
    t.equal([row["shard"] for row in rows], list(range(8)))
    t.check(all(row["keys"] > 0 for row in rows), f"all shards have keys: {rows}")
    stop, acked = threading.Event(), [f"n{number}" for number in range(60)]
    threads = load(gateway, stop, acked)
    for _ in range(3):
        time.sleep(0.8)
        gateway.restart()
    time.sleep(0.8)
    before, point = set(acked), t.dir / "point"
    t.equal(t.status(savepoint(gateway, point), 200).json()["count"], 8)
    time.sleep(0.3)
    drain_under_load(t, gateway, stop, threads)
    t.check(len(acked) > 60 + 50, f"there was load: {len(acked)}")
    gateway.start()
    must_be_settled(t, gateway, acked)
    t.equal(gateway.stop(), 0)
    t.equal(cli("check", gateway.data).returncode, 0)
    for shards in (3, 8):
        again = t.gateway(module(endpoint("e2e/*", server.url), pull_egress(OUT)), start=False,
                          arguments=["--shards", str(shards), "--restore", str(point)])
        again.start()
        t.equal(len(shard_rows(again)), shards)
        must_be_settled(t, again, before)
        t.equal(again.stop(), 0)
        t.equal(cli("check", again.data).returncode, 0)
