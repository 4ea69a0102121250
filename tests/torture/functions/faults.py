"""The faults that a function server commits, read again and again from a file that the torture test writes."""
import json
import os
import random
import time


class Faults:
    def __init__(self, path=None):
        self.path = path or os.environ["FAULTS"]
        self.read_at = 0.0
        self.stamp = None
        self.chances, self.epoch = {}, 0

    def refresh(self):
        now = time.monotonic()
        if now - self.read_at < 0.03:
            return
        self.read_at = now
        try:
            stamp = os.stat(self.path).st_mtime_ns
            if stamp != self.stamp:
                with open(self.path) as file:
                    read = json.load(file)
                self.stamp, self.epoch, self.chances = stamp, read["epoch"], read["chances"]
        except (OSError, ValueError):
            pass  # just being replaced

    def pick(self):
        """The name of one fault, or None: most calls are well."""
        self.refresh()
        chance = random.random()
        for name, share in self.chances.items():
            if chance < share:
                return name
            chance -= share
        return None
