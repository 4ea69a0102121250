"""Functions that answer the gateway as badly as they can, over HTTP/1.1 and HTTP/2, and the attacks made of them.

One process listens on two ports. The path of a request is the function's name, and with it the behaviour; each has an
endpoint of its own, so that one's circuit is not another's. `drain` asks them in the gateway's place.
"""
import gzip
import http.client
import multiprocessing
import selectors
import socket
import struct
import sys
import threading
import time
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import wire  # noqa: E402
import functions_h2  # noqa: E402
from attack import attack  # noqa: E402
from gateway import endpoint  # noqa: E402
from world import http_answer, listen, spawn  # noqa: E402

# Functions are well-behaved until an attack makes them hostile: by then their windows have grown.
hostile_now = functions_h2.hostile_now
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
GOOD = wire.Response().encode()
PIECE = 1 << 18
sent = multiprocessing.RawValue("Q", 0)  # bytes of all answers, nearly: threads may miss each other's
BOMB = gzip.compress(b"\0" * (256 << 20), 9)  # 256 MiB in 256 KB


def length(size, body=b""):
    return HEAD + b"content-length: " + size + b"\r\n\r\n" + body


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def endless(connection, head, piece, every_s=0.0):
    """Until the gateway has enough, and no faster than a line takes it."""
    connection.sendall(head)
    while hostile_now.value:
        connection.sendall(piece)
        time.sleep(max(every_s, functions_h2.line.taken(len(piece))))


def reset(connection, data):
    connection.sendall(data)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionAbortedError


def varint(number):
    return wire.varint(number)


class Counted:
    """A connection that counts what is taken of its answers."""

    def __init__(self, connection):
        self.connection = connection

    def __getattr__(self, name):
        return getattr(self.connection, name)

    def sendall(self, data):
        view = memoryview(data)
        while view:
            self.connection.sendall(view[:PIECE])
            sent.value += len(view[:PIECE])
            view = view[PIECE:]


def says(data):
    return lambda connection: connection.sendall(data)


def silent(connection):
    connection.settimeout(0.2)
    while hostile_now.value:
        try:
            connection.recv(1)
            return
        except TimeoutError:
            pass


# Name of the function -> what it does with the connection once it has been asked.
HTTP1 = {
    "endless-body": lambda c: endless(c, HEAD + b"\r\n", b"x" * 65536),
    "endless-chunks": lambda c: endless(c, HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk(b"x" * 65000)),
    "tiny-chunks": lambda c: endless(c, HEAD + b"transfer-encoding: chunked\r\n\r\n", chunk(b"x") * 2000),
    "chunk-extensions": lambda c: endless(c, HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1;" + b"e" * 4000 + b"\r\nx\r\n"),
    "endless-headers": lambda c: endless(c, HEAD, b"x-a: 1\r\n" * 4000),
    "endless-header": lambda c: endless(c, HEAD + b"x-a: ", b"x" * 65536),
    "endless-status": lambda c: endless(c, b"HTTP/1.1 200 ", b"x" * 65536),
    "endless-trailers": lambda c: endless(c, HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x-a: 1\r\n" * 4000),
    "trickle-head": lambda c: endless(c, HEAD, b"x", 0.2),
    "trickle-body": lambda c: endless(c, length(b"1000000"), b"x", 0.2),
    "large-and-slow": lambda c: (c.sendall(length(b"33000000", b"x" * 30_000_000)), silent(c)),
    "interim-flood": lambda c: endless(c, b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 1000),
    "continue-flood": lambda c: endless(c, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "switch": says(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: evil\r\n\r\n"),
    "no-length-half": lambda c: c.sendall(HEAD + b"\r\n" + GOOD[:1]),
    "short-length": says(length(b"1", GOOD * 20)),
    "long-length": says(length(b"1000", GOOD)),
    "negative-length": says(length(b"-1", GOOD)),
    "huge-length": says(length(b"99999999999999999999", GOOD)),
    "large-length": says(length(b"999999999999", GOOD)),
    "two-lengths": says(HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n" + GOOD),
    "length-and-chunks": says(HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    "huge-chunk": says(HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nx"),
    "long-chunk": says(HEAD + b"transfer-encoding: chunked\r\n\r\n7fffffffffffff\r\nx"),
    "negative-chunk": says(HEAD + b"transfer-encoding: chunked\r\n\r\n-1\r\nx"),
    "gzip-bomb": says(HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB),
    "gzip-twice": says(HEAD + b"content-encoding: gzip, gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB),
    "gzip-garbage": says(HEAD + b"content-encoding: gzip\r\ncontent-length: 6\r\n\r\n\x1f\x8b\x08\xff\xff\xff"),
    "garbage": says(bytes(range(256)) * 64),
    "http09": says(b"<html>hello"),
    "two-answers": says(http_answer(GOOD) * 2),
    "answer-first": None,  # in serve(): before the request is read
    "reset-after": lambda c: reset(c, http_answer(GOOD)),
    "reset-before": lambda c: reset(c, b""),
    "reset-within": lambda c: reset(c, length(b"1000", b"x")),
    "silent": silent,
    "redirect": says(b"HTTP/1.1 302 Found\r\nlocation: /redirect\r\ncontent-length: 0\r\n\r\n"),
    "wrong-type": says(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi"),
    "error-endless": lambda c: endless(c, b"HTTP/1.1 500 Oops\r\n\r\n", b"x" * 65536),
    "retry-for-ever": says(b"HTTP/1.1 503 No\r\nretry-after: 99999999999999999999\r\ncontent-length: 0\r\n\r\n"),
    "nul-header": says(HEAD + b"x: \0\r\ncontent-length: 2\r\n\r\n" + GOOD),
    # Well-formed HTTP, hostile protobuf.
    "proto-depth": says(http_answer(b"\xa2\x06\x05" + b"\x0a\x03" * 1)),
    "proto-length": says(http_answer(varint(100 << 3 | 2) + varint(1 << 62) + b"x")),
    "proto-varint": says(http_answer(varint(100 << 3 | 2) + b"\xff" * 20)),
    "proto-twice": says(http_answer(GOOD + wire.incomplete([("a", "e2e/a")]))),
    "proto-unknown": says(http_answer(wire.block(100, b"".join(wire.block(900 + i % 9, b"x" * 50) for i in range(5000))))),
    "proto-sends": says(http_answer(wire.block(100, wire.Response().send(
        wire.address("hostile/silent", "x"), wire.string("v" * 50)).out * 60000))),
    "proto-state": says(http_answer(wire.Response().set("undeclared", wire.string("v" * (1 << 20))).encode())),
    "proto-states": says(http_answer(wire.incomplete([(f"s{i}", "e2e/a") for i in range(20000)]))),
    "proto-delay": says(http_answer(wire.Response().send_after(-5, wire.address("e2e/counter", "x"), wire.string("v")).encode())),
    "proto-reserved": says(http_answer(wire.Response().send(wire.address("holdfast/reply", "x"), wire.string("v")).encode())),
    "proto-handshake": says(http_answer(wire.incomplete([("always", "e2e/a"), ("more", "e2e/b")]))),
}

GROUPS = {
    "endless answers": ["endless-body", "endless-chunks", "tiny-chunks", "chunk-extensions", "error-endless"],
    "endless heads": ["endless-headers", "endless-header", "endless-status", "endless-trailers"],
    "slow answers": ["trickle-head", "trickle-body", "silent"],
    "large answers that stop short": ["large-and-slow"],
    "interim answers without end": ["interim-flood", "continue-flood", "switch"],
    "wrong lengths": ["no-length-half", "short-length", "long-length", "negative-length", "huge-length", "large-length",
                      "two-lengths", "length-and-chunks", "huge-chunk", "long-chunk", "negative-chunk", "nul-header"],
    "gzip": ["gzip-bomb", "gzip-twice", "gzip-garbage"],
    "garbage and breaks": ["garbage", "http09", "two-answers", "answer-first", "reset-after", "reset-before", "reset-within"],
    "refusals": ["redirect", "wrong-type", "retry-for-ever"],
    "hostile protobuf": [name for name in HTTP1 if name.startswith("proto-")],
}


def serve(connection):
    """One connection: each request is answered as its path says, until that breaks it."""
    connection = Counted(connection)
    reader = connection.makefile("rb")
    try:
        while True:
            line = reader.readline(4096)
            if not line:
                return
            name = line.split(b" ")[1].strip(b"/").decode()
            if name == "answer-first" and hostile_now.value:
                connection.sendall(http_answer(GOOD))
            size = 0
            while (header := reader.readline(65536).strip()):
                if header.lower().startswith(b"content-length:"):
                    size = int(header[15:])
            reader.read(size)
            if not hostile_now.value:
                connection.sendall(http_answer(GOOD))
                continue
            act = HTTP1.get(name)
            if act:
                act(connection)
            if name in ("no-length-half", "http09", "garbage", "long-length", "switch"):
                return
    except (OSError, ValueError, IndexError):
        pass
    finally:
        connection.close()


def serve_all(listener, serve_one):
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve_one, args=(connection,), daemon=True).start()


def main(first, second):
    import os
    os.nice(15)
    threading.Thread(target=serve_all, args=(second, functions_h2.serve), daemon=True).start()
    serve_all(first, serve)


class HostileFunctions:
    def __init__(self):
        first, self.port = listen()
        second, self.port_h2 = listen()
        self.child = spawn(main, first, second)
        first.close()
        second.close()

    def documents(self):
        settings = {"retry": "{attempts: 20}", "maxNumBatchRequests": 10}
        made = [endpoint(f"hostile/{name}", f"http://127.0.0.1:{self.port}/{name}",
                         transport="{timeouts: {call: 3s}, pool_ttl: 500ms}", **settings) for name in HTTP1]
        made += [endpoint(f"hostile/h2-{name}", f"http://127.0.0.1:{self.port_h2}/{name}",
                          transport="{timeouts: {call: 3s}, pool_ttl: 500ms}", http2="true", **settings) for name in functions_h2.HTTP2]
        return made

    def close(self):
        self.child.terminate()
        self.child.join(5)


# -- Somebody else in the gateway's place --

def drain(port, names, seconds, requests, size):
    """So many requests to the functions, in peace first as in feed(), and so many bytes of their answers at most. What comes
    is taken and not looked at; who is silent is left alone."""
    selector, asked, sent_before, begin = selectors.DefaultSelector(), 0, sent.value, time.monotonic()
    room = bytearray(1 << 17)
    while (passed := time.monotonic() - begin) < seconds:
        hostile_now.value = passed > 0.3 * seconds
        while asked < requests * passed / seconds:
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(b"POST /%s HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\n\r\nx" % names[asked % len(names)].encode())
            selector.register(connection, selectors.EVENT_READ)
            asked += 1
        for key, _ in selector.select(0.01):
            if sent.value - sent_before > size * passed / seconds:
                time.sleep(0.002)
                break
            try:
                count = key.fileobj.recv_into(room)
            except OSError:
                count = 0
            if count == 0:
                selector.unregister(key.fileobj)
                key.fileobj.close()
    hostile_now.value = 0


# -- The attacks: messages to such functions, for as long as it lasts --

def feed(target, names, each=20):
    """Sends messages to many addresses of each, first in peace; they are accepted, whatever becomes of them."""
    number = 0
    peace = time.monotonic() + 0.3 * (target.end - time.monotonic())
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=5)
    while target.going():
        hostile_now.value = time.monotonic() > peace
        for name in names:
            for _ in range(each):
                connection.request("POST", f"/v1/send/hostile/{name}/a{number % 200}", b"x", {"content-type": "text/plain"})
                answer = connection.getresponse()
                answer.read()
                target.counts["sent"] += 1
                target.check(answer.status in (202, 429, 503), f"a message to {name}: {answer.status}")
                number += 1
            if not target.going():
                break
        time.sleep(0.02 if time.monotonic() < peace else 0.2)
    hostile_now.value = 0


for group, members in GROUPS.items():
    attack(f"function: {group}", side="function", variants=len(members), functions=members)(
        lambda target, members=members: feed(target, members))
for group, members in functions_h2.GROUPS.items():
    attack(f"function h2: {group}", side="function", variants=len(members))(
        lambda target, members=members: feed(target, [f"h2-{name}" for name in members]))
