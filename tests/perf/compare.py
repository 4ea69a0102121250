"""Two builds of the gateway under the same load, in turns: what does a change cost or give?"""
import shutil
import statistics

import gateway as gateways
import sample
import work

PARTS = (("mixed", work.mixed), ("keys", work.many_keys), ("unix", work.by_unix_socket), ("counted", work.counted))


def measure(programs, builds, folder, sizes, runs, progress):
    """builds: name -> program. Each run has both, the first of one run is the last of the next. Returns name -> figure -> values."""
    figures = {name: {"binary.bytes": [sample.stripped_bytes(binary, folder)]} for name, binary in builds.items()}
    for run in range(runs):
        order = list(builds) if run % 2 == 0 else list(reversed(builds))
        for name in order:
            gateways.BINARY = builds[name]
            for label, part in PARTS:
                place = folder / f"{name}-{label}"
                for figure, value in part(programs, place, sizes, progress(run)).items():
                    figures[name].setdefault(figure, []).append(value)
                shutil.rmtree(place)
    return figures


def apart(base, now):
    """Whether no run of one reached what some run of the other had. Of four runs each, chance does that once in 35 figures."""
    if min(len(base), len(now)) < 4:
        return False
    return min(base) > max(now) or max(base) < min(now)


def print_table(rows, figures, number):
    base, now = figures["base"], figures["now"]
    print(f"{'':62}{'base':>10}{'now':>10}{'now/base':>10}   {'min to max of base':>24}   {'of now':>24}")
    for title, figures_of in rows:
        figures_of = [row for row in figures_of if row[0] in base and row[0] in now]
        if figures_of:
            print(title)
        for name, unit, what, _ in figures_of:
            label = f"  {name:24} {what or unit}{f' ({unit})' if what and unit else ''}"
            middle = statistics.median(base[name]), statistics.median(now[name])
            ratio = f"{middle[1] / middle[0]:.3f}" if middle[0] else ""
            ranges = [f"{number(min(values))} to {number(max(values))}" for values in (base[name], now[name])]
            mark = "   apart" if apart(base[name], now[name]) else ""
            print(f"{label:62}{number(middle[0]):>10}{number(middle[1]):>10}{ratio:>10}   {ranges[0]:>24}   {ranges[1]:>24}{mark}")
