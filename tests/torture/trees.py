"""Trees of commands: what one message makes functions do, and the names of all messages that come of it.

A node is what a function gets, as JSON; every member but the name may be missing:

    n  name of the message, unique in a run; a child's is its parent's, a dot and its index
    c  children, sent in this order; each has `to` (ns/type/id), and for a delayed one `d` (ms), for one that can be
       taken back `k` = 1: its cancel token is its name
    x  cancel tokens, of children of other messages at the same id
    r  1: reply to the caller, with {"n": sequence, "o": name} to a client, with a message NAME.r to a function
    p  a function fails on it until the epoch of its faults is at least that
    s  a function takes so many milliseconds for it
    b  bytes to write into the state `blob`, 0 deletes it

Whatever a function does, it does once per message: it adds 1 to its sequence and folds the name into its chain (both in
the state `log`), and emits {"a": address, "n": sequence, "o": name, "t": monotonic ms} to torture/out.
"""

KINDS = ("py/w", "js/w", "raw/w")  # official Python SDK, official JavaScript SDK, a bare server that misbehaves
IDS = 400
HOT = 12
LONG_MS = 12000  # a delayed message that somebody surely has taken back before

FNV_START, FNV_PRIME = 0x811C9DC5, 0x01000193


def chain(value, name):
    """FNV-1a over the name and a line end: the fold of all names in their order."""
    for byte in name.encode() + b"\n":
        value = ((value ^ byte) * FNV_PRIME) & 0xFFFFFFFF
    return value


def size(node):
    """How many messages it is, a reply to a function not counted."""
    return 1 + sum(size(child) for child in node.get("c", ()))


def messages(name, address, node, caller=None):
    """Yields (name, address, node, caller) of a message and of all that come of it."""
    yield name, address, node, caller
    for index, child in enumerate(node.get("c", ())):
        yield from messages(f"{name}.{index}", child["to"], child, address)


class Grower:
    """Makes trees from random numbers."""

    def __init__(self, random, epoch_now):
        self.random, self.epoch_now = random, epoch_now
        self.roots = (("leaf", 30), ("fan", 30), ("path", 15), ("burst", 3), ("later", 12), ("cancelled", 5), ("race", 3),
                      ("heavy", 2))

    def address(self):
        random = self.random
        hot = random.random() < 0.2
        return f"{random.choice(KINDS)}/k{random.randrange(HOT if hot else IDS)}"

    def root(self, address):
        names, weights = zip(*self.roots)
        node = getattr(self, self.random.choices(names, weights)[0])(address)
        chance = self.random.random()
        if chance < 0.008:
            node["p"] = self.epoch_now() + self.random.randrange(1, 4)
        elif chance < 0.02:
            node["s"] = self.random.randrange(5, 120)
        return node

    def leaf(self, _address):
        node = {}
        if self.random.random() < 0.1:
            node["b"] = self.random.choice((0, 10, 200, 3000))
        return node

    def heavy(self, _address):
        return {"b": self.random.randrange(20000, 60000)}

    def child(self, to, node=None, **more):
        made = {"to": to, **(self.leaf(to) if node is None else node), **more}
        if self.random.random() < 0.15:
            made["r"] = 1
        return made

    def fan(self, _address):
        places = [self.address() for _ in range(self.random.randrange(1, 5))]
        children = [self.child(self.random.choice(places)) for _ in range(self.random.randrange(2, 9))]
        return {"c": children}

    def burst(self, _address):
        to = self.address()
        return {"c": [self.child(to) for _ in range(self.random.randrange(20, 60))]}

    def path(self, _address):
        node = self.leaf(None)
        for _ in range(self.random.randrange(2, 7)):
            node = {"c": [self.child(self.address(), node)]}
            if self.random.random() < 0.3:
                node["c"].append(self.child(self.address()))
        return node

    def later(self, _address):
        def delay():
            return self.random.choice((0, self.random.randrange(50), self.random.randrange(3000)))
        return {"c": [self.child(self.address(), d=delay()) for _ in range(self.random.randrange(1, 5))]}

    def with_cancel(self, address, delay):
        """The cancel comes from another message to the same id, of whatever type: tokens belong to ids."""
        id = address.rsplit("/", 1)[1]
        other = f"{self.random.choice(KINDS)}/{id}"
        return {"c": [{"to": self.address(), "d": delay, "k": 1}, {"to": other, "x": [0]}]}

    def cancelled(self, address):
        return self.with_cancel(address, LONG_MS)

    def race(self, address):
        return self.with_cancel(address, self.random.randrange(40))


def name_tokens(name, node):
    """Cancel tokens are written as the index of the sibling they mean; a message carries the full name."""
    for index, child in enumerate(node.get("c", ())):
        if "x" in child:
            child["x"] = [f"{name}.{token}" if isinstance(token, int) else token for token in child["x"]]
        name_tokens(f"{name}.{index}", child)
    return node
