"""Billing for subscriptions, on the official Stateful Functions SDK.

    billing/subscription   one per customer: its plan, when the next payment is due, how many have been paid
    billing/payments       one per payment: asks the provider, hears its answer, asks again when it was declined

The timer is a delayed message to oneself. The id of a payment is made of subscription and period, so that the same
period can never be two payments. There is no database, no lock and no retry in here: a function is called with its state
and says what should happen, and the gateway makes it happen once.
"""
import json
import os
from datetime import datetime, timedelta, timezone

from aiohttp import web
from statefun import (RequestReplyHandler, StatefulFunctions, ValueSpec, IntType, StringType, egress_message_builder,
                      message_builder, simple_type)


def json_type(name):
    return simple_type(typename=f"billing/{name}", serialize_fn=lambda value: json.dumps(value).encode(),
                       deserialize_fn=json.loads)


SUBSCRIBE = json_type("Subscribe")            # from the customer: {plan, cents, period_ms, periods}
DUE = json_type("Due")                        # from oneself, delayed: {period}
OVERDUE = json_type("Overdue")                # from oneself, delayed, cancelled by the payment: {period}
CHARGE = json_type("Charge")                  # subscription -> payments: {subscription, period, cents}
PAYMENT_REQUEST = json_type("PaymentRequest")  # to the provider: {payment, subscription, cents, attempt}
PAYMENT_RESULT = json_type("PaymentResult")   # from the provider: {attempt, outcome}
ASK_AGAIN = json_type("AskAgain")             # payments -> oneself, delayed, after a declined attempt
PAID = json_type("Paid")                      # payments -> subscription: {payment, period}
SHOW = json_type("Show")                      # a question by anybody; the answer goes to the caller
PLAN = json_type("Plan")

PAYMENT_REQUESTS = "billing/payment-requests"
GRACE = timedelta(seconds=30)
ASK_AGAIN_AFTER = timedelta(milliseconds=200)

functions = StatefulFunctions()


def send(context, typename, id, kind, value, after=None, token=""):
    message = message_builder(target_typename=typename, target_id=id, value=value, value_type=kind)
    if after is None:
        context.send(message)
    else:
        context.send_after(after, message, token)


# ---- One subscription ----

@functions.bind(typename="billing/subscription", specs=[
    ValueSpec(name="plan", type=PLAN), ValueSpec(name="status", type=StringType),
    ValueSpec(name="next_due", type=StringType), ValueSpec(name="paid", type=IntType),
    ValueSpec(name="pending_payment", type=StringType)])
async def subscription(context, message):
    for kind, handle in ((SUBSCRIBE, subscribe), (DUE, due), (PAID, paid), (OVERDUE, overdue), (SHOW, show)):
        if message.is_type(kind):
            return handle(context, message.as_type(kind))
    raise ValueError(f"unexpected {message.value_typename()}")


def subscribe(context, plan):
    if context.storage.plan is None:
        context.storage.plan = plan
        context.storage.status = "active"
        context.storage.paid = 0
        await_next_period(context, 1)


def await_next_period(context, period):
    wait = timedelta(milliseconds=context.storage.plan["period_ms"])
    context.storage.next_due = (datetime.now(timezone.utc) + wait).isoformat(timespec="milliseconds")
    send(context, context.address.typename, context.address.id, DUE, {"period": period}, after=wait)


def due(context, message):
    period = message["period"]
    payment = f"{context.address.id}.{period}"
    context.storage.pending_payment = payment
    send(context, "billing/payments", payment, CHARGE,
         {"subscription": context.address.id, "period": period, "cents": context.storage.plan["cents"]})
    send(context, context.address.typename, context.address.id, OVERDUE, {"period": period}, after=GRACE,
         token=f"overdue-{period}")


def paid(context, message):
    if message["payment"] != context.storage.pending_payment:
        return
    del context.storage.pending_payment
    context.cancel_delayed_message(f"overdue-{message['period']}")
    context.storage.paid = context.storage.paid + 1
    context.storage.status = "active"
    if message["period"] < context.storage.plan["periods"]:
        await_next_period(context, message["period"] + 1)
    else:
        context.storage.status = "ended"


def overdue(context, message):
    if context.storage.pending_payment == f"{context.address.id}.{message['period']}":
        context.storage.status = "overdue"


def show(context, _message):
    storage = context.storage
    send(context, context.caller.typename, context.caller.id, SHOW,
         {"status": storage.status, "paid": storage.paid, "next_due": storage.next_due})


# ---- One payment ----

@functions.bind(typename="billing/payments", specs=[
    ValueSpec(name="charge", type=CHARGE), ValueSpec(name="status", type=StringType),
    ValueSpec(name="attempt", type=IntType)])
async def payments(context, message):
    for kind, handle in ((CHARGE, charge), (PAYMENT_RESULT, result), (ASK_AGAIN, ask)):
        if message.is_type(kind):
            return handle(context, message.as_type(kind))
    raise ValueError(f"unexpected {message.value_typename()}")


def charge(context, message):
    context.storage.charge = message
    context.storage.attempt = 1
    ask(context, message)


def ask(context, _message):
    context.storage.status = "requested"
    wanted = context.storage.charge
    context.send_egress(egress_message_builder(
        PAYMENT_REQUESTS, {"payment": context.address.id, "subscription": wanted["subscription"],
                           "cents": wanted["cents"], "attempt": context.storage.attempt}, PAYMENT_REQUEST))


def result(context, message):
    if message["attempt"] != context.storage.attempt or context.storage.status != "requested":
        return
    if message["outcome"] == "paid":
        context.storage.status = "paid"
        wanted = context.storage.charge
        send(context, "billing/subscription", wanted["subscription"], PAID,
             {"payment": context.address.id, "period": wanted["period"]})
    else:
        context.storage.status = "declined"
        context.storage.attempt = context.storage.attempt + 1
        send(context, "billing/payments", context.address.id, ASK_AGAIN, {}, after=ASK_AGAIN_AFTER)


# ---- The HTTP server ----

handler = RequestReplyHandler(functions)


async def handle(request):
    body = await request.read()
    return web.Response(body=await handler.handle_async(body), content_type="application/octet-stream")


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/statefun", handle)])
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), print=None, access_log=None)
