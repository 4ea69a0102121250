"""Two functions on the official Stateful Functions SDK: a person counts its visits, a greeter says hello."""
import json
import os

from aiohttp import web
from statefun import (RequestReplyHandler, StatefulFunctions, ValueSpec, IntType, egress_message_builder,
                      message_builder, simple_type)


def json_type(typename):
    return simple_type(typename=typename,
                       serialize_fn=lambda value: json.dumps(value).encode(),
                       deserialize_fn=json.loads)


GREET_REQUEST = json_type("example/GreetRequest")
EGRESS_RECORD = json_type("io.statefun.playground/EgressRecord")

functions = StatefulFunctions()


@functions.bind(typename="example/person", specs=[ValueSpec(name="visits", type=IntType)])
async def person(context, message):
    """One per name: counts, and passes the count on."""
    visits = (context.storage.visits or 0) + 1
    context.storage.visits = visits
    request = message.as_type(GREET_REQUEST)
    request["visits"] = visits
    context.send(message_builder(target_typename="example/greeter", target_id=request["name"],
                                 value=request, value_type=GREET_REQUEST))


@functions.bind(typename="example/greeter")
async def greeter(context, message):
    """Writes the greeting to the topic that `curl localhost:8091/greetings` reads."""
    request = message.as_type(GREET_REQUEST)
    text = greeting(request["name"], request["visits"])
    context.send_egress(egress_message_builder(target_typename="io.statefun.playground/egress",
                                               value={"topic": "greetings", "payload": text},
                                               value_type=EGRESS_RECORD))


def greeting(name, visits):
    known = ["Welcome", "Nice to see you again", "Third time is a charm"]
    words = known[visits - 1] if visits <= len(known) else f"Nice to see you for the {visits}th time"
    return f"{words} {name}!"


handler = RequestReplyHandler(functions)


async def handle(request):
    body = await request.read()
    return web.Response(body=await handler.handle_async(body), content_type="application/octet-stream")


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/statefun", handle)])
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), print=None)
