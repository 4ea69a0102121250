"""Decides, from the history alone, whether the gateway kept its promises. Shares no line with the gateway.

Every message that takes effect leaves one record in a pull queue and one step in the sequence and the chain of its
address. So the records are a complete log of what happened where and in which order, and the states say whether it is all.
"""
from collections import defaultdict

import trees

TIMER_SLACK_MS = 30      # the gateway reads the clock once per turn, and a turn may be long on a busy machine
CANCEL_SLACK_MS = 6000   # from a function's cancel to the record of it: attempts, delays, a gateway that is stopped


class Checker:
    def __init__(self, events):
        self.by = defaultdict(list)
        for event in events:
            self.by[event["e"]].append(event)
        self.results = []  # (what, how many were looked at, offenders)
        self.index()

    def expect(self, what, wrong, total):
        self.results.append((what, total, list(wrong)))

    def index(self):
        self.roots = {event["n"]: event for event in self.by["root"]}
        self.accepted = {event["n"]: event for event in self.by["accepted"]}
        self.refused = {event["n"] for event in self.by["refused"]}
        self.base = {event["a"]: event for event in self.by["base"]}
        self.log = defaultdict(list)      # address -> effects in the order of the queue
        self.effects = defaultdict(list)  # name -> effects
        self.letters = defaultdict(int)
        for event in self.by["pull"]:
            if event["q"] == "holdfast/dead-letters":
                self.letters[event["v"]["n"]] += 1
            else:
                effect = event["v"]
                self.log[effect["a"]].append(effect)
                self.effects[effect["o"]].append(effect)
        self.dropped, self.perhaps_dropped = {}, set()
        for verb in self.by["verb"]:
            if verb["v"] == "retry":
                continue
            if verb["s"] == 200:
                self.dropped[verb["n"]] = verb["v"]
            elif verb["s"] is None or verb["s"] >= 500:
                self.perhaps_dropped.add(verb["n"])

    def run(self):
        self.follow()
        self.check_effects()
        self.check_drops()
        self.check_timers()
        self.check_cancels()
        self.check_order()
        self.check_states()
        self.check_observations()
        self.check_replies()
        self.check_registers()
        wrong = [event["text"] for event in self.by["problem"]]
        self.expect("contradictions seen at once", wrong, len(self.by["pull"]) + len(self.accepted))
        return self.results

    # ---- What should have happened ----

    def follow(self):
        """From each root along the effects: `must` and `may` are names -> (address, parent effect, node)."""
        self.must, self.may, self.never = {}, {}, {}
        self.children_checked = 0
        for name, root in self.roots.items():
            sure = name in self.accepted and self.http_cancel(root) is None
            table = self.never if name in self.refused else self.must if sure else self.may
            self.visit(name, root["to"], root["node"], None, table)

    def http_cancel(self, root):
        """Whether a client took, or may have taken, the message back."""
        token = root.get("k")
        statuses = [event["s"] for event in self.by["cancel"] if event["k"] == token] if token else []
        if any(status == 200 for status in statuses):
            return True
        return False if any(status != 404 for status in statuses) else None

    def visit(self, name, address, node, parent, table):
        stack = [(name, address, node, parent, table)]
        while stack:
            name, address, node, parent, table = stack.pop()
            table[name] = (address, parent, node)
            effects = self.effects.get(name)
            if not effects:
                continue  # what it would have sent was never sent: if that shows up it is unknown
            for index, child in enumerate(node.get("c", ())):
                below = self.may if "k" in child else self.must
                stack.append((f"{name}.{index}", child["to"], child, effects[0], below))
            if "r" in node and parent is not None:
                stack.append((f"{name}.r", parent["a"], {}, effects[0], self.must))

    def is_dropped(self, name):
        return name in self.dropped or name in self.perhaps_dropped or name in self.letters

    # ---- I1, I2, I3, I8 ----

    def check_effects(self):
        known = {**self.may, **self.must, **self.never}
        lost = [f"{name} at {self.must[name][0]}" for name in self.must
                if name not in self.effects and not self.is_dropped(name)]
        clients = sum(self.must[name][1] is None for name in self.must)
        self.expect("acknowledged messages without effect (I1)",
                    [text for text in lost if text.split(" ")[0] in self.roots], clients)
        self.expect("messages of functions without effect (I1, I3)",
                    [text for text in lost if text.split(" ")[0] not in self.roots], len(self.must) - clients)
        self.expect("messages with more than one effect (I2)",
                    [f"{name}: {[(e['a'], e['n']) for e in found]}" for name, found in self.effects.items() if len(found) > 1],
                    len(self.effects))
        self.expect("effects at another address", [f"{name}: {found[0]['a']}, not {known[name][0]}" for name, found
                                                   in self.effects.items() if name in known and found[0]["a"] != known[name][0]],
                    len(self.effects))
        self.expect("effects of messages that nobody sent (I3)", [name for name in self.effects if name not in known],
                    len(self.effects))
        self.expect("effects of messages that were refused", [name for name in self.never if name in self.effects],
                    len(self.never))

    def check_drops(self):
        self.expect("dropped messages that took effect (I1)", [name for name in {*self.dropped, *self.letters}
                                                               if name in self.effects], len(self.dropped) + len(self.letters))
        wrong = [f"{name}: {self.letters.get(name, 0)} letters" for name, verb in self.dropped.items()
                 if verb == "dead-letter" and self.letters.get(name, 0) != 1]
        wrong += [f"{name}: {count} letters" for name, count in self.letters.items() if count != 1]
        self.expect("dead letters lost or doubled (I8)", wrong, len(self.letters))

    # ---- I9 ----

    def allowance_ms(self, began, ended):
        """By how much the gateway's time may have gone ahead of ours between two moments (seconds)."""
        jumps = sum(event["by"] for event in self.by["jump"] if began - 1 <= event["at"] <= ended)
        stops = sum(event["at"] - event["began"] for event in self.by["stopped"]
                    if event["began"] <= ended and event["at"] >= began - 1)
        return TIMER_SLACK_MS + (jumps + stops) * 1000

    def delayed(self):
        """(name, effect, sent ms, delay ms) of all delayed messages that came."""
        for name, (_, parent, node) in {**self.may, **self.must}.items():
            effects = self.effects.get(name)
            root = self.roots.get(name)
            delay = root.get("d") if root else node.get("d")
            if not effects or delay is None:
                continue
            yield name, effects[0], root["at"] * 1000 if root else parent["t"], delay

    def check_timers(self):
        wrong, total = [], 0
        for name, effect, sent_ms, delay_ms in self.delayed():
            total += 1
            early = sent_ms + delay_ms - effect["t"]
            if early > TIMER_SLACK_MS and early > self.allowance_ms(sent_ms / 1000, effect["t"] / 1000):
                wrong.append(f"{name}: {early:.0f} ms before its time of {delay_ms} ms")
        self.expect("delayed messages that came early (I9)", wrong, total)

    def check_cancels(self):
        """A message with a token comes, once, or is taken back: never neither."""
        cancelled_at = {}
        for name, (_, _, node) in {**self.may, **self.must}.items():
            for token in node.get("x", ()):
                if name in self.effects:
                    cancelled_at[token] = self.effects[name][0]["t"]
        lost, late, total = [], [], 0
        for name, (_, parent, node) in self.may.items():
            if "k" not in node or parent is None:
                continue
            total += 1
            if name not in cancelled_at:
                if name not in self.effects and not self.is_dropped(name):
                    lost.append(f"{name}, which nobody cancelled")
            elif name in self.effects:
                due = parent["t"] + node["d"]
                bound = cancelled_at[name] + CANCEL_SLACK_MS + self.allowance_ms(parent["t"] / 1000, due / 1000)
                if due > bound:
                    late.append(f"{name}: cancelled {due - cancelled_at[name]} ms before its time")
        by_http = [root for root in self.roots.values() if root.get("k")]
        for root in by_http:
            fired = root["n"] in self.effects
            if self.http_cancel(root) is True and fired:
                late.append(f"{root['n']}, whose cancellation was answered with 200")
        self.expect("delayed messages neither delivered nor cancelled (I9)", lost, total)
        self.expect("cancelled messages that were delivered (I9)", late, total + len(by_http))

    # ---- I4 ----

    def check_order(self):
        place = {name: effects[0]["n"] for name, effects in self.effects.items()}
        sent = defaultdict(list)  # (sender, receiver) -> names in the order of sending
        for event in sorted(self.by["accepted"], key=lambda event: event.get("o", -1)):
            root = self.roots[event["n"]]
            if "o" in event and "d" not in root:
                sent[root["from"], root["to"]].append(event["n"])
        clients = len(sent)
        known = {**self.may, **self.must}
        for address, effects in self.log.items():
            for effect in effects:
                _, parent, node = known.get(effect["o"], (None, None, {}))
                for index, child in enumerate(node.get("c", ())):
                    if "d" not in child:
                        sent[address, child["to"]].append(f"{effect['o']}.{index}")
                if "r" in node and parent is not None:
                    sent[address, parent["a"]].append(f"{effect['o']}.r")
        wrong = []
        for (sender, receiver), names in sent.items():
            places = [place[name] for name in names if name in place]
            if places != sorted(places):
                at = next(i for i in range(1, len(places)) if places[i] < places[i - 1])
                names = [name for name in names if name in place]
                wrong.append(f"{sender} -> {receiver}: {names[at - 1]} is {places[at - 1]}, {names[at]} is {places[at]}")
        self.expect("senders whose order was not kept (I4)", wrong, len(sent))
        self.expect("too few ordered pairs of a client and an address to prove anything", [] if clients > 10 else [clients],
                    clients)

    # ---- I3, I5, I8, I14 ----

    def check_states(self):
        states = {event["a"]: event for event in self.by["state"]}
        gaps, differ = [], []
        self.chains = {}
        for address in {*states, *self.log, *self.base}:
            base = self.base.get(address, {"n": 0, "h": trees.FNV_START})
            value, number = base["h"], base["n"]
            chains = self.chains[address] = {number: value}
            for effect in self.log.get(address, ()):
                number += 1
                if effect["n"] != number:
                    gaps.append(f"{address}: record {effect['n']} ({effect['o']}) in the place of {number}")
                    number = effect["n"]
                value = trees.chain(value, effect["o"])
                chains[number] = value
            state = states.get(address, {"n": 0, "h": trees.FNV_START})
            if (state["n"], state["h"]) != (number, value):
                differ.append(f"{address}: state {state['n']} {state['h']:08x}, records {number} {value:08x}")
        self.expect("addresses whose egress has a gap, a double or another order (I8)", gaps, len(self.chains))
        self.expect("addresses whose state is not what its records say (I3, I14)", differ, len(self.chains))

    def check_observations(self):
        """What was shown once is never undone: sequences that were seen only grow, with their chains."""
        seen = defaultdict(list)
        wrong = []
        for event in self.by["read"]:
            seen[event["a"]].append((event["began"], event["at"], event["n"]))
            if self.chains.get(event["a"], {}).get(event["n"]) != event["h"]:
                wrong.append(f"{event['a']}: read {event['n']} {event['h']:08x}, which its records do not know")
        for event in self.by["reply"]:
            root = self.roots[event["n"]]
            seen[root["to"]].append((event["began"], event["at"], event["b"]["n"]))
        for event in self.by["pull"]:
            if event["q"] != "holdfast/dead-letters":
                seen[event["v"]["a"]].append((event["at"], event["at"], event["v"]["n"]))
        reads = {event["a"] for event in self.by["read"]}
        for address in reads:
            wrong += self.undone(address, seen[address])
        self.expect("reads and replies that were undone (I14)", wrong, len(self.by["read"]))

    def undone(self, address, seen):
        """Reads that show less than what somebody had been shown before the read began."""
        shown = sorted((at, number) for _, at, number in seen)
        wrong, known, next_shown = [], -1, 0
        for event in sorted((e for e in self.by_address(address)), key=lambda e: e["began"]):
            while next_shown < len(shown) and shown[next_shown][0] < event["began"]:
                known = max(known, shown[next_shown][1])
                next_shown += 1
            if event["n"] < known:
                wrong.append(f"{address}: {known} was shown, then {event['n']} was read")
        return wrong

    def by_address(self, address):
        if not hasattr(self, "reads"):
            self.reads = defaultdict(list)
            for event in self.by["read"]:
                self.reads[event["a"]].append(event)
        return self.reads[address]

    def check_replies(self):
        wrong = []
        for event in self.by["reply"]:
            name, reply = event["n"], event["b"]
            found = self.effects.get(name)
            if reply.get("o") != name or not found or found[0]["n"] != reply.get("n"):
                wrong.append(f"{name}: {reply}, records say {found}")
        self.expect("replies that do not agree with the records (I14)", wrong, len(self.by["reply"]))

    # ---- State writes ----

    def check_registers(self):
        """Compare-and-swap from v-1 to v: an acknowledged one has made its step, alone."""
        won, maybe = defaultdict(list), defaultdict(set)
        for event in self.by["swap"]:
            step = (event["a"], event["v"])
            if event["s"] == 204:
                won[step].append(event["w"])
            elif event["s"] is None or event["s"] >= 500:
                maybe[step].add(event["w"])
        wrong = [f"{step}: won by {who}" for step, who in won.items() if len(who) > 1]
        for event in self.by["register"]:
            steps = {v for a, v in won if a == event["a"]}
            if event["v"] < max(steps, default=0):
                wrong.append(f"{event['a']}: {event['v']} in the end, {max(steps)} was acknowledged")
            for v in range(event.get("from", 0) + 1, event["v"] + 1):
                if v not in steps and not maybe.get((event["a"], v)):
                    wrong.append(f"{event['a']}: nobody made the step to {v}")
            last = (event["a"], event["v"])
            if last in won and event["w"] != won[last][0]:
                wrong.append(f"{event['a']}: {event['v']} was won by {won[last][0]}, but is of {event['w']}")
        self.expect("state writes lost, undone or doubled (I14)", wrong, len(won))
