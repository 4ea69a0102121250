"""A payment provider as they are: sometimes it declines, sometimes it is slow, sometimes it crashes.

It reads requests from the gateway's pull queue and sends the result back as a message. Its books are one file of JSON
lines. A request that it has seen under the same cursor is a redelivery and charged once; a second request for a payment that
has been paid already is charged again, as a real provider would, and shows in the books.

    provider.py --gateway 127.0.0.1:7400 --books FILE [--crash 0.01]
"""
import argparse
import base64
import concurrent.futures
import http.client
import json
import os
import random
import threading
import time

QUEUE = "/v1/egress/billing/payment-requests"


class Books:
    """What the provider did, durable before it acknowledges anything."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.requests, self.answered = {}, set()
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                for line in file:
                    self._remember(json.loads(line))
        self.file = open(path, "a", encoding="utf-8")

    def _remember(self, entry):
        if "answered" in entry:
            self.answered.add(entry["answered"])
        else:
            self.requests[entry["cursor"]] = entry

    def write(self, entry):
        with self.lock:
            self.file.write(json.dumps(entry) + "\n")
            self.file.flush()
            self._remember(entry)

    def unanswered(self):
        return [entry for cursor, entry in self.requests.items() if cursor not in self.answered]


class Provider:
    def __init__(self, options):
        self.host, _, port = options.gateway.rpartition(":")
        self.port = int(port)
        self.crash = options.crash
        self.books = Books(options.books)
        self.answers = concurrent.futures.ThreadPoolExecutor(16)

    def request(self, method, path, body=None, headers=None):
        """Repeats until the gateway answers: it may be restarting."""
        while True:
            try:
                connection = http.client.HTTPConnection(self.host, self.port, timeout=15)
                connection.request(method, path, body, headers or {})
                response = connection.getresponse()
                answer = response.read()
                connection.close()
                if response.status < 500 and response.status != 429:
                    return response.status, answer
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)

    def run(self):
        for entry in self.books.unanswered():
            self.answers.submit(self.answer, entry)
        while True:
            status, body = self.request("GET", f"{QUEUE}?max=50&wait=2s")
            if status != 200:
                raise SystemExit(f"provider: pull answered {status} {body!r}")
            records = json.loads(body)["records"]
            for record in records:
                self.take(record)
            if records:
                if random.random() < self.crash:
                    os._exit(1)  # charged, but the gateway has not heard that: it will show the requests again
                self.request("POST", f"{QUEUE}/ack", json.dumps({"cursor": records[-1]["cursor"]}),
                             {"Content-Type": "application/json"})

    def take(self, record):
        """Charges a request, unless it is a redelivery."""
        if record["cursor"] in self.books.requests:
            return
        wanted = payload(record)
        declined = wanted["attempt"] < 3 and random.random() < 0.1
        entry = {"cursor": record["cursor"], "payment": wanted["payment"], "attempt": wanted["attempt"],
                 "cents": wanted["cents"], "outcome": "declined" if declined else "paid"}
        self.books.write(entry)
        self.answers.submit(self.answer, entry)

    def answer(self, entry):
        time.sleep(random.uniform(0.5, 2.0) if random.random() < 0.03 else random.uniform(0.0, 0.05))
        status, body = self.request(
            "POST", f"/v1/send/billing/payments/{entry['payment']}",
            json.dumps({"attempt": entry["attempt"], "outcome": entry["outcome"]}),
            {"Content-Type": "application/vnd.billing/PaymentResult",
             "Idempotency-Key": f"{entry['payment']}:{entry['attempt']}"})
        if status != 202:
            raise SystemExit(f"provider: result answered {status} {body!r}")
        self.books.write({"answered": entry["cursor"]})


def payload(record):
    if "base64" in record:
        return json.loads(base64.b64decode(record["base64"]))
    value = record["value"]
    return json.loads(value) if isinstance(value, str) else value


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", default="127.0.0.1:7400")
    parser.add_argument("--books", default="books.jsonl")
    parser.add_argument("--crash", type=float, default=0.0, help="probability of a crash before each acknowledgement")
    try:
        Provider(parser.parse_args()).run()
    except KeyboardInterrupt:
        os._exit(130)
