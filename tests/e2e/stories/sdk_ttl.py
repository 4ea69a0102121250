"""Both modes of state expiration. The functions' time to live is 2 s."""
import time

from story import BOTH, story


def value(t, gateway, kind):
    return t.states(gateway, f"{t.space}/{kind}/x")["count"]


@story("expire after write: reads do not refresh", languages=BOTH)
def after_write(t):
    gateway = t.sdk()
    address = f"{t.space}/ttlwrite/x"
    t.do(gateway, address, {"op": "set", "state": "count", "value": 7})
    wrote = time.monotonic()
    for _ in range(3):
        time.sleep(0.4)
        seen, at = value(t, gateway, "ttlwrite"), time.monotonic() - wrote
        if at < 1.8:
            t.equal(seen, 7, f"{at:.1f} s after the write")
    time.sleep(max(0, 2.3 - (time.monotonic() - wrote)))
    t.equal(value(t, gateway, "ttlwrite"), None, "expired in spite of the reads")
    t.do(gateway, address, {"op": "count"})
    t.equal(value(t, gateway, "ttlwrite"), 1, "starts anew")


@story("expire after call: each call refreshes", languages=BOTH)
def after_call(t):
    gateway = t.sdk()
    t.do(gateway, f"{t.space}/ttlcall/x", {"op": "set", "state": "count", "value": 7})
    for _ in range(4):
        before = time.monotonic()
        time.sleep(1.0)
        seen = value(t, gateway, "ttlcall")
        if time.monotonic() - before < 1.9:
            t.equal(seen, 7, "kept alive by calls")
    time.sleep(2.6)
    t.equal(value(t, gateway, "ttlcall"), None, "expired without calls")


@story("what expired stays expired after a restart", languages=("python",))
def across_restart(t):
    gateway = t.sdk()
    t.do(gateway, "py/ttlwrite/x", {"op": "set", "state": "count", "value": 7})
    wrote = time.monotonic()
    gateway.restart()
    seen, at = value(t, gateway, "ttlwrite"), time.monotonic() - wrote
    if at < 1.8:
        t.equal(seen, 7, "still there after the restart")
    gateway.kill()
    time.sleep(max(0, 2.3 - (time.monotonic() - wrote)))
    gateway.start()
    t.equal(value(t, gateway, "ttlwrite"), None, "it expired while the gateway was down")
    t.equal(gateway.client.state("py/ttlwrite/x", "count").status, 404, "and over HTTP")
