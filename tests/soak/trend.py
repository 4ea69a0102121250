"""Does a series of measurements grow with what is done? A verdict that a saw tooth, a step or a slow warm-up does not deceive.

The series is cut into blocks, of which the lowest value counts: what comes and goes within a block is not growth. A line is
fitted to these by least squares. Its slope has to be above zero with one-sided 99.9 %, where neighbours that resemble each
other count as fewer measurements (Santer et al. 2000, J. Geophys. Res. 105, n(1-r)/(1+r) for the correlation r of
neighbouring residuals). And in the second half alone it has to be at least half as steep: what only warms up, flattens. Less
than `least` over the whole series is not told from noise.
"""
import math
import random

BLOCKS = 40
# Student's t, one-sided 99.9 %, for 1, 2, ... degrees of freedom; in between, and above, that of fewer.
T = {1: 318.3, 2: 22.33, 3: 10.21, 4: 7.173, 5: 5.893, 6: 5.208, 7: 4.785, 8: 4.501, 9: 4.297, 10: 4.144, 12: 3.930, 15: 3.733,
     20: 3.552, 30: 3.385, 60: 3.232}


def quantile(freedom):
    return T[max((known for known in T if known <= freedom), default=1)]


def blocks(points, count):
    """(middle, lowest value) of each of `count` equal spans that has any."""
    begin, width = points[0][0], (points[-1][0] - points[0][0]) / count or 1.0
    lowest = {}
    for when, value in points:
        index = min(int((when - begin) / width), count - 1)
        lowest[index] = min(value, lowest.get(index, value))
    return [(begin + (index + 0.5) * width, value) for index, value in sorted(lowest.items())]


def fit(points):
    """(slope, what it is at least)."""
    n = len(points)
    mean_t, mean_v = sum(t for t, _ in points) / n, sum(v for _, v in points) / n
    square = sum((t - mean_t) ** 2 for t, _ in points)
    slope = sum((t - mean_t) * (v - mean_v) for t, v in points) / square
    rest = [v - mean_v - slope * (t - mean_t) for t, v in points]
    energy = sum(r * r for r in rest)
    if energy == 0:
        return slope, slope
    alike = max(0.0, sum(a * b for a, b in zip(rest, rest[1:])) / energy)
    freedom = n * (1 - alike) / (1 + alike) - 2
    if freedom < 1:
        return slope, -math.inf
    return slope, slope - quantile(freedom) * math.sqrt(energy / freedom / square)


class Trend:
    """Of points (how much is done, value)."""

    def __init__(self, points, least):
        self.span = points[-1][0] - points[0][0]
        self.slope, self.at_least = fit(blocks(points, BLOCKS))
        half = points[0][0] + self.span / 2
        late, _ = fit(blocks([point for point in points if point[0] >= half], BLOCKS // 2))
        self.grows = self.at_least * self.span > least and late > self.slope / 2


def series(seconds, value):
    return [(float(t), value(t)) for t in range(seconds)]


def self_test():
    """Series that are known, each with other noise: how many were judged, and which wrongly."""
    wrong, cases = [], 0
    for seed in range(20):
        noise = random.Random(seed)
        known = [
            ("flat", False, lambda t: 20e6 + noise.gauss(0, 30e3)),
            ("a saw tooth", False, lambda t: 20e6 + 40e3 * (t % 37) + noise.gauss(0, 5e3)),
            ("one step", False, lambda t: 20e6 + 4e6 * (t > 250)),
            ("warming up", False, lambda t: 20e6 + 3e6 * (1 - math.exp(-t / 60)) + noise.gauss(0, 20e3)),
            ("falling", False, lambda t: 20e6 - 500 * t + noise.gauss(0, 20e3)),
            ("2 KB a second", True, lambda t: 20e6 + 2e3 * t + noise.gauss(0, 30e3)),
            ("2 KB a second under a saw tooth", True, lambda t: 20e6 + 2e3 * t + 20e3 * (t % 7) + noise.gauss(0, 5e3)),
            ("a page now and then", True, lambda t: 20e6 + 65536 * (t // 20)),
            ("growth that warms up, too", True, lambda t: 20e6 + 2e6 * (1 - math.exp(-t / 40)) + 4e3 * t + noise.gauss(0, 20e3)),
        ]
        walk = [0.0]
        for _ in range(600):  # of the allocator: up and down, by chance
            walk.append(walk[-1] + noise.gauss(0, 10e3))
        known.append(("a walk by chance that comes back", False, lambda t: 20e6 + walk[t] - walk[-1] * t / 600))
        for name, grows, value in known:
            cases += 1
            if Trend(series(600, value), 131072).grows != grows:
                wrong.append(f"{name} (noise {seed})")
    return cases, wrong
