"""Keys: a retry takes effect once, gets the same answer, and the same key with another body is refused."""
import time

from scripts import counted, stored
from story import quickly, story


@story("the same key and body: one effect, the same message")
def same(t):
    _server, gateway = t.scripted(counted)
    first = t.status(gateway.client.send("e2e/f/a", "1", key="k"), 202)
    second = t.status(gateway.client.send("e2e/f/a", "1", key="k"), 202)
    t.equal(second.json()["message"], first.json()["message"])
    t.wait(lambda: stored(gateway, "e2e/f/a") == 1, "one effect")
    gateway.restart()
    third = t.status(gateway.client.send("e2e/f/a", "1", key="k"), 202, "after SIGKILL")
    t.equal(third.json()["message"], first.json()["message"])
    time.sleep(0.5)
    t.equal(stored(gateway, "e2e/f/a"), 1)


@story("the same key with another body is a 422")
def other_body(t):
    _server, gateway = t.scripted(counted)
    t.status(gateway.client.send("e2e/f/a", "1", key="k"), 202)
    t.problem(gateway.client.send("e2e/f/a", "2", key="k"), 422, "key")
    t.problem(gateway.client.call("e2e/f/a", "2", key="k"), 422)
    gateway.restart()
    t.problem(gateway.client.send("e2e/f/a", "2", key="k"), 422)
    t.wait(lambda: stored(gateway, "e2e/f/a") == 1, "the first took effect")


@story("a key belongs to its address")
def scope(t):
    _server, gateway = t.scripted(counted)
    t.status(gateway.client.send("e2e/f/a", "1", key="k"), 202)
    t.status(gateway.client.send("e2e/f/b", "2", key="k"), 202)
    t.status(gateway.client.send("e2e/g/a", "3", key="k"), 202)
    t.wait(lambda: [stored(gateway, f"e2e/{who}") for who in ("f/a", "f/b", "g/a")] == [1, 1, 1], "three effects")


@story("twenty retries at the same moment: one effect, one message")
def concurrent(t):
    _server, gateway = t.scripted(counted)
    threads = [quickly(lambda: gateway.client.send("e2e/f/a", "1", key="k")) for _ in range(20)]
    for thread in threads:
        thread.join(30)
    t.equal({thread.value.status for thread in threads}, {202})
    t.equal(len({thread.value.json()["message"] for thread in threads}), 1)
    t.wait(lambda: stored(gateway, "e2e/f/a") == 1, "one effect")


@story("a repeated call gets the same reply, also while the first runs and after a SIGKILL")
def calls(t):
    def handler(call):
        time.sleep(0.3)
        counted(call)

    _server, gateway = t.scripted(handler)
    threads = [quickly(lambda: gateway.client.call("e2e/f/a", "1", key="k")) for _ in range(10)]
    for thread in threads:
        thread.join(30)
    replies = {(thread.value.status, thread.value.body) for thread in threads}
    t.equal(len(replies), 1, f"one reply: {replies}")
    t.equal(threads[0].value.json()["count"], 1)
    gateway.restart()
    again = t.status(gateway.client.call("e2e/f/a", "1", key="k"), 200)
    t.equal(again.json()["count"], 1, "the first reply, kept")
    t.equal(stored(gateway, "e2e/f/a"), 1)


@story("a call that a SIGKILL interrupts: the retry with its key gets the one reply", timeout_s=180)
def interrupted(t):
    def handler(call):
        time.sleep(0.4)
        counted(call)

    _server, gateway = t.scripted(handler)
    for round in range(6):
        def attempt():
            try:
                return gateway.client.call("e2e/f/a", str(round), key=f"k{round}")
            except OSError:
                return None
            except Exception:
                return None
        thread = quickly(attempt)
        time.sleep(0.1 + 0.1 * round)
        gateway.restart()
        thread.join(30)
        answer = t.status(gateway.client.call("e2e/f/a", str(round), key=f"k{round}"), 200, f"round {round}")
        t.equal(answer.json()["count"], round + 1, "exactly one effect per key")
    t.equal(stored(gateway, "e2e/f/a", "log"), list(range(6)))
