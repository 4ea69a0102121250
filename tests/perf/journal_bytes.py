"""Where the journal's bytes are, field by field. Reads the segments as docs/formats.md describes them; damage is not its
business: it looks at what a gateway has just written."""
import collections
import struct

SEGMENT_HEAD, FRAME_HEAD = 4096, 64
FRAME_RECORDS = 1
ACCEPT, APPLY, EVICT = 4, 5, 10
KINDS = {ACCEPT: "ACCEPT", APPLY: "APPLY", EVICT: "EVICT"}
CALLER, REPLY_TOKEN, TRACEPARENT, DELAY, CANCEL_TOKEN, REPLY, STATE = 1, 2, 4, 8, 16, 32, 64


class Reader:
    """Takes fields off bytes and counts each by its name."""

    def __init__(self, data, count):
        self.data, self.at, self.count = data, 0, count

    def _add(self, name, begin):
        self.count[name] += self.at - begin

    def varint(self, name):
        begin, number, shift = self.at, 0, 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                self._add(name, begin)
                return number

    def fixed(self, name, size):
        self.at += size
        self.count[name] += size
        return self.data[self.at - size:self.at]

    def string(self, name):
        return self.fixed(name, self.varint(name))

    def typed_value(self, name):
        """A TypedValue: the name of its type apart from the rest, where that comes first (as everybody writes it)."""
        value = self.string(name)
        if value[:1] == b"\x0a" and value[1] < 128:
            self.count[name] -= value[1]
            self.count[f"{name}: name of the type"] += value[1]


def _item(reader, kind):
    flags = reader.fixed(f"{kind} heads", 1)[0]
    if not flags & REPLY:
        reader.varint(f"{kind} address")
    reader.string(f"{kind} reply token" if flags & REPLY else f"{kind} address")
    reader.typed_value(f"{kind} value")
    if flags & CALLER:
        reader.varint(f"{kind} caller")
        reader.string(f"{kind} caller")
    if flags & REPLY_TOKEN:
        reader.string(f"{kind} reply token")
    if flags & TRACEPARENT:
        reader.string(f"{kind} traceparent")
    if flags & (DELAY | CANCEL_TOKEN | STATE):
        raise ValueError("this reader knows calls only")


def _accept(reader):
    if reader.string("ACCEPT heads"):
        reader.fixed("ACCEPT heads", 8)  # of the body, with a key
    _item(reader, "ACCEPT")


def _apply(reader):
    reader.varint("APPLY address")
    reader.string("APPLY address")
    reader.varint("APPLY heads")      # messages it consumes
    reader.fixed("APPLY check", 4)
    reader.varint("APPLY heads")      # age of the state
    for _ in range(reader.varint("APPLY heads")):
        _item(reader, "APPLY")
    if reader.varint("APPLY heads") + reader.varint("APPLY heads") != 0:
        raise ValueError("this reader knows calls only")
    for _ in range(reader.varint("APPLY heads")):
        if reader.varint("APPLY state") & 1 == 0:
            reader.varint("APPLY state")
            reader.string("APPLY state")


def _frames(data):
    """The bodies of the frames that follow each other from the beginning, with their kind."""
    at, base = SEGMENT_HEAD, struct.unpack_from("<Q", data, 24)[0]
    while at + FRAME_HEAD <= len(data) and data[at:at + 4] == b"HFr1":
        size, position = struct.unpack_from("<I", data, at + 12)[0], struct.unpack_from("<Q", data, at + 40)[0]
        if position != base + at:
            return
        yield data[at + 5], data[at + FRAME_HEAD:at + FRAME_HEAD + size]
        at += FRAME_HEAD + (size + 7) // 8 * 8


def count(folder):
    """Bytes by field, and how many records of each kind there are, of all segments of a data directory."""
    fields, kinds, stream = collections.Counter(), collections.Counter(), b""
    for path in sorted((folder / "journal").glob("segment-0*")):
        for kind, body in _frames(path.read_bytes()):
            padding = -len(body) % 8
            fields["frames of the groups"] += FRAME_HEAD + padding
            if kind == FRAME_RECORDS:
                stream += body
    reader = Reader(stream, collections.Counter())
    while reader.at < len(stream):
        size = reader.varint("size")
        record = Reader(stream[reader.at:reader.at + size], collections.Counter())
        kind = record.fixed("head", 1)[0]
        record.varint("head")  # milliseconds since the one before
        name = KINDS.get(kind, "others")
        {ACCEPT: _accept, APPLY: _apply}.get(kind, lambda record: record.fixed(name, size - record.at))(record)
        if record.at != size:
            raise ValueError(f"a record of kind {kind} has {size} bytes, {record.at} of them known")
        head = record.count.pop("head") + reader.count.pop("size")
        fields[f"{name} heads" if kind in (ACCEPT, APPLY) else name] += head
        fields.update(record.count)
        kinds[name] += 1
        reader.at += size
    return fields, kinds
