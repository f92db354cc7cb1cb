"""Plots of a comparison, drawn by gnuplot as PNG and SVG."""

import os
import re
import shutil
import subprocess

from paired import OURS, progress_line

COLOURS = {OURS: "#d62728", "glibc": "#7f7f7f", "jemalloc": "#1f77b4", "mimalloc": "#2ca02c",
           "gperftools": "#ff7f0e"}
MORE_COLOURS = ["#9467bd", "#8c564b", "#e377c2", "#17becf"]
TERMINALS = {"png": "pngcairo size {width},{height} font 'DejaVu Sans,11'",
             "svg": "svg size {width},{height} font 'DejaVu Sans,11' background '#ffffff'"}

# The distance from 1 at which each percentile is drawn. The greatest of some million calls has no place of its own.
PERCENTILES = [("p50", 0.5), ("p90", 0.1), ("p99", 0.01), ("p99.9", 1e-3), ("p99.99", 1e-4), ("p99.999", 1e-5)]


def colour(names, name):
    others = [n for n in names if n not in COLOURS]
    return COLOURS.get(name) or MORE_COLOURS[others.index(name) % len(MORE_COLOURS)]


def quoted(text):
    return "'" + text.replace("'", "''").replace("_", " ") + "'"


def in_data(text):
    return '"' + text.replace("_", " ") + '"'


def draw(out, name, width, height, script):
    for suffix, terminal in TERMINALS.items():
        path = os.path.join(out, f"{name}.{suffix}")
        text = f"set terminal {terminal.format(width=width, height=height)}\nset output '{path}'\n{script}\n"
        done = subprocess.run(["gnuplot"], input=text, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            progress_line(f"gnuplot could not draw {path}: {done.stderr.strip().splitlines()[-1:]}")


def bars(figures, keys, base, names, value, title, name, out):
    """One cluster per case and one bar per allocator that has figures; `base` is 1 by definition."""
    names = [n for n in names if any(figures.median(k, n) is not None for k in keys)]
    lines = ["$data << END"]
    for key in keys:
        cells = [figures.median(key, n) for n in names]
        lines.append(" ".join([in_data(key[1])] + [f"{value(c, figures.median(key, base)):.4f}" if c else "NaN"
                                                   for c in cells]))
    lines += ["END", f"set title {quoted(title)}", "set style data histogram", "set style histogram clustered gap 1",
              "set style fill solid 0.9 noborder", "set boxwidth 0.9", "set yrange [0:*]",
              "set grid ytics lc '#dddddd'", "set key outside top center horizontal",
              "set xtics rotate by -30 nomirror", "set rmargin 12"]
    lines.append("plot " + ", ".join(
        f"$data using {i + 2}{':xtic(1)' if i == 0 else ''} title {quoted(n)} lc rgb '{colour(names, n)}'"
        for i, n in enumerate(names)))
    draw(out, name, min(1800, max(900, 60 + 14 * len(keys) * (len(names) + 1))), 480, "\n".join(lines))


def throughput_bars(figures, names, driver, out):
    base = "glibc" if "glibc" in names else OURS
    keys = [k for k in figures.keys() if k[0] == driver and k[2] == "time" and figures.median(k, base)]
    if keys:
        bars(figures, keys, base, names, lambda time, base_time: base_time / time,
             f"{driver}: operations per second, {base} = 1 (higher is better)", driver, out)


def latency_curves(figures, names, case, out):
    """Percentiles of malloc and of free side by side, all axes logarithmic."""
    tics = ", ".join(f"'{label[1:]}%%' {1 / distance:g}" for label, distance in PERCENTILES)
    lines = ["set multiplot layout 1,2", "set logscale xy", f"set xtics ({tics})", "set grid lc '#dddddd'",
             "set key top left", "set xlabel 'percentile of calls'", "set ylabel 'ns'", "set format y '%.0f'",
             "set rmargin 6"]
    drawn = False
    for call in ("malloc", "free"):
        plots = []
        for index, name in enumerate(names):
            points = []
            for label, distance in PERCENTILES:
                value = figures.median(("latency", case, f"{call}_{label}"), name)
                if value is not None:
                    points.append(f"{1 / distance:g} {max(value, 1):.4g}")
            if points:
                lines += [f"${call}{index} << END", *points, "END"]
                plots.append(f"${call}{index} with linespoints pt 7 ps 0.6 lw 2 lc rgb '{colour(names, name)}' "
                             f"title {quoted(name)}")
        if plots:
            drawn = True
            lines += [f"set title {quoted(f'{call}, {case}')}", "plot " + ", ".join(plots)]
    if drawn:
        lines.append("unset multiplot")
        draw(out, "latency_" + re.sub(r"\W+", "_", case), 1200, 480, "\n".join(lines))


def program_bars(figures, names, out):
    for metric, what in (("wall", "wall time"), ("cpu", "CPU time"), ("peak", "peak resident size")):
        keys = [k for k in figures.keys() if k[0] == "programs" and k[2] == metric and figures.median(k, "glibc")]
        if keys:
            bars(figures, keys, "glibc", names, lambda value, base_value: value / base_value,
                 f"{what}, glibc = 1 (lower is better)", f"programs_{metric}", out)


def lines_over_time(figures, names, driver, case, out):
    """Resident memory of each allocator, and the live bytes, which are the same for all, as an area below."""
    resident = {n: figures.line((driver, case, "resident"), n) for n in names}
    live = next((points for n in names if (points := figures.line((driver, case, "live"), n))), [])
    lines = ["set yrange [0:*]", "set grid lc '#dddddd'", "set key outside top center horizontal", "set rmargin 6",
             f"set title {quoted(f'{driver}: {case}')}", "set ylabel 'MiB'", "set xlabel 'time'", "set format x ''" if
             len(live) < 100 else "set xlabel 'cycle'"]
    plots = []
    for index, points in enumerate([live, *resident.values()]):
        lines += [f"$line{index} << END", *(f"{when} {value:.4f}" for when, value in points), "END"]
    plots.append("$line0 with filledcurves y1=0 fc rgb '#e6e6e6' title 'live'")
    plots += [f"$line{i + 1} with lines lw 2 lc rgb '{colour(names, n)}' title {quoted(n)}"
              for i, n in enumerate(names) if resident[n]]
    draw(out, f"{driver}_{re.sub(r'[^a-z0-9]+', '_', case.lower())}", 900, 480, "\n".join(lines + ["plot " + ", ".join(plots)]))


def draw_all(figures, allocators, out):
    if shutil.which("gnuplot") is None:
        progress_line("gnuplot is not installed: no plots")
        return
    names = [a.name for a in allocators]
    for driver in dict.fromkeys(k[0] for k in figures.keys()):
        throughput_bars(figures, names, driver, out)
    for case in dict.fromkeys(k[1] for k in figures.keys() if k[0] == "latency"):
        latency_curves(figures, names, case, out)
    program_bars(figures, names, out)
    for driver, case, line in list(figures.lines):
        if line == "resident":
            lines_over_time(figures, names, driver, case, out)
