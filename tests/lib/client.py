"""A small HTTP client for the gateway's own API. It never retries by itself: tests decide what a retry means."""
import base64
import http.client
import json
import time
from urllib.parse import quote

NO_ANSWER = (OSError, http.client.HTTPException)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def segment(value):
    return quote(value, safe="")


def address_path(address):
    """ns/type/id as a path; the id may hold anything, the namespace may hold slashes only when encoded."""
    namespace, name, id = address.split("/", 2)
    return "/".join(map(segment, (namespace, name, id)))


class Client:
    """One connection per request, or one kept open (keep=True, for one thread)."""

    def __init__(self, port, *, keep=False, timeout_s=30):
        self.port, self.keep, self.timeout_s = port, keep, timeout_s
        self.connection = None

    def request(self, method, path, body=b"", headers=None, timeout_s=None):
        if isinstance(body, str):
            body = body.encode()
        connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port)
        self.connection = None
        connection.timeout = timeout_s or self.timeout_s
        if connection.sock:
            connection.sock.settimeout(connection.timeout)
        try:
            connection.request(method, path, body=body or None, headers=headers or {})
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except BaseException:
            connection.close()
            raise
        if self.keep and not response.will_close:
            self.connection = connection
        else:
            connection.close()
        return answer

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def send(self, address, body=b"", *, type="e2e/Json", key=None, delay=None, token=None, headers=None, timeout_s=None):
        return self.request("POST", f"/v1/send/{address_path(address)}", _bytes(body),
                            _headers(type, key, headers, delay=delay, token=token), timeout_s)

    def call(self, address, body=b"", *, type="e2e/Json", key=None, timeout=None, headers=None, timeout_s=None):
        return self.request("POST", f"/v1/call/{address_path(address)}", _bytes(body),
                            _headers(type, key, headers, timeout=timeout), timeout_s)

    def state(self, address, name=None):
        path = f"/v1/state/{address_path(address)}"
        return self.request("GET", path + (f"/{segment(name)}" if name else ""))

    def put_state(self, address, name, body, *, type, if_match=None):
        headers = {"Holdfast-Type": type}
        if if_match is not None:
            headers["If-Match"] = if_match
        return self.request("PUT", f"/v1/state/{address_path(address)}/{segment(name)}", body, headers)

    def delete_state(self, address, name, *, if_match=None):
        headers = {"If-Match": if_match} if if_match is not None else {}
        return self.request("DELETE", f"/v1/state/{address_path(address)}/{segment(name)}", b"", headers)

    def pull(self, egress, *, max=100, wait=None, timeout_s=None):
        query = f"?max={max}" + (f"&wait={wait}" if wait else "")
        return self.request("GET", f"/v1/egress/{egress}{query}", timeout_s=timeout_s)

    def ack(self, egress, cursor):
        return self.request("POST", f"/v1/egress/{egress}/ack", json.dumps({"cursor": cursor}),
                            {"Content-Type": "application/json"})


def all_keys(client, typename, limit=500):
    """Every id of a function type that has state, page after page; [] when the type is unknown."""
    found, after = [], ""
    for _ in range(10_000):
        answer = client.request("GET", f"/v1/keys/{typename}?limit={limit}" + (f"&after={segment(after)}" if after else ""))
        if answer.status == 404:
            return found
        page = answer.json()
        if len(page["keys"]) > limit:
            raise AssertionError(f"{len(page['keys'])} keys, limit {limit}")
        found += [key["id"] if isinstance(key, dict) else key for key in page["keys"]]
        after = page.get("next") or ""
        if not after:
            return found
    raise AssertionError(f"keys of {typename} have no end")


def record_bytes(record):
    """The payload of one pulled record."""
    if "base64" in record:
        return base64.b64decode(record["base64"])
    value = record["value"]
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def record_json(record):
    value = record.get("value")
    if value is not None and not isinstance(value, str):
        return value
    return json.loads(record_bytes(record))


def pull_all(client, egress, quiet_s=0.5, max=1000):
    """Takes everything out of a pull queue until it stays empty for a while. Returns the records."""
    records, empty_since = [], None
    while empty_since is None or time.monotonic() - empty_since < quiet_s:
        answer = client.pull(egress, max=max)
        if answer.status not in (200, 204):
            raise AssertionError(f"pull of {egress}: {answer}")
        batch = answer.json()["records"] if answer.status == 200 else []
        if batch:
            records += batch
            acked = client.ack(egress, batch[-1]["cursor"])
            if acked.status >= 300:
                raise AssertionError(f"ack of {egress}: {acked}")
            empty_since = None
        else:
            empty_since = empty_since or time.monotonic()
            time.sleep(0.05)
    return records


def _bytes(body):
    return body if isinstance(body, (bytes, str)) else json.dumps(body).encode()


def _headers(type, key, extra, delay=None, token=None, timeout=None):
    headers = {"Holdfast-Type": type} if type else {}
    for name, value in (("Idempotency-Key", key), ("Holdfast-Delay", delay), ("Holdfast-Cancel-Token", token),
                        ("Holdfast-Timeout", timeout)):
        if value is not None:
            headers[name] = value
    headers.update(extra or {})
    return headers
