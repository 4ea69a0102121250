"""Requests that are wrong: a clear error that names the thing, nothing accepted, nothing lost."""
import json
import socket
import time

from client import Client
from gateway import pull_egress
from scripts import counted, stored
from story import story

VERSION = b" HTTP/1.1\r\nHost: x\r\n"


def raw(port, data, timeout_s=10):
    """Sends bytes, returns all that comes back until the end or the time-out."""
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        try:
            connection.sendall(data)
        except OSError:
            pass
        out = b""
        try:
            while chunk := connection.recv(65536):
                out += chunk
        except OSError:
            pass
        return out


def raw_status(port, data):
    answer = raw(port, data)
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


@story("an unknown function is a 404 that names it")
def unknown_function(t):
    server, gateway = t.scripted(counted)
    for method in ("send", "call"):
        answer = getattr(gateway.client, method)("nobody/here/x", b"{}")
        t.problem(answer, 404, "nobody/here")
    t.equal(len(server.calls), 0)


@story("malformed addresses are refused")
def addresses(t):
    server, gateway = t.scripted(counted)
    headers = {"Content-Type": "application/vnd.e2e/Json"}
    for path in ("/v1/send/e2e/f/", "/v1/send/e2e/f", "/v1/send/e2e", "/v1/send//f/x", "/v1/send/e2e//x",
                 "/v1/send/e2e/f/x/y", "/v1/send/e2e/f/%zz", "/v1/send/e2e/f/%f", "/v1/send/e2e/f/%ff%fe",
                 "/v1/send/e2e/f/%c0%80", "/v1/send/e2e%2Fx/f/y", "/v1/send/e2e/f/" + "x" * 5000):
        answer = gateway.client.request("POST", path, b"{}", headers)
        t.check(400 <= answer.status < 500, f"{path[:60]}: {answer}")
        t.check(answer.headers.get("Content-Type", "").startswith("application/problem+json"), f"{path[:60]}: {answer.headers}")
    t.equal(len(server.calls), 0, "nothing was accepted")


@story("an id of the largest size works, one byte more is refused and the limit named")
def long_ids(t):
    _server, gateway = t.scripted(counted)
    sizes = [size for size in (255, 256, 512, 1024, 2048)
             if gateway.client.send(f"e2e/f/{'x' * size}", b"{}").status == 202]
    t.check(255 in sizes, "an id of 255 bytes is accepted")
    largest = sizes[-1]
    t.wait(lambda: stored(gateway, f"e2e/f/{'x' * largest}") == 1, "it takes effect")
    t.problem(gateway.client.send("e2e/f/" + "x" * 4097, b"{}"), 400, "id")


@story("the reserved namespace is refused from outside")
def reserved(t):
    _server, gateway = t.scripted(counted)
    for address in ("holdfast/reply/abc", "holdfast/anything/x"):
        answer = gateway.client.send(address, b"{}")
        t.check(400 <= answer.status < 500, f"{address}: {answer}")


@story("no type, a bad type")
def types(t):
    server, gateway = t.scripted(counted)
    for headers in ({"Holdfast-Type": "noslash"}, {"Holdfast-Type": "a/b/c"}, {"Holdfast-Type": "/b"},
                    {"Holdfast-Type": "a/"}, {"Holdfast-Type": "x" * 300 + "/y"}, {"Content-Type": "nothing"},
                    {"Content-Type": ""}):
        answer = gateway.client.request("POST", "/v1/send/e2e/f/x", b"{}", headers)
        t.check(answer.status in (400, 415), f"{headers}: {answer}")
        t.check(list(headers)[0] in answer.body.decode(), f"names the header: {answer}")
    t.equal(len(server.calls), 0)


@story("bad header values are refused by name")
def header_values(t):
    server, gateway = t.scripted(counted)
    for name, value in (("Holdfast-Delay", "soon"), ("Holdfast-Delay", "-5s"), ("Holdfast-Delay", "5 parsecs"),
                        ("Holdfast-Timeout", "never"), ("Idempotency-Key", "k" * 5000)):
        method = "call" if name == "Holdfast-Timeout" else "send"
        answer = gateway.client.request("POST", f"/v1/{method}/e2e/f/x", b"{}", {"Holdfast-Type": "e2e/Json", name: value})
        t.problem(answer, 400, name)
    t.equal(len(server.calls), 0)


@story("wrong methods and unknown paths")
def methods(t):
    _server, gateway = t.scripted(counted, pull_egress("e2e.out/out"))
    client = gateway.client
    t.problem(client.request("GET", "/v1/send/e2e/f/x"), 405)
    t.problem(client.request("DELETE", "/v1/call/e2e/f/x"), 405)
    t.problem(client.request("GET", "/v1/nothing"), 404)
    t.problem(client.request("GET", "/nothing"), 404)
    t.problem(client.request("GET", "/v1/egress/no/such"), 404, "no/such")
    t.problem(client.request("POST", "/v1/egress/no/such/ack", '{"cursor":"1"}', {"Content-Type": "application/json"}), 404)
    for body in (b"", b"{", b"[]", b'{"cursor":"x"}', b'{"cursor":-1}', b'{"other":1}'):
        t.problem(client.request("POST", "/v1/egress/e2e.out/out/ack", body, {"Content-Type": "application/json"}), 400)
    for query in ("max=0", "max=-1", "max=many", "wait=long", "wait=-1s"):
        t.problem(client.request("GET", f"/v1/egress/e2e.out/out?{query}"), 400, query.split("=")[0])
    t.problem(client.request("GET", "/v1/replies/0123456789abcdef0123456789abcdef"), 404)


@story("an oversized body is a 413 that names the limit")
def oversized(t):
    server, gateway = t.scripted(counted)
    size = 40 * 1024 * 1024
    head = b"POST /v1/send/e2e/f/x" + VERSION + b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % size
    answer = raw(gateway.port, head + b"x" * (1 << 20))
    t.check(answer.startswith(b"HTTP/1.1 413"), f"{answer[:200]!r}")
    t.equal(len(server.calls), 0)
    t.status(gateway.client.call("e2e/f/after", "1"), 200, "well afterwards")


@story("oversized heads, garbage and half requests end their connection, nothing else", timeout_s=180)
def garbage(t):
    server, gateway = t.scripted(counted)
    port = gateway.port
    huge = b"POST /v1/send/e2e/f/x" + VERSION + b"X-Big: " + b"x" * 200_000 + b"\r\n\r\n"
    t.check(raw_status(port, huge) in (None, 400, 413, 414, 431), "a huge head")
    many = b"POST /v1/send/e2e/f/x" + VERSION + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n"
    t.check(raw_status(port, many) in (None, 400, 413, 431), "5,000 headers")
    long_line = b"POST /" + b"x" * 100_000 + VERSION + b"\r\n"
    t.check(raw_status(port, long_line) in (None, 400, 413, 414, 431), "a long path")
    for junk in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"hello world\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 40):
        t.check(raw_status(port, junk + b"\r\n\r\n") in (None, 400), f"{junk[:20]!r}")
    for lie in (b"Content-Length: -5\r\n", b"Content-Length: abc\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n",
                b"Content-Length: 99999999999999999999\r\n",
                b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"):
        status = raw_status(port, b"POST /v1/send/e2e/f/lie" + VERSION + lie + b"Connection: close\r\nContent-Type: text/plain\r\n\r\nabcd")
        t.check(status is None or status >= 400, f"{lie!r}: {status}")
    half = socket.create_connection(("127.0.0.1", port), 5)
    half.sendall(b"POST /v1/send/e2e/f/half" + VERSION + b"Content-Length: 100\r\nContent-Type: text/plain\r\n\r\nonly this")
    t.status(gateway.client.call("e2e/f/fine", "1"), 200, "others are served meanwhile")
    half.close()
    time.sleep(0.3)
    t.equal([call.target.id for call in server.calls if call.target.id in ("x", "lie", "half")], [], "nothing of it was accepted")
    t.status(gateway.client.call("e2e/f/fine", "2"), 200)


@story("500 connections that send nothing do not keep others out")
def idle_connections(t):
    _server, gateway = t.scripted(counted)
    crowd = []
    try:
        for _ in range(500):
            crowd.append(socket.create_connection(("127.0.0.1", gateway.port), 5))
        began = time.monotonic()
        t.status(gateway.client.call("e2e/f/a", "1"), 200)
        t.check(time.monotonic() - began < 5, "quickly")
    finally:
        for connection in crowd:
            connection.close()


@story("a batch: good lines are accepted, bad ones answered each with its reason")
def batch(t):
    _server, gateway = t.scripted(counted)
    lines = [
        {"to": "e2e/f/b1", "type": "e2e/Json", "value": {"n": 1}},
        {"to": "nobody/here/x", "type": "e2e/Json", "value": 1},
        {"type": "e2e/Json", "value": 1},
        "not json at all",
        {"to": "e2e/f/b2", "type": "e2e/Json", "base64": "MQ=="},
        {"to": "e2e/f/b2", "type": "e2e/Json", "base64": "!!"},
        {"to": "e2e/f/b3", "type": "e2e/Json", "value": 3, "key": "once"},
        {"to": "e2e/f/b3", "type": "e2e/Json", "value": 3, "key": "once"},
        {"to": "e2e/f/b4", "type": "e2e/Json", "value": 4, "delay": "100ms"},
    ]
    body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n"
    answer = gateway.client.request("POST", "/v1/batch", body, {"Content-Type": "application/x-ndjson"})
    t.check(answer.status in (200, 202, 207), f"{answer}")
    rows = answer.lines()
    t.equal(len(rows), len(lines), "one status per line")
    statuses = [row.get("status") for row in rows]
    for number, good in enumerate([True, False, False, False, True, False, True, True, True]):
        t.check((statuses[number] == 202) == good, f"line {number + 1} ({lines[number]}): {rows[number]}")
    t.wait(lambda: [stored(gateway, f"e2e/f/b{n}") for n in (1, 2, 3, 4)] == [1, 1, 1, 1], "each good line once")
    time.sleep(0.3)
    t.equal(stored(gateway, "e2e/f/b3"), 1, "the key counts within a batch, too")


@story("a batch of 5,000 lines")
def big_batch(t):
    _server, gateway = t.scripted(counted)
    body = "\n".join(json.dumps({"to": f"e2e/f/k{n % 50}", "type": "e2e/Json", "value": n}) for n in range(5000))
    answer = gateway.client.request("POST", "/v1/batch", body, {"Content-Type": "application/x-ndjson"}, timeout_s=60)
    t.equal([row["status"] for row in answer.lines()], [202] * 5000)
    t.wait(lambda: all(stored(gateway, f"e2e/f/k{n}") == 100 for n in range(50)), "all of them", 60, 0.5)
    t.equal(stored(gateway, "e2e/f/k7", "log"), list(range(7, 5000, 50)), "in order")


@story("the operations side answers: health, version, metrics, functions, config")
def operations(t):
    _server, gateway = t.scripted(counted)
    t.status(gateway.client.call("e2e/f/a", "1"), 200)
    for path in ("/livez", "/readyz", "/readyz?verbose", "/version", "/metrics", "/v1/functions", "/v1/shards",
                 "/v1/parked", "/v1/config"):
        t.status(gateway.admin.request("GET", path), 200, path)
    t.check(gateway.metric("holdfast_messages_accepted_total") >= 1, "messages accepted")
    t.check("e2e/f" in gateway.admin.request("GET", "/v1/functions").body.decode(), "the function is listed")
    t.problem(gateway.admin.request("GET", "/v1/nothing"), 404)
    t.check(Client(gateway.port).request("GET", "/metrics").status == 404, "not on the data side")
