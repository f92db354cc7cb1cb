#!/usr/bin/python3
"""A profiled program's files: the right sites, in the tools that people read them with.

usage: profile.py LIBRARY PROGRAM leak|pin alone|threads|fork|first_ends
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

RATE = 8192
READERS = {"google-pprof": "google-perftools", "jeprof": "libjemalloc-dev"}


def fail(what):
    sys.exit(f"FAILED: {what}")


def read(path):
    with open(path) as file:
        return file.read()


def ranking(reader, program, profile, *options):
    """Function names and their own megabytes, the largest first."""
    if shutil.which(reader) is None:
        fail(f"{reader} is not installed: it is in Debian's package {READERS[reader]}")
    done = subprocess.run([reader, "--text", *options, program, profile], capture_output=True, text=True,
                          timeout=100, check=False)
    rows = re.findall(r"^ *([\d.]+) +[\d.]+% +[\d.]+% +[\d.]+ +[\d.]+% (.*)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not rows:
        fail(f"{reader} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return [(name.removesuffix(" (inline)"), float(megabytes)) for megabytes, name in rows]


def check_ranking(program, profile, options, name, megabytes):
    for reader in READERS:
        rows = ranking(reader, program, profile, *options)
        if rows[0][0] != name:
            fail(f"{reader} {options} names {rows[:3]}, not {name}, in {profile}")
        if not 0.8 * megabytes < rows[0][1] < 1.2 * megabytes:
            fail(f"{reader} {options} says {rows[0]}, not about {megabytes:.1f} MB, in {profile}")


def check_leak(program, base, how):
    times = 4 if how == "threads" else 1
    check_ranking(program, base + ".heap", ["--inuse_space"], "leaking_site", times * 100_000 * 199.5 / 2**20)
    check_ranking(program, base + ".heap", ["--alloc_space"], "passing_site", times * 400_000 * 300 / 2**20)
    rows = re.findall(r"^((?: +\d+){17})\n +(\S+)$", read(base + ".lifetimes"), re.MULTILINE)
    lifetimes = {name: [int(number) for number in numbers.split()] for numbers, name in rows}
    freed = lifetimes["passing_site"]
    if not 0.8 * times * 400_000 < freed[0] + freed[1] < 1.2 * times * 400_000 or sum(freed[2:]) > freed[0] * 0.05:
        fail(f"lifetimes of what is freed at once: {freed}")
    kept = lifetimes["leaking_site"]
    if sum(kept[:-1]) != 0 or not 0.8 * times * 100_000 < kept[-1] < 1.2 * times * 100_000:
        fail(f"lifetimes of what is never freed: {kept}")


def check_pin(program, base, how):
    times = 4 if how == "threads" else 1
    check_ranking(program, base + ".heap", ["--inuse_space"], "dense_site", times * 100_000 * 320 / 2**20)
    table = read(base + ".pinners")
    rows = re.findall(r"^ +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)\n +(\S+)$", table, re.MULTILINE)
    if not rows or rows[0][5] != "pinning_site":
        fail(f"the first pinner is not pinning_site:\n{table}")
    pinned, _, objects, bytes_, _ = map(int, rows[0][:5])
    made = times * 4_000
    # Some sixty samples stand for all, so their spread is an eighth.
    if not 0.4 * made < objects < 1.6 * made or not 110 * objects < bytes_ < 145 * objects or pinned == 0:
        fail(f"what pinning_site pins:\n{table}")
    stacks = [line.rsplit(" ", 1) for line in read(base + ".folded").splitlines()]
    most = max(stacks, key=lambda stack: int(stack[1]))[0].split(";")
    if most[-1] != "pinning_site" or (how in ("alone", "fork") and "main" not in most):
        fail(f"the widest folded stack is {most}")


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    library, program, work, how = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="tslab-") as folder:
        environment = {"PATH": os.environ["PATH"], "LD_PRELOAD": library, "TSLAB_PROFILE": str(RATE),
                       "TSLAB_PROFILE_FILE": folder + "/%p", "TSLAB_EPOCH_BYTES": "4M", "TSLAB_BUDGET": "100"}
        done = subprocess.run([program, work, how], env=environment, capture_output=True, text=True, timeout=100,
                              check=False)
        if done.returncode != 0 or done.stderr:
            fail(f"{program} {work} {how} ended with {done.returncode}: {done.stderr}")
        files = sorted(os.listdir(folder))
        processes = sorted({name.split(".")[0] for name in files})
        due = sorted(f"{process}.{kind}" for process in processes for kind in ("folded", "heap", "lifetimes", "pinners"))
        if files != due or len(processes) != (2 if how == "fork" else 1):
            fail(f"the files written are {files}")
        for process in processes:
            check = check_leak if work == "leak" else check_pin
            check(program, os.path.join(folder, process), how)
    print("google-pprof, jeprof and the tables name the right sites")


main()
