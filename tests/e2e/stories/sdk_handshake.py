"""A function gets one more state: the handshake registers it, what was there stays."""
import processes
from gateway import endpoint
from story import BOTH, start_functions, story


@story("a state is added to a running application", languages=BOTH)
def added(t):
    child, port = start_functions(t.language, t.dir / "functions.log")
    gateway = t.gateway(endpoint(f"{t.space}/*", f"http://127.0.0.1:{port}/statefun"))
    address = f"{t.space}/worker/grows"
    t.do(gateway, address, {"op": "set", "state": "count", "value": 3}, {"op": "append", "value": "old"})
    t.equal(t.states(gateway, address), {"count": 3, "log": ["old"]})
    processes.end(child)
    t.do(gateway, address, {"op": "count"})  # waits for the new version
    child, _ = start_functions(t.language, t.dir / "functions.log", port=port, env={"EXTRA_STATE": "1"})
    t.equal(t.states(gateway, address), {"count": 4, "log": ["old"], "extra": None})
    t.do(gateway, address, {"op": "set", "state": "extra", "value": "new"})
    gateway.restart()
    t.equal(t.states(gateway, address), {"count": 4, "log": ["old"], "extra": "new"}, "after SIGKILL")
    processes.end(child)
    # Back to the old version: the state it does not know is kept.
    child, _ = start_functions(t.language, t.dir / "functions.log", port=port)
    t.equal(t.states(gateway, address), {"count": 4, "log": ["old"]}, "the older version")
    processes.end(child)
    child, _ = start_functions(t.language, t.dir / "functions.log", port=port, env={"EXTRA_STATE": "1"})
    t.equal(t.states(gateway, address)["extra"], "new", "and the newer again")
    processes.end(child)


@story("the gateway remembers the states of a function across restarts")
def remembered(t):
    import wire

    def handler(call):
        if not call.needs(("count", wire.INT)):
            count = call.request.state["count"]
            total = (count.int() if count else 0) + len(call.request.messages)
            call.result(wire.Response().set("count", wire.int32(total)))

    server, gateway = t.scripted(handler)
    t.status(gateway.client.send("e2e/f/1", b"{}"), 202)
    t.wait(lambda: gateway.client.state("e2e/f/1", "count").status == 200, "the first count")
    calls = len(server.calls)
    t.equal(calls, 2, "one handshake, one call")
    gateway.restart()
    t.status(gateway.client.send("e2e/f/2", b"{}"), 202)
    t.wait(lambda: gateway.client.state("e2e/f/2", "count").status == 200, "a count after the restart")
    t.equal(len(server.calls), calls + 1, "no handshake the second time")
