"""Commands under several allocators, turn by turn, and what the figures say: medians, paired ratios, goals."""

import csv
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import defaultdict, namedtuple

from goals import goals_for

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
OURS = "ours"
TIMEOUT_S = 120

# Figures that say something about the machine or the program alone: shown, but not as a ratio.
NOT_COMPARED = ("counter_step", "wall_plain", "peak_plain", "per_thread_plain")

# name as shown; the value of LD_PRELOAD, "" for none
Allocator = namedtuple("Allocator", "name preload")

# Debian's packages: libjemalloc2, libmimalloc2.0, libtcmalloc-minimal4
PEERS = [("glibc", ""), ("jemalloc", "libjemalloc.so.2"), ("mimalloc", "libmimalloc.so.2"),
         ("gperftools", "libtcmalloc_minimal.so.4")]

Sample = namedtuple("Sample", "repetition position allocator driver case metric value unit")
FAILED = "failed"

Interval = namedtuple("Interval", "median low high confident")


# Allocators

def find_library(name):
    """The full path of a shared library that the dynamic loader knows, or None."""
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    for line in listing.splitlines():
        if line.split()[:1] == [name] and "=>" in line:
            return line.split("=>")[1].strip()
    return None


def add_allocator_options(parser):
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="build directory (default: build)")
    parser.add_argument("--allocator", action="append", default=[], metavar="NAME=PATH",
                        help="add an allocator, or replace the library of one; may be given several times")
    parser.add_argument("--only", metavar="NAME,...", help="these allocators only")


def choose_allocators(options):
    """Ours, the peers that are installed and those asked for. Ours always comes first."""
    paths = {OURS: os.path.join(options.build, "preload", "libtemporal_slab.so")}
    for name, library in PEERS:
        paths[name] = find_library(library) if library else ""
    for text in options.allocator:
        name, separator, path = text.partition("=")
        if not separator or not name:
            sys.exit(f"--allocator takes NAME=PATH, not {text!r}")
        paths[name] = os.path.abspath(path)
    names = options.only.split(",") if options.only else list(paths)
    allocators = []
    for name in names:
        if name not in paths:
            sys.exit(f"no such allocator: {name}; known are {', '.join(paths)}")
        if paths[name] is None:
            progress_line(f"{name} is not installed and is left out")
        elif paths[name] and not os.path.exists(paths[name]):
            sys.exit(f"{name}: no such file: {paths[name]}")
        else:
            allocators.append(Allocator(name, paths[name]))
    return allocators


def environment_for(allocator):
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    if allocator.preload:
        environment["LD_PRELOAD"] = allocator.preload
    return environment


def heading(allocators):
    """The comment that every file starts with: command, machine, versions, and settings in force."""
    settings = [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("TSLAB_")]
    return (f"# command: {' '.join(sys.argv)}; machine: {platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
            f"{platform.system()} {platform.release()}; glibc: {platform.libc_ver()[1]}; settings: "
            f"{' '.join(settings) or 'none'}; allocators: "
            + ", ".join(f"{a.name}={os.path.realpath(a.preload) if a.preload else 'none'}" for a in allocators))


# Running

def turns(allocators, repetition, task_index):
    """Each allocator comes first, second, … equally often, and next to different neighbours."""
    start = (repetition + task_index) % len(allocators)
    order = allocators[start:] + allocators[:start]
    return order if repetition % 2 == 0 else order[::-1]


def run_csv(command, environment, timeout=TIMEOUT_S):
    """Runs a driver; its rows, and why it failed or None."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        return [], f"timeout after {timeout} s"
    except OSError as error:
        return [], str(error)
    if "cannot be preloaded" in done.stderr:
        return [], "the loader did not preload the library"
    rows = [line.split(",") for line in done.stdout.splitlines()
            if line and not line.startswith("#") and not line.startswith("driver,")]
    rows = [row for row in rows if len(row) == 5]
    if done.returncode < 0:
        return rows, f"signal {-done.returncode}"
    if done.returncode > 0:
        last = done.stderr.strip().splitlines()[-1:] or [""]
        return rows, f"exit status {done.returncode}: {last[0]}"
    return rows, None


def samples_of(rows, failure, repetition, position, allocator, driver, case):
    """A failure is one more sample, in the place of the figures it took with it."""
    samples = [Sample(repetition, position, allocator.name, r[0], r[1], r[2], float(r[3]), r[4])
               for r in rows if r[2] != FAILED]
    if failure is not None:
        samples.append(Sample(repetition, position, allocator.name, driver, case, FAILED, math.nan, failure))
    return samples


# Progress, on stderr

_started = time.monotonic()


def progress(done, total, what):
    elapsed = time.monotonic() - _started
    left = elapsed / done * (total - done) if done else 0
    text = f"[{done}/{total}] {elapsed:4.0f} s, about {left:.0f} s left: {what}"
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="" if done < total else "\n", file=sys.stderr, flush=True)
    elif done == total or done % max(1, total // 20) == 0:
        print(text, file=sys.stderr, flush=True)


def progress_line(text):
    print(text, file=sys.stderr, flush=True)


# Statistics

def interval_of_median(values):
    """The median and its 95 % interval, distribution-free: order statistics by the sign test.

    Below six values no such interval reaches 95 %: then it is their whole range and not `confident`.
    """
    values = sorted(values)
    n = len(values)
    drop, tail = -1, 0.0
    while tail + math.comb(n, drop + 1) / 2 ** n <= 0.025:
        drop += 1
        tail += math.comb(n, drop) / 2 ** n
    confident = drop >= 0
    low = max(drop, 0)
    return Interval(statistics.median(values), values[low], values[n - 1 - low], confident)


class Figures:
    """All samples, looked up by figure (driver, case, metric), allocator and repetition.

    Metrics LINE@WHEN are points of a line over time, and kept apart in `lines`.
    """

    def __init__(self, samples):
        self.values = defaultdict(lambda: defaultdict(dict))
        self.units = {}
        self.lines = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
        self.failures = defaultdict(list)
        for s in samples:
            line, is_point, when = s.metric.partition("@")
            if s.metric == FAILED:
                self.failures[(s.driver, s.case, s.allocator)].append(s.unit)
            elif is_point:
                self.lines[(s.driver, s.case, line)][s.allocator][int(when)].append(s.value)
            else:
                self.values[(s.driver, s.case, s.metric)][s.allocator][s.repetition] = s.value
                self.units[(s.driver, s.case, s.metric)] = s.unit

    def keys(self):
        return list(self.values)

    def median(self, key, name):
        values = self.values.get(key, {}).get(name)
        return statistics.median(values.values()) if values else None

    def interval(self, key, name):
        values = self.values[key].get(name)
        return interval_of_median(values.values()) if values else None

    def ratio(self, key, name):
        """Ours to the named one, repetition by repetition; None where either is missing or not positive."""
        ours, theirs = self.values[key].get(OURS, {}), self.values[key].get(name, {})
        pairs = [(ours[r], theirs[r]) for r in ours if r in theirs]
        if not pairs or any(a < 0 or b <= 0 for a, b in pairs):
            return None
        return interval_of_median([a / b for a, b in pairs])

    def line(self, key, name):
        """(when, median) of the points of a line, in order."""
        return [(when, statistics.median(values)) for when, values in sorted(self.lines[key][name].items())]

    def best_peer(self, key, but=None):
        """The one of PEERS with the lowest median over all repetitions: goals are about these, not about guests."""
        medians = [(self.median(key, name), name) for name, _ in PEERS if name != but and name in self.values[key]]
        return min(medians)[1] if medians else None


# Goals

Verdict = namedtuple("Verdict", "goal met interval against")


def verdicts(figures, key):
    """One verdict for each goal on this figure; met is None where it cannot be told."""
    found = []
    for goal in goals_for(*key):
        if goal.where is not None:
            value = figures.median((*key[:2], goal.where[0]), OURS)
            if value is None or value <= goal.where[1]:
                continue
        against = goal.against
        if against in ("best", "best but glibc"):
            against = figures.best_peer(key, against[len("best but "):])
        if against is None and goal.against is not None:
            interval = None
        else:
            interval = figures.interval(key, OURS) if goal.against is None else figures.ratio(key, against)
        met = None if interval is None else interval.low <= goal.limit
        found.append(Verdict(goal, met, interval, against))
    return found


def describe(verdict):
    word = {True: "met", False: "MISSED", None: "unknown"}[verdict.met]
    return f"#{verdict.goal.issue} <= {verdict.goal.limit:g} {word}"


# Tables

def number(value):
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"


def ratio_text(interval):
    if interval is None:
        return "-"
    digits = 2 if interval.low >= 0.1 else 3
    median, low, high = (f"{value:.{digits}f}" for value in interval[:3])
    return f"{median} [{low}-{high}]{'' if interval.confident else '?'}"


def print_columns(heading, rows, file):
    widths = [max(len(row[i]) for row in [heading] + rows) for i in range(len(heading))]
    for row in [heading] + rows:
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        print("  " + "  ".join(cells).rstrip(), file=file)


def print_tables(figures, allocators, file):
    names = [a.name for a in allocators]
    peers = [n for n in names if n != OURS]
    drivers = list(dict.fromkeys(key[0] for key in figures.keys()))
    for driver in drivers:
        keys = [k for k in figures.keys() if k[0] == driver]
        label = {k: f"{k[1]} {k[2]} ({figures.units[k]})" for k in keys}
        print(f"\n{driver}: medians", file=file)
        print_columns(["case"] + names, [[label[k]] + [number(figures.median(k, n)) for n in names] for k in keys],
                      file)
        compared = [k for k in keys if k[2] not in NOT_COMPARED and OURS in figures.values[k]
                    and figures.best_peer(k) is not None]
        if compared:
            print(f"\n{driver}: ours / peer, median of paired ratios with its 95 % interval", file=file)
            rows = []
            for k in compared:
                best = figures.best_peer(k)
                goals = "; ".join(describe(v) for v in verdicts(figures, k))
                rows.append([label[k]] + [ratio_text(figures.ratio(k, n)) for n in peers]
                            + [f"{ratio_text(figures.ratio(k, best))} {best}", goals])
            print_columns(["case"] + peers + ["best peer", "goal"], rows, file)


def goal_row(figures, key, verdict, label):
    interval = verdict.interval
    if interval is None:
        measured = "-"
    elif verdict.against:
        measured = ratio_text(interval)
    else:
        measured = f"{number(interval.median)} [{number(interval.low)}-{number(interval.high)}]"
    target = f"ours / {verdict.against}" if verdict.against else figures.units[key]
    return [label, target, measured, describe(verdict)]


def print_goals(figures, file):
    """Missed goals first. Many cases of one goal with the same verdict share a line, which shows the worst."""
    groups = defaultdict(list)
    for key in figures.keys():
        for verdict in verdicts(figures, key):
            groups[(verdict.goal, verdict.met)].append((key, verdict))
    rows = []
    for (goal, _), members in sorted(groups.items(), key=lambda group: group[0][1] is True):
        if len(members) <= 4:
            rows += [goal_row(figures, key, verdict, " ".join(key)) for key, verdict in members]
        else:
            key, verdict = max(members, key=lambda m: m[1].interval.median if m[1].interval else math.inf)
            label = f"{goal.driver} {goal.metric}: {len(members)} cases, the worst is {key[1]}"
            rows.append(goal_row(figures, key, verdict, label))
    if rows:
        print("\ngoals (met when the 95 % interval includes the limit or lies below it)", file=file)
        print_columns(["figure", "of", "measured", "goal"], rows, file)


def print_failures(figures, file):
    if figures.failures:
        print("\nfailures", file=file)
        rows = [[f"{d} {c}", name, str(len(reasons)), reasons[0]]
                for (d, c, name), reasons in figures.failures.items()]
        print_columns(["case", "allocator", "times", "first reason"], rows, file)


# Files

def write_raw(path, comment, samples):
    with open(path, "w", encoding="utf-8", newline="") as file:
        print(comment, file=file)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Sample._fields)
        writer.writerows(samples)


def write_summary(path, comment, figures, allocators):
    with open(path, "w", encoding="utf-8", newline="") as file:
        print(comment, file=file)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["driver", "case", "metric", "unit", "allocator", "runs", "median", "low", "high",
                         "ours_ratio", "ours_ratio_low", "ours_ratio_high"])
        for key in figures.keys():
            for allocator in allocators:
                interval = figures.interval(key, allocator.name)
                if interval is None:
                    continue
                ratio = figures.ratio(key, allocator.name) if allocator.name != OURS else None
                writer.writerow([*key, figures.units[key], allocator.name, len(figures.values[key][allocator.name]),
                                 *interval[:3], *(ratio[:3] if ratio else ("", "", ""))])


def finish(out, samples, allocators):
    """Writes the files, prints the tables, and returns the figures."""
    os.makedirs(out, exist_ok=True)
    comment = heading(allocators)
    figures = Figures(samples)
    write_raw(os.path.join(out, "raw.csv"), comment, samples)
    write_summary(os.path.join(out, "summary.csv"), comment, figures, allocators)
    with open(os.path.join(out, "tables.txt"), "w", encoding="utf-8") as tables:
        for file in (tables, sys.stdout):
            print(comment, file=file)
            print_tables(figures, allocators, file)
            print_goals(figures, file)
            print_failures(figures, file)
    return figures
