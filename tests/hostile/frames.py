"""HTTP/2 frames and header blocks as bytes, right and wrong ones."""
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 1, 1, 4, 8, 32


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs, ack=False):
    return frame(SETTINGS, ACK if ack else 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def ping(data=b"12345678"):
    return frame(PING, 0, 0, data)


def rst(stream, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def priority(stream, on=0, weight=15):
    return frame(PRIORITY, 0, stream, struct.pack(">IB", on, weight))


def integer(value, bits, first=0):
    """HPACK's integer with a prefix."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out = bytearray([first | most])
    value -= most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value):
    return integer(len(value), 7) + value


def literal(name, value, indexed=False):
    """A header with a literal name, entered into the dynamic table or not."""
    return (b"\x40" if indexed else b"\x00") + text(name) + text(value)


def block(method=b"GET", path=b"/v1/keys/e2e/counter", *more):
    out = literal(b":method", method) + literal(b":scheme", b"http") + literal(b":path", path) + literal(b":authority", b"t")
    return out + b"".join(literal(name, value) for name, value in more)


def headers(stream, header_block=None, end_stream=True, end_headers=True, flags=0, prefix=b""):
    flags |= (END_STREAM if end_stream else 0) | (END_HEADERS if end_headers else 0)
    return frame(HEADERS, flags, stream, prefix + (block() if header_block is None else header_block))


def data(stream, payload=b"", end_stream=False):
    return frame(DATA, END_STREAM if end_stream else 0, stream, payload)


def continuation(stream, payload=b"", end_headers=False):
    return frame(CONTINUATION, END_HEADERS if end_headers else 0, stream, payload)


OPEN = PREFACE + settings()


def parse(have):
    """Whole frames in there: [(kind, flags, stream, payload)], and the rest."""
    found = []
    while len(have) >= 9:
        size = int.from_bytes(have[:3], "big")
        if len(have) < 9 + size:
            break
        found.append((have[3], have[4], int.from_bytes(have[5:9], "big") & 0x7FFFFFFF, have[9:9 + size]))
        have = have[9 + size:]
    return found, have
