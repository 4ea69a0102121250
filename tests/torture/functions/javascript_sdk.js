"use strict";
// js/w on the official JavaScript SDK; see interpreter.py for what a function does.
const fs = require("fs");
const http = require("http");
const { StateFun, messageBuilder, egressMessageBuilder } = require("apache-flink-statefun");

const COMMAND = StateFun.jsonType("torture/Command");
const LOG = StateFun.jsonType("torture/Log");
const EFFECT = StateFun.jsonType("torture/Effect");
const REPLY = StateFun.jsonType("torture/Reply");
const REGISTER = StateFun.jsonType("torture/Register");
const SENT = ["n", "c", "x", "r", "p", "s", "b"];
const FNV_START = 0x811c9dc5, FNV_PRIME = 0x01000193;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const now = () => Number(process.hrtime.bigint() / 1000000n);

const faults = { epoch: 0, chances: {}, stamp: 0, read_at: 0 };

function refresh() {
    if (now() - faults.read_at < 30) return;
    faults.read_at = now();
    try {
        const stamp = fs.statSync(process.env.FAULTS).mtimeMs;
        if (stamp === faults.stamp) return;
        const read = JSON.parse(fs.readFileSync(process.env.FAULTS, "utf8"));
        Object.assign(faults, { stamp, epoch: read.epoch, chances: read.chances });
    } catch (error) { /* just being replaced */ }
}

function pick() {
    refresh();
    let chance = Math.random();
    for (const [name, share] of Object.entries(faults.chances)) {
        if (chance < share) return name;
        chance -= share;
    }
    return null;
}

function chain(value, name) {
    for (const byte of Buffer.from(`${name}\n`)) value = Math.imul(value ^ byte, FNV_PRIME) >>> 0;
    return value;
}

function childOf(name, index, child) {
    const made = {};
    for (const member of SENT) if (member in child) made[member] = child[member];
    made.n = `${name}.${index}`;
    return made;
}

function message(to, node) {
    const at = to.lastIndexOf("/");
    return messageBuilder({ typename: to.slice(0, at), id: to.slice(at + 1), value: node, valueType: COMMAND });
}

function reply(context, answer, node) {
    const caller = context.caller;
    if (!caller) return;
    if (caller.typename === "holdfast/reply")
        context.send(messageBuilder({ typename: caller.typename, id: caller.id, value: answer, valueType: REPLY }));
    else context.send(message(`${caller.typename}/${caller.id}`, node));
}

async function work(context, argument) {
    const node = argument.as(COMMAND);
    if ("s" in node) await sleep(node.s);
    if ((node.p || 0) > faults.epoch) throw new Error(`poisoned ${node.n}`);
    const log = context.storage.log, name = node.n, n = (log ? log.n : 0) + 1;
    const a = `${context.self.typename}/${context.self.id}`;
    context.send(egressMessageBuilder({ typename: "torture/out", value: { a, n, o: name, t: now() }, valueType: EFFECT }));
    (node.c || []).forEach((child, index) => {
        const sent = message(child.to, childOf(name, index, child));
        if (!("d" in child)) context.send(sent);
        else if ("k" in child) context.sendAfter(child.d, sent, `${name}.${index}`);
        else context.sendAfter(child.d, sent);
    });
    for (const token of node.x || []) context.cancelDelayedMessage(token);
    if ("r" in node) reply(context, { n, o: name }, { n: `${name}.r` });
    if ("b" in node) context.storage.blob = node.b ? "x".repeat(node.b) : null;
    context.storage.log = { n, h: chain(log ? log.h : FNV_START, name) };
}

const statefun = new StateFun();
statefun.bind({
    typename: "js/w", fn: work,
    specs: [{ name: "log", type: LOG }, { name: "blob", type: StateFun.stringType() }, { name: "register", type: REGISTER }],
});
const handler = statefun.handler();

http.createServer(async (request, response) => {
    const fault = pick();
    if (fault === "fail" || fault === "garbage") {
        request.resume();
        await new Promise((resolve) => request.on("end", resolve));
        if (fault === "fail") response.writeHead(500).end("told to fail");
        else response.writeHead(200, { "content-type": "application/octet-stream" }).end(Buffer.from([0xa2, 0x06, 0xff, 0x01]));
        return;
    }
    if (fault === "slow") await sleep(100 + Math.random() * 3900);
    if (fault === "die") setTimeout(() => process.exit(3), Math.random() * 5);
    if (fault === "late") {
        const end = response.end.bind(response);
        response.end = (...rest) => setTimeout(() => end(...rest), Math.random() * 500);
    }
    handler(request, response);
}).listen(Number(process.env.PORT), "127.0.0.1");
