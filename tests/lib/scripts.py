"""Behaviours for scripted functions, shared by stories."""
import wire

# Settings of an endpoint that parks a bad address after a few attempts instead of two minutes.
PARK_SOON = {"retry": "{attempts: 3}"}

COUNT = ("count", wire.INT)
LOG = ("log", wire.JSON)


def count_of(call):
    value = call.request.state.get("count")
    return value.int() if value else 0


def log_of(call):
    value = call.request.state.get("log")
    return value.json() if value else []


def counted(call, response=None):
    """The good behaviour: count each message, log it, answer whoever asks."""
    if call.needs(COUNT, LOG):
        return
    response = response or wire.Response()
    count, log = count_of(call), log_of(call)
    for message in call.request.messages:
        count += 1
        log.append(message.argument.json() if message.argument.bytes else None)
        if message.caller and message.caller.namespace == "holdfast":
            response.send(message.caller, wire.as_json({"count": count, "log": log}))
    call.result(response.set("count", wire.int32(count)).set("log", wire.as_json(log)))


class Parked:
    """The operator's view of addresses that stopped."""

    def __init__(self, gateway):
        self.gateway = gateway

    def rows(self):
        answer = self.gateway.admin.request("GET", "/v1/parked")
        assert answer.status == 200, answer
        return rows_of(answer, "parked")

    def ids(self):
        return sorted(row_id(row) for row in self.rows())

    def row(self, id):
        for row in self.rows():
            if row_id(row) == id:
                return row
        return None

    def verb(self, verb, address):
        from client import address_path
        return self.gateway.admin.request("POST", f"/v1/parked/{address_path(address)}/{verb}")


def rows_of(answer, name):
    body = answer.body.decode()
    if not body.strip():
        return []
    if body.lstrip().startswith('{"' + name + '"'):
        return answer.json()[name]
    return answer.lines()


def row_id(row):
    return row.get("id") or row["address"].split("/", 2)[2]


def stored(gateway, address, name="count"):
    """A state value read over HTTP as the function's type: int for count, JSON for log; None when there is none."""
    answer = gateway.client.state(address, name)
    if answer.status == 404:
        return None
    assert answer.status == 200, answer
    return wire.Value(wire.INT, answer.body).int() if name == "count" else answer.json()
