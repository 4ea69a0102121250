"use strict";
// Functions on the official JavaScript SDK that do what a message tells them; see functions.py.
const http = require("http");
const http2 = require("http2");
const { StateFun, messageBuilder, egressMessageBuilder } = require("apache-flink-statefun");

const COMMAND = StateFun.jsonType("e2e/Command");
const JSON_TYPE = StateFun.jsonType("e2e/Json");
const CUSTOM = StateFun.customType("e2e/reversed", (text) => Buffer.from([...text].reverse().join("")),
    (bytes) => [...bytes.toString()].reverse().join(""));
const PLAYGROUND = StateFun.jsonType("io.statefun.playground/EgressRecord");

const TYPES = {
    a_bool: StateFun.booleanType(), an_int: StateFun.intType(), a_float: StateFun.floatType(),
    a_string: StateFun.stringType(), a_json: JSON_TYPE, a_custom: CUSTOM,
};

const statefun = new StateFun();
const command = (typename, id, operations) =>
    messageBuilder({ typename, id, value: { do: operations }, valueType: COMMAND });
const reply = (context, value) =>
    context.send(messageBuilder({ typename: context.caller.typename, id: context.caller.id, value, valueType: JSON_TYPE }));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// What each operation does to context and storage.
const OPERATIONS = {
    count({ storage }, { by = 1 }) { storage.count = (storage.count || 0) + by; },
    append({ storage }, { value }) { storage.log = (storage.log || []).concat([value]); },
    set({ storage }, { state, value }) { storage[state] = value; },
    delete({ storage }, { state }) { storage[state] = null; },
    reply(context, { value }) { reply(context, value); },
    reply_states(context, _, names) {
        const all = {};
        for (const name of names) all[name] = context.storage[name] ?? null;
        reply(context, all);
    },
    reply_caller(context) { reply(context, { typename: context.caller.typename, id: context.caller.id }); },
    tell_caller(context, { do: operations }) { context.send(command(context.caller.typename, context.caller.id, operations)); },
    note_caller({ storage, caller }) {
        storage.log = (storage.log || []).concat([caller ? `${caller.typename}/${caller.id}` : null]);
    },
    remember_caller({ storage, caller }) {
        storage.log = (storage.log || []).concat([{ typename: caller.typename, id: caller.id }]);
    },
    reply_remembered(context, { value }) {
        const { typename, id } = context.storage.log[0];
        context.send(messageBuilder({ typename, id, value, valueType: JSON_TYPE }));
    },
    send(context, { to, id, times = 1, do: operations }) {
        for (let number = 0; number < times; number++) context.send(command(to, id.replace("#", number), operations));
    },
    send_after(context, { ms, to, id, token, do: operations }) { context.sendAfter(ms, command(to, id, operations), token); },
    cancel(context, { token }) { context.cancelDelayedMessage(token); },
    egress(context, { to, value }) {
        const valueType = to.includes("playground") ? PLAYGROUND : JSON_TYPE;
        context.send(egressMessageBuilder({ typename: to, value, valueType }));
    },
    fail() { throw new Error("told to fail"); },
};

function bind(typename, specs) {
    const names = specs.map((spec) => spec.name).sort();
    statefun.bind({
        typename, specs,
        async fn(context, message) {
            for (const operation of message.as(COMMAND).do) {
                if (operation.op === "sleep") await sleep(operation.ms);
                else OPERATIONS[operation.op](context, operation, names);
            }
        },
    });
}

const counter = { name: "count", type: StateFun.intType() };
const log = { name: "log", type: JSON_TYPE };
const extra = process.env.EXTRA_STATE ? [{ name: "extra", type: StateFun.stringType() }] : [];
bind("js/worker", [counter, log, ...extra]);
bind("js/helper", [counter, log]);
bind("js/types", Object.entries(TYPES).map(([name, type]) => ({ name, type })));
bind("js/ttlwrite", [{ ...counter, expireAfterWrite: 2000 }]);
bind("js/ttlcall", [{ ...counter, expireAfterCall: 2000 }]);

(process.env.HTTP2 ? http2 : http).createServer(statefun.handler()).listen(Number(process.env.PORT), "127.0.0.1");
