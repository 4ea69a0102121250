"""py/w on the official Python SDK."""
import asyncio
import json
import os
import random
from datetime import timedelta

from aiohttp import web
from statefun import (RequestReplyHandler, StatefulFunctions, StringType, ValueSpec, egress_message_builder,
                      message_builder, simple_type)

import interpreter
from faults import Faults


def json_type(typename):
    return simple_type(typename=typename, serialize_fn=lambda value: json.dumps(value, separators=(",", ":")).encode(),
                       deserialize_fn=json.loads)


COMMAND, LOG, EFFECT = json_type("torture/Command"), json_type("torture/Log"), json_type("torture/Effect")
REPLY, REGISTER = json_type("torture/Reply"), json_type("torture/Register")
# Bytes that no response can begin with: of random ones, some are a response without effects.
GARBAGE = b"\xa2\x06\xff\xff\x7f"
faults = Faults()
functions = StatefulFunctions()


class Do:
    def __init__(self, context):
        self.context = context

    def message(self, to, node):
        typename, _, id = to.rpartition("/")
        return message_builder(target_typename=typename, target_id=id, value=node, value_type=COMMAND)

    def send(self, to, node):
        self.context.send(self.message(to, node))

    def send_after(self, delay_ms, to, node, token):
        self.context.send_after(timedelta(milliseconds=delay_ms), self.message(to, node), token)

    def cancel(self, token):
        self.context.cancel_delayed_message(token)

    def egress(self, effect):
        self.context.send_egress(egress_message_builder("torture/out", effect, EFFECT))

    def reply(self, answer, node):
        caller = self.context.caller
        if caller is None:
            return
        if caller.typename == "holdfast/reply":
            self.context.send(message_builder(target_typename=caller.typename, target_id=caller.id, value=answer,
                                              value_type=REPLY))
        else:
            self.send(f"{caller.typename}/{caller.id}", node)

    def blob(self, size):
        if size:
            self.context.storage.blob = "x" * size
        else:
            del self.context.storage.blob


@functions.bind("py/w", [ValueSpec(name="log", type=LOG), ValueSpec(name="blob", type=StringType),
                         ValueSpec(name="register", type=REGISTER)])
async def work(context, message):
    node = message.as_type(COMMAND)
    if "s" in node:
        await asyncio.sleep(node["s"] / 1000)
    address = f"{context.address.typename}/{context.address.id}"
    context.storage.log = interpreter.apply(node, address, context.storage.log, faults.epoch, Do(context))


handler = RequestReplyHandler(functions)


async def handle(request):
    body = await request.read()
    fault = faults.pick()
    if fault == "fail":
        return web.Response(status=500, text="told to fail")
    if fault == "garbage":
        return web.Response(body=GARBAGE + os.urandom(random.randrange(300)), content_type="application/octet-stream")
    if fault == "slow":
        await asyncio.sleep(random.uniform(0.1, 4))
    answer = await handler.handle_async(body)
    if fault == "late":  # after the work, so that a client that has given up meets an answer
        await asyncio.sleep(random.uniform(0, 0.5))
    if fault == "die":
        os._exit(3)
    return web.Response(body=answer, content_type="application/octet-stream")


if __name__ == "__main__":
    app = web.Application(client_max_size=64 << 20)
    app.add_routes([web.post("/statefun", handle)])
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)
