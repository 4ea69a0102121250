"""A load that stays the same: so many requests per second of each kind, over a set of keys that is bounded."""
import asyncio
import json
import random
import time

import function
from connection import Connection, NoAnswer

IDS = 400
KEYS = 4000         # different idempotency keys; in their window some come back
BATCH_LINES = 40
CHURN = 0.005       # connections that end, by request
PATH = "soak/w"


class Load:
    def __init__(self, port, seed, grows=False, abandons=False):
        """`grows`: nobody takes what the egress has. `abandons`: also calls without a key, of which a reply that nobody fetches
        is kept for ten minutes."""
        self.port, self.grows, self.abandons, self.random = port, grows, abandons, random.Random(seed)
        self.over = False
        self.requests = self.messages = self.pulled = self.refused = 0
        self.problems = []

    def id(self):
        return f"k{self.random.randrange(IDS)}"

    def argument(self, choice=None):
        choice = choice or self.random
        chance = choice.random()
        if chance < 0.6:
            return "A"
        if chance < 0.75:
            return f"F k{choice.randrange(IDS)}"
        if chance < 0.85:
            return f"D {choice.randrange(50, 1500)}"
        if chance < 0.9:
            return f"X t{choice.randrange(1 << 30)}"
        return f"B {choice.choice((0, 10, 200, 2000))}"

    # ---- Each kind of request ----

    async def post(self, to, verb, argument=None, more=()):
        return await to.request("POST", f"/v1/{verb}/{PATH}/{self.id()}", (argument or self.argument()).encode(),
                                [("Holdfast-Type", function.OP), *more])

    async def with_key(self, to, verb):
        """One key always comes with the same message."""
        key = f"{verb}{self.random.randrange(KEYS)}"
        return await self.post(to, verb, self.argument(random.Random(key)), [("Idempotency-Key", key)])

    async def send(self, to):
        return await self.post(to, "send")

    async def send_with_key(self, to):
        return await self.with_key(to, "send")

    async def send_delayed(self, to):
        return await self.post(to, "send", more=[("Holdfast-Delay", f"{self.random.randrange(20, 1500)}ms")])

    async def call(self, to):
        return await self.post(to, "call")

    async def call_with_key(self, to):
        return await self.with_key(to, "call")

    async def leave(self, asked):
        """Who has asked is gone before the answer."""
        try:
            await asyncio.wait_for(asked, 0.001)
        except (asyncio.TimeoutError, NoAnswer):
            pass

    async def call_and_leave(self, to):
        await self.leave(self.call(to))

    async def call_with_key_and_leave(self, to):
        await self.leave(self.call_with_key(to))

    async def batch(self, to):
        lines = [{"to": f"{PATH}/{self.id()}", "type": function.OP, "base64": self.random.choice(BASE64)}
                 for _ in range(BATCH_LINES)]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        answer = await to.request("POST", "/v1/batch", body, [("Content-Type", "application/x-ndjson")])
        if answer.status == 200:
            wrong = [line for line in answer.body.splitlines() if json.loads(line)["status"] not in (202, 429, 503)]
            self.problems += [f"a line of a batch: {line}" for line in wrong]
            self.messages += BATCH_LINES - 1
        return answer

    async def put(self, to):
        return await to.request("PUT", f"/v1/state/{PATH}/{self.id()}/memo", b"m" * self.random.randrange(300),
                                [("Holdfast-Type", "soak/memo")])

    async def delete(self, to):
        return await to.request("DELETE", f"/v1/state/{PATH}/k{self.random.randrange(IDS)}/memo")

    async def get(self, to):
        return await to.request("GET", f"/v1/state/{PATH}/k{self.random.randrange(IDS)}/count")

    async def get_keys(self, to):
        return await to.request("GET", f"/v1/keys/{PATH}?limit=50")

    async def export(self, to):
        return await to.request("GET", "/v1/export?limit=50")

    # ---- Clients ----

    async def client(self, turn, per_second):
        """Keeps its rate by the clock; what it could not do in time it does not catch up with."""
        connection, due = Connection(self.port), time.monotonic()
        while not self.over:
            due = max(due + self.random.expovariate(per_second), time.monotonic() - 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            try:
                self.take(await turn(connection))
            except NoAnswer as error:
                self.problems.append(repr(error))
            if self.random.random() < CHURN:
                connection.close()
        connection.close()

    def take(self, answer):
        self.requests += 1
        self.messages += 1
        if answer is None:
            return
        self.refused += answer.status in (429, 503)
        if answer.status not in (200, 202, 204, 404, 429, 503):
            self.problems.append(repr(answer))

    async def pull(self, wait="1s"):
        """Takes what has come; false when there was nothing."""
        answer = await self.puller.request("GET", f"/v1/egress/{function.EGRESS}?max=1000&wait={wait}")
        records = answer.json()["records"] if answer.status == 200 else []
        if not records:
            return False
        self.pulled += len(records)
        acked = await self.puller.request("POST", f"/v1/egress/{function.EGRESS}/ack",
                                          json.dumps({"cursor": records[-1]["cursor"]}).encode())
        if acked.status != 200:
            self.problems.append(f"ack: {acked!r}")
        return True

    async def pull_all(self):
        while not self.over:
            try:
                await self.pull()
            except NoAnswer as error:
                self.problems.append(repr(error))

    def tasks(self):
        """As many clients as connections; the rates are requests per second of each."""
        self.puller = Connection(self.port)
        crew = [(self.send, 60, 2), (self.send_with_key, 60, 1), (self.send_delayed, 30, 1), (self.call, 40, 3),
                (self.call_with_key, 40, 2), (self.call_with_key_and_leave, 5, 1), (self.batch, 10, 2), (self.put, 30, 1),
                (self.delete, 20, 1), (self.get, 40, 1), (self.get_keys, 2, 1), (self.export, 2, 1)]
        crew += [(self.call_and_leave, 2, 1)] * self.abandons
        made = [self.client(turn, rate) for turn, rate, count in crew for _ in range(count)]
        pullers = [] if self.grows else [self.pull_all()]
        return [asyncio.ensure_future(each) for each in [*made, *pullers]]


BASE64 = ["QQ==", "RiBrMQ==", "QiAyMDA="]  # A, F k1, B 200
