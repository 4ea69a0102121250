"""The table that the preloaded library reads its orders from and counts in. Layout: faults.h."""
import mmap
import os
import struct

MAGIC = 0x31535446554C4146
SITES_MAX, HEAD, ENTRY = 1024, 16 + 1024, 128
SIZE = HEAD + SITES_MAX * ENTRY
SHORT = -1
EVER = 0xFFFFFFFF


class Control:
    """One table file for one program under test. `addresses`: {site name: [(module, return address)]}."""

    def __init__(self, path, program, addresses):
        self.path = str(path)
        flat = sorted((module, back, name) for name, places in addresses.items() for module, back in places)
        if len(flat) > SITES_MAX:
            raise RuntimeError(f"{len(flat)} sites; raise FAULT_SITES_MAX")
        with open(path, "wb") as file:
            file.truncate(SIZE)
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), SIZE)
        self.entries = {}
        for index, (module, back, name) in enumerate(flat):
            at = HEAD + index * ENTRY
            struct.pack_into("<QI", self.memory, at, back, module)
            struct.pack_into("<i", self.memory, at + 56, -1)
            self.entries.setdefault(name, []).append(at)
        struct.pack_into("<QII", self.memory, 0, MAGIC, len(flat), 0)
        self.memory[16:16 + 1024] = os.path.realpath(program).encode().ljust(1024, b"\0")

    def __contains__(self, name):
        return name in self.entries

    def arm(self, name, action, *, skip=0, times=1, path="", argument=None):
        """The calls skip, skip + 1, ... skip + times - 1 from now on get `action`: an errno, or SHORT."""
        for at in self.entries[name]:
            struct.pack_into("<i", self.memory, at + 12, 0)
            struct.pack_into("<II", self.memory, at + 16, skip, times)
            struct.pack_into("<II", self.memory, at + 28, 0, 0)
            struct.pack_into("<qq", self.memory, at + 40, 0, 0)
            struct.pack_into("<ii", self.memory, at + 56, *((-1, 0) if argument is None else argument))
            self.memory[at + 64:at + 128] = path.encode().ljust(64, b"\0")
            struct.pack_into("<i", self.memory, at + 12, action)

    def disarm(self, name=None):
        for entry in [name] if name else self.entries:
            for at in self.entries[entry]:
                struct.pack_into("<i", self.memory, at + 12, 0)

    def _sum(self, name, offset):
        return sum(struct.unpack_from("<I", self.memory, at + offset)[0] for at in self.entries.get(name, ()))

    def hits(self, name):
        return self._sum(name, 24)

    def injected(self, name):
        """Since it was armed."""
        return self._sum(name, 32)

    def first_s(self, name):
        """When the first fault happened, on the monotonic clock; None when none did."""
        times = [struct.unpack_from("<q", self.memory, at + 40)[0] for at in self.entries[name]]
        times = [time for time in times if time]
        return min(times) / 1e9 if times else None

    def totals(self):
        return {name: (self.hits(name), self._sum(name, 36)) for name in self.entries}

    @property
    def strays(self):
        return struct.unpack_from("<I", self.memory, 12)[0]
