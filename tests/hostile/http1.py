"""Attacks on the data listener over HTTP/1."""
import select
import socket
import struct
import time

from attack import attack, read_all, statuses

CALL = b"/v1/call/e2e/counter/evil"
KEYS = b"/v1/keys/e2e/counter"
# The big value: a large answer for a small request.
BIG = b"GET /v1/state/e2e/counter/big/big HTTP/1.1\r\nhost: t\r\n\r\n"
GET = b"GET " + KEYS + b" HTTP/1.1\r\nhost: t\r\n\r\n"
HIDDEN = b"GET /v1/keys/e2e/hidden HTTP/1.1\r\nhost: t\r\n\r\n"


def post(*headers, target=CALL, version=b"HTTP/1.1", host=b"host: t\r\n"):
    return b"POST " + target + b" " + version + b"\r\n" + host + b"content-type: text/plain\r\n" + b"".join(
        header + b"\r\n" for header in headers) + b"\r\n"


# -- What can be read in two ways --

SMUGGLES = {
    "length and chunks": post(b"content-length: 6", b"transfer-encoding: chunked") + b"0\r\n\r\nG",
    "chunks and length": post(b"transfer-encoding: chunked", b"content-length: 4") + b"5c\r\n" + HIDDEN,
    "two lengths": post(b"content-length: 1", b"content-length: 40") + b"1" + HIDDEN,
    "two equal lengths": post(b"content-length: 1", b"Content-Length: 1") + b"1",
    "a list of lengths": post(b"content-length: 1, 1") + b"1",
    "signed length": post(b"content-length: +1") + b"1",
    "negative length": post(b"content-length: -1"),
    "hexadecimal length": post(b"content-length: 0x10") + b"0123456789abcdef",
    "length that overflows": post(b"content-length: 18446744073709551617") + b"1",
    "length of 2^64-1": post(b"content-length: 18446744073709551615") + b"1",
    "length with a space": post(b"content-length: 1 0") + b"1234567890",
    "empty length": post(b"content-length:") + HIDDEN,
    "coding in disguise: tab": post(b"transfer-encoding:\tchunked, identity") + b"0\r\n\r\n",
    "coding in disguise: xchunked": post(b"transfer-encoding: xchunked") + b"0\r\n\r\n",
    "coding in disguise: quotes": post(b'transfer-encoding: "chunked"') + b"0\r\n\r\n",
    "coding in disguise: vertical tab": post(b"transfer-encoding: \x0bchunked") + b"0\r\n\r\n",
    "coding in disguise: space before the colon": post(b"transfer-encoding : chunked") + b"0\r\n\r\n",
    "coding in disguise: folded": post(b"transfer-encoding:\r\n chunked") + b"0\r\n\r\n",
    "coding twice": post(b"transfer-encoding: chunked", b"transfer-encoding: chunked") + b"0\r\n\r\n",
    "coding identity": post(b"transfer-encoding: identity", b"content-length: 1") + b"1",
    "gzip, chunked": post(b"transfer-encoding: gzip, chunked") + b"0\r\n\r\n",
    "chunks in HTTP/1.0": post(b"transfer-encoding: chunked", version=b"HTTP/1.0") + b"0\r\n\r\n",
    "folded header": post(b"x-a: 1\r\n content-length: 40") + HIDDEN,
    "NUL in a value": post(b"x-a: 1\x002", b"content-length: 1") + b"1",
    "NUL in a name": post(b"x\x00a: 1", b"content-length: 1") + b"1",
    "control character in a value": post(b"x-a: \x01\x02", b"content-length: 1") + b"1",
    "CR in a value": post(b"x-a: 1\rcontent-length: 40", b"content-length: 1") + b"1",
    "header without a name": post(b": 1", b"content-length: 1") + b"1",
    "header without a colon": post(b"x-a", b"content-length: 1") + b"1",
    "space in a name": post(b"x a: 1", b"content-length: 1") + b"1",
    "two hosts": post(b"host: u", b"content-length: 1") + b"1",
    "no host": post(b"content-length: 1", host=b"") + b"1",
    "chunk size that overflows": post(b"transfer-encoding: chunked") + b"10000000000000001\r\n1\r\n0\r\n\r\n",
    "chunk size of 2^64-1": post(b"transfer-encoding: chunked") + b"ffffffffffffffff\r\n1\r\n0\r\n\r\n",
    "chunk size of 2^63": post(b"transfer-encoding: chunked") + b"8000000000000000\r\n1\r\n0\r\n\r\n",
    "negative chunk size": post(b"transfer-encoding: chunked") + b"-1\r\n1\r\n0\r\n\r\n",
    "no chunk size": post(b"transfer-encoding: chunked") + b"\r\n1\r\n0\r\n\r\n",
    "chunk longer than its size": post(b"transfer-encoding: chunked") + b"1\r\n12\r\n0\r\n\r\n",
    "upgrade to h2c": post(b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAMAAABkAAQAAP__",
                           b"content-length: 1") + b"1",
    "version 2.0": b"GET " + KEYS + b" HTTP/2.0\r\nhost: t\r\n\r\n",
    "version 1.1 with a tail": b"GET " + KEYS + b" HTTP/1.1x\r\nhost: t\r\n\r\n",
    "no version (0.9)": b"GET " + KEYS + b"\r\n\r\n",
    "empty method": b" " + KEYS + b" HTTP/1.1\r\nhost: t\r\n\r\n",
    "control character in the target": b"GET /v1/\x01 HTTP/1.1\r\nhost: t\r\n\r\n",
    "NUL in the target": b"GET /v1/keys\x00 HTTP/1.1\r\nhost: t\r\n\r\n",
}
# These may be understood, in one way only: answered once, whatever the answer is, without the hidden request.
ODD = {
    "chunk extensions": (post(b"transfer-encoding: chunked") + b"1;a=b;c=\"d\"\r\n1\r\n0;e\r\n\r\n", 1),
    # h2o takes it for 0; nothing is read behind it, so nothing can be hidden there.
    "chunk size 0x1": (post(b"transfer-encoding: chunked") + b"0x1\r\n1\r\n0\r\n\r\n" + HIDDEN, 1),
    "a request after chunks": (post(b"transfer-encoding: chunked") + b"1\r\n1\r\n0\r\n\r\n" + HIDDEN, 1),
    "a trailer": (post(b"transfer-encoding: chunked") + b"1\r\n1\r\n0\r\ncontent-length: 40\r\n\r\n", 1),
    "bare line feeds": (b"GET " + KEYS + b" HTTP/1.1\nhost: t\n\n", 1),
    "absolute form": (b"GET http://other.example" + KEYS + b" HTTP/1.1\r\nhost: t\r\n\r\n", 1),
    "asterisk form": (b"OPTIONS * HTTP/1.1\r\nhost: t\r\n\r\n", 1),
    "authority form": (b"CONNECT other.example:443 HTTP/1.1\r\nhost: other.example:443\r\n\r\n", 1),
    "TRACE": (b"TRACE " + KEYS + b" HTTP/1.1\r\nhost: t\r\nmax-forwards: 0\r\n\r\n", 1),
    "HTTP/1.0": (b"GET " + KEYS + b" HTTP/1.0\r\n\r\n", 1),
    "upgrade to websocket": (b"GET " + KEYS + b" HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                             b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n", 1),
    "GET with a body": (b"GET " + KEYS + b" HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\n\r\n1", 1),
    "two in one write": (GET + HIDDEN, 2),
    "percent NUL": (b"GET /v1/state/e2e/counter/%00 HTTP/1.1\r\nhost: t\r\n\r\n", 1),
    "dots": (b"GET /v1/../../etc/passwd HTTP/1.1\r\nhost: t\r\n\r\n", 1),
    "overlong UTF-8": (b"GET /v1/state/e2e/counter/%c0%af HTTP/1.1\r\nhost: t\r\n\r\n", 1),
    "empty lines first": (b"\r\n" + GET, 1),
}


def one_smuggle(target, name, request):
    connection = target.connect()
    if connection is None:
        return
    target.send(connection, request + HIDDEN)
    try:
        connection.shutdown(socket.SHUT_WR)  # nothing follows: lengths that never fill up end here
    except OSError:
        pass
    got, closed = read_all(connection)
    connection.close()
    found = statuses(got)
    target.check(closed, f"smuggling, {name}: the connection stays open")
    # An upgrade that is begun and cut at once hides nothing either.
    allowed = [[101]] if name == "upgrade to h2c" else []
    target.check(found in allowed or len(found) <= 1 and all(400 <= status < 600 for status in found),
                 f"smuggling, {name}: answered {found}: {got[:160]!r}")


@attack("http1 smuggling", variants=len(SMUGGLES))
def smuggling(target):
    while target.going():
        for name, request in SMUGGLES.items():
            one_smuggle(target, name, request)
            time.sleep(0.001)
            if target.counts["checks"] >= 2 * len(SMUGGLES) and not target.going():
                return


@attack("http1 oddities", variants=len(ODD))
def oddities(target):
    while target.going():
        for name, (request, most) in ODD.items():
            connection = target.connect()
            if connection is None:
                continue
            target.send(connection, request)
            connection.shutdown(socket.SHUT_WR)
            got, closed = read_all(connection)
            connection.close()
            found = statuses(got)
            target.check(closed, f"{name}: the connection stays open")
            target.check(len(found) <= most and not [status for status in found if status in (101, 500)],
                         f"{name}: answered {found}: {got[:160]!r}")


# -- Heads --

@attack("http1 endless header line", variants=2)
def endless_header(target):
    target.flood(lambda i: b"GET / HTTP/1.1\r\nx: " + b"a" * 65536 if i == 0 else b"a" * 65536, read=True)
    target.check(target.counts["cut"] > 0, "a header line without end is not cut")


@attack("http1 endless headers")
def endless_headers(target):
    target.flood(lambda i: b"GET / HTTP/1.1\r\n" if i == 0 else b"x-header: value\r\n" * 4096, read=True)
    target.check(target.counts["cut"] > 0, "headers without end are not cut")


@attack("http1 many large heads", variants=2)
def large_heads(target):
    whole = b"GET " + KEYS + b" HTTP/1.1\r\nhost: t\r\n" + b"".join(b"x-%d: %s\r\n" % (i, b"v" * 600) for i in range(90)) + b"\r\n"
    wide = b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\nhost: t\r\n\r\n"
    target.flood(lambda i: whole if i % 2 else wide, read=True, connections=16)


# -- Slow ones --

def trickle(target, lead, drip, count, every_s=0.4):
    """Many connections that get on by a byte now and then."""
    live = []
    while target.going():
        if len(live) < count:
            for _ in range(min(100, count - len(live))):
                connection = target.connect()
                if connection is None:
                    break
                if target.send(connection, lead):
                    live.append(connection)
            if len(live) < count and target.going():
                time.sleep(0.02)
                continue
        for connection in list(live):
            if not target.send(connection, drip):
                live.remove(connection)
            if not target.going():
                break
        time.sleep(every_s)
    target.held += live


@attack("http1 slow heads")
def slow_heads(target):
    trickle(target, b"GET / HTTP/1.1\r\nhost: t\r\nx-a: ", b"a", 1000)


@attack("http1 slow bodies", variants=2)
def slow_bodies(target):
    trickle(target, post(b"content-length: 30000000") + b"1" * 1000, b"1", 500)


@attack("http1 slow chunks")
def slow_chunks(target):
    trickle(target, post(b"transfer-encoding: chunked"), b"1\r\n1\r\n", 500)


@attack("http1 slow readers of a large answer")
def slow_readers(target):
    trickle(target, BIG, b"", 300)


@attack("http1 pipelined large answers, unread")
def pipelined_unread(target):
    target.flood(lambda i: BIG * 100, connections=50)


@attack("http1 expect 100-continue", variants=2)
def expects(target):
    trickle(target, post(b"expect: 100-continue", b"content-length: 33000000"), b"", 1000)


# -- Floods --

@attack("http1 pipelining flood, read")
def pipelining(target):
    target.flood(lambda i: GET * 500, read=True)


@attack("http1 pipelining flood, unread")
def pipelining_unread(target):
    target.flood(lambda i: GET * 500)


@attack("http1 idle connections")
def idle_connections(target):
    trickle(target, b"", b"", 3000)


@attack("connect and close", variants=2)
def connect_and_close(target):
    reset = struct.pack("ii", 1, 0)
    while target.going():
        for number in range(20):
            connection = target.connect()
            if connection is None:
                continue
            if number % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            connection.close()
        time.sleep(0.01)


@attack("ask and go away", variants=3)
def ask_and_go(target):
    """A durable call whose client is gone before the answer: by FIN, by RST, half closed."""
    reset = struct.pack("ii", 1, 0)
    held = []
    while target.going():
        for number in range(9):
            connection = target.connect()
            if connection is None:
                continue
            target.send(connection, post(b"content-length: 1") + b"1")
            if number % 3 == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            if number % 3 == 2:
                connection.shutdown(socket.SHUT_WR)
                held.append(connection)
            else:
                connection.close()
        while len(held) > 50:
            held.pop(0).close()
        time.sleep(0.02)


@attack("garbage", variants=3)
def garbage(target):
    from random import Random
    random = Random(target.seed)
    noise = [random.randbytes(16384) for _ in range(32)]
    target.flood(lambda i: noise[random.randrange(32)], read=True, connections=20)
    target.check(target.counts["cut"] > 0, "garbage is not cut")


@attack("TLS on the plain port", variants=2)
def tls_garbage(target):
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(range(200))
    record = b"\x17\x03\x03\x40\x00" + b"\x00" * 16384
    target.flood(lambda i: hello if i == 0 else record, read=True, connections=20)
    target.check(target.counts["cut"] > 0, "TLS on a plain port is not cut")


# -- Bodies --

@attack("http1 giant bodies with a length")
def giant_bodies(target):
    piece = b"1" * 65536
    target.flood(lambda i: post(b"content-length: 33554432") if i == 0 else piece, read=True, connections=40)


@attack("http1 too large by its length", variants=2)
def too_large(target):
    while target.going():
        connection = target.connect()
        if connection is None:
            continue
        connection.sendall(post(b"content-length: 9999999999999"))  # all of it, also at the very end
        got, _ = read_all(connection, 2)
        target.check(statuses(got)[:1] == [413], f"a body of 10 TB: {got[:100]!r}")
        connection.close()
        time.sleep(0.01)


@attack("http1 endless chunks", variants=2)
def endless_chunks(target):
    piece = (b"4000\r\n" + b"1" * 0x4000 + b"\r\n") * 4
    target.flood(lambda i: post(b"transfer-encoding: chunked") if i == 0 else piece, read=True, connections=40)


@attack("http1 chunk of one byte with extensions")
def tiny_chunks(target):
    piece = b"1;ext=%s\r\n1\r\n" % (b"x" * 40) * 1000
    target.flood(lambda i: post(b"transfer-encoding: chunked") if i == 0 else piece, read=True, connections=8)


@attack("http1 endless chunk extension", variants=2)
def chunk_extension(target):
    piece = b"x" * 65536
    target.flood(lambda i: post(b"transfer-encoding: chunked") + b"1;" if i == 0 else piece, read=True, connections=8)


@attack("http1 endless trailer")
def trailers(target):
    piece = b"x-a: 1\r\n" * 8192
    target.flood(lambda i: post(b"transfer-encoding: chunked") + b"0\r\n" if i == 0 else piece, read=True, connections=8)


def wait_cut(connections, timeout_s):
    """How many of them the other side has closed within the time."""
    poll = select.poll()
    for connection in connections:
        connection.setblocking(False)
        poll.register(connection, select.POLLIN)
    by_fd = {connection.fileno(): connection for connection in connections}
    end = time.monotonic() + timeout_s
    while by_fd and time.monotonic() < end:
        for fd, _ in poll.poll(200):
            try:
                gone = not by_fd[fd].recv(65536)
            except BlockingIOError:
                continue
            except OSError:
                gone = True
            if gone:
                poll.unregister(fd)
                del by_fd[fd]
    return len(connections) - len(by_fd)


def catches_smuggling():
    """The checks above would see two answers where one is due."""
    two = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    return statuses(two) == [200, 404] and statuses(two[:30]) == []
