"""The StateFun request-reply protocol in plain Python, enough for a scripted function server.

Written from the protocol's description on purpose, sharing nothing with the gateway: a bug in the gateway's codec
cannot hide behind the same bug here.
"""
import json
import struct
from dataclasses import dataclass, field
from typing import Optional


# ---- Protobuf ----

def varint(number):
    if number < 0:
        number += 1 << 64
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("varint too long")


def fields(data):
    """Yields (number, value); value is int for varints and fixed numbers, bytes otherwise."""
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<q", data, at)[0], at + 8
        elif kind == 2:
            length, at = read_varint(data, at)
            if at + length > len(data):
                raise ValueError("field ends beyond its message")
            value, at = data[at:at + length], at + length
        elif kind == 5:
            value, at = struct.unpack_from("<i", data, at)[0], at + 4
        else:
            raise ValueError(f"wire type {kind}")
        yield number, value


def block(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def integer(number, value):
    return varint(number << 3) + varint(value) if value else b""


def text(number, value):
    return block(number, value.encode()) if value else b""


# ---- Values ----

STRING = "io.statefun.types/string"
INT = "io.statefun.types/int"
LONG = "io.statefun.types/long"
JSON = "e2e/Json"


@dataclass(frozen=True)
class Value:
    typename: str
    bytes: bytes = b""
    has_value: bool = True

    def encode(self):
        return text(1, self.typename) + integer(2, int(self.has_value)) + (block(3, self.bytes) if self.bytes else b"")

    def json(self):
        return json.loads(self.bytes)

    def int(self):
        if not self.bytes:
            return 0
        return struct.unpack("<i", self.bytes[1:5])[0]

    def string(self):
        return dict(fields(self.bytes)).get(1, b"").decode()


def string(value):
    return Value(STRING, text(1, value))


def int32(value):
    return Value(INT, b"\x0d" + struct.pack("<i", value) if value else b"")


def int64(value):
    return Value(LONG, b"\x09" + struct.pack("<q", value) if value else b"")


def as_json(value, typename=JSON):
    return Value(typename, json.dumps(value).encode())


def decode_value(data):
    parts = dict(fields(data))
    return Value(parts.get(1, b"").decode(), bytes(parts.get(3, b"")), bool(parts.get(2, 0)))


# ---- Addresses ----

@dataclass(frozen=True)
class Address:
    namespace: str
    type: str
    id: str

    def __str__(self):
        return f"{self.namespace}/{self.type}/{self.id}"

    @property
    def typename(self):
        return f"{self.namespace}/{self.type}"

    def encode(self):
        return text(1, self.namespace) + text(2, self.type) + text(3, self.id)


def address(typename, id):
    namespace, _, name = typename.rpartition("/")
    return Address(namespace, name, id)


def decode_address(data):
    parts = dict(fields(data))
    return Address(*(parts.get(i, b"").decode() for i in (1, 2, 3)))


# ---- Requests ----

@dataclass
class Message:
    argument: Value
    caller: Optional[Address] = None


@dataclass
class Request:
    target: Optional[Address] = None
    state: dict = field(default_factory=dict)  # name -> Value, or None when registered but unset
    messages: list = field(default_factory=list)


def decode_request(data):
    request = Request()
    for number, value in fields(dict(fields(data))[100]):
        if number == 1:
            request.target = decode_address(value)
        elif number == 2:
            parts = dict(fields(value))
            request.state[parts[1].decode()] = decode_value(parts[2]) if 2 in parts else None
        elif number == 3:
            parts = dict(fields(value))
            caller = decode_address(parts[1]) if 1 in parts else None
            request.messages.append(Message(decode_value(parts[2]), caller))
    return request


def encode_request(request):
    out = block(1, request.target.encode())
    for name, value in request.state.items():
        out += block(2, text(1, name) + (block(2, value.encode()) if value else b""))
    for message in request.messages:
        caller = block(1, message.caller.encode()) if message.caller else b""
        out += block(3, caller + block(2, message.argument.encode()))
    return block(100, out)


# ---- Many addresses per request (proto/holdfast/bundle.proto) ----

def decode_bundle(data):
    """Yields (ToFunction, id, attempt, traceparent) of each invocation."""
    for number, invocation in fields(data):
        if number == 1:
            parts = dict(fields(invocation))
            yield parts[1], parts.get(2, b"").decode(), parts.get(3, 0), parts.get(4, b"").decode()


def encode_outcome(index, from_function=None, failure=None):
    """failure: (status, text, retry_after_ms). With neither it is handed back undone."""
    out = integer(1, index)
    if from_function is not None:
        out += block(2, from_function)
    if failure is not None:
        status, why, retry_after_ms = failure
        out += block(3, integer(1, status) + text(2, why) + integer(3, retry_after_ms))
    return block(1, out)


# ---- Responses ----

class Response:
    """What one invocation asks for, in the order in which it was asked."""

    def __init__(self):
        self.out = b""

    def set(self, name, value):
        self.out += block(1, integer(1, 1) + text(2, name) + block(3, value.encode()))
        return self

    def delete(self, name):
        self.out += block(1, text(2, name))
        return self

    def mutation(self, kind, name, value=None):
        self.out += block(1, integer(1, kind) + text(2, name) + (block(3, value.encode()) if value else b""))
        return self

    def send(self, to, value):
        self.out += block(2, block(1, to.encode()) + block(2, value.encode()))
        return self

    def send_after(self, delay_ms, to, value, token=""):
        self.out += block(3, integer(1, delay_ms) + block(2, to.encode()) + block(3, value.encode()) + text(11, token))
        return self

    def cancel(self, token):
        self.out += block(3, integer(10, 1) + text(11, token))
        return self

    def egress(self, name, value):
        namespace, _, kind = name.rpartition("/")
        self.out += block(4, text(1, namespace) + text(2, kind) + block(3, value.encode()))
        return self

    def encode(self):
        return block(100, self.out)


def incomplete(specs):
    """specs: (name, typename) or (name, typename, mode, milliseconds); mode 1 = after write, 2 = after invoke."""
    out = b""
    for name, typename, *expiry in specs:
        expiration = block(2, integer(1, expiry[0]) + integer(2, expiry[1])) if expiry else b""
        out += block(1, text(1, name) + expiration + text(3, typename))
    return block(101, out)
