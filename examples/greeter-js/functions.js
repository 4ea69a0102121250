"use strict";
// Two functions on the official Stateful Functions SDK: a person counts its visits, a greeter says hello.
const http = require("http");
const { StateFun, messageBuilder, egressMessageBuilder } = require("apache-flink-statefun");

const GREET_REQUEST = StateFun.jsonType("example/GreetRequest");
const EGRESS_RECORD = StateFun.jsonType("io.statefun.playground/EgressRecord");

const statefun = new StateFun();

// One per name: counts, and passes the count on.
statefun.bind({
    typename: "example/person",
    specs: [{ name: "visits", type: StateFun.intType() }],
    fn(context, message) {
        const visits = (context.storage.visits || 0) + 1;
        context.storage.visits = visits;
        const request = message.as(GREET_REQUEST);
        request.visits = visits;
        context.send(messageBuilder({
            typename: "example/greeter", id: request.name, value: request, valueType: GREET_REQUEST,
        }));
    },
});

// Writes the greeting to the topic that `curl localhost:8091/greetings` reads.
statefun.bind({
    typename: "example/greeter",
    fn(context, message) {
        const { name, visits } = message.as(GREET_REQUEST);
        context.send(egressMessageBuilder({
            typename: "io.statefun.playground/egress",
            value: { topic: "greetings", payload: greeting(name, visits) },
            valueType: EGRESS_RECORD,
        }));
    },
});

function greeting(name, visits) {
    const known = ["Welcome", "Nice to see you again", "Third time is a charm"];
    const words = visits <= known.length ? known[visits - 1] : `Nice to see you for the ${visits}th time`;
    return `${words} ${name}!`;
}

http.createServer(statefun.handler()).listen(Number(process.env.PORT || 8000), "127.0.0.1");
