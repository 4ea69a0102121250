"""A wall clock that jumps: nothing fires early, nothing waits for ever, no expired state comes back."""
import shutil
import struct
import subprocess
import time

import wire
from gateway import BINARY, ROOT, endpoint
from scripts import counted, stored
from story import story

DAY = 86400


class Clock:
    def __init__(self, t):
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not compiler:
            t.skip("no C compiler for the clock shim")
        if b"__asan_init" in BINARY.read_bytes() or b"__tsan_init" in BINARY.read_bytes():
            t.skip("a preloaded clock and a sanitizer do not go together")
        library = t.dir / "clock.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, ROOT / "tests/lib/clock_shim.c", "-ldl"], check=True,
                       capture_output=True)
        self.file = t.dir / "offset"
        self.file.write_bytes(bytes(8))
        self.env = {"LD_PRELOAD": str(library), "CLOCK_SHIM": str(self.file)}

    def set(self, seconds):
        with open(self.file, "r+b") as file:  # in place: the gateway has it mapped
            file.write(struct.pack("=q", int(seconds * 1e6)))


EXPIRING = ("mark", wire.INT, 1, 2000)  # two seconds after it was written


def marking(call):
    """Counts; `mark` also sets a value that expires, `later N` sends a delayed message, anything else just counts."""
    if call.needs(("count", wire.INT), ("log", wire.JSON), EXPIRING):
        return
    response = wire.Response()
    for message in call.request.messages:
        order = message.argument.json()
        if order == "mark":
            response.set("mark", wire.int32(1))
        elif isinstance(order, str) and order.startswith("later "):
            response.send_after(int(order[6:]), wire.address("e2e/f", f"after-{order[6:]}"), wire.as_json("fired"))
    counted(call, response)


def start(t, clock):
    server = t.functions(marking)
    gateway = t.gateway(endpoint("e2e/*", server.url), env=clock.env)
    return gateway


def jump(t, gateway, clock, seconds):
    t.status(gateway.client.call("e2e/f/a", '"mark"'), 200)
    t.status(gateway.client.call("e2e/f/a", '"later 1500"'), 200)
    t.status(gateway.client.call("e2e/f/a", '"later 10800000"'), 200)
    t.equal(gateway.client.state("e2e/f/a", "mark").status, 200, "the value is there")
    clock.set(seconds)
    t.wait(lambda: stored(gateway, "e2e/f/after-1500") == 1, "a delayed message comes in spite of the jump", 10)
    t.wait(lambda: gateway.client.state("e2e/f/a", "mark").status == 404, "the value expires", 10)
    for number in range(30):
        t.status(gateway.client.call("e2e/f/a", str(number)), 200, "calls go on")
    t.equal(stored(gateway, "e2e/f/after-10800000"), None, "three hours are not over")
    gateway.restart()
    t.equal(gateway.client.state("e2e/f/a", "mark").status, 404, "expired stays expired after a restart")
    t.status(gateway.client.call("e2e/f/a", '"later 1000"'), 200)
    t.wait(lambda: stored(gateway, "e2e/f/after-1000") == 1, "and timers go on", 10)
    time.sleep(0.5)
    t.equal(stored(gateway, "e2e/f/after-1500"), 1, "once")
    if seconds < 0:
        # Forward, a restart cannot tell a jump from a day without power: then the three hours are over.
        t.equal(stored(gateway, "e2e/f/after-10800000"), None, "three hours are not over")


@story("the clock jumps a day back")
def back(t):
    clock = Clock(t)
    jump(t, start(t, clock), clock, -DAY)


@story("the clock jumps a day ahead")
def ahead(t):
    clock = Clock(t)
    jump(t, start(t, clock), clock, DAY)


@story("a board without a clock: 1970 after a restart does not revive expired state")
def no_clock(t):
    clock = Clock(t)
    gateway = start(t, clock)
    t.status(gateway.client.call("e2e/f/a", '"mark"'), 200)
    t.wait(lambda: gateway.client.state("e2e/f/a", "mark").status == 404, "the value expires", 10)
    t.status(gateway.client.call("e2e/f/a", '"later 1000"'), 200)
    gateway.kill()
    clock.set(-int(time.time()) + 1000)
    gateway.start()
    t.equal(gateway.client.state("e2e/f/a", "mark").status, 404, "expired stays expired")
    t.wait(lambda: stored(gateway, "e2e/f/after-1000") == 1, "a delayed message comes", 10)
