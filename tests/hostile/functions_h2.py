"""A function server over HTTP/2 with prior knowledge that keeps to nothing. See functions.py."""
import multiprocessing
import struct
import threading
import time

import frames as f

hostile_now = multiprocessing.RawValue("b", 0)
RATE = 12 << 20
GOOD = b"\xa2\x06\x00"  # FromFunction with an empty result


class Line:
    """What all connections together may send: a line of 100 Mbit/s."""

    def __init__(self):
        self.lock, self.free_at = threading.Lock(), 0.0

    def taken(self, size):
        """Seconds to wait after that many bytes."""
        with self.lock:
            now = time.monotonic()
            self.free_at = max(self.free_at, now) + size / RATE
            return self.free_at - now


line = Line()


def status(stream, *more, end_stream=False, code=b"200", end_headers=True):
    block = f.literal(b":status", code) + f.literal(b"content-type", b"application/octet-stream")
    block += b"".join(f.literal(name, value) for name, value in more)
    return f.headers(stream, block, end_stream=end_stream, end_headers=end_headers)


def good(stream):
    return status(stream) + f.data(stream, GOOD, True)


def endless(connection, stream, lead, make):
    """Frames without end, at the rate of a line."""
    connection.sendall(lead)
    while hostile_now.value:
        piece = make(stream)
        connection.sendall(piece)
        time.sleep(line.taken(len(piece)))


def says(make):
    return lambda connection, stream: connection.sendall(make(stream))


def flood(make, lead=lambda stream: b""):
    return lambda connection, stream: endless(connection, stream, lead(stream), make)


BOMB = f.literal(b"x-bomb", b"b" * 3900, indexed=True)

# Name -> what it does with a request on the stream.
HTTP2 = {
    "endless-body": flood(lambda s: f.data(s, b"x" * 16384), status),
    "empty-data": flood(lambda s: f.data(s) * 1000, status),
    "interim": flood(lambda s: status(s, code=b"103") * 200),
    "trailers": flood(lambda s: f.headers(s, f.literal(b"x-a", b"1"), end_stream=False) * 200, status),
    "continuation": flood(lambda s: f.continuation(s, f.literal(b"x-a", b"v" * 1000) * 8), lambda s: status(s, end_headers=False)),
    "empty-continuation": flood(lambda s: f.continuation(s) * 1000, lambda s: status(s, end_headers=False)),
    "ping": flood(lambda s: f.ping() * 1000),
    "settings": flood(lambda s: f.settings((4, 65535)) * 1000),
    "settings-windows": flood(lambda s: (f.settings((4, 0)) + f.settings((4, 0x7FFFFFFF))) * 500),
    "window-updates": flood(lambda s: f.window(0, 1) * 1000),
    "priority": flood(lambda s: f.priority(s, 0) * 1000),
    "unknown": flood(lambda s: f.frame(0xFA, 0, 0, b"whatever") * 1000),
    "hpack-bomb": says(lambda s: f.headers(s, f.literal(b":status", b"200") + BOMB + b"\xbe" * 12000, end_stream=False)),
    "huge-header": says(lambda s: status(s, *[(b"x-%d" % i, b"v" * 1000) for i in range(15)])),
    "push": says(lambda s: f.frame(f.PUSH_PROMISE, f.END_HEADERS, s, struct.pack(">I", 2) + f.block()) + good(s)),
    "goaway": says(lambda s: f.frame(f.GOAWAY, 0, 0, struct.pack(">II", 0, 0))),
    "goaway-storm": says(lambda s: f.frame(f.GOAWAY, 0, 0, struct.pack(">II", 0x7FFFFFFF, 11)) * 5000),
    "rst": says(lambda s: f.rst(s, 7)),
    "rst-after": says(lambda s: good(s) + f.rst(s, 8)),
    "rst-storm": says(lambda s: f.rst(s, 2) * 5000),
    "two-answers": says(lambda s: good(s) + good(s)),
    "other-stream": says(lambda s: good(s + 2)),
    "even-stream": says(lambda s: good(2)),
    "no-status": says(lambda s: f.headers(s, f.literal(b"content-type", b"application/octet-stream"), end_stream=False) + f.data(s, GOOD, True)),
    "status-0": says(lambda s: status(s, code=b"0") + f.data(s, GOOD, True)),
    "status-huge": says(lambda s: status(s, code=b"99999999999999999999") + f.data(s, GOOD, True)),
    "wrong-length": says(lambda s: status(s, (b"content-length", b"99")) + f.data(s, GOOD, True)),
    "two-lengths": says(lambda s: status(s, (b"content-length", b"3"), (b"content-length", b"4")) + f.data(s, GOOD, True)),
    "over-window": says(lambda s: status(s) + b"".join(f.data(s, b"x" * 16384) for _ in range(80))),
    "big-frame": says(lambda s: f.frame(f.DATA, 0, s, b"x" * 65536)),
    "no-streams": says(lambda s: f.settings((3, 0)) + good(s)),
    "tiny-window": says(lambda s: f.settings((4, 0))),
    "garbage": says(lambda s: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    "silent": says(lambda s: b""),
    "never-ends": says(lambda s: status(s) + f.data(s, GOOD)),
}

GROUPS = {
    "endless answers": ["endless-body", "empty-data", "interim", "trailers", "continuation", "empty-continuation"],
    "floods of control frames": ["ping", "settings", "settings-windows", "window-updates", "priority", "unknown"],
    "headers": ["hpack-bomb", "huge-header", "no-status", "status-0", "status-huge", "wrong-length", "two-lengths"],
    "streams": ["push", "goaway", "goaway-storm", "rst", "rst-after", "rst-storm", "two-answers", "other-stream", "even-stream"],
    "windows and silence": ["over-window", "big-frame", "no-streams", "tiny-window", "garbage", "silent", "never-ends"],
}




def serve(connection):
    """Names come in Huffman's code, so the behaviour is asked of the body: the target's type is in there."""
    have, known = b"", {}
    try:
        connection.sendall(f.settings())
        while True:
            piece = connection.recv(65536)
            if not piece:
                return
            have += piece
            if have.startswith(f.PREFACE):
                have = have[len(f.PREFACE):]
            elif len(have) < len(f.PREFACE) and f.PREFACE.startswith(have):
                continue
            found, have = f.parse(have)
            for kind, flags, stream, payload in found:
                if kind == f.SETTINGS and not flags & f.ACK:
                    connection.sendall(f.settings(ack=True))
                if kind == f.DATA:
                    known[stream] = known.get(stream, b"") + payload
                    if flags & f.END_STREAM:
                        answer(connection, stream, known.pop(stream))
    except OSError:
        pass
    finally:
        connection.close()


def answer(connection, stream, body):
    for name in sorted(HTTP2, key=len, reverse=True) if hostile_now.value else ():
        if b"h2-" + name.encode() in body[:200]:
            HTTP2[name](connection, stream)
            return
    connection.sendall(good(stream))
