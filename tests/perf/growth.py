"""How the cost of one unit of work grows with the size of what there is, and whether that is more than n log n allows."""
import math

TOLERANCE = 1.5  # how much dearer a unit may be than log n explains: caches, and a machine that others use as well


class Point:
    """One measurement: what a unit of work costs at a size."""

    def __init__(self, size, unit_us, **more):
        self.size, self.unit_us, self.more = size, unit_us, more

    def as_json(self):
        return {"size": self.size, "unit_us": self.unit_us, **self.more}


def exponent(before, after):
    """Of the cost per unit, as a power of the size: 0 grows like its work, 1 quadratically."""
    if before.unit_us <= 0 or after.unit_us <= 0 or before.size == after.size:
        return 0.0
    return math.log(after.unit_us / before.unit_us) / math.log(after.size / before.size)


def exponents(points):
    return [exponent(before, after) for before, after in zip(points, points[1:])]


def allowed(before, after):
    """Cost per unit after / before, at most."""
    return TOLERANCE * math.log2(after.size + 2) / math.log2(before.size + 2)


def excess(points):
    """The largest size against each smaller one: how many times over (above 1) or under what is allowed it is at worst."""
    last = points[-1]
    return max((last.unit_us / point.unit_us / allowed(point, last) for point in points[:-1] if point.unit_us > 0), default=0.0)


def canary():
    """A cost that grows quadratically has to be over, one that grows like n log n not."""
    sizes = [10 ** i for i in range(3, 7)]
    if excess([Point(size, size / 1000) for size in sizes]) <= 1 or excess([Point(size, math.log2(size)) for size in sizes]) > 1:
        raise SystemExit("growth: the rule sees no growth, or sees it everywhere")
