"""Clients of the torture test. They write down what they sent and what they were told, and nothing else."""
import asyncio
import base64
import json
import random
import time

import trees
import wire
from connection import Connection, NoAnswer

TRY_AGAIN = (404, 429, 503)  # 404: a reload may take a function away for a moment
QUEUE, LETTERS = "torture/out", "holdfast/dead-letters"


def path_of(address):
    return "/".join(part.replace("/", "%2F") for part in address.split("/", 2))


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


class Client:
    """One client with its own connection and its own random numbers."""

    keyed = True

    def __init__(self, world, name):
        self.world, self.history, self.name = world, world.history, name
        self.random = random.Random(f"{world.seed}/{name}")
        self.connection = Connection(world.client_port)
        self.grower = trees.Grower(self.random, lambda: world.epoch)
        self.number = self.order = self.retries = 0

    async def run(self):
        while self.world.loading:
            await self.world.has_room(self)
            await self.turn()
        self.connection.close()

    def root(self, more=None):
        """Makes a message and notes that it is about to be sent: (name, address, node)."""
        self.number += 1
        name = f"{self.name}{self.number}"
        address = self.grower.address()
        node = trees.name_tokens(name, {**self.grower.root(address), **(more or {})})
        return name, address, node

    def note_root(self, name, address, node, **more):
        self.history.add("root", n=name, to=address, node=node, key=self.keyed, **{"from": self.name}, **more)
        self.world.expected += trees.size(node)

    def note_accepted(self, name, message, ordered=True):
        self.order += 1
        more = {"o": self.order} if ordered else {}
        self.history.add("accepted", n=name, m=message, **more)

    async def pause(self):
        self.retries += 1
        await asyncio.sleep(self.random.uniform(0.005, 0.05))

    def unexpected(self, name, answer):
        self.history.problem(f"{name}: {answer}")


class Batches(Client):
    """POST /v1/batch. With keys each line is repeated until it is accepted; without, nothing is."""

    async def turn(self):
        lines = {}
        for _ in range(self.random.randrange(5, 40)):
            name, address, node = self.root()
            delay = self.random.randrange(1500) if self.random.random() < 0.05 else None
            lines[name] = self.line(name, address, node, delay)
            self.note_root(name, address, node, **({} if delay is None else {"d": delay}))
        accepted, in_order = {}, True
        while len(accepted) < len(lines):
            # A client may not know which lines were answered: it repeats all, or what is left.
            names = list(lines) if self.random.random() < 0.5 else [name for name in lines if name not in accepted]
            statuses = await self.attempt(names, lines)
            if statuses is not None and any(status["status"] != 202 for status in statuses):
                in_order = False
            self.take(names, statuses, accepted)
            if not self.keyed or self.world.given_up:
                break
            if len(accepted) < len(lines):
                await self.pause()
        for name in lines:
            if name in accepted:
                self.note_accepted(name, accepted[name], in_order)

    def line(self, name, address, node, delay):
        line = {"to": address, "type": "torture/Command", "value": {"n": name, **node}}
        if self.keyed:
            line["key"] = name
        if delay is not None:
            line["delay"] = f"{delay}ms"
        return compact(line)

    async def attempt(self, names, lines):
        body = b"\n".join(lines[name] for name in names) + b"\n"
        headers = [("Content-Type", "application/x-ndjson")] + ([("X-Repeatable", "1")] if self.keyed else [])
        try:
            answer = await self.connection.request("POST", "/v1/batch", body, headers)
        except NoAnswer:
            return None
        if answer.status != 200:
            if answer.status not in TRY_AGAIN:
                self.unexpected(self.name, answer)
            return [{"status": answer.status} for _ in names]
        statuses = [json.loads(line) for line in answer.body.splitlines()]
        if len(statuses) != len(names):
            self.unexpected(f"{self.name}: {len(names)} lines", answer)
            return None
        return statuses

    def take(self, names, statuses, accepted):
        for name, status in zip(names, statuses or ()):
            if status["status"] == 202:
                known = accepted.setdefault(name, status["message"])
                if known != status["message"]:
                    self.history.problem(f"{name}: two message ids for one key: {known} {status['message']}")
            elif not self.keyed:
                if status["status"] in TRY_AGAIN:
                    self.history.add("refused", n=name, s=status["status"])
            elif status["status"] not in TRY_AGAIN:
                self.history.problem(f"{name}: {status}")


class PlainBatches(Batches):
    keyed = False

    async def turn(self):
        await super().turn()
        await asyncio.sleep(self.random.uniform(0, 0.05))


class Sender(Client):
    """POST /v1/send, with keys: repeated until accepted. Sometimes delayed, with a token, and taken back later."""

    async def turn(self):
        name, address, node = self.root()
        headers, more = [("Holdfast-Type", "torture/Command")], {}
        if self.keyed:
            headers += [("Idempotency-Key", name), ("X-Repeatable", "1")]
        if self.random.random() < 0.25:
            more["d"] = self.random.choice((self.random.randrange(40), self.random.randrange(2500)))
            headers.append(("Holdfast-Delay", f"{more['d']}ms"))
            if self.random.random() < 0.5:
                more["k"] = f"{name}-token"
                headers.append(("Holdfast-Cancel-Token", more["k"]))
        self.note_root(name, address, node, **more)
        body = compact({"n": name, **node})
        answer = await self.until_accepted(name, address, body, headers)
        if answer is None:
            return
        self.note_accepted(name, answer.json()["message"])
        if self.keyed and self.random.random() < 0.05:
            await self.again(name, address, body, headers, answer)
        if "k" in more and self.random.random() < 0.7:
            await self.take_back(address, more["k"])

    async def until_accepted(self, name, address, body, headers):
        while True:
            try:
                answer = await self.connection.request("POST", f"/v1/send/{path_of(address)}", body, headers)
                if answer.status == 202:
                    return answer
                if answer.status not in TRY_AGAIN:
                    self.unexpected(name, answer)
                    return None
                if not self.keyed:
                    self.history.add("refused", n=name, s=answer.status)
            except NoAnswer:
                pass
            await self.pause()
            if not self.keyed or self.world.given_up:
                return None

    async def again(self, name, address, body, headers, first):
        """A client that forgot that it was answered, and one that uses a key twice."""
        answer = await self.until_accepted(name, address, body, headers)
        if answer and answer.json()["message"] != first.json()["message"]:
            self.history.problem(f"{name}: two message ids for one key: {first.body} {answer.body}")
        try:
            answer = await self.connection.request("POST", f"/v1/send/{path_of(address)}", body + b" ", headers)
            if answer.status not in (422, *TRY_AGAIN):
                self.history.problem(f"{name}: the key with another body: {answer}")
        except NoAnswer:
            pass

    async def take_back(self, address, token):
        id = address.rsplit("/", 1)[1]
        await asyncio.sleep(self.random.choice((0, self.random.uniform(0, 0.05))))
        try:
            answer = await self.connection.request("DELETE", f"/v1/delayed/{id}/{token}")
            status = answer.status
            if status not in (200, 404, 503):
                self.unexpected(token, answer)
        except NoAnswer:
            status = None
        self.history.add("cancel", k=token, s=status)


class PlainSender(Sender):
    keyed = False


class Caller(Client):
    """POST /v1/call with a key: the reply names the message, and a repetition brings the same one."""

    def arguments(self, name):
        return [("Holdfast-Type", "torture/Command"), ("Idempotency-Key", name), ("X-Repeatable", "1"),
                ("Holdfast-Timeout", self.random.choice(("50ms", "1s", "4s")))]

    async def turn(self):
        name, address, node = self.root({"r": 1})
        self.note_root(name, address, node)
        body = compact({"n": name, **node})
        began = time.monotonic()
        reply = await self.until_answered(name, address, body)
        if reply is None:
            return
        self.history.add("reply", n=name, b=reply, began=began)
        if self.random.random() < 0.1:
            again = await self.until_answered(name, address, body)
            if again is not None and again != reply:
                self.history.problem(f"{name}: two replies for one key: {reply} {again}")

    async def until_answered(self, name, address, body):
        accepted = False
        while True:
            try:
                answer = await self.connection.request("POST", f"/v1/call/{path_of(address)}", body, self.arguments(name))
                sure = answer.status == 200 or answer.code() in ("no-reply-yet", "parked")
                if sure and not accepted:
                    accepted = True
                    self.note_accepted(name, answer.headers.get("holdfast-message"), ordered=answer.status == 200)
                if answer.status == 200:
                    return answer.json()
                if answer.code() not in ("no-reply-yet", "parked", "outcome-unknown") and answer.status not in TRY_AGAIN:
                    self.unexpected(name, answer)
                    return None
                if self.world.was_dropped(name):
                    return None  # an operator gave it up: there will be no reply
            except NoAnswer:
                pass
            await self.pause()
            if self.world.given_up:
                return None


class PlainCaller(Client):
    """Without a key; a reply that is late is fetched."""

    keyed = False

    async def turn(self):
        name, address, node = self.root({"r": 1})
        self.note_root(name, address, node)
        headers = [("Holdfast-Type", "torture/Command"), ("Holdfast-Timeout", self.random.choice(("30ms", "300ms", "3s")))]
        began = time.monotonic()
        try:
            answer = await self.connection.request("POST", f"/v1/call/{path_of(address)}", compact({"n": name, **node}), headers)
        except NoAnswer:
            await self.pause()
            return
        code = answer.code() if answer.status != 200 else ""
        if answer.status == 200:
            self.note_accepted(name, answer.headers.get("holdfast-message"))
            self.history.add("reply", n=name, b=answer.json(), began=began)
        elif code in ("no-reply-yet", "parked"):
            self.note_accepted(name, answer.headers.get("holdfast-message"), ordered=False)
            if "reply" in answer.json():
                await self.fetch(name, answer.json()["reply"], began)
        elif answer.status in TRY_AGAIN:
            self.history.add("refused", n=name, s=answer.status)
            await self.pause()
        elif code != "outcome-unknown":
            self.unexpected(name, answer)

    async def fetch(self, name, path, began):
        for _ in range(8):
            await asyncio.sleep(self.random.uniform(0.01, 0.4))
            try:
                answer = await self.connection.request("GET", path)
            except NoAnswer:
                continue
            if answer.status == 200:
                self.history.add("reply", n=name, b=answer.json(), began=began)
                return
            if answer.status not in (204, 503):
                self.unexpected(f"{name} {path}", answer)
                return


class Reader(Client):
    """GET of states: what a read has shown can never be undone."""

    async def turn(self):
        address = self.grower.address()
        if self.random.random() < 0.5:  # many reads of few addresses: that is where something can be undone
            address = f"{self.random.choice(trees.KINDS)}/k{self.random.randrange(trees.HOT)}"
        began = time.monotonic()
        try:
            answer = await self.connection.request("GET", f"/v1/state/{path_of(address)}/log")
            if answer.status == 200:
                self.history.add("read", a=address, began=began, **answer.json())
            elif answer.status not in TRY_AGAIN:
                self.unexpected(address, answer)
        except NoAnswer:
            pass
        await asyncio.sleep(self.random.uniform(0, 0.03))


class Swapper(Client):
    """PUT with If-Match: makes steps of a register that others want to make, too."""

    async def turn(self):
        address = f"{self.random.choice(trees.KINDS)}/k{self.random.randrange(4)}"
        path = f"/v1/state/{path_of(address)}/register"
        try:
            answer = await self.connection.request("GET", path)
            if answer.status == 200:
                value, condition = answer.json()["v"], ("If-Match", answer.headers["etag"])
            elif answer.status == 404:
                value, condition = 0, ("If-None-Match", "*")
            else:
                await self.pause()
                return
        except NoAnswer:
            await self.pause()
            return
        self.number += 1
        who = f"{self.name}{self.number}"
        try:
            answer = await self.connection.request("PUT", path, compact({"v": value + 1, "w": who}),
                                                   [("Holdfast-Type", "torture/Register"), condition])
            status = answer.status
            if status not in (204, 412, *TRY_AGAIN):
                self.unexpected(f"{who} {address}", answer)
        except NoAnswer:
            status = None
        self.history.add("swap", a=address, v=value + 1, w=who, s=status)
        await asyncio.sleep(self.random.uniform(0, 0.05))


class Puller(Client):
    """Takes records out, notes each that it has not seen, and acknowledges only what it has noted."""

    queue = QUEUE

    def __init__(self, world, name):
        super().__init__(world, name)
        self.seen = {}

    async def run(self):
        while self.world.pulling:
            await self.turn()
        self.connection.close()

    async def turn(self, wait="100ms"):
        try:
            answer = await self.connection.request("GET", f"/v1/egress/{self.queue}?max=1000&wait={wait}")
        except NoAnswer:
            await self.pause()
            return None
        if answer.status != 200:
            await self.pause()
            return None
        page = answer.json()
        for record in page["records"]:
            self.note(record["cursor"], self.content(record))
        if page["records"] and (not self.world.loading or self.random.random() < 0.8):
            await self.acknowledge(page["records"][-1]["cursor"])
        return len(page["records"])

    @staticmethod
    def content(record):
        if "base64" in record:
            return json.loads(base64.b64decode(record["base64"]))
        value = record["value"]
        return json.loads(value) if isinstance(value, str) else value

    def note(self, cursor, value):
        known = self.seen.get(cursor)
        if known is None:
            self.seen[cursor] = value
            self.history.add("pull", q=self.queue, c=cursor, v=value)
            self.world.seen += 1
        elif known != value:
            self.history.problem(f"cursor {cursor} of {self.queue} changed: {known} {value}")

    async def acknowledge(self, cursor):
        try:
            answer = await self.connection.request("POST", f"/v1/egress/{self.queue}/ack", compact({"cursor": cursor}),
                                                   [("Content-Type", "application/json")])
            if answer.status != 200 and answer.status not in TRY_AGAIN:
                self.unexpected(f"ack of {cursor}", answer)
        except NoAnswer:
            pass


class LetterPuller(Puller):
    queue = LETTERS

    async def turn(self, wait="1s"):
        count = await super().turn(wait)
        await asyncio.sleep(self.random.uniform(0, 0.3))
        return count

    def note(self, cursor, value):
        """Of a dead letter, what its message was."""
        node = wire.decode_value(base64.b64decode(value["typedValueBase64"])).json()
        super().note(cursor, {"n": node["n"], "a": f"{value['function']}/{value['id']}"})


class Operator(Client):
    """Moves parked addresses on: mostly by retry, sometimes by skip or dead-letter. Asks the gateway directly."""

    def __init__(self, world, name):
        super().__init__(world, name)
        self.connection = Connection(world.admin_port)

    async def run(self):
        while self.world.loading:
            await self.turn()
            await asyncio.sleep(self.random.uniform(0.1, 0.6))
        self.connection.close()

    async def turn(self):
        """Gives how many were parked, or None."""
        try:
            answer = await self.connection.request("GET", "/v1/parked?limit=200", timeout_s=3)
            if answer.status != 200:
                return None
            rows = answer.json()["parked"]
            for row in rows:
                await self.move(f"{row['function']}/{row['id']}")
            return len(rows)
        except NoAnswer:
            return None

    async def move(self, address):
        answer = await self.connection.request("GET", f"/v1/parked/{path_of(address)}", timeout_s=3)
        if answer.status != 200:
            return
        name = json.loads(base64.b64decode(answer.json()["base64"]))["n"]
        verb = self.random.choices(("retry", "skip", "dead-letter"), (6, 2, 2))[0] if self.world.loading else "retry"
        if verb != "retry":
            self.world.dropped.add(name)
        status = None
        try:
            answer = await self.connection.request("POST", f"/v1/parked/{path_of(address)}/{verb}", timeout_s=3)
            status = answer.status
            if status not in (200, 404, 503):
                self.unexpected(f"{verb} {address}", answer)
        finally:
            self.history.add("verb", v=verb, a=address, n=name, s=status)


SMALL_CREW = (("s", Sender, 2), ("S", PlainSender, 1), ("c", Caller, 3), ("C", PlainCaller, 1), ("R", Reader, 1),
              ("w", Swapper, 2))
CREW = (("b", Batches, 2), ("B", PlainBatches, 1), *SMALL_CREW)
# Little memory remembers few keys: those that come in batches would push others out before their time.
FLOOD_CREW = (("B", PlainBatches, 3), *SMALL_CREW)
