"""Attacks on the data listener over HTTP/2."""
import itertools
import struct
import time

import frames as f
from attack import attack, read_all
from http1 import trickle, wait_cut

BIG_PATH = b"/v1/state/e2e/counter/big/big"
CALL_BLOCK = f.block(b"POST", b"/v1/call/e2e/counter/evil", (b"content-type", b"text/plain"))
LONG_BLOCK = f.block(b"POST", b"/v1/call/e2e/silent/evil", (b"content-type", b"text/plain"))
# Not of the bystander's function: what waits there would be its own load, and no delay of the gateway's.
OTHERS_BLOCK = f.block(b"POST", b"/v1/call/hostile/silent/evil", (b"content-type", b"text/plain"))
GET_BIG = f.block(b"GET", BIG_PATH)


def stream_ids(first=1):
    return itertools.count(first, 2)


def per_connection(make):
    """Frames of a connection's own stream numbers: make(stream), several a time."""
    def pieces(index):
        return b"".join(make(1 + 2 * (index * 64 + i)) for i in range(64))
    return pieces


@attack("h2 rapid reset (CVE-2023-44487)", variants=2)
def rapid_reset(target):
    target.flood(per_connection(lambda s: f.headers(s, LONG_BLOCK) + f.rst(s)), read=True, lead=f.OPEN)
    target.check(target.counts["cut"] > 0, "rapid reset is not cut")


@attack("h2 rapid reset of requests that have not come whole")
def reset_uploads(target):
    target.flood(per_connection(lambda s: f.headers(s, CALL_BLOCK, end_stream=False) + f.data(s, b"1" * 100) + f.rst(s)),
                 read=True, lead=f.OPEN)
    target.check(target.counts["cut"] > 0, "resets of unfinished requests are not cut")


# What makes the server reset a stream by itself (MadeYouReset, CVE-2025-8671).
PROVOCATIONS = {
    "no window increment": lambda s: f.window(s, 0),
    "window overflow": lambda s: f.window(s, 0x7FFFFFFF) + f.window(s, 0x7FFFFFFF),
    "data after the end": lambda s: f.data(s, b"x"),
    "priority of a wrong size": lambda s: f.frame(f.PRIORITY, 0, s, b"\0\0\0\0"),
    "priority on itself": lambda s: f.priority(s, s),
    "headers after the end": lambda s: f.headers(s, LONG_BLOCK),
}


@attack("h2 made you reset (CVE-2025-8671)", variants=len(PROVOCATIONS))
def made_you_reset(target):
    each = max(0.3, (target.end - time.monotonic()) / len(PROVOCATIONS))
    end = target.end
    for name, provoke in PROVOCATIONS.items():
        before = target.counts["cut"]
        target.end = time.monotonic() + each  # each has its time, also when all of it is short
        target.flood(per_connection(lambda s, provoke=provoke: f.headers(s, LONG_BLOCK) + provoke(s)), read=True, lead=f.OPEN)
        cut = target.counts["cut"] > before or wait_cut(target.held, 2) > 0
        target.check(cut, f"provoked resets are not cut: {name}")
    target.end = end


@attack("h2 CONTINUATION flood (CVE-2024-27316)", variants=3)
def continuation_flood(target):
    piece = f.continuation(1, f.literal(b"x-a", b"v" * 1000) * 16)
    target.flood(lambda i: f.headers(1, end_headers=False) if i == 0 else piece, read=True, lead=f.OPEN)
    target.check(target.counts["cut"] > 0, "a CONTINUATION flood is not cut")


@attack("h2 empty CONTINUATION flood")
def empty_continuation(target):
    piece = f.continuation(1) * 4096
    target.flood(lambda i: f.headers(1, end_headers=False) if i == 0 else piece, read=True, lead=f.OPEN)
    target.check(target.counts["cut"] > 0, "a flood of empty CONTINUATIONs is not cut")


FRAMES_ALLOWED = 12000  # a connection may send as many that carry nothing at once


def control_flood(name, piece, lead=b""):
    """The same frames for ever; read and unread. Beyond any use, so to be cut."""
    frame_size = len(f.parse(piece)[0][0][3]) + 9

    def read(target):
        target.flood(lambda i: piece, read=True, lead=f.OPEN + lead)
        if target.counts["sent"] > 4 * FRAMES_ALLOWED * frame_size:
            target.check(target.counts["cut"] > 0, f"a {name} flood is not cut")

    def unread(target):
        target.flood(lambda i: piece, lead=f.OPEN + lead)

    attack(f"h2 {name} flood")(read)
    return unread


ping_unread = control_flood("PING", f.ping() * 1000)
settings_unread = control_flood("SETTINGS", f.settings((4, 65535)) * 1000)
control_flood("SETTINGS that move windows", (f.settings((4, 1)) + f.settings((4, 0x7FFFFFFF))) * 500,
              b"".join(f.headers(1 + 2 * i, OTHERS_BLOCK) for i in range(90)))
control_flood("PRIORITY", b"".join(f.priority(1 + 2 * (i % 15), 2 * (i % 7) + 1 if i % 15 != i % 7 else 0) for i in range(1000)))
control_flood("WINDOW_UPDATE", f.window(0, 1) * 1000)
control_flood("empty DATA", f.data(1) * 1000, f.headers(1, CALL_BLOCK, end_stream=False))
control_flood("padded empty DATA", f.frame(f.DATA, f.PADDED, 1, b"\xff" + b"\0" * 255) * 200,
              f.headers(1, CALL_BLOCK, end_stream=False))
control_flood("unknown frame", f.frame(0xFA, 0, 0, b"whatever") * 1000)
control_flood("RST_STREAM of a closed stream", f.rst(1) * 1000, f.headers(1))
control_flood("GOAWAY", f.frame(f.GOAWAY, 0, 0, struct.pack(">II", 0, 0)) * 1000)


@attack("h2 PING and SETTINGS flood, unread", variants=2)
def floods_unread(target):
    end = target.end
    target.end = time.monotonic() + (end - time.monotonic()) / 2
    ping_unread(target)
    target.end = end
    settings_unread(target)


@attack("h2 HPACK bomb", variants=2)
def hpack_bomb(target):
    entry = f.literal(b"x-bomb", b"b" * 3900, indexed=True)
    fire = f.block() + b"\xbe" * 14000  # a reference of one byte each to 4 KB
    target.flood(lambda i: f.headers(1, f.block() + entry) if i == 0 else f.headers(1 + 2 * i, fire), read=True, lead=f.OPEN)
    target.check(target.counts["cut"] > 0, "an HPACK bomb is not cut")


@attack("h2 HPACK table juggling", variants=3)
def hpack_tables(target):
    small = f.integer(0, 5, 0x20) + f.integer(4096, 5, 0x20)
    fill = b"".join(f.literal(b"x-%d" % i, b"v" * 90, indexed=True) for i in range(60))
    target.flood(per_connection(lambda s: f.headers(s, small + f.block() + fill)), read=True, lead=f.OPEN)


@attack("h2 header list over any size")
def header_list(target):
    wide = [f.literal(b"x-%d" % i, b"v" * 1000) for i in range(90)]

    def piece(i):
        s = 1 + 2 * i
        body = f.headers(s, f.block() + b"".join(wide[:15]), end_headers=False)
        for at in range(15, 90, 15):
            body += f.continuation(s, b"".join(wide[at:at + 15]), end_headers=at == 75)
        return body
    target.flood(piece, read=True, lead=f.OPEN)
    target.check(target.counts["cut"] > 0, "header lists of 90 KB are not refused")


@attack("h2 zero window, many answers held", variants=2)
def zero_window(target):
    lead = f.PREFACE + f.settings((4, 0)) + b"".join(f.headers(1 + 2 * i, GET_BIG) for i in range(90))
    trickle(target, lead, f.ping(), 60)


@attack("h2 one-byte windows")
def tiny_window(target):
    lead = f.PREFACE + f.settings((4, 1)) + b"".join(f.headers(1 + 2 * i, GET_BIG) for i in range(20))
    drip = b"".join(f.window(1 + 2 * i, 1) for i in range(20))
    trickle(target, lead, drip, 60, 0.05)


@attack("h2 many requests that never end", variants=2)
def never_end(target):
    lead = f.OPEN + b"".join(f.headers(1 + 2 * i, CALL_BLOCK, end_stream=False) + f.data(1 + 2 * i, b"1" * 1000) for i in range(100))
    trickle(target, lead, f.data(1, b"1"), 100)


@attack("h2 giant bodies", variants=2)
def giant_bodies(target):
    head = b"".join(f.headers(1 + 2 * i, CALL_BLOCK, end_stream=False) for i in range(20))
    piece = b"".join(f.data(1 + 2 * i, b"1" * 3000) for i in range(20))
    target.flood(lambda i: piece, read=True, connections=20, lead=f.OPEN + f.window(0, 1 << 30) + head)


@attack("h2 more streams than allowed")
def too_many_streams(target):
    target.flood(per_connection(lambda s: f.headers(s, CALL_BLOCK, end_stream=False)), read=True, lead=f.OPEN)
    target.check(target.counts["cut"] > 0, "streams beyond the limit are opened for ever")


# One connection each: the server must end it, or reset the stream, and say nothing else.
WRONG = {
    "even stream": f.headers(2),
    "stream 0 with headers": f.headers(0),
    "data on stream 0": f.data(0, b"x"),
    "data on an idle stream": f.data(1, b"x"),
    "streams that go back": f.headers(5) + f.headers(3),
    "continuation without headers": f.continuation(1, f.block(), True),
    "continuation of another stream": f.headers(1, end_headers=False) + f.continuation(3, b"", True),
    "ping between headers": f.headers(1, end_headers=False) + f.ping(),
    "push promise": f.frame(f.PUSH_PROMISE, f.END_HEADERS, 1, struct.pack(">I", 2) + f.block()),
    "frame over the limit": f.frame(f.DATA, 0, 1, b"x" * 20000),
    "frame of 16 MB": b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "window of the connection overflows": f.window(0, 0x7FFFFFFF),
    "no increment": f.window(0, 0),
    "settings on a stream": f.frame(f.SETTINGS, 0, 1),
    "settings of 5 bytes": f.frame(f.SETTINGS, 0, 0, b"\0" * 5),
    "settings ack with content": f.frame(f.SETTINGS, f.ACK, 0, b"\0" * 6),
    "window setting over 2^31": f.settings((4, 0x80000000)),
    "frame size setting of 1": f.settings((5, 1)),
    "ping of 7 bytes": f.frame(f.PING, 0, 0, b"1234567"),
    "reset of an idle stream": f.rst(9),
    "padding over the frame": f.headers(1, end_stream=False) + f.frame(f.DATA, f.PADDED, 1, b"\xff1"),
    "HPACK index 0": f.headers(1, b"\x80"),
    "HPACK index of nothing": f.headers(1, b"\xff\xff\x03"),
    "HPACK integer without end": f.headers(1, b"\xff" + b"\xff" * 200),
    "HPACK string over the block": f.headers(1, b"\x00\x7f\xff\xff\x7f"),
    "HPACK bad Huffman": f.headers(1, b"\x00\x84\xff\xff\xff\xff\x01a"),
    "HPACK table over its limit": f.headers(1, f.integer(1 << 20, 5, 0x20) + f.block()),
    "no method": f.headers(1, f.literal(b":scheme", b"http") + f.literal(b":path", b"/")),
    "empty path": f.headers(1, f.block(b"GET", b"")),
    "two paths": f.headers(1, f.block() + f.literal(b":path", b"/v1/keys/e2e/hidden")),
    "unknown pseudo header": f.headers(1, f.block() + f.literal(b":evil", b"1")),
    "upper case": f.headers(1, f.block() + f.literal(b"X-Upper", b"1")),
    "connection header": f.headers(1, f.block() + f.literal(b"connection", b"close")),
    "transfer-encoding": f.headers(1, f.block() + f.literal(b"transfer-encoding", b"chunked")),
    "CR LF in a value": f.headers(1, f.block() + f.literal(b"x-a", b"1\r\nx-b: 2")),
    "NUL in a value": f.headers(1, f.block() + f.literal(b"x-a", b"\x00")),
    "colon in a name": f.headers(1, f.block() + f.literal(b"a:b", b"1")),
    "length that does not fit": f.headers(1, CALL_BLOCK + f.literal(b"content-length", b"5"), end_stream=False)
                                + f.data(1, b"1", True),
    "two lengths": f.headers(1, CALL_BLOCK + f.literal(b"content-length", b"1") + f.literal(b"content-length", b"2"),
                             end_stream=False) + f.data(1, b"1", True),
    "trailers without end": f.headers(1, CALL_BLOCK, end_stream=False) + f.headers(1, f.literal(b"x-a", b"1"), end_stream=False),
    "goaway of 3 bytes": f.frame(f.GOAWAY, 0, 0, b"123"),
}
PREFACES = {
    "half a preface": b"PRI * HTTP/2.0\r\n\r\n",
    "a preface gone wrong": b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + f.settings(),
    "two prefaces": f.PREFACE + f.PREFACE,
    "a preface without settings": f.PREFACE + f.headers(1),
    "a preface after a request": b"GET /v1/keys/e2e/counter HTTP/1.1\r\nhost: t\r\n\r\n" + f.OPEN,
    "PRI with a host": b"PRI * HTTP/2.0\r\nhost: t\r\n\r\n",
    "PRI alone": b"PRI ",
}


def refused(got, closed):
    """Ended, reset, or answered with 400 or 431: anything but a good answer."""
    found, _ = f.parse(got)
    kinds = {kind for kind, _, stream, _ in found if stream != 0 or kind == f.GOAWAY}
    if closed or f.GOAWAY in kinds or f.RST_STREAM in kinds:
        return True
    heads = [payload for kind, _, _, payload in found if kind == f.HEADERS]
    return any(payload[:1] in (b"\x8c", b"\x8d") or b"400" in payload[:8] or b"431" in payload[:8] for payload in heads)


def listen_for_refusal(connection):
    """Reads until the server has refused, or answered the PING after it, or two seconds are over."""
    have, end = b"", time.monotonic() + 2
    while time.monotonic() < end:
        piece, closed = read_all(connection, 0.02)
        have += piece
        pinged = any(kind == f.PING for kind, _, _, _ in f.parse(have)[0])
        if closed or pinged or refused(have, closed):
            return have, closed
    return have, False


@attack("h2 protocol errors", variants=len(WRONG) + len(PREFACES))
def protocol_errors(target):
    everything = {**{name: f.OPEN + bytes_ for name, bytes_ in WRONG.items()}, **PREFACES}
    while target.going():
        for name, bytes_ in everything.items():
            connection = target.connect()
            if connection is None:
                continue
            target.send(connection, bytes_)
            if name in WRONG:
                target.send(connection, f.ping())  # whose answer says that it has all been read
            got, closed = listen_for_refusal(connection) if name in WRONG else read_all(connection, 0.02)
            connection.close()
            if name in WRONG:
                target.check(refused(got, closed), f"h2 {name}: not refused: {f.parse(got)[0]}")
            if not target.going():
                break
