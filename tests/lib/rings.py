"""Messages that go round through many addresses, which live in all shards, and what must have come of them."""
import base64
import json
import re
import threading
import time

import wire
from client import NO_ANSWER, pull_all, record_json
from gateway import endpoint, module, pull_egress
from scripts import COUNT

SHARDS = 4
OUT = "e2e/out"


def ring(call):
    """Counts; {"hops": n} goes on to the next address, which lives anywhere, and the last one replies and emits.

    What a message carries is what is left to do, so that the effect of each is known: hops + 1 counts."""
    if call.needs(COUNT):
        return
    response = wire.Response()
    count = call.request.state["count"].int() if call.request.state.get("count") else 0
    for message in call.request.messages:
        count += 1
        job = message.argument.json()
        caller = message.caller if message.caller and message.caller.namespace == "holdfast" else None
        if caller:
            job["reply"] = [caller.namespace, caller.type, caller.id]
        if job.get("later"):
            response.send_after(job.pop("later"), call.target, wire.as_json(job), job.get("token", ""))
            count -= 1
        elif job.get("hops", 0) > 0:
            job["hops"] -= 1
            job["at"] = job.get("at", 0) + 1
            response.send(wire.address("e2e/f", f"{job['name']}-{job['at']}"), wire.as_json(job))
        else:
            if "reply" in job:
                response.send(wire.Address(*job["reply"]), wire.as_json({"name": job.get("name"), "at": call.target.id}))
            if job.get("emit"):
                response.egress(OUT, wire.as_json([job["emit"], job["number"]]))
    call.result(response.set("count", wire.int32(count)))


def start(t, handler=ring, shards=SHARDS, arguments=(), **settings):
    server = t.functions(handler)
    gateway = t.gateway(module(endpoint("e2e/*", server.url, **settings), pull_egress(OUT)),
                        arguments=["--shards", str(shards), *arguments])
    return server, gateway


def total(gateway, typename="e2e/f"):
    return sum(counts(gateway, typename).values())


def counts(gateway, typename="e2e/f"):
    """id -> count, as the export tells it."""
    found, after = {}, ""
    for _ in range(1000):
        answer = gateway.client.request("GET", f"/v1/export?type={typename}&limit=100" + (f"&after={after}" if after else ""))
        assert answer.status == 200, answer
        for row in answer.lines():
            assert row["id"] not in found, f"{row['id']} is told twice"
            found[row["id"]] = wire.Value(wire.INT, base64.b64decode(row["base64"])).int() if "base64" in row else int(row["value"])
        after = answer.headers.get("Holdfast-Next")
        if not after:
            return found
    raise AssertionError("the export has no end")


def shard_rows(gateway):
    answer = gateway.admin.request("GET", "/v1/shards")
    assert answer.status == 200, answer
    return answer.json()["shards"]


def load(gateway, stop, acked, threads=4, hops=3):
    def sender(which):
        number = 0
        while not stop.is_set():
            number += 1
            name = f"{which}.{number}"
            try:
                if gateway.client.send(f"e2e/f/s{number % 20}", json.dumps({"name": name, "hops": hops, "emit": name, "number": number}),
                                       key=name).status == 202:
                    acked.append(name)
            except NO_ANSWER:
                time.sleep(0.05)
    running = [threading.Thread(target=sender, args=(which,), daemon=True) for which in range(threads)]
    for thread in running:
        thread.start()
    return running


def must_be_settled(t, gateway, acked, hops=3):
    """Each acknowledged message has had all its effects once; those whose answer was lost may have had them, once."""
    t.wait(lambda: gateway.metric("holdfast_mailbox_messages") == 0 and gateway.metric("holdfast_shard_parcels_waiting") == 0,
           "all is settled", 60, 0.2)
    last = counts(gateway)
    ends = {key for key in last if key.endswith(f"-{hops}")}
    t.check({f"{name}-{hops}" for name in acked} <= ends, "each acknowledged message came to its end")
    wrong = [key for key, count in last.items() if re.search(r"-\d+$", key) and count != 1]
    t.equal(wrong, [], "each on its way counted once")
    t.equal(sum(last.values()), len(ends) * (hops + 1), "no hop is lost or doubled")
    names = [record_json(record)[0] for record in pull_all(gateway.client, OUT)]
    t.equal(len(names), len(set(names)), "no record twice")
    return {key.rsplit("-", 1)[0] for key in ends}, names


def savepoint(gateway, directory):
    return gateway.admin.request("POST", "/v1/savepoint", json.dumps({"directory": str(directory)}),
                                 {"Content-Type": "application/json"}, timeout_s=60)
