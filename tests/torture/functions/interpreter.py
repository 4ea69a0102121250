"""What a function does with one message of the torture test, in terms that do not depend on an SDK."""
import time

FNV_START, FNV_PRIME = 0x811C9DC5, 0x01000193
SENT = ("n", "c", "x", "r", "p", "s", "b")  # members of a node that travel


class Poisoned(Exception):
    """The function fails on this message, for now."""


def chain(value, name):
    for byte in name.encode() + b"\n":
        value = ((value ^ byte) * FNV_PRIME) & 0xFFFFFFFF
    return value


def child_of(name, index, child):
    made = {member: child[member] for member in SENT if member in child}
    made["n"] = f"{name}.{index}"
    return made


def apply(node, address, log, epoch, do):
    """`log` is the state {"n", "h"} or None; `do` has send, send_after, cancel, egress, reply and blob. Gives the new log."""
    if node.get("p", 0) > epoch:
        raise Poisoned(node["n"])
    name = node["n"]
    sequence = (log["n"] if log else 0) + 1
    do.egress({"a": address, "n": sequence, "o": name, "t": int(time.monotonic() * 1000)})
    for index, child in enumerate(node.get("c", ())):
        message = child_of(name, index, child)
        if "d" in child:
            do.send_after(child["d"], child["to"], message, message["n"] if "k" in child else "")
        else:
            do.send(child["to"], message)
    for token in node.get("x", ()):
        do.cancel(token)
    if "r" in node:
        do.reply({"n": sequence, "o": name}, {"n": f"{name}.r"})
    if "b" in node:
        do.blob(node["b"])
    return {"n": sequence, "h": chain(log["h"] if log else FNV_START, name)}
