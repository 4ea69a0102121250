"""Functions on the official Python SDK that do what a message tells them, so that stories need no code here.

A message of type e2e/Command is JSON: {"do": [operation, ...]}. The same interpreter exists in JavaScript.
"""
import asyncio
import json
import os
from datetime import timedelta

from aiohttp import web
from statefun import (RequestReplyHandler, StatefulFunctions, ValueSpec, BoolType, IntType, FloatType, LongType,
                      DoubleType, StringType, egress_message_builder, message_builder, simple_type)
from statefun.request_reply_pb2 import ToFunction


def json_type(typename):
    return simple_type(typename=typename, serialize_fn=lambda value: json.dumps(value).encode(),
                       deserialize_fn=json.loads)


COMMAND = json_type("e2e/Command")
JSON = json_type("e2e/Json")
CUSTOM = simple_type(typename="e2e/reversed", serialize_fn=lambda value: value[::-1].encode(),
                     deserialize_fn=lambda data: data.decode()[::-1])
PLAYGROUND = json_type("io.statefun.playground/EgressRecord")

TYPES = {"a_bool": BoolType, "an_int": IntType, "a_float": FloatType, "a_long": LongType, "a_double": DoubleType,
         "a_string": StringType, "a_json": JSON, "a_custom": CUSTOM}
functions = StatefulFunctions()


def all_states(context):
    return {name: getattr(context.storage, name) for name in sorted(context.storage._cells)}


def perform(context, operation):
    """One operation; `sleep` is done by the caller."""
    kind = operation["op"]
    storage = context.storage
    if kind == "count":
        storage.count = (storage.count or 0) + operation.get("by", 1)
    elif kind == "append":
        storage.log = (storage.log or []) + [operation["value"]]
    elif kind == "set":
        setattr(storage, operation["state"], operation["value"])
    elif kind == "delete":
        delattr(storage, operation["state"])
    elif kind == "reply":
        reply(context, operation["value"])
    elif kind == "reply_states":
        reply(context, all_states(context))
    elif kind == "reply_caller":
        caller = context.caller
        reply(context, {"typename": caller.typename, "id": caller.id})
    elif kind == "tell_caller":
        context.send(command(context.caller.typename, context.caller.id, operation["do"]))
    elif kind == "note_caller":
        caller = context.caller
        storage.log = (storage.log or []) + [f"{caller.typename}/{caller.id}" if caller else None]
    elif kind == "remember_caller":
        storage.log = (storage.log or []) + [{"typename": context.caller.typename, "id": context.caller.id}]
    elif kind == "reply_remembered":
        to = storage.log[0]
        context.send(message_builder(target_typename=to["typename"], target_id=to["id"], value=operation["value"],
                                     value_type=JSON))
    elif kind == "send":
        for number in range(operation.get("times", 1)):
            id = operation["id"].replace("#", str(number))
            context.send(command(operation["to"], id, operation["do"]))
    elif kind == "send_after":
        context.send_after(timedelta(milliseconds=operation["ms"]),
                           command(operation["to"], operation["id"], operation["do"]), operation.get("token", ""))
    elif kind == "cancel":
        context.cancel_delayed_message(operation["token"])
    elif kind == "egress":
        context.send_egress(egress_message_builder(operation["to"], operation["value"],
                                                   PLAYGROUND if "playground" in operation["to"] else JSON))
    elif kind == "fail":
        raise ValueError("told to fail")
    elif kind != "sleep":
        raise ValueError(f"unknown operation {kind}")


def command(typename, id, operations):
    return message_builder(target_typename=typename, target_id=id, value={"do": operations}, value_type=COMMAND)


def reply(context, value):
    context.send(message_builder(target_typename=context.caller.typename, target_id=context.caller.id,
                                 value=value, value_type=JSON))


async def interpret(context, message):
    for operation in message.as_type(COMMAND)["do"]:
        if operation["op"] == "sleep":
            await asyncio.sleep(operation["ms"] / 1000)
        else:
            perform(context, operation)


WORKER = [ValueSpec(name="count", type=IntType), ValueSpec(name="log", type=JSON)]
if os.environ.get("EXTRA_STATE"):
    WORKER.append(ValueSpec(name="extra", type=StringType))
TTL = timedelta(milliseconds=2000)

functions.register("py/worker", interpret, WORKER)
functions.register("py/helper", interpret, [ValueSpec(name="count", type=IntType), ValueSpec(name="log", type=JSON)])
functions.register("py/types", interpret, [ValueSpec(name=name, type=tpe) for name, tpe in TYPES.items()])
functions.register("py/ttlwrite", interpret, [ValueSpec(name="count", type=IntType, expire_after_write=TTL)])
functions.register("py/ttlcall", interpret, [ValueSpec(name="count", type=IntType, expire_after_call=TTL)])


async def echo(context, message):
    """Sends back what came, bytes and type untouched."""
    message.target_typename, message.target_id = context.caller.typename, context.caller.id
    context.send(message)

functions.register("py/echo", echo)

handler = RequestReplyHandler(functions)
seen = {"calls": 0, "largest_batch": 0}


async def handle(request):
    body = await request.read()
    parsed = ToFunction()
    parsed.ParseFromString(body)
    seen["calls"] += 1
    seen["largest_batch"] = max(seen["largest_batch"], len(parsed.invocation.invocations))
    return web.Response(body=await handler.handle_async(body), content_type="application/octet-stream")


async def report(_request):
    answer = web.json_response(seen)
    seen.update(calls=0, largest_batch=0)
    return answer


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/statefun", handle), web.get("/seen", report)])
    where = {"path": os.environ["SOCKET"]} if "SOCKET" in os.environ else {"host": "127.0.0.1", "port": int(os.environ["PORT"])}
    web.run_app(app, **where, print=None, access_log=None)
